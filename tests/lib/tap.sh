# Sourced by tests: prints TAP, for prove. POSIX sh.
# shellcheck shell=sh
#
#   plan N                   say first how many tests there are, or say
#   done_testing             last that all were run
#   ok DESCRIPTION           a passed test
#   not_ok DESCRIPTION       a failed one
#   check DESCRIPTION CMD…   runs CMD; passes if it succeeds, shows its output
#                            if it does not
#   check_fails DESCRIPTION CMD…      the other way round
#   is GOT WANTED DESCRIPTION         equal strings
#   like GOT REGEX DESCRIPTION        grep -E finds REGEX in GOT
#   skip DESCRIPTION REASON  counts as failed under tests/check, unless
#                            IKETCP_ALLOW_SKIP is set
#   skip_all REASON          the same for the whole file; ends the script
#   diag TEXT…               a remark for the reader
#   bail_out TEXT            ends everything

tap_count=0
tap_failed=0

plan() { echo "1..$1"; }
diag() { printf '%s\n' "$*" | sed 's/^/# /' >&2; }
bail_out() { echo "Bail out! $*"; exit 255; }

# In a guest the console tells which test its next lines are of.
tap_mark() { [ ! -d /run/vm ] || echo "iketcp-test: behind \"$1\"" >/dev/kmsg; }

ok() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
	tap_mark "$1"
}

not_ok() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	tap_mark "$1"
	diag "failed: $1"
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

check() {
	tap_name=$1
	shift
	if tap_output=$("$@" 2>&1); then
		ok "$tap_name"
	else
		not_ok "$tap_name"
		diag "$* failed:"
		diag "$tap_output"
		return 1
	fi
}

check_fails() {
	tap_name=$1
	shift
	if tap_output=$("$@" 2>&1); then
		not_ok "$tap_name"
		diag "$* should have failed:"
		diag "$tap_output"
		return 1
	else
		ok "$tap_name"
	fi
}

is() {
	if [ "$1" = "$2" ]; then
		ok "$3"
	else
		not_ok "$3"
		diag "     got: $1"
		diag "expected: $2"
		return 1
	fi
}

like() {
	if printf '%s\n' "$1" | grep -E -q -e "$2"; then
		ok "$3"
	else
		not_ok "$3"
		diag "     got: $1"
		diag "expected: $2"
		return 1
	fi
}

# Its exit status makes a plain "cmd; done_testing" script fail as it should.
done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
}
