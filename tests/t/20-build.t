#!/bin/bash
# The module builds for Debian's standard kernels; neither the compiler (W=1) nor
# sparse has anything to say. (The real-time ones: 23-build-rt.t.)
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

plan 2
for kernel in 6.1 6.12; do
	check "builds for $kernel" tests/vm/build -s "$kernel"
done
exit $((tap_failed > 0))
