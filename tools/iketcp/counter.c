// SPDX-License-Identifier: GPL-2.0
/*
 * The module's counters. What each means is taken from src/stat.h when the tool
 * is built; see counter.awk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "tool.h"

#define COUNTER_FILE	"/proc/net/iketcp_stat"

static const struct {
	const char *name;
	const char *meaning;
} meanings[] = {
#include "counter_list.h"
};

/**
 * counter_meaning() - what a counter counts
 * @name: its name
 *
 * Return: one line, or NULL for the counters of a newer module.
 */
const char *counter_meaning(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (!strcmp(meanings[i].name, name))
			return meanings[i].meaning;
	}
	return NULL;
}

/**
 * counter_read() - reads all of them
 * @counters: set; the caller frees @counters->of
 *
 * Return: 0, or -1 with errno; ENOENT: the module is not loaded.
 */
int counter_read(struct counters *counters)
{
	struct counter counter;
	FILE *file;
	int n;

	memset(counters, 0, sizeof(*counters));
	file = fopen(COUNTER_FILE, "re");
	if (!file)
		return -1;
	while ((n = fscanf(file, "%31s %llu", counter.name, &counter.value)) == 2) {
		counters->of = must_have(reallocarray(counters->of,
						      counters->n + 1,
						      sizeof(counter)));
		counters->of[counters->n++] = counter;
	}
	n = n != EOF || ferror(file);
	fclose(file);
	if (n) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}
