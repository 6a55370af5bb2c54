#!/bin/bash
# The socket suite, on every kernel: what a daemon sees of the module.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
checkout=$(cd "$here/../.." && pwd -P)
sock=$checkout/tests/sock
read -r -a kernels <<<"${IKETCP_KERNELS:-6.1 6.12}"

if ! make -s -C "$sock" O="$checkout/.build/sock" >&2; then
	echo "Bail out! tests/sock does not build"
	exit 1
fi

count=$(mktemp) output=$(mktemp)
trap 'rm -f "$count" "$output"' EXIT
number=0 failed=0
for kernel in "${kernels[@]}"; do
	# 125: QEMU failed in mid-run (tests/vm/stale); what came does not count.
	for try in 1 2 3; do
		status=0
		"$checkout/tests/vm/run" --realtime -k "$kernel" -t "${IKETCP_SOCK_LIMIT:-1800}" -- \
			sh /iketcp/tests/sock/guest /iketcp/.build/sock "$@" >"$output" ||
			status=$?
		((status == 125)) || break
		echo "# $kernel: QEMU failed (try $try)"
	done
	awk -v kernel="$kernel" -v first="$number" -v count="$count" \
		-f "$sock/tap.awk" "$output"
	number=$(($(<"$count") + 1))
	# 1 is the programs' own "a test failed", which was printed as such.
	if ((status > 1)); then
		echo "not ok $number - $kernel: the machine (status $status)"
		failed=1
	else
		echo "ok $number - $kernel: the machine"
	fi
	((status == 0)) || failed=1
done
echo "1..$number"
exit "$failed"
