#!/bin/bash
# The real-time flavours: softirqs are threads there, and spinlocks sleep.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

for kernel in 6.1-rt 6.12-rt; do
	vm_tap_on $kernel -t 600 -- env SCENARIO_ULPS=iketcp SCENARIO_FAMILIES=6 \
		tests/scenario/tunnel
done
done_testing
