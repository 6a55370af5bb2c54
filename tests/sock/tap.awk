# Joins the TAP documents that tests/sock/guest prints into one: numbers go
# on from first, names say which kernel, and a program that stopped before
# its last test is a failure.
function result(ok, name) {
	printf "%s %d - %s: %s\n", ok ? "ok" : "not ok", ++number, kernel, name
	fflush()
}
BEGIN { number = first }
/^# program / { program = $3; plan = -1; seen = 0; next }
/^# end / {
	if (plan != seen)
		result(0, program " ran " seen " of " plan " tests")
	program = ""
	next
}
/^1\.\.[0-9]+$/ { plan = substr($0, 4) + 0; next }
/^(not )?ok [0-9]+/ {
	seen++
	ok = $1 == "ok"
	skip = /# SKIP/
	sub(/^(not )?ok [0-9]+( -)? */, "")
	result(ok && !skip, $0)
	next
}
/^# (not )?ok - / { next }
{ print /^#/ ? $0 : "# " $0 }
END {
	if (program != "")
		result(0, program " ran " seen " of " plan " tests, then the machine stopped")
	print number > count
}
