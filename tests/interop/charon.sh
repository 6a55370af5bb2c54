# Sourced: runs Debian's unmodified strongSwan (charon-systemd, swanctl) in network
# namespaces, several instances side by side, each with files of its own.
# shellcheck shell=bash
#
#   charon_conf NODE PATH < SWANCTL.CONF
#                             makes the node's directory PATH, with what charon
#                             and swanctl read; NODE is a namespace, too;
#                             $charon_words is a setting of charon's
#   charon_start NODE PATH    starts its charon, and loads the configuration
#   charon_stop NODE          ends it; fails if it had died before
#   charon_kill NODE          ends it as a crash would
#   sctl NODE ARG...          "swanctl ARG..." for that instance
#   charon_log NODE           its log since it was started first
#
# The pre-shared key is only for test networks, of course.

declare -A charon_pid charon_dir

charon_conf() {
	local node=$1 dir=$2
	mkdir -p "$dir"
	charon_dir[$node]=$dir
	# Debian's own, but for files of its own and for less patience.
	cat >"$dir/strongswan.conf" <<-CONF
		charon-systemd {
			load = random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 x509 pubkey kernel-netlink socket-default vici updown
			retransmit_timeout = 1.0
			retransmit_base = 1.3
			keep_alive = 2
			${charon_words:-}
			plugins {
				vici {
					socket = unix://$dir/vici
				}
			}
			filelog {
				log {
					path = $dir/log
					default = 1
					flush_line = yes
				}
			}
		}
		swanctl {
			load = pem pkcs1 x509 openssl random
		}
	CONF
	{
		cat
		cat <<-CONF
			secrets {
				ike {
					secret = "a-test-network-has-no-secrets-0123456789"
				}
			}
		CONF
	} >"$dir/swanctl.conf"
}

sctl() {
	local dir=${charon_dir[$1]}
	shift
	STRONGSWAN_CONF=$dir/strongswan.conf timeout 100 swanctl "$@" --uri "unix://$dir/vici"
}

charon_start() {
	local node=$1 dir=${charon_dir[$1]}
	rm -f "$dir/vici"
	STRONGSWAN_CONF=$dir/strongswan.conf nsenter --net="/run/netns/$node" \
		/usr/sbin/charon-systemd >>"$dir/stdout" 2>&1 </dev/null &
	charon_pid[$node]=$!
	wait_until 30 test -S "$dir/vici" && sctl "$node" --load-all --file "$dir/swanctl.conf"
}

charon_stop() {
	local pid=${charon_pid[$1]}
	kill "$pid" && wait "$pid"
}

charon_kill() {
	kill -KILL "${charon_pid[$1]}"
	wait "${charon_pid[$1]}" 2>/dev/null
	return 0
}

charon_log() { cat "${charon_dir[$1]}/log"; }
