# Sourced by the scripts in tests/fuzz.
# shellcheck shell=bash
#
#   fuzz_top            the checkout
#   fuzz_target NAME    fails with a message if there is no such target
#   fuzz_inputs PATH…   sets $fuzz_inputs: the files, and those in directories

fuzz_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# All of one version; tests/prepare installs it.
PATH=/usr/lib/llvm-14/bin:$PATH
export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}

fuzz_target() {
	[[ ! -f $fuzz_top/tests/fuzz/$1.c ]] || return 0
	echo "${0##*/}: no target $1: there is no tests/fuzz/$1.c" >&2
	return 1
}

fuzz_inputs() {
	mapfile -d '' -t fuzz_inputs < <(find "$@" -type f -print0 | sort -z)
	((${#fuzz_inputs[@]})) && return
	echo "${0##*/}: no inputs in $*" >&2
	return 1
}
