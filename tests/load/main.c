// SPDX-License-Identifier: GPL-2.0
/*
 * usage (in the guest, as root): load PART [NAME=VALUE...]
 *
 *   load many       connections=10000 packets=3
 *   load churn      connections=100000
 *   load strangers  strangers=5000 rounds=5 window=3000
 *   load soak       seconds=60 seed=1 rekey=3 reconnect=7
 *   load tunnels    connections=1000 kind=iketcp
 *   load connect    connections=1000 kind=iketcp
 *
 * Loads the module, makes the network namespaces A and B, and puts a load on
 * connections between them. Prints its results as TAP; the last two are parts of the
 * benchmark, which want the module loaded and print a line for it. Each part's manual
 * is in the head of its file.
 */
#include "load.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

static unsigned int count, failed;

bool ok(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%sok %u - ", good ? "" : "not ", ++count);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	failed += !good;
	return good;
}

void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("Bail out! ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(NULL);
	_exit(255);
}

int done_testing(void)
{
	printf("1..%u\n", count);
	return failed ? 1 : 0;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

void msleep(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

const char *option_text(int argc, char **argv, const char *name,
			const char *def)
{
	size_t len = strlen(name);
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(argv[i], name, len) && argv[i][len] == '=')
			return argv[i] + len + 1;
	return def;
}

unsigned int option(int argc, char **argv, const char *name, unsigned int def)
{
	const char *text = option_text(argc, argv, name, NULL);

	return text ? strtoul(text, NULL, 0) : def;
}

unsigned int slow(void)
{
	const char *text = getenv("IKETCP_SLOW");

	return text && atoi(text) > 0 ? atoi(text) : 1;
}

/* xorshift: the same numbers everywhere for the same seed, which is not 0. */
uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} parts[] = {
		{ "many", load_many },
		{ "churn", load_churn },
		{ "strangers", load_strangers },
		{ "soak", load_soak },
		{ "tunnels", load_tunnels },
		{ "connect", load_connect },
	};
	struct rlimit files = { MANY_FILES, MANY_FILES };
	FILE *nr_open = fopen("/proc/sys/fs/nr_open", "we");
	unsigned int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (nr_open) {
		fprintf(nr_open, "%d\n", MANY_FILES);
		fclose(nr_open);
	}
	need(setrlimit(RLIMIT_NOFILE, &files));
	for (i = 0; argc > 1 && i < ARRAY_LEN(parts); i++)
		if (!strcmp(argv[1], parts[i].name))
			return parts[i].fn(argc - 1, argv + 1);
	fprintf(stderr, "usage: see the head of tests/load/main.c\n");
	return 2;
}
