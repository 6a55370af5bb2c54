# Sourced by tests/t/*.t after tap.sh: runs tests in the guest.
# shellcheck shell=bash
#
#   vm_tap [tests/vm/run's options] -- COMMAND…
#       runs COMMAND, which prints TAP, once in each kernel of $IKETCP_KERNELS
#       (default "6.1 6.12"; a name may be a kernel tree's directory), passes
#       its tests on under new numbers, and adds one test per kernel: that
#       everything around them was right, too. Where QEMU failed (see
#       tests/vm/stale) everything is run again, three times at most.
#   vm_tap_on KERNEL [options] -- COMMAND…
#       the same, in one kernel
#   vm_tap_newest [options] -- COMMAND…    the same, in the last of those kernels
#   vm_tap_older [options] -- COMMAND…     the same, in each of the others. What takes
#       long is run whole in the newest and in part in the others;
#       IKETCP_KERNELS=6.1 runs all of it there.
#
# Console logs stay in .build/log/.

read -r -a vm_older <<<"${IKETCP_KERNELS:-6.1 6.12}"
vm_newest=${vm_older[-1]}
unset 'vm_older[-1]'
vm_checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

vm_tap() {
	local kernel
	for kernel in ${IKETCP_KERNELS:-6.1 6.12}; do
		vm_tap_on "$kernel" "$@"
	done
}

vm_tap_newest() { vm_tap_on "$vm_newest" "$@"; }

vm_tap_older() {
	local kernel
	for kernel in "${vm_older[@]}"; do
		vm_tap_on "$kernel" "$@"
	done
}

vm_tap_on() {
	local try
	for try in 1 2 3; do
		vm_tap_once "$@"
		((vm_status == 125)) || return
		diag "QEMU failed (try $try)"
	done
	not_ok "kernel ${1##*/}: a guest that QEMU does not fail"
}

# Leaves tests/vm/run's exit status in $vm_status.
vm_tap_once() {
	local kernel=$1 name line log output status=0 plan='' count=0 failed=0 verdict
	shift
	name=${kernel##*/}
	log=$vm_checkout/.build/log/$(basename "$0" .t)-$name
	mkdir -p "${log%/*}"
	output=$(mktemp)
	# A pipe would hide run's status; a file would hide progress: use both.
	exec {vm_fd}< <(
		status=0
		"$vm_checkout/tests/vm/run" --realtime -k "$kernel" -o "$log.console" "$@" || status=$?
		echo "$status" >"$output"
	)
	while IFS= read -r -u "$vm_fd" line; do
		case $line in
		ok|ok\ *|not\ ok|not\ ok\ *)
			count=$((count + 1))
			vm_pass_on "$line" "$name"
			;;
		1..*)
			plan=${line#1..}
			# A skipped file, directive and all, goes on to tests/lib/strict.
			[[ $plan != 0* ]] || vm_pass_on "ok - all ${plan#0}" "$name"
			plan=${plan%%[!0-9]*}
			;;
		'Bail out!'*) failed=$((failed + 1)); diag "$name: $line" ;;
		'#'*) echo "$line" ;;
		*) [[ -z $line ]] || echo "# $line" ;;
		esac
	done
	exec {vm_fd}<&-
	# The reader saw the end only after the status was written.
	status=$(cat "$output")
	rm -f "$output"
	vm_status=$status
	((status != 125)) || return
	verdict="vm: kernel $name: clean console, module unloaded, end mark seen"
	case $status in
	12[0-4])
		not_ok "$verdict"
		diag "tests/vm/run: status $status; console log: $log.console"
		;;
	*) ok "$verdict" ;;
	esac
	if [[ $plan != "$count" ]]; then
		not_ok "kernel $name: all tests were run"
		diag "planned: ${plan:-no plan}, run: $count"
	elif [[ $status != 0 && $status != 12[0-4] ]] && ((failed == 0)); then
		not_ok "kernel $name: the command exits with 0"
		diag "exit status $status"
	fi
}

# vm_pass_on LINE KERNEL: one test line under the next number.
vm_pass_on() {
	local line=$1 result=ok
	if [[ $line == not* ]]; then
		result='not ok'
		tap_failed=$((tap_failed + 1))
		# vm_tap_on's; tells it that a failed exit has been accounted for.
		failed=$((failed + 1))
	fi
	line=$(sed -E 's/^(not )?ok *[0-9]* *-? *//' <<<"$line")
	tap_count=$((tap_count + 1))
	echo "$result $tap_count - $2: $line"
}
