#!/bin/bash
# tests/vm/run: says success only if there was one.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

# run WANTED-STATUS DESCRIPTION [options] -- COMMAND…; leaves the output in
# $out and standard error in $err. Mostly without our module (-n): only run is
# on trial.
run() {
	local wanted=$1 name=$2 status=0
	shift 2
	out=$(tests/vm/run --realtime -t 200 "$@" 2>"$tmp/err") || status=$?
	err=$(cat "$tmp/err")
	is "$status" "$wanted" "$name" || diag "$err"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

tests/vm/run --realtime --help >"$tmp/help"
is $? 0 "--help"
like "$(cat "$tmp/help")" '-k KERNEL' "--help tells the options"
tests/vm/run --realtime 2>/dev/null
is $? 120 "no command: an error"
tests/vm/run --realtime -k 2.4 -n -- true 2>"$tmp/err"
is $? 120 "no such kernel: an error"

mkdir "$tmp/scratch"
# shellcheck disable=SC2016 # for the guest's shell
run 42 "the command's exit status is passed on" -n -s "$tmp/scratch" -- \
	sh -c 'echo "to stdout $1 $PWD"; echo to stderr >&2
		echo from the guest >/scratch/file; cat >/tmp/stdin
		stat -c "stdin %s" /tmp/stdin
		touch /iketcp/x 2>/dev/null && echo "checkout is writable"
		modinfo iketcp >/dev/null 2>&1 && echo "there is a module"
		exit 42' 0 "two  words" <<<"not for the guest"
is "$out" "to stdout two  words /iketcp
to stderr
stdin 0" "output comes through, arguments and directory are right"
is "$(cat "$tmp/scratch/file")" "from the guest" "/scratch is shared"

run 121 "a kernel complaint is a failure" -n -- \
	sh -c 'echo "BUG: just a test" >/dev/kmsg'
like "$err" 'BUG: just a test' "the complaint is shown"
like "$err" 'KERNEL SPLAT.*exit status: 0' "and named"

run 121 "a panic is a failure" -n -- \
	sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
like "$err" 'KERNEL SPLAT.*exit status: none' "a panic is named"

run 123 "no end mark is a failure" -n -- \
	sh -c 'echo alive; busybox poweroff -f'
like "$err" 'NO END MARK' "the missing mark is named"
is "$out" alive "output before the end came through"

run 123 "a forged end mark does not help" -n -- \
	sh -c 'printf "exit 0\nmodule absent\nend 0123456789abcdef\n" >/dev/ttyS2; busybox poweroff -f'

start=$SECONDS
run 124 "the time limit is a failure" -n -t 12 -- sleep 1000
like "$err" 'TIMEOUT after [0-9]* s' "the time limit is named"
if ((SECONDS - start < 40)); then ok "in time"; else not_ok "in time"; fi

run 122 "a module that does not unload is a failure" -- \
	sh -c 'modprobe iketcp && ln -sf /bin/false /usr/sbin/rmmod'
like "$err" 'MODULE DID NOT UNLOAD.*exit status: 0' "and named"

done_testing
