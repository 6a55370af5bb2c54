#!/bin/bash
# Thousands of connections at once, thousands that come and go, strangers beside
# those who work, and twenty seconds of everything that can happen. The full
# figures are those of tests/debug/load.t and tests/debug/soak.t.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/load >&2 || bail_out "tests/load does not build"
# 80 %: windows of a second, on a machine that others use, too.
vm_tap -t 400 -m 2048 -- tests/load/guest \
	"many connections=2000 kinds=0" \
	"churn connections=5000" \
	"strangers strangers=600 rounds=4 window=1000 ratio=80" \
	"soak seconds=20 rekey=2 event=2 seed=${IKETCP_SEED:-1}"
done_testing
