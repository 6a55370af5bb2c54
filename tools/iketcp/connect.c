// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp connect": make a connection and hold it.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "hold.h"
#include "tool.h"

/* Waiting for a peer; for a try more after that, doubled each time. */
#define CONNECT_WAIT	10
#define RETRY_FIRST	1
#define RETRY_MAX	60
#define WAIT_MAX	3600

struct ask {
	struct hold hold;
	char *host;
	char *port;
	char *src_host;
	char *src_port;
	unsigned int wait;
	bool again;
	/* the last connection's own end: states are for its port */
	struct sockaddr_storage name;
	socklen_t name_len;
};

static struct addrinfo *look_up(const char *host, const char *port, int family, int flags)
{
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | (options.numeric ? AI_NUMERICHOST : 0),
	};
	struct addrinfo *list;
	int error;

	error = getaddrinfo(host, port, &hints, &list);
	if (error)
		die(error == EAI_NONAME || error == EAI_SERVICE ? TOOL_USAGE : TOOL_FAILED,
		    "%s%s%s: %s", host ? host : "", port ? ":" : "", port ? port : "",
		    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return list;
}

static void bind_source(const struct ask *ask, int fd, int family)
{
	struct addrinfo *list;

	if (ask->name_len) {
		/* Should it be taken, another one is as good as none. */
		if (bind(fd, (const void *)&ask->name, ask->name_len) < 0)
			complain("the port of the last connection: %s", strerror(errno));
		return;
	}
	if (!ask->src_host && !ask->src_port)
		return;
	list = look_up(ask->src_host, ask->src_port, family, AI_PASSIVE);
	if (bind(fd, list->ai_addr, list->ai_addrlen) < 0)
		die(code_of(errno), "cannot use %s%s%s as source: %s",
		    ask->src_host ? ask->src_host : "", ask->src_port ? ":" : "",
		    ask->src_port ? ask->src_port : "", strerror(errno));
	freeaddrinfo(list);
}

/* Return: 0, an errno, or -1: it is to end. */
static int wait_connected(struct ask *ask, int fd)
{
	struct pollfd polled[] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = ask->hold.signals, .events = POLLIN },
	};
	long end = hold_now() + (long)ask->wait;
	socklen_t len = sizeof(int);
	int error, n;

	for (;;) {
		long left = end - hold_now();

		n = poll(polled, ARRAY_SIZE(polled), left > 0 ? (int)left * 1000 : 0);
		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0 && polled[1].revents && hold_signals(&ask->hold))
			return -1;
		if (n > 0 && polled[0].revents)
			break;
		if (!n && left <= 0)
			return ETIME;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* One try at one address. Return: as wait_connected(). */
static int try_address(struct ask *ask, const struct addrinfo *to, int *fd)
{
	const struct carrier *carrier = &ask->hold.carrier;
	bool kernel = carrier_has_prefix(carrier);
	int error;

	*fd = carrier_open(to->ai_family);
	if (*fd < 0)
		hold_no_socket(errno);
	if (carrier_tune(*fd, carrier) < 0)
		die(TOOL_FAILED, "keepalives: %s", strerror(errno));
	bind_source(ask, *fd, to->ai_family);
	if (kernel && carrier_attach(*fd, carrier->ulp) < 0)
		hold_no_ulp(carrier->ulp, errno);
	if (connect(*fd, to->ai_addr, to->ai_addrlen) < 0) {
		error = errno;
		if (error == EINPROGRESS)
			error = wait_connected(ask, *fd);
		if (error)
			goto fail;
	}
	if (!kernel) {
		/* Six bytes always find room in a new connection. */
		if (send(*fd, IKETCP_PREFIX, IKETCP_PREFIX_LEN, MSG_NOSIGNAL) < 0) {
			error = errno;
			goto fail;
		}
		if (carrier_attach(*fd, carrier->ulp) < 0)
			hold_no_ulp(carrier->ulp, errno);
	}
	return 0;

fail:
	close(*fd);
	return error;
}

static const char *why(int error, unsigned int wait, char *buf, size_t size)
{
	switch (error) {
	case ETIME:
	case ETIMEDOUT:
		snprintf(buf, size, "no answer within %u s: is a firewall in the way?", wait);
		return buf;
	case ECONNREFUSED:
		return "refused: nobody listens there";
	case EADDRNOTAVAIL:
		return "the source port is still in use by a former connection";
	default:
		return strerror(error);
	}
}

/* Return: 0, 1: no connection, or -1: it is to end. */
static int make_connection(struct ask *ask, struct held *held)
{
	const char *port = ask->port ? ask->port : "4500";
	struct addrinfo *list, *to;
	char text[100];
	int error = 0;

	list = look_up(ask->host, port, ask->name_len ? ask->name.ss_family : options.family,
		       0);
	for (to = list; to; to = to->ai_next) {
		error = try_address(ask, to, &held->fd);
		if (error <= 0)
			break;
	}
	freeaddrinfo(list);
	if (error <= 0)
		return error;
	complain("%s port %s: %s", ask->host, port,
		 why(error, ask->wait, text, sizeof(text)));
	return 1;
}

/* Return: 0 when it is to end, 1 when the connection has ended. */
static int keep(struct ask *ask, struct held *held)
{
	struct pollfd polled[] = {
		{ .fd = held->fd, .events = POLLIN },
		{ .fd = ask->hold.signals, .events = POLLIN },
	};

	for (;;) {
		if (poll(polled, ARRAY_SIZE(polled), -1) < 0 && errno != EINTR)
			die(TOOL_FAILED, "poll: %s", strerror(errno));
		if (polled[1].revents && hold_signals(&ask->hold))
			return 0;
		if (polled[0].revents && hold_read(&ask->hold, held) < 0)
			return 1;
	}
}

/* Return: whether it is to end. */
static bool wait_again(struct ask *ask, unsigned int seconds)
{
	struct pollfd polled = { .fd = ask->hold.signals, .events = POLLIN };
	long end = hold_now() + (long)seconds, left;

	while ((left = end - hold_now()) > 0) {
		if (poll(&polled, 1, (int)left * 1000) > 0 && hold_signals(&ask->hold))
			return true;
	}
	return false;
}

static void parse(struct ask *ask, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (hold_option(&ask->hold, argv, &i))
			continue;
		if (is_word(argv[i], "src")) {
			if (!endpoint_split(next_word(argv, &i), &ask->src_host,
					    &ask->src_port))
				die(TOOL_USAGE, "a source is [ADDR][:PORT]");
		} else if (is_word(argv[i], "timeout")) {
			ask->wait = number("a timeout", next_word(argv, &i), 1, WAIT_MAX);
		} else if (is_word(argv[i], "reconnect")) {
			ask->again = true;
		} else if (!ask->host && argv[i][0] != '-') {
			if (!endpoint_split(argv[i], &ask->host, &ask->port) || !ask->host)
				die(TOOL_USAGE, "to whom? HOST[:PORT], [ADDR]:PORT");
		} else {
			unknown_word(argv[i]);
		}
	}
	if (!ask->host)
		die(TOOL_USAGE, "to whom? See \"iketcp help\"");
}

int run_connect(int argc, char **argv)
{
	struct ask ask = {
		.hold.carrier = { .ulp = IKETCP_ULP },
		.wait = CONNECT_WAIT,
	};
	unsigned int delay = RETRY_FIRST;
	struct held held = {};
	int result;

	parse(&ask, argc, argv);
	hold_init(&ask.hold);
	for (;;) {
		result = make_connection(&ask, &held);
		if (result < 0)
			return TOOL_OK;
		if (!result) {
			delay = RETRY_FIRST;
			hold_begin(&ask.hold, &held, "originator");
			ask.name_len = sizeof(ask.name);
			if (getsockname(held.fd, (void *)&ask.name, &ask.name_len) < 0)
				ask.name_len = 0;
			result = keep(&ask, &held);
			close(held.fd);
			if (!result)
				return TOOL_OK;
		}
		if (!ask.again)
			return TOOL_FAILED;
		if (wait_again(&ask, delay))
			return TOOL_OK;
		delay = delay * 2 < RETRY_MAX ? delay * 2 : RETRY_MAX;
	}
}
