#!/bin/bash
# 10,000 connections at once in 2 GiB, and what each takes beside one of the
# kernel's own espintcp; 100,000 that come and go; 5,000 strangers.
#
# The figures are taken on the kernel "bench" (tests/vm/debug-kernel), which has no
# checks that take memory and time themselves. Then the same, less of it, on the
# kernels of IKETCP_KERNELS, if that is set, as tests/check-debug does.
#
#   IKETCP_CONNECTIONS=10000 IKETCP_CHURN=100000 IKETCP_STRANGERS=5000
#   IKETCP_LOAD_PART=10     so many times less on the other kernels
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/load >&2 || bail_out "tests/load does not build"
bench=$(tests/vm/debug-kernel 6.12 bench) || bail_out "no kernel to measure with"
connections=${IKETCP_CONNECTIONS:-10000} churn=${IKETCP_CHURN:-100000}
strangers=${IKETCP_STRANGERS:-5000} part=${IKETCP_LOAD_PART:-10}

IKETCP_SLOW=1 vm_tap_on "$bench" -t 1800 -m 2048 -- tests/load/guest \
	"many connections=$connections" \
	"churn connections=$churn" \
	"strangers strangers=$strangers rounds=7"

# Under KASAN everything is larger, and of different size.
for kernel in ${IKETCP_KERNELS:-}; do
	[[ $kernel != "$bench" ]] || continue
	vm_tap_on "$kernel" -t 600 -m 2048 -- tests/load/guest \
		"many connections=$((connections / part)) kinds=0" \
		"churn connections=$((churn / part))" \
		"strangers strangers=$((strangers / part)) rounds=5 bound=65536"
done
done_testing
