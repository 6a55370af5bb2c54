/* SPDX-License-Identifier: GPL-2.0 */
/* For targets whose input decides nothing but whether something holds. */
#ifndef IKETCP_FUZZ_MUST_H
#define IKETCP_FUZZ_MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void must(bool true_, const char *what)
{
	if (true_)
		return;
	fprintf(stderr, "WRONG: %s\n", what);
	abort();
}

#endif
