#!/bin/bash
# The fuzzers find nothing, and they would: their corpora reach every line and
# branch of what they test, and flaws that are put in are found.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tests/prepare fuzz || bail_out "no clang"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for file in tests/fuzz/*.c; do
	target=$(basename "$file" .c)
	check "$target: nothing found in the corpus" \
		tests/fuzz/repeat -o "$dir/$target" "$target" "tests/fuzz/corpus/$target"

	covered=$(tests/fuzz/cover -o "$dir/$target" "$target" 2>&1)
	is $? 0 "$target: the corpus reaches every line and branch"
	diag "$covered"
	sources=$(sed -n 's/^ \* Sources: //p' "$file")
	is "$(sed -En 's/: ([1-9][0-9]*) of \1 lines, ([0-9]+) of \2 branches$//p' <<<"$covered" | xargs)" \
		"$sources" "$target: these were its sources"

	fuzzed=$(tests/fuzz/run -t 10 -r 1 -o "$dir" "$target" 2>&1)
	is $? 0 "$target: nothing found in ten seconds"
	diag "$fuzzed"
	like "$fuzzed" '^[a-z]+: [1-9][0-9]{3,} executions, [1-9]' "$target: thousands of inputs were tried"
done

# What was not reached is told.
covered=$(tests/fuzz/cover -o "$dir/frame" frame tests/fuzz/corpus/frame/prefix 2>&1)
is $? 1 "a corpus that does not reach all fails"
like "$covered" '^src/frame.c:[0-9]+: never run$' "it is told which lines"
like "$covered" '^src/frame.c:[0-9]+: never true$' "it is told which branches are never taken"
like "$covered" '^src/frame.c:[0-9]+: never false$' "it is told which are always"

# finds NAME COMMAND…: fails, and says what is wrong.
finds() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		not_ok "$name"
		diag "$* found nothing"
	else
		like "$output" 'WRONG: |ERROR: AddressSanitizer|runtime error' "$name"
	fi
}

# flaw TARGET SOURCE NAME SED: builds TARGET with a flaw put into SOURCE. Its
# corpus has to find it; so has the fuzzer, without the corpus.
flaw() {
	local target=$1 source=$2 name=$3 expression=$4 program dictionary=()
	rm -rf "$dir/flaw"
	mkdir "$dir/flaw"
	cp -r include src tools "$dir/flaw/"
	sed -i -E "$expression" "$dir/flaw/$source"
	if cmp -s "$source" "$dir/flaw/$source"; then
		not_ok "flaw: $name: put in"
		return
	fi
	program=$(tests/fuzz/build -s "$dir/flaw" -o "$dir/flaw" "$target")
	is $? 0 "flaw: $name: built" || return
	finds "flaw: $name: found by the corpus" "$program" "tests/fuzz/corpus/$target"/*
	[[ ! -f tests/fuzz/$target.dict ]] || dictionary=("-dict=tests/fuzz/$target.dict")
	finds "flaw: $name: found from nothing" \
		"$program" -seed=1 -runs=2000000 "-artifact_prefix=$dir/flaw/" "${dictionary[@]}"
}

flaw frame src/frame.c "a short message takes what is behind it" \
	's/return need - had;/return len;/'
flaw frame src/frame.c "a short message may be one byte less" \
	's/len <= IKETCP_MARKER_LEN \?/len < IKETCP_MARKER_LEN ?/'
flaw frame src/frame.c "the prefix is compared at its end only" \
	's/if \((memcmp\(frame->head, iketcp_frame_prefix)/if (frame->have == 6 \&\& \1/'
flaw frame src/frame.c "a length has 15 bits" \
	's/frame->head\[0\] << 8/(frame->head[0] \& 0x7f) << 8/'
flaw frame src/frame.c "the stream goes on behind a bad length" \
	'/len < IKETCP_LENGTH_LEN\)/,/}/s/DEAD/IN_HEAD/'
flaw netlink tools/iketcp/parse.c "a message may be shorter than its fixed part" \
	's/if \(len < size\)/if (!size)/'
flaw netlink tools/iketcp/parse.c "an address may be shorter than its family says" \
	's/ \|\| len != \(of == AF_INET \? 4 : 16\)/ || !len/'
flaw config tools/iketcpd/config.c "two peers may have one address" \
	'/i \+ 1 < config->n_peers/s/config->n_peers/1/'
flaw config tools/iketcpd/config.c "a number may be too small" \
	's/ \|\| value < min / /'
flaw config tools/iketcpd/config.c "a name is longer than its room" \
	's/strlen\(name\) >= sizeof\(peer->name\)/strlen(name) > 2 * sizeof(peer->name)/'
flaw frame src/frame.c "more is read than was shown" \
	's/(memcpy\(.*, buf), len\)/\1, sizeof(frame->head) - had)/'

# The last one is still there: what somebody who fuzzes sees of it.
fuzzed=$(tests/fuzz/run -t 10 -r 1 -s "$dir/flaw" -o "$dir/run" frame 2>&1)
is $? 1 "a finding fails"
again=$(sed -n 's/^ *\(tests\/fuzz\/repeat .*\)/\1/p' <<<"$fuzzed")
like "$again" "$dir/run/frame/crash/" "it is told how to repeat it" || diag "$fuzzed"
read -r -a again <<<"$again"
finds "that repeats it" "${again[@]}"
check "the input is none for the real source" \
	tests/fuzz/repeat -o "$dir/frame" frame "$dir/run/frame/crash"

done_testing
