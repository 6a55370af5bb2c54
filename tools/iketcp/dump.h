/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All connections, and all states carried over TCP, of the network namespace.
 */
#ifndef TOOL_DUMP_H
#define TOOL_DUMP_H

#include <stddef.h>

#include "parse.h"

struct conns {
	struct conn *of;
	size_t n;
};

struct sas {
	struct sa *of;
	size_t n;
};

int dump_conns(struct conns *conns);
int dump_sas(struct sas *sas);

#endif
