// SPDX-License-Identifier: GPL-2.0
/*
 * iketcp: look at IKE and ESP over TCP, and hold connections by hand. The
 * manual is Documentation/man/iketcp.8.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#ifndef TOOL_VERSION
#define TOOL_VERSION	"(no version)"
#endif

struct options options;
const char *tool_name = "iketcp";

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
	const char *what;
};

static const struct command commands[] = {
	{ "show", run_show,
	  "[src ADDR[/LEN]] [dst ADDR[/LEN]] [sport N] [dport N] [port N]\n"
	  "            [role ROLE] [state listen|connected] [spi SPI]",
	  "connections, listeners and the states that they carry" },
	{ "stat", run_stat,
	  "[-z] [PATTERN...]",
	  "the module's counters, with what they mean" },
	{ "monitor", run_monitor,
	  "[-t] [attach] [prefix] [close] [path] [drop]",
	  "what happens to connections, as it happens" },
	{ "listen", run_listen,
	  "[ADDR][:PORT] [ulp NAME] [prefix-timeout SECONDS]\n"
	  "            [keepalive IDLE[:INTERVAL[:COUNT]]] [user-timeout SECONDS] [-v]\n"
	  "            [exec COMMAND...]",
	  "accept connections and hold them" },
	{ "connect", run_connect,
	  "HOST[:PORT] [src [ADDR][:PORT]] [ulp NAME] [timeout SECONDS]\n"
	  "            [--reconnect] [keepalive IDLE[:INTERVAL[:COUNT]]]\n"
	  "            [user-timeout SECONDS] [-v] [exec COMMAND...]",
	  "make a connection and hold it" },
	{ "check", run_check,
	  "",
	  "can this kernel do it?" },
};

int code_of(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
		return TOOL_NOT_ALLOWED;
	case ENOENT:
	case ENOPROTOOPT:
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		return TOOL_NO_SUPPORT;
	default:
		return TOOL_FAILED;
	}
}

const char *error_text(int error)
{
	switch (error) {
	case EBADMSG:
		return "the kernel's answer makes no sense";
	case ETIME:
		return "the kernel does not answer";
	case ESTALE:
		return "there are too many changes to get them all: try again";
	default:
		return strerror(error);
	}
}

bool is_word(const char *arg, const char *word)
{
	while (*arg == '-')
		arg++;
	return *arg && !strcmp(arg, word);
}

char *next_word(char **argv, int *i)
{
	if (!argv[*i + 1])
		die(TOOL_USAGE, "what comes after \"%s\"? See \"iketcp help\"",
		    argv[*i]);
	return argv[++*i];
}

unsigned int number(const char *what, const char *arg, unsigned int min,
		    unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-' || value < min || value > max)
		die(TOOL_USAGE, "%s is something from %u to %u, not \"%s\"",
		    what, min, max, arg);
	return (unsigned int)value;
}

void unknown_word(const char *arg)
{
	die(TOOL_USAGE, "what is \"%s\"? See \"iketcp help\"", arg);
}

static void help(FILE *to)
{
	size_t i;

	fputs("usage: iketcp [OPTIONS] COMMAND\n\n", to);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-9s %s\n            %s\n", commands[i].name,
			commands[i].usage, commands[i].what);
	fputs("\noptions: -j[son] -p[retty] -n[umeric] -o[neline] -4 -6 -V[ersion]\n"
	      "         -c[olor][=always|auto|never]\n", to);
}

/* The end, unless what was printed did not get out. */
static noreturn void finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		die(TOOL_FAILED, "cannot write: %s", strerror(errno));
	exit(status);
}

/* As ip(8) does: a beginning is enough. */
static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strncmp(commands[i].name, name, strlen(name)))
			return &commands[i];
	}
	return NULL;
}

/* "-j" to "--json" */
static bool is_option(const char *arg, const char *name)
{
	if (*arg++ != '-')
		return false;
	if (*arg == '-' && arg[1])
		arg++;
	return *arg && !strncmp(name, arg, strlen(arg));
}

static void set_color(const char *when)
{
	if (!strcmp(when, "always"))
		options.color = true;
	else if (!strcmp(when, "never"))
		options.color = false;
	else if (!strcmp(when, "auto"))
		options.color = isatty(STDOUT_FILENO);
	else
		die(TOOL_USAGE, "colours are always, auto or never, not \"%s\"", when);
}

/* Takes @arg if it is one of the options that are for all commands. */
static bool take_option(const char *arg)
{
	if (!strncmp(arg, "-c=", 3) || !strncmp(arg, "-color=", 7) ||
	    !strncmp(arg, "--color=", 8)) {
		set_color(strchr(arg, '=') + 1);
	} else if (is_option(arg, "color")) {
		set_color("always");
	} else if (is_option(arg, "json")) {
		options.json = true;
	} else if (is_option(arg, "pretty")) {
		options.pretty = true;
	} else if (is_option(arg, "numeric")) {
		options.numeric = true;
	} else if (is_option(arg, "oneline")) {
		options.oneline = true;
	} else if (is_option(arg, "4")) {
		options.family = AF_INET;
	} else if (is_option(arg, "6")) {
		options.family = AF_INET6;
	} else if (is_option(arg, "Version")) {
		puts("iketcp " TOOL_VERSION);
		finish(TOOL_OK);
	} else if (is_option(arg, "help")) {
		help(stdout);
		finish(TOOL_OK);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *no_color = getenv("NO_COLOR");
	int i, n = 1, status;
	bool exec = false;
	char name[32];

	if (!no_color || !*no_color)
		set_color("auto");
	/* Options may stand anywhere, but what is behind "exec" is not ours. */
	for (i = 1; i < argc; i++) {
		exec = exec || is_word(argv[i], "exec");
		if (exec || !take_option(argv[i]))
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	if (n < 2)
		die(TOOL_USAGE, "which command? See \"iketcp help\"");
	if (*argv[1] && !strncmp("help", argv[1], strlen(argv[1]))) {
		help(stdout);
		finish(TOOL_OK);
	}
	if (*argv[1] == '-')
		die(TOOL_USAGE, "what is option \"%s\"? See \"iketcp help\"", argv[1]);
	command = *argv[1] ? find_command(argv[1]) : NULL;
	if (!command)
		die(TOOL_USAGE, "what is command \"%s\"? See \"iketcp help\"", argv[1]);

	snprintf(name, sizeof(name), "iketcp %s", command->name);
	tool_name = name;
	status = command->run(n - 2, argv + 2);
	finish(status);
}
