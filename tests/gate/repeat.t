#!/bin/bash
# A guest in virtual time is a function of its input: two runs of the same give the same
# output and the same console to the byte, one of them beside busy processes. What runs
# has random numbers, timers and a daemon in it, on two CPUs, as the gate's guests have.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tmp=$(mktemp -d)
busy=()
trap 'rm -rf "$tmp"; ((${#busy[@]} == 0)) || kill "${busy[@]}" 2>/dev/null' EXIT

run() {
	tests/vm/run -k 6.12 -c 2 -f .build/sock -o "$tmp/$1.console" -- bash -c '
		modprobe iketcp
		.build/sock/sock-prefix "*ipv4*"
		tests/interop/libreswan fallback
		cat /proc/sys/kernel/random/uuid /proc/uptime' >"$tmp/$1.output" 2>"$tmp/$1.stderr"
}

check "a run" run quiet
for _ in 1 2; do
	(while :; do :; done) &
	busy+=($!)
done
check "the same run beside busy processes" run busy
kill "${busy[@]}"
busy=()
check "the output is the same, random numbers and times included" \
	cmp "$tmp/quiet.output" "$tmp/busy.output"
check "the console is the same" cmp "$tmp/quiet.console" "$tmp/busy.console"
like "$(<"$tmp/quiet.output")" 'ok .* ping, counted by the states' "and there was something to compare"
done_testing
