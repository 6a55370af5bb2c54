#!/bin/bash
# Damaged streams and random socket calls: every message and every error is what
# the standard makes of the bytes that were sent, and nothing hangs. Flaws that
# are put in are found.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

make -s -C tests/mutate >&2 || bail_out "tests/mutate does not build"
vm_tap -t 300 -- tests/scenario/mutate 1 60000 12 -k 40

# Can it fail? Modules with a flaw each, all tried in one guest.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
rsync -a --exclude=/.git --exclude=/.build ./ "$copy/"
mkdir "$copy/flaws" "$copy/.build"
cp -r .build/mutate "$copy/.build/"
read -r -a kernels <<<"${IKETCP_KERNELS:-6.1 6.12}"

# flaw NAME SOURCE SED
flaw() {
	local ko
	sed -i -E "$3" "$copy/$2"
	if cmp -s "$2" "$copy/$2"; then
		not_ok "flaw $1: put in"
		return
	fi
	ko=$("$copy/tests/vm/build" "${kernels[-1]}")
	is $? 0 "flaw $1: built" && cp "$ko" "$copy/flaws/$1.ko"
	cp "$2" "$copy/$2"
}

flaw stream-loses-a-byte src/rx.c '/^static size_t take_body/,/^}/s/return n;/return n + (n == 7 \&\& len > n);/'
flaw stream-takes-length-1 src/frame.c 's/frame->len < IKETCP_LENGTH_LEN\)/frame->len < 1)/'
flaw stream-last-comes-first src/ike.c 's/__skb_queue_tail/__skb_queue_head/'
flaw call-counts-no-detach src/sock.c '/IKETCP_STAT_DETACH/d'
vm_checkout=$copy
vm_tap_on "${kernels[-1]}" -n -s "$copy/flaws" -t 300 -- tests/scenario/mutate flaws /scratch
done_testing
