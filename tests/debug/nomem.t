#!/bin/bash
# Every allocation of the module fails, one at a time: it is told or counted, and
# nothing else is lost. Needs a kernel with fault injection. IKETCP_NOMEM=WORD tries only
# the operations with WORD in their name.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/race O="$PWD/.build/race" || bail_out "tests/race does not build"
# As vm_tap, but each kernel has a module of its own.
for kernel in ${IKETCP_KERNELS:?a debug kernel: see tests/check-debug}; do
	sites=.build/race/sites-${kernel##*/}
	tests/race/sites "$(tests/vm/build "$kernel")" >"$sites" || bail_out "no list of sites"
	vm_tap_on "$kernel" -t 300 -- tests/scenario/nomem "$sites" ${IKETCP_NOMEM:+"$IKETCP_NOMEM"}
done
done_testing
