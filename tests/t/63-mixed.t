#!/bin/bash
# strongSwan, by iketcpd, and Libreswan with each other, Debian's and unmodified:
# what tests/scenario/mixed says.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

tests/prepare tool || bail_out "no libmnl"
make -s -C tools/iketcpd >&2 || bail_out "no daemon"
vm_tap_newest -r both -t 600 -- tests/scenario/mixed
done_testing
