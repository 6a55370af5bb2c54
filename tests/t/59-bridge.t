#!/bin/bash
# Connections in the place of UDP, for IKE daemons that know nothing else.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap_older -t 600 -- tests/scenario/bridge 4
vm_tap_newest -t 600 -- tests/scenario/bridge
done_testing
