#!/bin/bash
# The module builds for Debian's standard kernels; the compiler has nothing to say (W=1),
# nor sparse in the newer one's. (Sparse for all, and the real-time ones: 23-build-all.t.)
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

plan 2
check "builds for 6.1" tests/vm/build 6.1
check "builds for 6.12, sparse is silent" tests/vm/build -s 6.12
exit $((tap_failed > 0))
