#!/bin/bash
# strongSwan at both ends, Debian's and unmodified, over TCP, by iketcpd: what
# tests/scenario/strongswan says.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

tests/prepare tool || bail_out "no libmnl"
make -s tools >&2 || bail_out "no tool or daemon"
# Everything in one kernel, a part in the others: it takes long.
vm_tap_older -r strongswan -t 900 -- tests/scenario/strongswan always4 fallback6
vm_tap_newest -r strongswan -t 900 -- tests/scenario/strongswan
done_testing
