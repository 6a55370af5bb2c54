# Sourced by scenarios, in the guest, after tests/lib/tap.sh, net.sh and
# tests/scenario/lib.sh: hosts with charon and iketcpd. Built before:
# .build/iketcpd/iketcpd.
# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of lib.sh, and of who calls us
# shellcheck source=tests/interop/charon.sh
. tests/interop/charon.sh

# finish() and logs() are about the namespaces in $hosts.
hosts=(A B)
daemon=$PWD/.build/iketcpd/iketcpd
declare -A daemon_pid

at() { # NS FAMILY: address, as it stands before a port
	if [[ $2 == 6 ]]; then echo "[$(net_address "$1" 6)]"; else net_address "$1" 4; fi
}

# daemon_start NS: with $state.NS.conf
daemon_start() {
	: >"$state.$1.log"
	nsenter --net="/run/netns/$1" "$daemon" -c "$state.$1.conf" -s "$state.run.$1/status" \
		2>>"$state.$1.log" </dev/null &
	daemon_pid[$1]=$!
	wait_until 20 said "$1" started
}

said() { grep -q -E "$2" "$state.$1.log"; }
status() { "$daemon" --status -s "$state.run.$1/status"; }
shows() { status "$1" | grep -q -E "$2"; }
is_shown() { wait_until 30 shows "$1" "$2" || { status "$1"; return 1; }; }

daemon_kill() {
	kill -KILL "${daemon_pid[$1]}"
	wait "${daemon_pid[$1]}" 2>/dev/null
	return 0
}
daemon_stop() { kill "${daemon_pid[$1]}" && wait "${daemon_pid[$1]}"; }

# conn NS FAMILY [LINE...]: a connection, as NS has it
conn() {
	local me=$1 family=$2 other=B bits=32 line
	[[ $me == A ]] || other=A
	[[ $family == 4 ]] || bits=128
	shift 2
	cat <<-CONF
		connections {
			t {
				version = 2
				local_addrs = $(net_address "$me" "$family")
				remote_addrs = ${remote:-$(net_address $other "$family")}
				encap = yes
				proposals = aes128gcm16-prfsha256-ecp256
				local {
					auth = psk
					id = $me.test
				}
				remote {
					auth = psk
					id = $other.test
				}
				children {
					c {
						local_ts = $(inner "$me" "$family")/$bits
						remote_ts = $(inner $other "$family")/$bits
						esp_proposals = aes128gcm16
					}
				}
	CONF
	for line; do echo "				$line"; done
	printf '\t}\n}\n'
}

begin() {
	local n
	# shellcheck disable=SC2119 # its argument is another
	net_up && inner_up || return
	wire_drop_udp_esp
	for n in "${hosts[@]}"; do
		rm -rf "$state.run.$n" "$state.charon.$n"
	done
}

# counts NS: a line for each of its states: "out" or "in", SPI, packets
counts() {
	local me
	me=$(net_address "$1" "$family")
	[[ $1 != A || -z ${moved:-} ]] || me=$moved
	ip -n "$1" -s xfrm state | awk -v me="$me" '
		/^src / { way = $2 == me ? "out" : "in" }
		/ spi / { sub(/.* spi /, ""); spi = $1 }
		/lifetime current:/ { getline; split($0, f, /[^0-9]+/); print way, spi, f[3] }'
}

# rose NS BEFORE: packets that its states have counted since counts said so, out and
# in. States that have gone count nothing, new ones all.
rose() {
	{ echo "$2"; echo; counts "$1"; } | awk '
		!NF { now = 1 }
		NF && !now { before[$1 $2] = $3 }
		NF && now { n[$1] += $3 - before[$1 $2] }
		END { print n["out"] + 0, n["in"] + 0 }'
}

# through NS [OTHER]: a ping is answered, and it was in states both ways
through() {
	local other=${2:-B} before out in
	[[ $1 != B || -n ${2:-} ]] || other=A
	before=$(counts "$1")
	ns "$1" ping -n -q -c 3 -i 0.2 -W 2 -I "$(inner "$1" "$family")" "$(inner "$other" "$family")" ||
		return
	read -r out in < <(rose "$1" "$before")
	echo "packets out $out, in $in"
	((out >= 3 && in >= 3))
}
# The first may be lost while one side does not know yet.
passes() { wait_until 40 through "$@" || through "$@"; }

bulk() {
	local got
	spawn B iperf3 -s -1 -p 5201
	wait_until 10 listens || return
	got=$(ns A timeout 60 iperf3 -c "$(inner B "$family")" -B "$(inner A "$family")" -n 4M -J "$@" |
		jq .end.sum_received.bytes)
	echo "$got bytes"
	# Much of it is under way when the sender is done.
	((got > 1000000))
}
listens() { ns B ss -Hltn sport = :5201 | grep -q .; }

rekeyed() { # NS WHAT NUMBER-BEFORE
	(($(charon_log "$1" | grep -c "$2") > $3))
}

rekey() { # NS --child|--ike NAME WORDS
	local before
	before=$(charon_log "$1" | grep -c "$4")
	sctl "$1" --rekey "$2" "$3" && wait_until 30 rekeyed "$1" "$4" "$before"
}

states() { (($(ip -n "$1" xfrm state | grep -c 'encap type espinudp') == $2)); }
no_states() { states A 0 && states B 0; }
nothing_dropped() { [[ $(wire_dropped udp) == 0 && $(wire_dropped esp) == 0 ]]; }

connection() { # NS: its line, without what changes
	status "$1" | sed -n 's/^connection \(.* > [^ ]* bridged\).*/\1/p'
}
other_connection() { [[ -n $(connection A) && $(connection A) != "$1" ]]; }

finish() {
	local n
	for n in "${hosts[@]}"; do
		[[ ! -e $state.run.$n/status ]] || try "$n: iketcpd ends" daemon_stop "$n"
		try "$n: nothing is left of it" test ! -e "$state.run.$n/status"
		try "$n: charon ends" charon_stop "$n"
	done
	for n in "${hosts[@]}"; do
		try "$n: no drop that should not be" no_faults_of "$n"
	done
	[[ $tap_failed == "$failed" ]] || logs
	net_down
}
# What is lost around a connection's end is no fault. By UDP, packets of one CPU
# overtake those of another: where some go so, $overtaken is StateSeq.
no_faults_of() {
	ns "$1" grep -E '^XfrmIn(Hdr|StateProto|StateMode|StateSeq|StateMismatch|TmplMismatch|Buffer)[A-Za-z]*Error.*[1-9]' \
		/proc/net/xfrm_stat | awk -v but="XfrmIn${overtaken:-Nothing}Error" '
			$1 != but { print; bad = 1 }
			END { exit bad }'
}

logs() {
	local n
	for n in "${hosts[@]}"; do
		diag "iketcpd $n: $(<"$state.$n.log")"
		diag "$(ns "$n" grep -v -E '\s0$' /proc/net/iketcp_stat)"
		diag "charon $n: $(charon_log "$n" | grep -v -E 'DMN|LIB|loaded' | tail -n 60)"
	done
}
