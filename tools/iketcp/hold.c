// SPDX-License-Identifier: GPL-2.0
/*
 * What "listen" and "connect" share: connections that are held, so that the
 * kernel has something to send ESP over.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "hold.h"
#include "print.h"
#include "tool.h"

/* A day; what the kernel takes for TCP_KEEPIDLE and the like is less. */
#define KEEPALIVE_MAX	32767
#define TIMEOUT_MAX	3600

static void parse_keepalive(struct carrier *carrier, char *text)
{
	unsigned int *const parts[] = {
		&carrier->idle, &carrier->interval, &carrier->count,
	};
	const unsigned int max[] = { KEEPALIVE_MAX, KEEPALIVE_MAX, 127 };
	char *part, *rest = text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts) && rest; i++) {
		part = strsep(&rest, ":");
		*parts[i] = number("each part of a keepalive", part, 1, max[i]);
	}
	if (rest)
		die(TOOL_USAGE, "a keepalive is IDLE[:INTERVAL[:COUNT]]");
}

/**
 * hold_option() - takes a word that both commands have
 * @hold: what is asked for
 * @argv: words
 * @i: number of the word; moved on
 *
 * Return: whether it was one.
 */
bool hold_option(struct hold *hold, char **argv, int *i)
{
	const char *arg = argv[*i];

	if (!strcmp(arg, "-v") || is_word(arg, "verbose")) {
		hold->verbose = true;
	} else if (is_word(arg, "ulp")) {
		hold->carrier.ulp = next_word(argv, i);
		if (strcmp(hold->carrier.ulp, IKETCP_ULP) &&
		    strcmp(hold->carrier.ulp, IKETCP_ULP_ESPINTCP))
			die(TOOL_USAGE, "an ULP is iketcp or espintcp, not \"%s\"",
			    hold->carrier.ulp);
	} else if (is_word(arg, "keepalive")) {
		parse_keepalive(&hold->carrier, next_word(argv, i));
	} else if (is_word(arg, "user-timeout")) {
		hold->carrier.user_timeout = number("a timeout", next_word(argv, i),
						    1, TIMEOUT_MAX);
	} else if (is_word(arg, "exec")) {
		next_word(argv, i);
		hold->exec = argv + *i;
		while (argv[*i + 1])
			++*i;
	} else {
		return false;
	}
	return true;
}

/**
 * hold_init() - signals and output
 * @hold: all else is set
 */
void hold_init(struct hold *hold)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &hold->mask);
	hold->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (hold->signals < 0)
		die(TOOL_FAILED, "signalfd: %s", strerror(errno));
	setvbuf(stdout, NULL, _IOLBF, 0);
}

long hold_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void hold_no_ulp(const char *ulp, int error)
{
	if (error == ENOENT)
		die(TOOL_NO_SUPPORT,
		    "the kernel has no ULP \"%s\": modprobe iketcp, and see \"iketcp check\"",
		    ulp);
	if (error == EPERM)
		die(TOOL_NOT_ALLOWED,
		    "not permitted: it takes CAP_NET_ADMIN; in a user namespace see allow_userns");
	die(code_of(error), "ULP \"%s\": %s", ulp, strerror(error));
}

void hold_no_socket(int error)
{
	if (error == EPERM || error == EACCES)
		die(TOOL_NOT_ALLOWED, "not permitted: it takes CAP_NET_ADMIN (run it as root)");
	if (error == EPROTONOSUPPORT)
		die(TOOL_NO_SUPPORT, "the kernel has no xfrm_user (CONFIG_XFRM_USER)");
	die(code_of(error), "socket: %s", strerror(error));
}

/**
 * hold_say() - tells what happened
 * @what: one word
 * @local: our end
 * @remote: the peer's, or NULL
 * @key: of something more, or NULL
 * @value: ... of it
 *
 * Ports are numbers here always: they are for "ip xfrm state".
 */
void hold_say(const char *what, const struct endpoint *local,
	      const struct endpoint *remote, const char *key, const char *value)
{
	bool numeric = options.numeric;
	json_t *object;

	if (!options.json) {
		options.numeric = true;
		print_color(COLOR_HEAD, what);
		putchar(' ');
		print_endpoint(local);
		if (remote) {
			fputs(" > ", stdout);
			print_endpoint(remote);
		}
		if (key)
			printf(" %s %s", key, value);
		putchar('\n');
		options.numeric = numeric;
		return;
	}
	object = must_have(json_object());
	json_add(object, "event", json_string(what));
	json_add(object, "local", json_endpoint(local));
	if (remote)
		json_add(object, "remote", json_endpoint(remote));
	if (key)
		json_add(object, key, json_string(value));
	print_json(object);
}

static void set_variable(const char *name, const struct endpoint *endpoint)
{
	char key[32], value[ENDPOINT_MAX];

	snprintf(key, sizeof(key), "IKETCP_%s", name);
	setenv(key, address_text(&endpoint->address, value, sizeof(value)), 1);
	snprintf(key, sizeof(key), "IKETCP_%s_PORT", name);
	snprintf(value, sizeof(value), "%u", endpoint->port);
	setenv(key, value, 1);
}

/* The command's end is noticed in hold_signals(). */
static void run_command(const struct hold *hold, const struct held *held)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		complain("cannot run %s: %s", hold->exec[0], strerror(errno));
		return;
	}
	if (pid)
		return;
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &hold->mask, NULL);
	set_variable("LOCAL", &held->local);
	set_variable("REMOTE", &held->remote);
	execvp(hold->exec[0], hold->exec);
	complain("cannot run %s: %s", hold->exec[0], strerror(errno));
	_exit(127);
}

/**
 * hold_begin() - a connection carries messages from now on
 * @hold: what was asked for
 * @held: the connection
 * @role: which we have in it
 */
void hold_begin(struct hold *hold, struct held *held, const char *role)
{
	held->ready = true;
	carrier_ends(held->fd, &held->local, &held->remote);
	hold_say("connected", &held->local, &held->remote, "role", role);
	if (hold->exec)
		run_command(hold, held);
}

/**
 * hold_read() - reads the IKE messages that are there; nobody answers them
 * @hold: what was asked for
 * @held: the connection
 *
 * Return: 0, or -1 when it has ended, which was said.
 */
int hold_read(struct hold *hold, struct held *held)
{
	static char buf[IKETCP_BODY_MAX + 1];
	char text[24];
	ssize_t len;

	for (;;) {
		len = recv(held->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len <= 0)
			break;
		if (!hold->verbose)
			continue;
		snprintf(text, sizeof(text), "%zd", len);
		hold_say("message", &held->local, &held->remote, "bytes", text);
	}
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	hold_say("closed", &held->local, &held->remote, "reason",
		 len ? strerror(errno) : "end of stream");
	return -1;
}

/* Children that have ended; a failed one is told, no more. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSIGNALED(status))
			complain("the command was ended by signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status))
			complain("the command ended with status %d", WEXITSTATUS(status));
	}
}

/**
 * hold_signals() - takes the signals that came
 * @hold: has them
 *
 * Return: whether this is to be the end.
 */
bool hold_signals(struct hold *hold)
{
	struct signalfd_siginfo info;
	bool end = false;

	while (read(hold->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap();
		else
			end = true;
	}
	return end;
}
