#!/bin/bash
# A wire that loses, reorders, repeats and corrupts packets; devices that copy them.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

# One kernel: what it is about is TCP, and it waits long.
IKETCP_KERNELS=${IKETCP_KERNELS:-6.12} vm_tap -t 400 -- tests/scenario/netem
done_testing
