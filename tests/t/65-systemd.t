#!/bin/bash
# iketcpd installed, as a service of systemd: what tests/scenario/systemd says.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

tests/prepare tool || bail_out "no libmnl"
make -s tools >&2 || bail_out "no tool or daemon"
check "installed" make -s install-tools DESTDIR="$dir" PREFIX=/usr
vm_tap_newest -r strongswan -s "$dir" -t 400 -- tests/scenario/systemd
done_testing
