# Sourced: runs Debian's unmodified Libreswan in network namespaces, several
# instances side by side, each with files of its own. Nothing of the system's
# own configuration (/etc/ipsec.*, /run/pluto, /var/lib/ipsec) is read or
# written.
# shellcheck shell=bash
#
#   swan_init                 makes the directory $swan_base for all of them
#   swan_conf NODE NETNS LISTEN-TCP < CONNS
#                             makes the node's directory $swan_base/NODE and
#                             its ipsec.conf; LISTEN-TCP is yes or no
#   swan_start NODE [CONN]    starts its pluto, waits until it listens (and
#                             has loaded CONN)
#   swan_stop NODE            stops it as "ipsec stop" would; fails if it had
#                             to be killed or had died before
#   swan_alive NODE           its pluto runs
#   swan NODE COMMAND...      "ipsec COMMAND..." for that instance
#   swan_whack NODE ARG...    "ipsec whack ARG..." for that instance
#   swan_log NODE REGEX [SECONDS] [SKIP]
#                             prints the first line of the log that matches
#                             (behind the first SKIP lines); waits for it at
#                             most SECONDS (default 0)
#   swan_mark NODE            prints how many lines the log has
#   swan_cleanup              stops all of them, removes the files
#
# The pre-shared key is only for test networks, of course.

swan_base=
swan_exec=/usr/libexec/ipsec
declare -A swan_pid
swan_in=()

swan_init() {
	swan_base=$(mktemp -d /tmp/swan.XXXXXX)
	# One empty key database serves all: PSK needs none, NSS wants one.
	mkdir "$swan_base/nss"
	certutil -N -d "sql:$swan_base/nss" --empty-password
}

swan_conf() {
	local node=$1 listen_tcp=$3 dir=$swan_base/$1
	mkdir -p "$dir/run" "$dir/ipsec.d"
	echo "$2" >"$dir/netns"
	cp -r "$swan_base/nss" "$dir/"
	cat >"$dir/ipsec.secrets" <<-SECRETS
		%any : PSK "a-test-network-has-no-secrets-0123456789"
	SECRETS
	chmod 600 "$dir/ipsec.secrets"
	{
		cat <<-SETUP
			config setup
			    logfile=$dir/log
			    logtime=no
			    dumpdir=$dir
			    listen-tcp=$listen_tcp
			    plutodebug=${SWAN_DEBUG:-none}

		SETUP
		cat
	} >"$dir/ipsec.conf"
}

# Sets swan_in to the words that go before a command of the node. ("ip netns
# exec" would do more: hide /sys behind a new mount.)
swan_enter() {
	local dir=$swan_base/$1
	swan_in=(nsenter --net="/run/netns/$(<"$dir/netns")"
		env IPSEC_CONF="$dir/ipsec.conf" IPSEC_CONFDDIR="$dir/ipsec.d"
		IPSEC_RUNDIR="$dir/run" IPSEC_NSSDIR="$dir/nss")
}

swan() {
	swan_enter "$1"
	shift
	"${swan_in[@]}" ipsec "$@"
}

swan_whack() {
	local dir=$swan_base/$1
	swan_enter "$1"
	shift
	"${swan_in[@]}" "$swan_exec/whack" --ctlsocket "$dir/run/pluto.ctl" "$@"
}

swan_alive() {
	[[ -n ${swan_pid[$1]:-} ]] && kill -0 "${swan_pid[$1]}" 2>/dev/null
}

swan_mark() {
	wc -l <"$swan_base/$1/log"
}

swan_log() {
	local log=$swan_base/$1/log end=$((SECONDS + ${3:-0})) skip=${4:-0}
	while :; do
		[[ -f $log ]] && tail -n +$((skip + 1)) "$log" | grep -E -m 1 -e "$2" && return 0
		((SECONDS < end)) && swan_alive "$1" || return 1
		sleep 0.2
	done
}

swan_start() {
	local node=$1 conn=${2:-} dir=$swan_base/$1
	: >"$dir/log"
	swan_enter "$node"
	# A simple command, so that $! is pluto itself.
	"${swan_in[@]}" "$swan_exec/pluto" --nofork --config "$dir/ipsec.conf" \
		--rundir "$dir/run" --nssdir "$dir/nss" --ipsecdir "$dir/ipsec.d" \
		--secretsfile "$dir/ipsec.secrets" --logfile "$dir/log" \
		</dev/null >"$dir/stdout" 2>&1 &
	swan_pid[$node]=$!
	swan_log "$node" '^listening for IKE messages' 60 >/dev/null &&
		swan_log "$node" "^loading secrets" 60 >/dev/null &&
		{ [[ -z $conn ]] || swan_log "$node" "\"$conn\": added IKEv2 connection" 60 >/dev/null; } &&
		return 0
	echo "# pluto of $node did not come up:"
	sed 's/^/#   /' "$dir/stdout" "$dir/log"
	return 1
}

swan_stop() {
	local node=$1 pid=${swan_pid[$1]:-} try status=0
	[[ -n $pid ]] || return 0
	unset "swan_pid[$node]"
	if kill -0 "$pid" 2>/dev/null; then
		timeout 20 "$swan_exec/whack" --shutdown \
			--ctlsocket "$swan_base/$node/run/pluto.ctl" >/dev/null 2>&1
		for ((try = 0; try < 100; try++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.2
		done
		if kill -0 "$pid" 2>/dev/null; then
			kill -KILL "$pid"
			status=1
		fi
	fi
	wait "$pid" 2>/dev/null || status=1
	return $status
}

swan_cleanup() {
	local node
	for node in "${!swan_pid[@]}"; do
		swan_stop "$node" || true
	done
	[[ -z $swan_base ]] || rm -rf "$swan_base"
	swan_base=
}
