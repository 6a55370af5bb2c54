#!/bin/bash
# Libreswan at both ends, Debian's and unmodified: what tests/interop/libreswan
# says. First without the module, to see that it is the module that helps.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/vm.sh
. tests/lib/vm.sh

vm_tap -n -- tests/interop/libreswan reader stock
vm_tap_older -t "${IKETCP_INTEROP_LIMIT:-1500}" -- tests/interop/libreswan tunnel6 nat
vm_tap_newest -t "${IKETCP_INTEROP_LIMIT:-1500}" -- tests/interop/libreswan
done_testing
