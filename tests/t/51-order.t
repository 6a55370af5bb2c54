#!/bin/bash
# Two CPUs and asynchronous ciphers: messages leave in order.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

# A cipher whose own queue is full loses packets; here nothing may be lost. (What
# becomes of those packets is in tests/scenario/counter.)
vm_tap -t 900 -a cryptd.cryptd_max_cpu_qlen=8192 -- tests/scenario/order
done_testing
