#!/bin/bash
# The rule of the VM (tests/vm/run): it says success only if there was one.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# run WANTED-STATUS DESCRIPTION [options] -- COMMAND…; output in $out, errors in $err
run() {
	local wanted=$1 name=$2 status=0
	shift 2
	# To calibrate the APIC's timer is half of a boot; one CPU can do without.
	out=$(tests/vm/run -a noapictimer "$@" 2>"$tmp/err") || status=$?
	err=$(<"$tmp/err")
	is "$status" "$wanted" "$name" || diag "$err"
}

run 120 "no command: an error"
run 120 "no such kernel: an error" -k 2.4 -n -- true
# A boot is 20 s, so each tells of as much as it can.
# shellcheck disable=SC2016 # for the guest's shell
run 42 "the command's exit status and output come through" -n -- \
	bash -c 'echo "to stdout $1 $PWD"; echo to stderr >&2; cat; exit 42' 0 "two  words" <<<"not for it"
is "$out" "to stdout two  words /iketcp
to stderr" "as do its arguments; standard input is empty"
run 121 "a complaint of the kernel is a failure, though the module unloads" -k 6.1 -- \
	bash -c 'modprobe iketcp; echo "iketcp-test: a-suite" >/dev/kmsg; echo "BUG: a test" >/dev/kmsg'
like "$err" 'BUG: a test' "the complaint is shown"
like "$err" 'KERNEL SPLAT in a-suite.*exit status: 0' "and laid to the test that ran"
run 123 "no end mark is a failure" -n -- bash -c 'echo alive; busybox reboot -f'
is "$out" alive "output before the end came through"
run 122 "a module that does not unload is a failure" -- bash -c 'modprobe iketcp; ln -sf /bin/false /usr/sbin/rmmod'
like "$err" 'MODULE DID NOT UNLOAD.*exit status: 0' "and named"
run 124 "a guest that hangs is a failure" -n -t 3 -- bash -c 'while :; do :; done'
like "$err" 'TIMEOUT after 3 s' "and named"

# What becomes of a suite's output.
tap() { awk -v kernel=K -v guest=one -v suites="a b" -v failed="$tmp/failed" -v log_name="$tmp/log" -v known="${1:-/dev/null}" -f tests/gate/tap.awk 2>/dev/null; }
a='# suite a
1..1
ok 1 - x
# end a 0 1.0'
b='# suite b
1..1
ok 1 - y
# end b 0 2.0'
verdict() { tap "$@" >"$tmp/tap"; echo $?; }
is "$(printf '%s\n' "$a" "$b" '# machine 0' | verdict)" 0 "two good suites are green"
is "$(grep -c '^ok' "$tmp/tap")" 3 "with their tests and the machine's"
is "$(printf '%s\n' "$a" '# machine 0' | verdict)" 1 "a suite that did not run is a failure"
is "$(printf '%s\n' "$a" "$b" '# machine 121' | verdict)" 1 "a splat is a failure"
is "$(printf '%s\n' "$a" "$b" '# machine 137' | verdict)" 1 "a runner that was killed is a failure"
is "$(printf '%s\n' "$a" $'# suite b\n1..0\n# end b 0 2.0' '# machine 0' | verdict)" 1 "a suite without tests is a failure"
is "$(printf '%s\n' "$a" "$b" | verdict)" 1 "a machine that says nothing is a failure"
is "$(printf '%s\n' "$a" "${b/1..1/1..2}" '# machine 0' | verdict)" 1 "a test that did not run is a failure"
is "$(printf '%s\n' "$a" "${b/end b 0/end b 3}" '# machine 0' | verdict)" 1 "a suite's exit status is a failure"
is "$(printf '%s\n' "$a" "${b/- y/- y # SKIP no time}" '# machine 0' | verdict)" 1 "a skipped test is a failure"
is "$(printf '%s\n' "$a" "${b/ok 1 - y/not ok 1 - y}" '# machine 0' | verdict)" 1 "a failed test is a failure"
like "$(<"$tmp/failed")" '^FAILED K b: y' "and told"
printf '^K b: y$\tbecause\n' >"$tmp/known"
rm -f "$tmp/failed"
is "$(printf '%s\n' "$a" "${b/ok 1 - y/not ok 1 - y}" '# machine 0' | verdict "$tmp/known")" 0 "a known failure is none"
like "$(<"$tmp/tap")" '^not ok 2 - K b: y # TODO because' "but TODO, with the reason"
check_fails "and not told" test -e "$tmp/failed"
printf '.\tbecause\n' >"$tmp/known"
is "$(printf '%s\n' "$a" "$b" '# machine 121' | verdict "$tmp/known")" 1 "a splat is never a known failure"
is "$(printf '%s\n' "$a" '# machine 0' | verdict "$tmp/known")" 1 "nor is a suite that did not run"
done_testing
