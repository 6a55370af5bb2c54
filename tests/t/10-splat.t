#!/bin/sh
# The matcher of tests/vm/splat: sees every class of complaint, and only those.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

data=tests/t/splat

# Each paragraph of the file is one sample; its first line names it.
awk -v RS= '{ print > sprintf("%s/%03d", dir, NR) }' dir="${tmp=$(mktemp -d)}" "$data/bad"
trap 'rm -rf "$tmp"' EXIT

for sample in "$tmp"/*; do
	name=$(sed -n 's/^== //p' "$sample")
	sed 1d "$sample" >"$tmp/sample"
	check_fails "seen: $name" tests/vm/splat "$tmp/sample"
	# Alone, it proves the pattern; amid a boot log, that the log hides nothing.
	cat "$data/clean-6.12" "$tmp/sample" >"$tmp/log"
	rm "$tmp/sample"
	tests/vm/splat <"$tmp/log" >"$tmp/out"
	is $? 1 "seen after a boot log: $name"
	rm "$tmp/log" "$tmp/out"
done

for log in "$data"/clean-*; do
	check "nothing seen in ${log##*/}" tests/vm/splat "$log"
done

tests/vm/splat /nonexistent 2>/dev/null
is $? 2 "a log that cannot be read is an error"
out=$(printf 'a\nb\nc\n[    1.0] BUG: x\nd\n' | tests/vm/splat)
like "$out" '^4:.*BUG: x' "the line is printed with its number"

# Whose fault an oops is. The sample is a real one.
stale=$data/stale
cat "$data/clean-6.12" "$stale" >"$tmp/log"
check "a stale breakpoint is QEMU's fault" tests/vm/stale "$tmp/log"
sed 's/Oops: int3/int3/' "$stale" >"$tmp/log"
check "also as Linux 6.1 prints it" tests/vm/stale "$tmp/log"
sed 's/ 66 <90>/ cc <90>/' "$stale" >"$tmp/log"
check_fails "a breakpoint that is there is not" tests/vm/stale "$tmp/log"
{ echo '[   15.0] WARNING: CPU: 1 PID: 3 at net/core/dst.c:1'; cat "$stale"; } >"$tmp/log"
check_fails "nor is one after another complaint" tests/vm/stale "$tmp/log"
sed 's/int3: 0000/general protection fault, maybe int3: 0/' "$stale" >"$tmp/log"
check_fails "nor another fault" tests/vm/stale "$tmp/log"
check_fails "nor nothing at all" tests/vm/stale "$data/clean-6.12"

done_testing
