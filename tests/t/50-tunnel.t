#!/bin/bash
# SAs with manual keys over TCP: every family, mode and cipher.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 1200 -- tests/scenario/tunnel
done_testing
