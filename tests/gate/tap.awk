# Joins the suites of one guest (tests/gate/guest) into one TAP document: numbers go on,
# names say kernel and suite. A suite that did not end or did not run all it had planned
# is a failure, as is a skipped test. Tests that tests/known-failures names are TODO.
# The seconds of the host's that suites took go to LOG_NAME.times.
# What failed goes to stderr and into the file FAILED (see tests/gate/report): the comments
# behind a failed test say why, and the last lines of its suite are its log.
# Only a test of a suite may be TODO, never what is said about the suite or the machine.
function result(ok, name, may_fail,   line, n) {
	name = kernel " " name
	line = (ok ? "ok " : "not ok ") ++number " - " name
	why = 0
	for (n = 1; n <= may_fail * todos; n++)
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
function say_tail(   n) {
	say("LOG " log_name ".output, suite " suite)
	for (n = lines > 6 ? lines - 5 : 1; n <= lines; n++)
		say("  " tail[n % 6])
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
$0 == "" { next }
/^# suite / {
	suite = $3
	began = $4
	plan = -1
	seen = failures = why = lines = 0
	before = bad
	started[suite] = 1
	next
}
/^# end / && $3 == suite {
	if (plan != seen || !seen)
		result(0, suite ": ran " seen " of " (plan < 0 ? "an unknown number of" : plan) " tests")
	else if ($4 && !failures)
		result(0, suite ": exit status " $4)
	if (bad > before)
		say_tail()
	ended[suite] = 1
	times = times sprintf("%s %d s\n", suite, $6 - began)
	suite = ""
	next
}
/^# machine / { machine = $3; next }
{ tail[++lines % 6] = substr($0, 1, 300) }
suite != "" && /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; if (/SKIP/) plan = -1; next }
suite != "" && /^(not )?ok [0-9]+/ {
	seen++
	ok = $1 == "ok" && tolower($0) !~ /# *(skip|todo)/
	if (!ok) failures++
	sub(/^(not )?ok [0-9]+( -)? */, "")
	result(ok, suite ": " $0, 1)
	next
}
/^Bail out!/ { failures++; result(0, suite ": " $0); next }
{
	sub(/^# ?/, "")
	# "failed: NAME" is tap.sh's, and says nothing new.
	if (!/^failed: / && why && why--)
		say("  " substr($0, 1, 300))
	print "# " substr($0, 1, 300)
}
END {
	for (n = 1; n <= count; n++)
		if (wanted[n] in started && !(wanted[n] in ended)) {
			result(0, wanted[n] ": did not end")
			if (wanted[n] == suite)
				say_tail()
		} else if (!(wanted[n] in started))
			missing = missing " " wanted[n]
	if (missing != "")
		result(0, guest ": these suites did not run:" missing)
	# tests/gate/guest itself ends with 0, whatever its suites say.
	result(machine == "0",
	       guest ": the machine: clean console, module unloaded, end mark seen")
	printf "%s", times >(log_name ".times")
	print "1.." number
	exit bad > 0
}
