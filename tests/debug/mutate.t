#!/bin/bash
# The mutators for longer, where the kernel checks itself.
#
#   IKETCP_MUTATE_SEED         1
#   IKETCP_MUTATE_MESSAGES     200000: stream ends after so many messages
#   IKETCP_MUTATE_SECONDS      90: or after so many seconds; call takes as many
#   IKETCP_MUTATE_KEEPALIVES   200: in a row, at most
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

seconds=${IKETCP_MUTATE_SECONDS:-90}
make -s -C tests/mutate >&2 || bail_out "tests/mutate does not build"
vm_tap -t $((100 + 2 * seconds)) -- tests/scenario/mutate "${IKETCP_MUTATE_SEED:-1}" \
	"${IKETCP_MUTATE_MESSAGES:-200000}" "$seconds" -k "${IKETCP_MUTATE_KEEPALIVES:-200}"
done_testing
