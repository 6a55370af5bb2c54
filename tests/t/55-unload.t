#!/bin/bash
# Other ESP across modprobe and rmmod.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 600 -- tests/scenario/unload
done_testing
