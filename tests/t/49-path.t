#!/bin/bash
# Packets go where their peer was last heard.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap_older -t 600 -- env SCENARIO_FAMILIES=4 tests/scenario/path
vm_tap_newest -t 600 -- tests/scenario/path
done_testing
