// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp stat": the module's counters, in the manner of nstat(8).
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "print.h"
#include "tool.h"

static bool is_wanted(const char *name, char **patterns, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (!fnmatch(patterns[i], name, 0))
			return true;
	}
	return !n;
}

static void print_counter(const struct counter *counter)
{
	const char *meaning = counter_meaning(counter->name);
	char name[COUNTER_NAME_MAX];

	snprintf(name, sizeof(name), "%-16s", counter->name);
	print_color(COLOR_HEAD, name);
	printf(" %12llu  %s\n", counter->value,
	       meaning ? meaning : "(this tool is older than the module)");
}

int run_stat(int argc, char **argv)
{
	bool zeros = false, found = false;
	struct counters counters;
	json_t *json = NULL;
	int i, n = 0;
	size_t k;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "-z") || !strcmp(argv[i], "--zeros") ||
		    !strcmp(argv[i], "-a") || !strcmp(argv[i], "--all"))
			zeros = true;
		else if (argv[i][0] == '-')
			unknown_word(argv[i]);
		else
			argv[n++] = argv[i];
	}

	if (counter_read(&counters) < 0) {
		if (errno == ENOENT)
			die(TOOL_NO_SUPPORT,
			    "no /proc/net/iketcp_stat: the module is not loaded (modprobe iketcp)");
		die(code_of(errno), "/proc/net/iketcp_stat: %s", error_text(errno));
	}
	if (options.json)
		json = must_have(json_object());
	for (k = 0; k < counters.n; k++) {
		const struct counter *counter = &counters.of[k];

		if (!is_wanted(counter->name, argv, n))
			continue;
		found = true;
		if (!counter->value && !zeros)
			continue;
		if (json)
			json_add(json, counter->name, json_unsigned(counter->value));
		else
			print_counter(counter);
	}
	if (n && !found)
		die(TOOL_USAGE, "no counter is called \"%s\"", argv[0]);
	if (json)
		print_json(json);
	free(counters.of);
	return TOOL_OK;
}
