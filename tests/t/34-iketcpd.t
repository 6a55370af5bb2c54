#!/bin/bash
# tools/iketcpd without the module: its options, its configuration with all that
# can be wrong in it, what it says where something is missing, its manual pages.
# With the sanitizers.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tests/prepare tool || bail_out "no libmnl"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C

flags='-O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all'
check "it builds without a warning, with sanitizers" \
	make -s -C tools/iketcpd O="$dir/checked" CFLAGS="$flags" || bail_out "no daemon"
daemon=$dir/checked/iketcpd

# says STATUS REGEX NAME ARGUMENT…: exits so, with one line that fits
says() {
	local wanted=$1 regex=$2 name=$3 output status=0
	shift 3
	output=$(timeout 20 "$daemon" "$@" 2>&1) || status=$?
	if ((status == wanted)) && [[ $output =~ $regex && $output != *$'\n'* ]]; then
		ok "$name"
	else
		not_ok "$name"
		diag "iketcpd $*: status $status, not $wanted, or not \"$regex\": $output"
	fi
}

version=$(sed -n '1s/.*(\(.*\)).*/\1/p' tools/debian/changelog)
says 0 "^iketcpd ${version//+/[+]}\$" "-V tells the version" -V
like "$("$daemon" --help)" '^usage: iketcpd' "help"
says 2 'unrecognized option' "an unknown option" --nothing
says 2 'what is "x"' "an unknown word" x
says 2 "/no/file: No such file" "no configuration" -c "$dir/no/file"
says 2 "Is a directory" "the configuration is a directory" -c "$dir"
says 1 'does iketcpd run' "--status: nobody is there" --status -s "$dir/status"
says 1 'too long for a socket' "--status: a long name" --status -s "$(printf '%0200d' 0)"

# good NAME <TEXT
good() {
	cat >"$dir/conf"
	says 0 '^$' "good: $1" --check-config -c "$dir/conf"
}

good "everything" <<'END'
# A comment
[responder]
listen = 0.0.0.0
listen = 127.0.0.1:443
listen=[::1]:443
	listen = ::
udp-port = 4501
max-connections = 1
max-per-address = 1000000
idle = 0
keepalive = 0

[ peer  office ]
address = [2001:db8::1]:443
local = 2001:db8::2
local-port = 4501
udp-port = 1
tcp = always
retransmits = 20
remember = 604800
idle = 60
keepalive = 20:5:127
[peer b]
address = 192.0.2.1
keepalive = 30:10
END
good "no newline at the end" < <(printf '[peer x]\r\naddress = 192.0.2.1\r')

# bad LINE REGEX <TEXT: LINE is empty where there is none
bad() {
	cat >"$dir/conf"
	says 2 "^iketcpd: $dir/conf:${1:+$1:} $2" "bad: $2" --check-config -c "$dir/conf"
}
# in_peer REGEX LINE, in_responder REGEX LINE
in_peer() { bad 3 "$1" < <(printf '[peer x]\naddress = 192.0.2.1\n%s\n' "$2"); }
in_responder() { bad 3 "$1" < <(printf '[responder]\nlisten = ::\n%s\n' "$2"); }

bad '' 'it has neither' </dev/null
bad '' 'it has neither' <<<'# nothing'
bad 1 'there is no section .nobody.' <<<'[nobody]'
bad 1 'there is no section .peers x.' <<<'[peers x]'
bad 1 'a section is .responder. or' <<<'[responder'
bad 1 '"listen" before the first' <<<'listen = ::'
bad 1 'neither a .section. nor KEY = VALUE: "nonsense"' <<<'nonsense'
bad 1 '.responder. has no listen' <<<'[responder]'
bad 1 '.peer x. has no address' <<<'[peer x]'
bad 1 '.peer x. has address 0' <<<$'[peer x]\naddress = 0.0.0.0'
bad 1 'the name of a peer has 1 to 63' <<<'[peer]'
bad 1 'the name of a peer has 1 to 63' <<<"[peer $(printf '%064d' 0)]"
bad 1 'the name of a peer is one word' <<<'[peer a b]'
bad 3 '.peer x. is there already' <<<$'[peer x]\naddress = 192.0.2.1\n[peer x]'
bad 3 '.peer y. has the address of another' \
	<<<$'[peer x]\naddress = 192.0.2.1\n[peer y]\naddress = 192.0.2.1:443'
bad 1 '.peer x.: local is of another family' \
	<<<$'[peer x]\naddress = 192.0.2.1\nlocal = ::1'
bad 3 '.responder. is there already' <<<$'[responder]\nlisten = ::\n[responder]'
bad '' 'there is a NUL' < <(printf '[responder]\0')
bad 1 'neither .* "[?][?][?]x"' < <(printf '\001\377\033x')
in_responder 'listen: that is there already' 'listen = [::]:4500'
for text in x 1.2.3 1.2.3.4: :443 '[::1' '[::1]x' 1.2.3.4:x '' "$(printf '%0150d' 0)"; do
	in_responder '(listen|a port) is ' "listen = $text"
done
in_responder '.responder. has no "tcp"' 'tcp = always'
in_responder 'max-connections is a number from 1 to 1000000, not "0"' 'max-connections = 0'
in_responder 'max-per-address is a number' 'max-per-address = 99999999999999999999'
in_peer 'a peer has no "listen"' 'listen = ::'
in_peer 'address is there already' 'address = 192.0.2.2'
in_peer 'local is an IPv4 or IPv6 address' 'local = name'
in_peer 'tcp is never, fallback or always, not "yes"' 'tcp = yes'
in_peer 'local-port is a number from 1 to 65535' 'local-port = 65536'
in_peer 'udp-port is a number from 1 to 65535' 'udp-port = -1'
in_peer 'retransmits is a number from 1 to 20, not "0"' 'retransmits = 0'
in_peer 'remember is a number' 'remember = 1h'
in_peer 'idle is a number from 0 to 604800, not ""' 'idle ='
in_peer 'each part of keepalive is a number' 'keepalive = 1::3'
in_peer 'each part of keepalive is a number from 1 to 127' 'keepalive = 1:2:128'
in_peer 'keepalive is IDLE' 'keepalive = 1:2:3:4'
head -c 1048576 /dev/zero | tr '\0' '#' >"$dir/conf"
says 2 'too long' "a file that is too long" --check-config -c "$dir/conf"

# --- What the machine lacks ---

printf '[responder]\nlisten = 127.0.0.1:45001\n' >"$dir/conf"
chmod 755 "$dir"
if [[ ! -e /proc/net/iketcp_stat ]]; then
	says 1 'no ULP "iketcp"' "no module" -c "$dir/conf" -s "$dir/status"
	check "nothing is left of it" test ! -e "$dir/status"
fi
says 1 'no user "no-such-user"' "an unknown user" -c "$dir/conf" -u no-such-user

# A module from before there were bridges. The sanitizer wants to be first.
gcc -shared -fPIC -Iinclude -o "$dir/old.so" -xc - <<'END' || bail_out "no compiler"
#include <errno.h>
#include <iketcp.h>

int setsockopt(int fd, int level, int name, const void *value, unsigned int len)
{
	(void)fd, (void)name, (void)value, (void)len;
	if (level != SOL_IKETCP)
		return 0;
	errno = ENOPROTOOPT;
	return -1;
}
END
export LD_PRELOAD=$dir/old.so ASAN_OPTIONS=verify_asan_link_order=0
says 1 'the module that is loaded is too old' "an old module" -c "$dir/conf" -s "$dir/status"
unset LD_PRELOAD ASAN_OPTIONS
check "nothing is left of it" test ! -e "$dir/status"

# --- The unit for systemd ---

mkdir "$dir/sbin"
ln -s "$daemon" "$dir/sbin/iketcpd"
sed "s,@PREFIX@,$dir,; /^Documentation=/d" tools/iketcpd/iketcpd.service >"$dir/iketcpd.service"
check "systemd understands the unit" systemd-analyze verify "$dir/iketcpd.service"
is "$tap_output" "" "and has nothing to say"
check "it allows little" systemd-analyze security --offline=true --threshold=30 \
	"$dir/iketcpd.service"

# --- Manual pages ---

for page in Documentation/man/iketcpd.8 Documentation/man/iketcpd.conf.5; do
	is "$(mandoc -T lint "$page" 2>&1)" "" "$page: mandoc has nothing to say"
	is "$(groff -man -ww -z -T utf8 "$page" 2>&1)" "" "$page: nor has groff"
	is "$(man --warnings -l "$page" 2>&1 >/dev/null)" "" "$page: nor has man"
done
while read -r key; do
	check "iketcpd.conf(5) has $key" grep -q -F ".BI ${key//-/\\-} \" = " \
		Documentation/man/iketcpd.conf.5
done < <(sed -n 's/.*\[KEY_[A-Z_]*\] = { "\([a-z-]*\)".*/\1/p' tools/iketcpd/config.c)
done_testing
