#!/bin/bash
# A gateway: forwarded traffic with GSO and GRO, and the path MTU.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 600 -- tests/scenario/forward
done_testing
