#!/bin/bash
# DSCP and ECN, and transport mode behind a NAT.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap_older -t 600 -- env SCENARIO_FAMILIES="6 mapped" tests/scenario/marks
vm_tap_newest -t 600 -- tests/scenario/marks
vm_tap -t 300 -- tests/scenario/nat
done_testing
