#!/bin/bash
# A guest in virtual time is a function of its input: two runs of the same give the same
# output and the same console to the byte, one of them beside busy processes and with a
# main loop of QEMU's that comes late (without tests/vm/turns.c that made a difference in
# half of the runs). What runs has random numbers, many timers, and pauses in it, on two
# CPUs, as the gate's guests have.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tmp=$(mktemp -d)
busy=()
trap 'rm -rf "$tmp"; ((${#busy[@]} == 0)) || kill "${busy[@]}" 2>/dev/null' EXIT

run() {
	# shellcheck disable=SC2016 # for the guest's shell
	tests/vm/run -k 6.12 -c 2 -f .build/sock -o "$tmp/$1.console" -- bash -c '
		modprobe iketcp
		.build/sock/sock-prefix "*ipv4*"
		mkfifo /run/f0 /run/f1
		for cpu in 0 1; do
			taskset -c $cpu bash -c "for i in {1..400}; do read -t 0.0017 <>/run/f$cpu; done" &
			taskset -c $cpu bash -c "for i in {1..20000}; do :; done; sleep 1; for i in {1..20000}; do :; done" &
		done
		wait
		for i in {1..10}; do sleep 10; date +%s.%N; done
		cat /proc/sys/kernel/random/uuid /proc/interrupts' >"$tmp/$1.output" 2>"$tmp/$1.stderr"
}

check "a run" run quiet
for _ in 1 2; do
	(while :; do :; done) &
	busy+=($!)
done
export IKETCP_LATE=200
check "the same run beside busy processes" run busy
kill "${busy[@]}"
busy=()
check "the output is the same, random numbers and times included" \
	cmp "$tmp/quiet.output" "$tmp/busy.output"
check "the console is the same" cmp "$tmp/quiet.console" "$tmp/busy.console"
like "$(<"$tmp/quiet.output")" '[0-9]{10}\.[0-9]{9}' "and there was something to compare"
done_testing
