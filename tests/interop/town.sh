# Sourced: the network that the Libreswan scenarios and the demonstration
# share. Two gateways, and between them a provider that lets through neither
# UDP nor ESP:
#
#    10.1.0.1           198.51.100.1      203.0.113.1           10.2.0.1
#    fd01::1     west   2001:db8:1::1     2001:db8:2::1  east   fd02::1
#                  `------ w0  wire  e0 ---------'
#
# shellcheck shell=bash
# shellcheck source=tests/interop/swan.sh
. "${BASH_SOURCE%/*}/swan.sh"
#
#   town_up                   makes the namespaces $west, $wire and $east
#   town_down                 stops everything that runs there, removes them
#   town_counter NAME         packets the provider dropped (dropped_udp,
#                             dropped_esp) or let through (passed_tcp)
#   town_conns FAMILY KEY=VALUE...
#                             prints an ipsec.conf "conn tunnel" good for both
#                             ends, FAMILY (4 or 6) inside and outside; a KEY
#                             replaces the default, an empty VALUE removes it
#   in_west, in_wire, in_east COMMAND...
#   sa_field NODE DIRECTION FIELD   sums FIELD (bytes or packets) of all
#                             states of that DIRECTION: "out" has the node's
#                             own outer address as source, "in" as target
#   sa_count NODE             how many states are carried over TCP
#   sa_spis NODE DIRECTION    their SPIs
#   xfrm_stat NODE NAME       a counter of /proc/net/xfrm_stat
#   town_logs                 prints what both plutos logged since they started
#   await SECONDS COMMAND...  repeats the command, quietly, until it succeeds
#   step DESCRIPTION COMMAND...
#                             like tap.sh's check, but in this very shell, for
#                             commands that start things; always shows what
#                             they print

town_tag=${TOWN_TAG:-iketcp}
west=$town_tag-west wire=$town_tag-wire east=$town_tag-east

declare -A outer4=([west]=198.51.100.1 [east]=203.0.113.1)
declare -A outer6=([west]=2001:db8:1::1 [east]=2001:db8:2::1)
declare -A inner4=([west]=10.1.0.1 [east]=10.2.0.1)
declare -A inner6=([west]=fd01::1 [east]=fd02::1)
# shellcheck disable=SC2034 # by reference, in town_conns
declare -A nets4=([west]=10.1.0.0/24 [east]=10.2.0.0/24)
# shellcheck disable=SC2034
declare -A nets6=([west]=fd01::/64 [east]=fd02::/64)

in_ns() { local ns=$1; shift; nsenter --net="/run/netns/$ns" "$@"; }
in_west() { in_ns "$west" "$@"; }
in_wire() { in_ns "$wire" "$@"; }
in_east() { in_ns "$east" "$@"; }

town_up() {
	local node ns port
	for ns in "$west" "$wire" "$east"; do
		ip netns add "$ns" || return
		in_ns "$ns" sysctl -q -w net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.accept_ra=0
		ip -n "$ns" link set lo up
	done
	in_wire sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	for node in west east; do
		ns=$town_tag-$node port=${node:0:1}0
		ip -n "$wire" link add "$port" type veth peer name eth0 netns "$ns"
		ip -n "$wire" addr add "${outer4[$node]%.*}.254/24" dev "$port"
		ip -n "$wire" addr add "${outer6[$node]%::*}::fe/64" dev "$port" nodad
		ip -n "$wire" link set "$port" up
		ip -n "$ns" addr add "${outer4[$node]}/24" dev eth0
		ip -n "$ns" addr add "${outer6[$node]}/64" dev eth0 nodad
		ip -n "$ns" link set eth0 up
		ip -n "$ns" route add default via "${outer4[$node]%.*}.254"
		ip -n "$ns" route add default via "${outer6[$node]%::*}::fe"
		# The host behind the gateway.
		ip -n "$ns" link add inside type dummy
		ip -n "$ns" addr add "${inner4[$node]}/24" dev inside
		ip -n "$ns" addr add "${inner6[$node]}/64" dev inside nodad
		ip -n "$ns" link set inside up
	done
	in_wire nft -f - <<-RULES
		table inet provider {
			counter dropped_udp { }
			counter dropped_esp { }
			counter passed_tcp { }
			chain forward {
				type filter hook forward priority 0;
				meta l4proto udp counter name dropped_udp drop
				meta l4proto { esp, ah } counter name dropped_esp drop
				tcp dport 4500 counter name passed_tcp
				tcp sport 4500 counter name passed_tcp
			}
		}
	RULES
}

town_down() {
	local ns pids
	swan_cleanup
	for ns in "$west" "$wire" "$east"; do
		[[ -e /run/netns/$ns ]] || continue
		# Ours by construction: nobody else is in these namespaces.
		pids=$(ip netns pids "$ns")
		# shellcheck disable=SC2086 # one word each
		[[ -z $pids ]] || kill -KILL $pids 2>/dev/null
		ip netns del "$ns"
	done
}

town_counter() {
	in_wire nft list counter inet provider "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

town_conns() {
	local family=$1 key word hop
	shift
	local -n outer=outer$family nets=nets$family inner=inner$family
	local -A conn=(
		[left]=${outer[west]} [leftid]=@west
		[leftsubnet]=${nets[west]} [leftsourceip]=${inner[west]}
		[right]=${outer[east]} [rightid]=@east
		[rightsubnet]=${nets[east]} [rightsourceip]=${inner[east]}
		[authby]=secret [ikev2]=insist [auto]=add
	)
	if [[ $family == 4 ]]; then hop='.254'; else hop='::fe'; fi
	conn[leftnexthop]=${outer[west]%"${hop:0:1}"*}
	conn[rightnexthop]=${outer[east]%"${hop:0:1}"*}
	conn[leftnexthop]=${conn[leftnexthop]%:}$hop
	conn[rightnexthop]=${conn[rightnexthop]%:}$hop
	for word; do
		conn[${word%%=*}]=${word#*=}
	done
	echo "conn tunnel"
	for key in "${!conn[@]}"; do
		[[ -z ${conn[$key]} ]] || echo "    $key=${conn[$key]}"
	done
}

sa_list() {
	in_ns "$town_tag-$1" ip -s xfrm state | awk -v outer4="${outer4[$1]}" -v outer6="${outer6[$1]}" '
		function flush() {
			if (spi != "")
				print direction, spi, carried, bytes, packets
			spi = ""
		}
		/^src / {
			flush()
			direction = ($2 == outer4 || $2 == outer6) ? "out" : "in"
			carried = "plain"; bytes = packets = 0
		}
		/proto .* spi / { spi = $4 }
		/encap type espintcp/ { carried = "tcp" }
		/lifetime current:/ {
			getline
			split($0, field, /[^0-9]+/)
			bytes = field[2]; packets = field[3]
		}
		END { flush() }'
}

sa_field() {
	sa_list "$1" | awk -v direction="$2" -v field="$3" '
		$1 == direction { sum += (field == "bytes") ? $4 : $5 }
		END { print sum + 0 }'
}

sa_count() {
	sa_list "$1" | grep -c ' tcp ' || true
}

sa_spis() {
	sa_list "$1" | awk -v direction="$2" '$1 == direction { print $2 }' | sort
}

xfrm_stat() {
	in_ns "$town_tag-$1" sed -En "s/^$2[[:space:]]+//p" /proc/net/xfrm_stat
}

town_logs() {
	local node
	for node in west east; do
		[[ -n $swan_base && -f $swan_base/$node/log ]] || continue
		grep -Ev '^(adding|shutting down) (UDP|TCP)? ?interface|proposals|=(AES|CHACHA)' \
			"$swan_base/$node/log" | sed -n "/listening for/,\$ s/^/# $node: /p"
	done
}

step() {
	local name=$1 output status=0 begin=$SECONDS
	shift
	output=$(mktemp)
	"$@" >"$output" 2>&1 || status=$?
	sed '/^# /!s/^/# /' "$output"
	rm -f "$output"
	((SECONDS - begin < 10)) || echo "# took $((SECONDS - begin)) s"
	if ((status == 0)); then ok "$name"; else not_ok "$name"; fi
}

await() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}
