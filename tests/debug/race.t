#!/bin/bash
# Races, a thousand rounds of each, in a kernel that checks itself.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/race O="$PWD/.build/race" || bail_out "tests/race does not build"
vm_tap -t 900 -- tests/scenario/race "${IKETCP_RACE_ROUNDS:-1000}"
done_testing
