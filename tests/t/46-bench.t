#!/bin/bash
# The benchmark: every kind of work prints its figures, and tables and plots are made of
# them. A little of each, all in one boot of a stock kernel: what comes out is no
# measurement.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tests/prepare unit tool bench || bail_out "no tools"
for part in bench load; do
	make -s -C tests/$part >&2 || bail_out "tests/$part does not build"
done
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p .build/log
# shellcheck disable=SC2016 # for the shell in the guest
in_guest='tests/bench/many "$@" tcp iketcp &&
	tests/bench/guest "$@" works="bulk small ask forward speed" tcp iketcp &&
	tests/bench/bottleneck "$@" iketcp'
small=(repeat=1 ciphers=null bulk=1 small=1 ask=20 forward=1 speed=1 memory=100
	tunnels='1 2' share=64 connect=20 ping=1 goodput=1 losses=0)
# shellcheck disable=SC2317 # check calls it
work() {
	tests/vm/run --realtime -k 6.12 -i 0 -t 580 -o .build/log/46-bench.console -- \
		bash -c "$in_guest" bash "${small[@]}" >"$out/lines"
}
check "all work is done" work || diag "$(<"$out/lines")"
check "tables" tests/bench/report "$out/lines" "$out" "kernel: 6.12" "module: this one"
check "plots" tests/bench/plot "$out"

# figures CONTESTANT WORK...: there is one of each, and it is not 0.
figures() {
	local name=$1 work
	shift
	for work; do
		# shellcheck disable=SC2016 # for jq
		check "$name, $work" jq -e --arg name "$name" --arg work "$work" \
			'[.figures[] | select(.contestant == $name and .work == $work and .median > 0)] | length == 1' \
			"$out/figures.json"
	done
}
figures iketcp bulk small ask forward speed memory-idle memory-states memory-traffic \
	tunnels-1 tunnels-2 connect ping-idle ping-median ping-high goodput-0
figures tcp bulk small ask forward memory-idle connect
like "$(<"$out/figures.txt")" '^null, bulk: instructions a byte' "a table of it"
for plot in instructions delay tunnels; do
	like "$(<"$out/$plot.svg")" '</svg>' "a plot: $plot.svg"
done
done_testing
