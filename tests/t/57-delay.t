#!/bin/bash
# How long a packet waits in a tunnel that is full.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

# One kernel: it takes long, and what decides is the same in all. By the guest's own
# time.
IKETCP_KERNELS=${IKETCP_KERNELS:-6.12} vm_tap -i 2 -t 500 -- tests/scenario/delay
done_testing
