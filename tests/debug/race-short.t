#!/bin/bash
# Races: connections, SAs, devices, namespaces and the module go under traffic, a
# few rounds of each. tests/debug/race.t has a thousand.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/race O="$PWD/.build/race" || bail_out "tests/race does not build"
vm_tap -t 600 -- tests/scenario/race "${IKETCP_RACE_ROUNDS:-60}"
done_testing
