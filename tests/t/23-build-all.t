#!/bin/bash
# The module builds for Debian's kernels, standard and real-time; neither the compiler (W=1) nor
# sparse has anything to say.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

plan 4
for kernel in 6.1 6.12 6.1-rt 6.12-rt; do
	check "builds for $kernel" tests/vm/build -s "$kernel"
done
exit $((tap_failed > 0))
