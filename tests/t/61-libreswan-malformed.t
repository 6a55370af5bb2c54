#!/bin/bash
# A Libreswan responder and streams that begin wrongly: tests/interop/malformed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
# shellcheck source=tests/lib/vm.sh
. tests/lib/vm.sh

vm_tap -t "${IKETCP_INTEROP_LIMIT:-1500}" -- tests/interop/malformed
done_testing
