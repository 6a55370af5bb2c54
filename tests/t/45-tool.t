#!/bin/bash
# tools/iketcp with the module: it holds connections of SAs with manual keys, and
# what it shows is what is there.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

tests/prepare tool || bail_out "no libmnl"
make -s tools >&2 || bail_out "no tool"
vm_tap -t 300 -- tests/scenario/tool
done_testing
