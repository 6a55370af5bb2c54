# Joins the suites of one guest (tests/gate/guest) into one TAP document: numbers go on,
# names say kernel and suite. A suite that did not end or did not run all it had planned
# is a failure, as is a skipped test. Tests that tests/known-failures names are TODO.
# The seconds of the host's that suites took go to LOG_NAME.times.
# The comments behind a failed test say why: they go to stderr and into the file FAILED.
function result(ok, name,   line, n) {
	name = kernel " " name
	line = (ok ? "ok " : "not ok ") ++number " - " name
	why = 0
	for (n = 1; n <= todos; n++)
		if (name ~ todo[n]) {
			line = line " # TODO " reason[n]
			print line
			return
		}
	print line
	if (!ok) {
		bad++
		why = 12
		say("FAILED " name)
	}
	fflush()
}
function say(text) {
	print "# " text >"/dev/stderr"
	print text >failed
	fflush()
}
BEGIN {
	while ((getline line <known) > 0) {
		if (line ~ /^#/ || line == "") continue
		split(line, part, /\t+/)
		if (part[1] == "" || part[2] == "") {
			result(0, "tests/known-failures: a line without a pattern or a reason")
			continue
		}
		todo[++todos] = part[1]
		reason[todos] = part[2]
	}
	count = split(suites, wanted, " ")
}
/^# suite / { suite = $3; began = $4; plan = -1; seen = 0; failures = 0; why = 0; next }
/^# end / && $3 == suite {
	if (plan != seen || !seen)
		result(0, suite ": ran " seen " of " (plan < 0 ? "an unknown number of" : plan) " tests")
	else if ($4 && !failures)
		result(0, suite ": exit status " $4)
	ended[suite] = 1
	times = times sprintf("%s %d s\n", suite, $6 - began)
	suite = ""
	next
}
/^# machine / { machine = $3; next }
suite != "" && /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; if (/SKIP/) plan = -1; next }
suite != "" && /^(not )?ok [0-9]+/ {
	seen++
	ok = $1 == "ok" && tolower($0) !~ /# *(skip|todo)/
	if (!ok) failures++
	sub(/^(not )?ok [0-9]+( -)? */, "")
	result(ok, suite ": " $0)
	next
}
/^Bail out!/ { result(0, suite ": " $0); next }
{
	sub(/^# ?/, "")
	if (why && why--)
		say("  " substr($0, 1, 300))
	print "# " substr($0, 1, 300)
}
END {
	for (n = 1; n <= count; n++)
		if (!(wanted[n] in ended))
			result(0, wanted[n] ": did not end")
	# tests/gate/guest itself ends with 0, whatever its suites say.
	result(machine == "0",
	       guest ": the machine: clean console, module unloaded, end mark seen")
	if (machine != "0") {
		print "  status " machine "; the console's end:" >failed
		close(failed)
		system("{ tail -n 3 " log_name ".stderr; tail -n 3 " log_name ".console; } | cut -c 1-200 | sed 's/^/  /' >>" failed)
	}
	printf "%s", times >(log_name ".times")
	print "1.." number
	exit bad > 0
}
