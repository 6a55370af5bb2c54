#!/bin/bash
# tools/iketcp without the module: how it is called, what it says and what it
# exits with, its JSON, its manual pages and its completion; what it makes of the
# kernel's answers, also of those that make no sense, under the sanitizers.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tests/prepare tool || bail_out "no libmnl"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# What is left when it ends is no leak.
export LC_ALL=C NO_COLOR=1 ASAN_OPTIONS=detect_leaks=0

flags='-O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all'
check "make tools" make -s tools O="$dir/tool" || bail_out "no tool"
check "it builds without a warning, with sanitizers" \
	make -s tools O="$dir/checked" CFLAGS="$flags" || bail_out "no tool"
# The same, and files in the kernel's place.
# shellcheck disable=SC2086 # words
check "the kernel's place is taken" gcc -std=gnu11 -Wall -Wextra $flags -o "$dir/canned" \
	tests/tool/reply.c "$dir"/checked/*.o -lmnl -ljansson || bail_out "no tool"
tool=$dir/checked/iketcp

# says STATUS REGEX NAME ARGUMENT…: exits with STATUS and says one line that fits;
# on standard error, unless STATUS is 0.
says() {
	local wanted=$1 regex=$2 name=$3 output status=0
	shift 3
	if ((wanted)); then
		output=$("${run:-$tool}" "$@" 2>&1 >"$dir/stdout") || status=$?
	else
		output=$("${run:-$tool}" "$@" 2>&1) || status=$?
	fi
	if ((status == wanted)) && [[ $output =~ $regex && $output != *$'\n'* ]]; then
		ok "$name"
	else
		not_ok "$name"
		diag "iketcp $*: status $status, not $wanted, or not \"$regex\": $output"
	fi
}

# --- How it is called ---

version=$(sed -n '1s/.*(\(.*\)).*/\1/p' tools/debian/changelog)
says 0 "^iketcp ${version//+/[+]}\$" "-V tells the version" -V
like "$("$tool" help)" '^usage: iketcp' "help is help"
is "$("$tool" --help)" "$("$tool" help)" "--help is the same"
says 2 '^iketcp: which command\? ' "no command"
says 2 '^iketcp: what is command "nothing"\? ' "an unknown command" nothing
says 2 '^iketcp: what is command ""\? ' "an empty command" ''
says 2 '^iketcp: what is option "--nothing"\? ' "an unknown option" --nothing
says 2 '^iketcp: colours are ' "an unknown colour" -c=green show
says 2 '^iketcp show: what is "nothing"\? ' "show: an unknown word" show nothing
says 2 '^iketcp show: what comes after "dst"\? ' "show: a word is missing" sh dst
says 2 '^iketcp show: "10.1" is no address' "show: a bad address" show dst 10.1
says 2 '^iketcp show: a prefix length is ' "show: a bad prefix length" show dst 10.1.0.0/33
for port in 0 65536 -1 x '' 1x 99999999999999999999; do
	says 2 '^iketcp show: a port is something from 1 to 65535, ' "show: bad port \"$port\"" \
		show sport "$port"
done
says 2 '^iketcp show: a role is ' "show: a bad role" show role king
says 2 '^iketcp show: a state is ' "show: a bad state" show state of-the-art
says 2 '^iketcp show: an SPI is ' "show: a bad SPI" show spi 0x100000000
says 2 '^iketcp stat: what is "-x"\? ' "stat: an unknown option" stat -x
says 2 '^iketcp monitor: what is "nothing"\? ' "monitor: an unknown event" monitor nothing
says 2 '^iketcp check: what is "nothing"\? ' "check: an unknown word" check nothing
says 2 '^iketcp connect: to whom\? ' "connect: no host" connect
says 2 '^iketcp connect: to whom\? ' "connect: a port without a host" connect :4500
says 2 '^iketcp connect: what is "b"\? ' "connect: two hosts" connect a b
says 2 '^iketcp connect: a timeout is ' "connect: a bad timeout" connect a timeout 0
says 2 '^iketcp connect: what comes after "exec"\? ' "connect: no command" connect a exec
says 2 '^iketcp connect: a keepalive is ' "connect: a bad keepalive" connect a keepalive 1:2:3:4
says 2 '^iketcp connect: each part of a keepalive ' "connect: an empty keepalive" \
	connect a keepalive 1::3
says 2 '^iketcp connect: an ULP is ' "connect: a bad ULP" connect a ulp tls
says 2 '^iketcp connect: a source is ' "connect: a bad source" connect a src '[::1'
says 2 '^iketcp connect: a.b.c.:4500: ' "connect: a host that is no address, with -n" \
	connect -n a.b.c.
says 2 '^iketcp listen: where\? ' "listen: a bad address" listen '[::1]x'
says 2 '^iketcp listen: what is "b"\? ' "listen: two addresses" listen 127.0.0.1 b
is "$("$tool" st 2>&1)" "$("$tool" stat 2>&1)" "a beginning of a command is enough"

# --- What the machine lacks ---

if [[ ! -e /proc/net/iketcp_stat ]]; then
	says 3 '^iketcp stat: .*module is not loaded' "stat: no module" stat
	says 3 '^iketcp monitor: .*module iketcp is not loaded' "monitor: no module" monitor
	says 3 '^iketcp connect: the kernel has no ULP "iketcp"' "connect: no module" \
		connect 127.0.0.1
fi
"$tool" -j check >"$dir/check"
like $? '^[134]$' "check: not all is well"
check "check: JSON" jq -e '.ok == false and (.checks | all(.name and .text and
	(.verdict | IN("ok", "fail", "note"))))' "$dir/check"
"$tool" show >"$dir/full" 2>&1
if ((EUID == 0)); then
	chmod 755 "$dir"
	cp "$dir/tool/iketcp" "$dir/nobody"
	nobody() { setpriv --reuid 65534 --clear-groups "$dir/nobody" "$@"; }
	run=nobody
	says 4 '^iketcp show: .*CAP_NET_ADMIN' "show: not root" show
	says 4 '^iketcp connect: not permitted: ' "connect: not root" connect 127.0.0.1
	says 4 '^iketcp listen: not permitted: ' "listen: not root" listen 127.0.0.1
	nobody check >"$dir/check" 2>&1
	like $? '^[34]$' "check: not root"
	unset run
fi
"$dir/tool/iketcp" help >/dev/full 2>"$dir/stderr"
is $? 1 "a full disk is told"
like "$(<"$dir/stderr")" '^iketcp.*: cannot write: ' "in one line"

# --- What the kernel says ---

tests/tool/messages.py replies "$dir/replies" || bail_out "no messages"
export TOOL_DIR=$dir/replies TOOL_CONNS4=conns4 TOOL_CONNS6=conns6 TOOL_SAS=sas \
	TOOL_FAMILY=family TOOL_EVENTS=events
run=$dir/canned

# shown NAME WANTED ARGUMENT…
shown() {
	local name=$1 wanted=$2
	shift 2
	is "$("$run" "$@" 2>&1)" "$wanted" "$name"
}

shown "show: everything" 'originator 10.1.0.1:40000 > 10.2.0.1:4500 ESTAB ulp iketcp uid 33 inode 4711
    in  ike 4 esp 5 bytes 6 queue 1
    out ike 7 esp 8 bytes 9 queue-ike 2 queue-esp 3
    drops 10 last unknown
    sa out spi 0x00001001 mode tunnel reqid 7 bytes 1008 packets 12 replay 2 failed 1
    sa in spi 0x00002001 mode tunnel reqid 7 bytes 840 packets 10 replay 2 failed 1
listener 0.0.0.0:4500 LISTEN ulp iketcp uid 33 inode 4711 accept-prefix waiting 2 ready 1
connection [fd00:1::1]:40001 > [fd00:2::1]:4500 CLOSE-WAIT ulp espintcp uid 33 inode 4711
responder 10.1.0.1:4500 > 10.2.0.1:40002 ESTAB ulp iketcp uid 33 inode 4711 no-prefix-yet dead closed
    in  ike 0 esp 0 bytes 0 queue 0
    out ike 0 esp 0 bytes 0 queue-ike 0 queue-esp 0
    bridge udp 10.1.0.1:4500 > 10.2.0.1:40002
no-connection [fd00:1::1]:1 > [fd00:2::1]:4500 sa spi 0x00004001 mode tunnel reqid 7 bytes 0 packets 0 replay 2 failed 1' -n show

# selected EXPECTED FILTER…: first words and ports of what is shown.
selected() {
	local wanted=$1 got
	shift
	got=$("$run" -n -o show "$@" 2>&1 | sed -E 's/^([a-z-]+) [^ ]*:([0-9]+) .*/\1 \2/' | xargs)
	is "$got" "$wanted" "show $*"
}
selected 'originator 40000 listener 4500 connection 40001 responder 4500 no-connection 1'
selected 'listener 4500' state listen
selected 'originator 40000 connection 40001 responder 4500' state connected
selected 'originator 40000 responder 4500' dst 10.2.0.1
selected 'originator 40000 responder 4500' --dst 10.2.0.0/23
selected '' dst 10.2.0.2
selected 'connection 40001 no-connection 1' src fd00:1::/32
selected 'originator 40000' sport 40000
selected 'originator 40000 connection 40001 no-connection 1' dport 4500
selected 'listener 4500 responder 4500 no-connection 1' sport 4500
selected 'responder 4500' port 40002
selected 'responder 4500' role responder
selected 'listener 4500' role listener
selected '' role plain
selected 'originator 40000' spi 0x2001
selected 'no-connection 1' spi 0x4001
selected 'connection 40001 no-connection 1' -6
selected 'originator 40000 listener 4500 responder 4500' -4
selected 'originator 40000' -4 role originator dst 10.0.0.0/8 dport 4500

check "show: JSON is valid" jq -e . <("$run" show -j)
is "$("$run" show -j -p | jq -c .)" "$("$run" show -j | jq -c .)" "show: pretty JSON is the same"
like "$("$run" -p -j show)" '^    "connections": \[$' "show: pretty JSON is pretty"
is "$("$run" -j show | jq -c '[.listeners, .connections, .sa_without_connection | length]')" \
	'[1,3,1]' "show: JSON has everything"
is "$("$run" -j show | jq -c '.connections[0] | del(.sa_in, .sa_out)')" \
	'{"role":"originator","local":{"address":"10.1.0.1","port":40000},"remote":{"address":"10.2.0.1","port":4500},"state":"ESTAB","ulp":"iketcp","uid":33,"inode":4711,"info":{"prefix":true,"dead":false,"closed":false,"in_ike":4,"in_esp":5,"in_bytes":6,"in_queue":1,"out_ike":7,"out_esp":8,"out_bytes":9,"out_queue_ike":2,"out_queue_esp":3,"drops":10,"last_drop":"unknown"},"bridge":null}' \
	"show: JSON of a connection"
is "$("$run" -j show | jq -c '.connections[0].sa_in')" \
	'[{"spi":"0x00002001","mode":"tunnel","reqid":7,"src":{"address":"10.2.0.1","port":4500},"dst":{"address":"10.1.0.1","port":40000},"bytes":840,"packets":10,"replay":2,"failed":1}]' \
	"show: JSON of a state"
is "$("$run" -j show | jq -c '.connections[2].bridge')" \
	'{"local":{"address":"10.1.0.1","port":4500},"peer":{"address":"10.2.0.1","port":40002}}' \
	"show: JSON of a bridge"
is "$("$run" -j show | jq -c '.connections[1] | [.role, .info]')" '[null,null]' \
	"show: JSON of what is not known"
is "$("$run" -j show | jq -c '.listeners[0] | [.role, .info]')" \
	'["listener",{"accept_prefix":true,"waiting":2,"ready":1}]' "show: JSON of a listener"
like "$(NO_COLOR='' "$run" -c show | cat -v)" '^\^\[\[1moriginator\^\[\[0m' "show: colours, if one wants"
is "$(NO_COLOR='' "$run" show | cat -v | grep -c '\^\[')" 0 "show: none in a pipe"

shown "monitor: every event" 'attach 10.1.0.1:40000 > 10.2.0.1:4500 originator
prefix 10.1.0.1:40000 > 10.2.0.1:4500 responder
close  10.1.0.1:40000 > 10.2.0.1:4500 error "Protocol error"
path   [fd00:1::1]:1 > [fd00:2::1]:2 spi 0x00001001
drop   10.1.0.1:40000 > 10.2.0.1:4500 reason OutFull
unknown 
iketcp monitor: an event that makes no sense' -n monitor
is "$("$run" monitor drop close 2>/dev/null | cut -d ' ' -f 1 | xargs)" 'close drop' "monitor: some events"
like "$("$run" monitor -t path 2>/dev/null)" '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{15} path ' "monitor: the time"
is "$("$run" monitor -j 2>/dev/null | jq -c '[.event, .role, .spi, .reason, .error]' | xargs)" \
	'[attach,originator,null,null,null] [prefix,responder,null,null,null] [close,null,null,null,71] [path,null,0x00001001,null,null] [drop,null,null,OutFull,null] [unknown,null,null,null,null]' \
	"monitor: JSON"
is "$("$run" monitor -6 2>/dev/null | cut -d ' ' -f 1 | xargs)" 'path unknown' "monitor: one family"

# told STATUS REGEX VARIABLE=FILE COMMAND: an answer that is not as it should be
told() {
	local status=$1 regex=$2 set=$3
	shift 3
	export "${set?}"
	says "$status" "$regex" "$* with $set" "$@"
	TOOL_CONNS4=conns4 TOOL_CONNS6=conns6 TOOL_SAS=sas TOOL_FAMILY=family TOOL_EVENTS=events
}
for file in cut short short-info noise negative error-short; do
	told 1 '^iketcp show: connections: .*answer makes no sense' TOOL_CONNS4=$file show
	told 1 '^iketcp show: connections: .*answer makes no sense' TOOL_CONNS6=$file show
done
told 4 '^iketcp show: connections: Operation not permitted' TOOL_CONNS4=error show
told 3 '^iketcp show: .*load the module tcp_diag' TOOL_CONNS4=missing show
told 1 '^iketcp monitor: .*answer makes no sense' TOOL_FAMILY=family-bad monitor
told 1 '^iketcp monitor: .*answer makes no sense' TOOL_FAMILY=cut monitor
told 1 '^iketcp monitor: .*answer makes no sense' TOOL_EVENTS=noise monitor
told 3 '^iketcp monitor: this module has no events' TOOL_FAMILY=family-no-events monitor
told 3 '^iketcp monitor: the kernel tells no events' TOOL_FAMILY=missing monitor
for file in sa-short cut error; do
	TOOL_SAS=$file
	output=$("$run" -n show 2>&1 >"$dir/stdout")
	is $? 0 "show: without states ($file)"
	like "$output" '^iketcp show: states are not shown: ' "one is told so ($file)"
	is "$(grep -c '^[a-z]' "$dir/stdout")" 4 "the connections are shown ($file)"
done
unset run

# --- What must not drift ---

is "$(grep -c '"' "$dir/tool/counter_list.h")" "$(grep -c '^	X(' src/stat.h)" \
	"each counter of src/stat.h has its meaning in the tool"
is "$(sed -n 's/.*{ "\(.*\)", ".*/\1/p' "$dir/tool/counter_list.h")" \
	"$(sed -n 's/^	X(.*"\(.*\)").*/\1/p' src/stat.h)" "the same names"
is "$(grep -c ', "" }' "$dir/tool/counter_list.h")" 0 "none without a meaning"
tests/tool/messages.py corpus "$dir/corpus"
: >"$dir/corpus/nothing"
check "the fuzzer's corpus is what messages.py makes" \
	diff -r "$dir/corpus" tests/fuzz/corpus/netlink
for word in $("$tool" help | grep -E '^  [a-z]' | awk '{ print $1 }') \
	$("$tool" help | grep -o -E '[a-z-]{4,} (ADDR|N|SECONDS|NAME|SPI|ROLE|COMMAND)' | cut -d ' ' -f 1); do
	check "iketcp(8) has \"$word\"" grep -q -e "${word//-/\\\\-}" Documentation/man/iketcp.8
done
while read -r word _; do
	check "iketcp(7) has $word" grep -q "$word" Documentation/man/iketcp.7
done < <(grep -o -E 'IKETCP_OPT_[A-Z_]+ =' include/iketcp.h)

# --- Pages and completion ---

for page in Documentation/man/iketcp.[78]; do
	is "$(mandoc -T lint "$page" 2>&1)" "" "$page: mandoc has nothing to say"
	is "$(groff -man -ww -z -T utf8 "$page" 2>&1)" "" "$page: nor has groff"
	is "$(man --warnings -l "$page" 2>&1 >/dev/null)" "" "$page: nor has man"
done

# complete LINE: what is offered at its end
complete() {
	bash --norc -c '
		set -u
		. tools/iketcp/completion.bash
		line=$1
		read -r -a COMP_WORDS <<<"$line"
		[[ $line != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_iketcp
		echo "${COMPREPLY[*]}"' bash "$1"
}
is "$(complete 'iketcp ')" 'show stat monitor listen connect check help' "completion: commands"
is "$(complete 'iketcp -j s')" 'show stat' "completion: behind an option"
is "$(complete 'iketcp show role o')" 'originator' "completion: a role"
is "$(complete 'iketcp mon p')" 'prefix path' "completion: events"
is "$(complete 'iketcp connect 10.2.0.1 --r')" '--reconnect' "completion: connect"
is "$(complete 'iketcp listen u')" 'ulp user-timeout' "completion: listen"
is "$(complete 'iketcp show -p')" '-pretty' "completion: options"
check "completion: bash-completion takes it" bash --norc -c '
	. /usr/share/bash-completion/bash_completion &&
	. tools/iketcp/completion.bash && complete -p iketcp'

# --- Installed ---

check "make install-tools" make -s install-tools O="$dir/tool" DESTDIR="$dir/root" PREFIX=/usr
is "$(cd "$dir/root" && find . -type f | sort | xargs)" \
	"./usr/lib/systemd/system/iketcpd.service ./usr/sbin/iketcp ./usr/sbin/iketcpd ./usr/share/bash-completion/completions/iketcp ./usr/share/man/man5/iketcpd.conf.5 ./usr/share/man/man7/iketcp.7 ./usr/share/man/man8/iketcp.8 ./usr/share/man/man8/iketcpd.8" \
	"the tool, the daemon, what belongs to them"
check "make uninstall-tools" make -s uninstall-tools DESTDIR="$dir/root" PREFIX=/usr
is "$(find "$dir/root" -type f)" "" "nothing is left"
output=$(make -s tools O="$dir/other" CPPFLAGS=-nostdinc 2>&1)
is $? 2 "without libmnl it is not built"
like "$output" '^iketcp: the tool takes libmnl-dev and libjansson-dev' "and the reason is told"

done_testing
