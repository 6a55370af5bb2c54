#!/bin/bash
# strongSwan and iketcpd behind a NAT, with a dead peer, on the move: what
# tests/scenario/roam says.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

tests/prepare tool || bail_out "no libmnl"
make -s -C tools/iketcpd >&2 || bail_out "no daemon"
# Each in one family: it takes long. The others: see Documentation/testing.md.
vm_tap_newest -r strongswan -t 600 -- tests/scenario/roam behind4 mobike6
done_testing
