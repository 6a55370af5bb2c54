#!/bin/bash
# The demonstration, "make demo", as people run it: Libreswan, strongSwan, and on a
# machine's own kernel, which here is a guest's.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

mkdir -p .build/log
unset IKETCP_KERNEL

# demo NAME STEPS ENCAP COMMAND…: all steps are there, each with a good end; the output
# is in $output.
demo() {
	local name=$1 steps=$2 encap=$3 log=.build/log/70-demo.$1.output
	shift 3
	# shellcheck disable=SC2016 # for the shell inside
	check "$name: succeeds" bash -c '"${@:2}" >"$1" 2>&1 || { tail -n 40 "$1"; exit 1; }' 0 "$log" "$@"
	output=$(<"$log")
	is "$(sed -n 's/^=== \([0-9]*\)\. .*/\1/p' <<<"$output" | paste -sd ' ')" "$(seq -s ' ' "$steps")" \
		"$name: the steps are there"
	is "$(grep -c '^  => ' <<<"$output")" "$steps" "$name: each with its result"
	like "$output" '=> [0-9]{3,} packets encrypted, [0-9]{3,} decrypted at west$' "$name: the states count"
	like "$output" "encap type $encap" "$name: and are shown"
	like "$output" '^The demonstration succeeded\.$' "$name: it says so"
}

demo libreswan 8 espintcp make -s demo HOST= PEER=
like "$output" 'setsockopt\(SOL_TCP, TCP_ULP\) failed' "libreswan: the stock kernel cannot do it"
like "$output" '^The module was unloaded again, and the kernel logged no complaint' "libreswan: nothing is left"
demo strongswan 7 espinudp make -s demo HOST= PEER=strongswan
# There a machine that is emulated, too: so much less traffic.
demo host 8 espintcp tests/vm/run --realtime -t 600 -- env HOST=1 DEMO_EMULATED=1 NO_COLOR=1 tests/demo/run
done_testing
