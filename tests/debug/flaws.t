#!/bin/bash
# Can races and load fail? Modules with a flaw each, which have to be found. Some
# of them take a kernel with KASAN.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh
. tests/lib/vm.sh

for program in race load; do
	make -s -C "tests/$program" O="$PWD/.build/$program" >&2 ||
		bail_out "tests/$program does not build"
done
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
rsync -a --exclude=/.git --exclude=/.build ./ "$copy/"
mkdir -p "$copy/flaws" "$copy/.build"
cp -r .build/race .build/load "$copy/.build/"

# flaw NAME SOURCE SED PROGRAM…
flaw() {
	local ko
	sed -i -E "$3" "$copy/$2"
	if cmp -s "$2" "$copy/$2"; then
		not_ok "flaw $1: put in"
		return
	fi
	ko=$("$copy/tests/vm/build" "$vm_newest")
	is $? 0 "flaw $1: built" && cp "$ko" "$copy/flaws/$1.ko" &&
		echo "$1 ${*:4}" >>"$copy/flaws/list"
	cp "$2" "$copy/$2"
}

race=.build/race/race
flaw a-delete-is-lost src/tx.c '/^void iketcp_tx_drain/,/^}/s/ike \|= .*/ike = false;/' \
	$race delete 60
flaw nobody-wakes-readers src/sock.c '/^static void state_change/,/^}/s/conn->state_change\(sk\);//' \
	$race wake 60
flaw what-was-there-is-not-read src/rx.c '/^void iketcp_rx_start/,/^}/s/iketcp_rx_(turn|catch_up)\(conn\);//g' \
	$race attach 60
flaw a-bridge-goes-on-for-esp src/sa.c '/^static bool is_usable/,/^}/s/rcu_access_pointer\(conn->bridge\)/true/' \
	$race bridge-set 500
flaw a-stall src/sock.c '/^static void write_space/,/^}/s/iketcp_tx_kick\(conn\);//' \
	.build/load/load soak seconds=40 rekey=4 event=8 seed=1
if [[ $vm_newest == *-kasan* ]]; then
	flaw frees-a-bridge-at-once src/bridge.c '/^static void publish/,/^}/s/kfree_rcu\(old, rcu\)/kfree(old)/' \
		$race bridge-set 400
	flaw leaves-a-bridge src/sock.c '/iketcp_bridge_end\(/d' \
		$race bridge-end 60
	flaw leaves-the-work-of-a-limit src/limit.c '/cancel_work_sync/d' \
		$race namespace 200
fi
vm_checkout=$copy
IKETCP_SLOW=${IKETCP_FLAWS_SLOW:-1} \
	vm_tap_on "$vm_newest" -n -m 2048 -s "$copy/flaws" -t 900 -- tests/scenario/flaws /scratch
done_testing
