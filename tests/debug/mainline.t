#!/bin/bash
# The kernel's own espintcp and ours, at the two ends and side by side. Needs a
# kernel that has one.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 600 -a espintcp_name=espintcp -- tests/scenario/mainline
done_testing
