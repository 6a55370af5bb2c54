#!/bin/bash
# Nothing that came with a segment is written to: file pages sent into a
# connection stay what they are. With the copy left out they do not.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/pages >&2 || bail_out "tests/pages does not build"
vm_tap -t 600 -- tests/scenario/pages

# Can it fail? Only the receive path differs in this copy of the tree.
open=$(mktemp -d)
trap 'rm -rf "$open"' EXIT
rsync -a --exclude=/.git --exclude=/.build ./ "$open/"
mkdir "$open/.build"
cp -r .build/pages "$open/.build/"
check "the copy can be left out" patch -s -p1 -d "$open" -i "$PWD/tests/pages/skip-copy.patch" ||
	bail_out "tests/pages/skip-copy.patch does not fit src/rx.c"
vm_checkout=$open
read -r -a kernels <<<"${IKETCP_KERNELS:-6.1 6.12}"
vm_tap_on "${kernels[-1]}" -t 600 -- tests/scenario/pages open
done_testing
