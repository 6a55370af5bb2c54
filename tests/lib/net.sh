# Sourced by scenarios, in the guest: two hosts and a router between them.
# shellcheck shell=bash
#
#     A                       R                        B
#     10.1.0.1/24  toR ── toA   toB ── toR  10.2.0.1/24
#     fd00:1::1/64     (.254, ::fe on R)    fd00:2::1/64
#
#   net_up [gro]             makes the namespaces A, R, B; with "gro", the
#                            hosts' devices have it on, as a NIC would
#   net_third                one more host, C: 10.3.0.1, fd00:3::1
#   net_down                 ends what still runs in them and removes them
#   ns A COMMAND…            runs COMMAND in namespace A
#   net_address NS 4|6       the address of A, B or C
#   wire_drop_udp_esp        R drops UDP, ESP and AH from now on, and counts
#   wire_dropped udp|esp     how many packets it dropped
#   wire_pass                R passes everything again
#   wire_cut, wire_join      R drops everything; and no longer does
#   wait_until SECONDS COMMAND…    until COMMAND succeeds; fails after that
#   sa_counter NS SPI        "BYTES PACKETS" of the SA with that SPI (0x…)
#   xfrm_stat NS NAME        a counter of /proc/net/xfrm_stat
#   iketcp_stat NS NAME      a counter of /proc/net/iketcp_stat
#
# A ping that is answered proves nothing: without an SA and a policy that
# blocks it goes in the clear. Look at sa_counter.

# Not "ip netns exec": it mounts a new /sys each time, and that takes long.
ns() {
	local name=$1
	shift
	nsenter --net="/run/netns/$name" -- "$@"
}

net_address() {
	case $1$2 in
	A4) echo 10.1.0.1 ;;
	B4) echo 10.2.0.1 ;;
	C4) echo 10.3.0.1 ;;
	A6) echo fd00:1::1 ;;
	B6) echo fd00:2::1 ;;
	C6) echo fd00:3::1 ;;
	*) return 1 ;;
	esac
}

# As few processes as possible: each takes long in an emulated guest.
net_link() {
	local host=$1 n=$2
	ip -n "$host" -batch - <<-END && ip -n R -batch - <<-END || return
		link set lo up
		link add toR type veth peer name to$host netns R
		addr add 10.$n.0.1/24 dev toR
		addr add fd00:$n::1/64 dev toR nodad
		link set toR up
		route add default via 10.$n.0.254
		route add default via fd00:$n::fe
	END
		link set lo up
		addr add 10.$n.0.254/24 dev to$host
		addr add fd00:$n::fe/64 dev to$host nodad
		link set to$host up
	END
	if [[ -n $net_gro ]]; then
		ns "$host" ethtool -K toR gro on || return
	fi
}

net_space() {
	# shellcheck disable=SC2016 # for the shell inside
	ip netns add "$1" && ns "$1" bash -c '
		cd /proc/sys/net/ipv6/conf &&
		echo 0 >all/accept_dad && echo 0 >default/accept_dad &&
		echo 0 >default/accept_ra && echo 0 >default/router_solicitations &&
		if [[ $1 == R ]]; then
			echo 1 >all/forwarding && echo 1 >../../ipv4/ip_forward
		fi' bash "$1"
}

net_up() {
	local name
	net_gro=${1:-}
	for name in A R B; do
		net_space "$name" || return
	done
	net_link A 1 && net_link B 2 && wait_until 20 net_settled
}

net_third() { net_space C && net_link C 3; }

# Carrier, addresses, neighbours.
net_settled() {
	ns A ping -q -c 1 -W 1 10.2.0.1 && ns A ping -q -c 1 -W 1 fd00:2::1
}

net_down() {
	local name pid
	for name in A R B C; do
		[[ -e /run/netns/$name ]] || continue
		# All in there was started by the scenario.
		for pid in $(ip netns pids "$name"); do
			[[ $pid == "$$" ]] || kill -KILL "$pid" 2>/dev/null
		done
		# States and policies hold our module until the namespace is gone for
		# good, which happens later, in a worker: flush now.
		ip -n "$name" xfrm policy flush
		ip -n "$name" xfrm state flush
		ip netns del "$name"
	done
}

wire_drop_udp_esp() {
	wire_pass
	ns R nft -f - <<-'END'
		table inet wire {
			counter dropped_udp { }
			counter dropped_esp { }
			chain forward {
				type filter hook forward priority 0;
				meta l4proto udp counter name dropped_udp drop
				meta l4proto { esp, ah } counter name dropped_esp drop
			}
		}
	END
}

wire_dropped() {
	ns R nft list counter inet wire "dropped_$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

wire_pass() {
	ns R nft delete table inet wire 2>/dev/null || true
}

wire_cut() {
	wire_join
	ns R nft -f - <<-'END'
		table inet cut {
			chain forward {
				type filter hook forward priority -10; policy drop;
			}
		}
	END
}

wire_join() {
	ns R nft delete table inet cut 2>/dev/null || true
}

wait_until() {
	local end=$((SECONDS + $1 * ${IKETCP_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

sa_counter() {
	ip -n "$1" -s xfrm state list spi "$2" | awk '
		/lifetime current:/ { getline; split($0, field, /[^0-9]+/); print field[2], field[3]; found = 1 }
		END { exit !found }'
}

# A counter that is not there is an error, not 0.
net_stat() {
	# shellcheck disable=SC2016 # for awk
	ns "$1" awk -v name="$3" '$1 == name { print $2; found = 1 } END { exit !found }' "/proc/net/$2"
}

xfrm_stat() { net_stat "$1" xfrm_stat "$2"; }
iketcp_stat() { net_stat "$1" iketcp_stat "$2"; }
