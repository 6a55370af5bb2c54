#!/bin/bash
# Half an hour of everything that can happen to connections and SAs under traffic:
# nothing stalls, all packets are accounted for, nothing is left.
#
#   IKETCP_SOAK=1800        seconds
#   IKETCP_SEED=1           of what happens when
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/load >&2 || bail_out "tests/load does not build"
seconds=${IKETCP_SOAK:-1800}
# Whatever IKETCP_SLOW is, booting and the end take only so long.
IKETCP_KERNELS=${IKETCP_KERNELS:-6.12} \
	vm_tap -t $((seconds + 600)) -m 2048 -- tests/load/guest \
	"soak seconds=$seconds seed=${IKETCP_SEED:-1}"
done_testing
