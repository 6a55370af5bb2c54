#!/bin/bash
# What a red run of the gate says (tests/lib/strict, tests/gate/tap.awk, tests/gate/report):
# everything that failed is told, with the reason, the end of the log and a command; and all
# of it is in the last 40 lines.
top=$(cd "$(dirname "$0")/../.." && pwd -P)
cd "$top" || exit
. tests/lib/tap.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit
unset T K IKETCP_ALLOW_SKIP
: >known

# --- Host tests ---

# strict NAME STATUS TEXT: runs TEXT, a test; its file in .build/failed is in $told.
strict() {
	local status=0
	case=$1
	printf '#!/bin/bash\n. "%s/tests/lib/tap.sh"\n%s\n' "$top" "$3" >"$1"
	chmod +x "$1"
	"$top/tests/lib/strict" "./$1" >out 2>err || status=$?
	is "$status" "$2" "$case: its status is passed on"
	told=$(cat ".build/failed/$1" 2>&1)
}

# tells REGEX DESCRIPTION
tells() { like "$told" "$1" "$case: $2"; }

strict good.t 0 'ok fine; echo "a remark" >&2; done_testing'
is "$(cat out)" $'ok 1 - fine\n1..1' "$case: as is its output"
tells 'No such file' "nothing is told"

strict bad.t 1 'ok fine; is 1 2 "they are equal"; ok "fine, too"; check "it is there" ls /none; done_testing'
tells '^FAILED ./bad.t: they are equal$' "the test is told"
tells '^  expected: 2$' "and why"
tells '^  ls: .*/none' "of the second, too"
is "$(grep -c -e FAILED <<<"$told")" 2 "$case: no others are"

strict dies.t 2 'echo "x.c:5:1: error: no such thing" >&2; echo more >&2; exit 2'
tells '^FAILED ./dies.t: ran 0 of an unknown number of tests, exit status 2$' "that is told"
like "$(sed -n 2p <<<"$told")" '^  x.c:5:1: error: no such thing$' "$case: and why"
tells '^LOG .build/log/dies.t.stderr$' "with the log"
tells '^  more$' "and its end"

strict short.t 0 'plan 3; ok fine; exit 0'
tells '^FAILED ./short.t: ran 1 of 3 tests, exit status 0$' "that is told"

strict status.t 7 'plan 1; ok fine; exit 7'
tells '^FAILED ./status.t: exit status 7$' "that is told"

strict bail.t 255 'ok fine; bail_out "no disk"'
tells '^FAILED ./bail.t: Bail out! no disk$' "that is told"
is "$(grep -c '^Bail' out)" 0 "$case: others go on"

strict skip.t 1 'ok fine; skip "not here" "no time"; done_testing; exit 1'
tells '^FAILED ./skip.t: not here \(unexpected SKIP\) no time$' "that is told"

strict skipped.t 0 'skip_all "no time"'
tells '^FAILED ./skipped.t: skipped: no time$' "that is told"

strict bad.t 0 'ok fine; done_testing'
tells 'No such file' "what was told of a run before is gone"
is "$(cat .build/log/bad.t.stderr)" "" "$case: so is its log"

# --- Guests ---

rm -rf .build
mkdir -p .build/failed .build/log
tap() {
	awk -v kernel=6.1 -v guest=all -v suites="a b c" -v failed=.build/failed/all-6.1 \
		-v log_name=.build/log/all-6.1 -v known=known -f "$top/tests/gate/tap.awk" >out 2>err
}
case=guest
printf '%s\n' '# suite a 1' '1..2' 'ok 1 - x' 'not ok 2 - y' '#   got: 5' 'a remark' '# end a 1 1.0 2' \
	'' '# suite b 2' '1..4' 'ok 1 - z' 'half a li' '# machine 123' | tap
told=$(<.build/failed/all-6.1)
tells '^FAILED 6.1 a: y$' "a suite's failed test is told"
tells '^ +got: 5$' "and why"
tells '^LOG .build/log/all-6.1.output, suite a$' "with its log"
tells '^FAILED 6.1 b: did not end$' "a suite that did not end is told"
tells '^  half a li$' "with its last line"
tells '^FAILED 6.1 all: these suites did not run: c$' "as are those behind it"
tells '^FAILED 6.1 all: the machine' "and the machine"

# --- The report ---

# report DESCRIPTION: the report of .build/failed is in $told.
report() {
	told=$("$top/tests/gate/report" 1 5 .build known 2>&1)
	local lines
	lines=$(wc -l <<<"$told")
	check "$1: no more than 39 lines" test "$lines" -lt 40
	is "$(tail -n 1 <<<"$told")" "tests/check: RED after 5 s" "$1: the verdict is the last"
}

# A suite's failed test, and a host's.
rm .build/failed/*
cat >.build/failed/all-6.1 <<'TOLD'
FAILED 6.1 bad: one
  because
LOG .build/log/all-6.1.output, suite bad
  its end
TOLD
cat >.build/failed/20-build.t <<'TOLD'
FAILED tests/t/20-build.t: builds for 6.1
  an error
LOG .build/log/20-build.t.stderr
  another end
TOLD
report "two failures"
is "$(sed '/^$/,$d' <<<"$told")" "What failed, and why:
FAILED tests/t/20-build.t: builds for 6.1
  an error
  the end of .build/log/20-build.t.stderr:
    another end
FAILED 6.1 bad: one
  because
  the end of .build/log/all-6.1.output, suite bad:
    its end
Again, alone:
  make check T=20-build
  make check T=bad K=6.1
Again, the very same guest:
  tests/gate/run 6.1 all" "two failures: all is there"
T=bad report "with T"
like "$told" '^  T=bad tests/gate/run 6.1 all$' "with T: the guest has it, too"

# The machine.
rm .build/failed/*
machine='FAILED 6.12 all: the machine: clean console, module unloaded, end mark seen'
printf '%s\n' "$machine" "  status 121: tests/vm/run: KERNEL SPLAT in sock-bad behind \"x\" (command's exit status: 0)" \
	"  600:[   9.9] BUG: x" >.build/failed/all-6.12
report "a splat"
like "$told" '^  make check T=sock-bad K=6.12$' "a splat: the suite's command"
like "$told" '^  tests/gate/run 6.12 all$' "a splat: and the guest's"
like "$told" 'BUG: x' "a splat: the complaint"
printf '%s\n' "$machine" "  status 122: tests/vm/run: MODULE DID NOT UNLOAD" >.build/failed/all-6.12
report "a stuck module"
like "$told" '^  tests/gate/run 6.12 all$' "a stuck module: the guest's command"
is "$(grep -c 'make check' <<<"$told")" 0 "a stuck module: and no other"

# Very many, in one kernel, and one in the other.
for suite in $(cut -f 1 "$top/tests/gate/suites" | grep -v '^#' | head -n 20); do
	printf 'FAILED 6.1 %s: test %s\n  why\n  and more\n' "$suite" 1 "$suite" 2 "$suite" 3
	printf 'LOG .build/log/all-6.1.output, suite %s\n  x\n  y\n' "$suite"
done >.build/failed/all-6.1
for n in 1 2 3 4 5 6; do printf '^6.1 x: y$\tbecause %s\n' "$n"; done >known
report "many failures"
like "$told" '^FAILED 6.1 ' "many failures: some of the first kernel"
like "$told" '^FAILED 6.12 all: the machine' "many failures: that of the other"
like "$told" '^and [0-9]+ more: .build/failed$' "many failures: and how many more"
is "$(($(grep -c ^FAILED <<<"$told") + $(sed -n 's/^and \(.*\) more: .build.*/\1/p' <<<"$told")))" 61 "many failures: none is lost"
is "$(grep -c '^\^6.1 x: y' <<<"$told")" 4 "many failures: known ones take little room"
sed -i '31,$d' .build/failed/all-6.1
report "some failures"
is "$(grep -c ^FAILED <<<"$told")" "$(cat .build/failed/* | grep -c ^FAILED)" "some failures: each is named"
like "$told" '^  why$' "some failures: with a reason where there is room"

# Longer than any screen.
for n in {1..60}; do echo "  line $n"; done | sed '1iFAILED tests/t/10-splat.t: a\nLOG x' >.build/failed/10-splat.t
rm .build/failed/all-*
report "a long log"
like "$told" '^    line 60$' "a long log: its end is there"
rm .build/failed/*
report "nothing told"
like "$told" '^What failed: nothing was told' "nothing told: that is told"
echo "output of 6.1 (all): 0123" >.build/log/all-6.1.hash
: >known
is "$("$top/tests/gate/report" 0 5 .build known)" "No known failures.
output of 6.1 (all): 0123
tests/check: green after 5 s" "a green run"

# --- Names ---

pick() { "$top/tests/gate/pick" "$1" | paste -sd ' '; }
is "$(pick bad)" bad "a name is that suite alone"
is "$(pick libreswan)" libreswan "though it is part of others"
is "$(pick 20-build) $(pick 20-build.t) $(pick tests/t/20-build.t)" \
	"tests/t/20-build.t tests/t/20-build.t tests/t/20-build.t" "or that file"
like "$(pick sock-)" '^sock-attach .*sock-event$' "a part of a name is all with that"
like "$(pick '')" '^libreswan-stock .*/install.t$' "nothing is everything"
check_fails "what there is not fails" "$top/tests/gate/pick" nosuch
is "$(cd "$top" && printf '%s\n' tests/gate/*.t | LC_ALL=C sort)" "$(grep '^tests/gate/' "$top/tests/gate/list" | LC_ALL=C sort)" \
	"each file of tests/gate is in the list"
done_testing
