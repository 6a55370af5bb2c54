/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's counters.
 */
#ifndef TOOL_COUNTER_H
#define TOOL_COUNTER_H

#include <stddef.h>

#define COUNTER_NAME_MAX	32

struct counter {
	char name[COUNTER_NAME_MAX];
	unsigned long long value;
};

struct counters {
	struct counter *of;
	size_t n;
};

int counter_read(struct counters *counters);
const char *counter_meaning(const char *name);

#endif
