# SPDX-License-Identifier: GPL-2.0
#
# From src/stat.h, the one list of counters, to the rows of a table in C: name
# and meaning. Each counter there has a comment of one line before it.
/^#define IKETCP_STATS\(X\)/ { inside = 1; next }
inside && NF == 0 { inside = 0 }
inside && match($0, /\/\* .* \*\//) {
	meaning = substr($0, RSTART + 3, RLENGTH - 6)
	next
}
inside && match($0, /"[A-Za-z0-9]+"/) {
	if (meaning == "") {
		print "counter.awk: no meaning for " $0 >"/dev/stderr"
		bad = 1
	}
	gsub(/["\\]/, "\\\\&", meaning)
	printf "\t{ %s, \"%s\" },\n", substr($0, RSTART, RLENGTH), meaning
	meaning = ""
	n++
}
END { exit bad || !n }
