#!/bin/bash
# The dissector for Wireshark finds every message in made-up captures, wherever the
# segments end, and takes nothing else for one.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tests/prepare unit || bail_out "no tshark"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The settings and plugins of whoever runs this do not count.
export HOME=$dir XDG_CONFIG_HOME=$dir/config XDG_DATA_HOME=$dir/data
script=tools/wireshark/iketcp.lua
streams=tests/wireshark/streams.py
read -ra fields < <(python3 "$streams" fields)

# shark CAPTURE OPTION…: what tshark says; what it says of the superuser is left out.
shark() {
	tshark -r "$dir/$1.pcap" "${@:2}" 2>"$dir/errors"
	local status=$?
	grep -v -e '^Running as user' "$dir/errors" >&2
	return "$status"
}

# finds CAPTURE MODE OPTION…: it is what it should be; MODE is "all" or "subset".
finds() {
	local mode=()
	[[ $2 == all ]] || mode=("$2")
	shark "$1" -X "lua_script:$script" "${fields[@]}" "${@:3}" |
		python3 "$streams" read "$dir" "$1" "${mode[@]}" |
		diff "$dir/$1.want" - | cut -c 1-1000
	local status=("${PIPESTATUS[@]}")
	((status[0] + status[1] + status[2] == 0))
}

# What each frame with data of the capture "plain" says of itself: the message
# types, or nothing.
types() {
	shark plain -X "lua_script:$script" -Y 'tcp.len > 0' -T fields -e iketcp.type "$@" |
		sed 's/^$/-/' | tr '\n' ' '
}

# count CAPTURE FILTER: how many frames it matches.
count() {
	shark "$1" -X "lua_script:$script" -Y "$2" | grep -c .
}

# alike CAPTURE FILTER FILTER: they match as many, and some.
alike() {
	local first
	first=$(count "$1" "$2")
	((first > 0 && first == $(count "$1" "$3")))
}

check "captures are made" python3 "$streams" make "$dir" || bail_out "no captures"

check "messages are found, wherever segments end" finds in_order all
check "the same when frames are looked at again" finds in_order all -2 -R frame
check "the same when TCP puts segments in order" \
	finds in_order all -o tcp.reassemble_out_of_order:TRUE

check "segments that come twice count once" finds again all
check "the same when there is no tree at first" finds again all -2
check "segments in another order, put in order" \
	finds disorder all -o tcp.reassemble_out_of_order:TRUE
check "the same when frames are looked at again" \
	finds disorder all -o tcp.reassemble_out_of_order:TRUE -2 -R frame
check "segments in another order: nothing is found that is not there" finds disorder subset
check "the same when TCP hands over late ones" \
	finds disorder subset -o tcp.no_subdissector_on_error:FALSE
check "without reassembly: the messages that are whole" \
	finds apart all -o tcp.desegment_tcp_streams:FALSE
check "without reassembly nothing is found that is not there" \
	finds again subset -o tcp.desegment_tcp_streams:FALSE

check "streams that break the rules" finds wrong all
check "the same when frames are looked at again" finds wrong all -2 -R frame
check "captures that begin in mid-stream or have holes" finds partly all
check "the same when frames are looked at again" finds partly all -2 -R frame
check "a prefix that comes late is none" finds late all
is "$(shark late -2 -X "lua_script:$script" -T fields -e iketcp.type | tr -d '\n')" \
	"prefix,IKE,ESP" "without a tree nothing is read that was not seen at first"
check "captures of the first bytes of each packet" finds short all
check "a tunnel in a tunnel" \
	finds nested all -o esp.enable_null_encryption_decode_heuristic:TRUE
check "tcpencap gets what is its own" finds foreign all
check "the same when frames are looked at again" finds foreign all -2 -R frame

ours="prefix,IKE,ESP,ESP IKE,ESP "
is "$(types)" "$ours$ours- prefix,IKE,ESP,ESP " "ports: 4500, and others by the prefix"
is "$(types -d tcp.port==12346,iketcp)" "$ours${ours}IKE,ESP,ESP prefix,IKE,ESP,ESP " \
	"Decode As: any port"
is "$(types -o tcp.try_heuristic_first:TRUE)" "$ours$ours- prefix,IKE,ESP,ESP " \
	"the same when heuristics come first"
is "$(types -o iketcp.ports:443,12340-12349 --disable-heuristic iketcp_tcp)" \
	"- - ${ours}IKE,ESP,ESP prefix,IKE,ESP,ESP " "the preference: these ports and no others"
is "$(types -o iketcp.ports: --disable-heuristic iketcp_tcp)" "- - - - - - " \
	"no ports and no heuristic: nothing"

mkdir -p "$dir/.local/lib/wireshark/plugins"
cp "$script" "$dir/.local/lib/wireshark/plugins"
is "$(shark plain -Y 'tcp.len > 0' -T fields -e iketcp.type | head -n 1)" "prefix,IKE,ESP,ESP" \
	"installed as a plugin"
rm -r "$dir/.local"

is "$(shark plain -X "lua_script:$script" -Y 'tcp.len > 0' -T fields -e _ws.col.Protocol \
	-e _ws.col.Info | head -n 1)" "IKETCP	Prefix, IKE_SA_INIT MID=00 Initiator Request, \
ESP (SPI=0x12345678), ESP (SPI=0x12345678)" "the Info column says all that is in a frame"
is "$(shark plain -X "lua_script:$script" -Y iketcp -T fields -e _ws.col.Info | sed -n 2p)" \
	"IKE_SA_INIT MID=00 Responder Response, ESP (SPI=0x0000cafe)" "the responder's, too"
is "$(shark apart -X "lua_script:$script" -Y iketcp -T fields -e _ws.col.Info | sed -n 2p)" \
	"ESP (SPI=0x12345678), ESP (SPI=0x12345678)" "and what began in an earlier frame"

is "$(count plain 'iketcp.prefix == "IKETCP"')" 3 "filter: prefix"
is "$(count plain 'iketcp.type == "ESP" && iketcp.length == 62')" 5 "filter: type and length"
is "$(count plain 'iketcp.marker == 0 && isakmp.exchangetype == 34')" 5 "filter: marker"
check "filter: keepalive" alike again 'iketcp.keepalive == 0xff && iketcp.keepalive.useless' \
	'iketcp.type == "keepalive"'
check "filter: invalid length" alike wrong 'iketcp.length.invalid && iketcp.length < 2' \
	'iketcp.type == "invalid"'
check "filter: not parsed" alike partly 'iketcp.lost' 'iketcp.unparsed'

done_testing
