#!/bin/bash
# ESP that is bad, from a peer that speaks the framing.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

vm_tap -t 600 -- tests/scenario/bad
done_testing
