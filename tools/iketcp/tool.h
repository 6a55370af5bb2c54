/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all commands of the tool share.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define printf_like(m, n) __attribute__((format(printf, m, n)))

/* Exit codes; they stand in iketcp(8). */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_NO_SUPPORT = 3,
	TOOL_NOT_ALLOWED = 4,
};

/**
 * struct options - those that every command has
 * @json: print JSON
 * @pretty: ... with line breaks
 * @numeric: no names of services, no look-up of hosts
 * @oneline: one line for each record
 * @color: print in colours
 * @family: AF_INET or AF_INET6 only; AF_UNSPEC: both
 */
struct options {
	bool json;
	bool pretty;
	bool numeric;
	bool oneline;
	bool color;
	int family;
};

extern struct options options;

/* The command that runs, for messages: "iketcp show". */
extern const char *tool_name;

/* One line on stderr, "iketcp COMMAND: ..." */
void complain(const char *format, ...) printf_like(1, 2);
void vcomplain(const char *format, va_list args) printf_like(1, 0);
/* The same, and the end. */
noreturn void die(int code, const char *format, ...) printf_like(2, 3);
/* For an errno: TOOL_NOT_ALLOWED, TOOL_NO_SUPPORT or TOOL_FAILED. */
int code_of(int error);
/* strerror(), but for the errors of netlink.h. */
const char *error_text(int error);

/* Memory, or the end. */
void *must_have(void *memory);

/*
 * Words of a command line, one after the other. is_word() compares one, with or
 * without dashes before it.
 */
bool is_word(const char *arg, const char *word);
/* The value behind word @argv[*i]; moves on to it. */
char *next_word(char **argv, int *i);
/* A number from @min to @max, or the end. */
unsigned int number(const char *what, const char *arg, unsigned int min,
		    unsigned int max);
noreturn void unknown_word(const char *arg);

int run_show(int argc, char **argv);
int run_stat(int argc, char **argv);
int run_monitor(int argc, char **argv);
int run_listen(int argc, char **argv);
int run_connect(int argc, char **argv);
int run_check(int argc, char **argv);

#endif
