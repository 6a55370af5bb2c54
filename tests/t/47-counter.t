#!/bin/bash
# Counters that no other test makes move.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 600 -a cryptd.cryptd_max_cpu_qlen=4 -- tests/scenario/counter
done_testing
