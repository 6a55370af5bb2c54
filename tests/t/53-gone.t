#!/bin/bash
# Connections, devices, addresses, namespaces and SAs that go under traffic.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap_older -t 900 -- env SCENARIO_FAMILIES=6 tests/scenario/gone
vm_tap_newest -t 900 -- tests/scenario/gone
done_testing
