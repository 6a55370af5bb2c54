# Sourced by scenarios, in the guest, after lib.sh: A and B are gateways, with a
# host behind each that has the inner address.
# shellcheck shell=bash disable=SC2154
#
#     LA 192.168.1.1 ── A ── R ── B ── 192.168.2.1 LB
#        fd01::1                       fd02::1
#
#   lans_up            makes both; R knows nothing of them: the tunnel is the way
#   lan_servers_up     "traffic serve" in LA and LB
#   lans_down          removes both and what runs in them

# lan NAME GATEWAY N: a host behind a gateway, with the inner addresses.
lan() {
	local name=$1 gateway=$2 n=$3
	ip netns add "$name" || return
	# shellcheck disable=SC2016 # for the shell inside
	ns "$name" bash -c 'cd /proc/sys/net/ipv6/conf && echo 0 >all/accept_dad &&
		echo 0 >default/accept_dad'
	# shellcheck disable=SC2016 # for the shell inside
	ns "$gateway" bash -c 'cd /proc/sys/net && echo 1 >ipv4/ip_forward &&
		echo 1 >ipv6/conf/all/forwarding'
	ip -n "$name" -batch - <<-END && ip -n "$gateway" -batch - <<-END2 || return
		link set lo up
		link add gw type veth peer name lan netns $gateway
		addr add 192.168.$n.1/24 dev gw
		addr add fd0$n::1/64 dev gw nodad
		link set gw up
		route add default via 192.168.$n.254
		route add default via fd0$n::fe
	END
		addr add 192.168.$n.254/24 dev lan
		addr add fd0$n::fe/64 dev lan nodad
		link set lan up
	END2
	ns "$name" ethtool -K gw gro on && ns "$gateway" ethtool -K lan gro on
}

lan_settled() {
	ns LA ping -q -c 1 -W 1 192.168.1.254 && ns LA ping -q -c 1 -W 1 fd01::fe &&
		ns LB ping -q -c 1 -W 1 192.168.2.254 && ns LB ping -q -c 1 -W 1 fd02::fe
}

lans_up() {
	try "host behind A" lan LA A 1
	try "host behind B" lan LB B 2
	ip -n A route add 192.168.2.0/24 via 10.1.0.254
	ip -n A route add fd02::/64 via fd00:1::fe
	ip -n B route add 192.168.1.0/24 via 10.2.0.254
	ip -n B route add fd01::/64 via fd00:2::fe
	try "hosts and gateways reach each other" wait_until 20 lan_settled
}

lan_servers_up() {
	local n
	lan_servers=()
	for n in LA LB; do
		spawn $n "$traffic" serve "$state/serve.$n"
		lan_servers+=("$spawned")
	done
	wait_until 20 test -e "$state/serve.LA" -a -e "$state/serve.LB"
}

lans_down() {
	((!${#lan_servers[@]})) || end "${lan_servers[@]}"
	ip netns del LA
	ip netns del LB
}
