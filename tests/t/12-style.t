#!/bin/bash
# The sources' style (tests/style), the patches that tests plant, and the header for
# user space: it compiles alone, as C and as C++, and says what the module's own says.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

# What tests plant into the source still fits it: said here in a second.
for file in tests/*/*.patch; do
	check "$file fits the source" patch -p1 --dry-run --fuzz=0 -i "$file"
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

check "no complaints about style" tests/style
printf '// SPDX-License-Identifier: GPL-2.0\nint f(int a) {\n\treturn(a);\n}\n' >"$dir/bad.c"
is "$(tests/style "$dir/bad.c" >/dev/null 2>&1; echo $?)" 1 "bad style is seen"

tests/prepare build || bail_out "no compiler"
flags=(-Iinclude -Wall -Wextra -Wundef -pedantic -Werror -fsyntax-only)

printf '#include "iketcp.h"\nextern int nothing;\n' >"$dir/alone.c"
cat >"$dir/before.c" <<'C'
#include <netinet/tcp.h>
#include <linux/udp.h>
#include "iketcp.h"
C
cat >"$dir/after.c" <<'C'
#include "iketcp.h"
#include <netinet/tcp.h>
#include <linux/udp.h>
int attach(int fd);
int attach(int fd)
{
	const char prefix[] = IKETCP_PREFIX;
	char name[] = IKETCP_ULP, other[] = IKETCP_ULP_ESPINTCP;

	return fd + TCP_ULP + TCP_ENCAP_ESPINTCP + prefix[0] + name[0] + other[0];
}
C
for file in alone before after; do
	for std in c99 c11; do
		check "iketcp.h, $file, $std" gcc "-std=$std" "${flags[@]}" "$dir/$file.c"
	done
	check "iketcp.h, $file, C++" g++ -x c++ -std=c++11 "${flags[@]}" "$dir/$file.c"
done

# Both have the same names, so the module's values are noted down first.
cat >"$dir/same.c" <<'C'
#include "../src/frame.h"
enum {
	prefix_len = IKETCP_PREFIX_LEN,
	length_len = IKETCP_LENGTH_LEN,
	marker_len = IKETCP_MARKER_LEN,
	body_max = IKETCP_BODY_MAX,
};
#undef IKETCP_PREFIX_LEN
#undef IKETCP_LENGTH_LEN
#undef IKETCP_MARKER_LEN
#undef IKETCP_BODY_MAX
#include "iketcp.h"
_Static_assert(IKETCP_PREFIX_LEN == prefix_len, "prefix");
_Static_assert(sizeof(IKETCP_PREFIX) - 1 == prefix_len, "prefix");
_Static_assert(IKETCP_LENGTH_LEN == length_len, "length");
_Static_assert(IKETCP_MARKER_LEN == marker_len, "marker");
_Static_assert(IKETCP_BODY_MAX == body_max, "body");
C
check "iketcp.h and src/frame.h agree" gcc -std=c11 "${flags[@]}" "$dir/same.c"

done_testing
