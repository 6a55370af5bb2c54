// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp listen": accept connections and hold them.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "hold.h"
#include "tool.h"

/* As many as a namespace may have of addresses: 0.0.0.0 and :: */
#define LISTENERS_MAX	2
#define BACKLOG		128
#define TIMEOUT_MAX	3600

struct service {
	struct hold hold;
	char *host;
	char *port;
	bool timeout_given;
	int listeners[LISTENERS_MAX];
	size_t n_listeners;
	/* the listeners have the ULP, and accept() gives what is ready */
	bool kernel;
	struct held *held;
	size_t n_held;
};

/*
 * The ULP on the listener: the kernel then keeps strangers away. Modules that do
 * not know this say ENOTCONN or EINVAL.
 */
static bool attach_listener(struct service *service, int fd)
{
	const struct carrier *carrier = &service->hold.carrier;

	if (!carrier_has_prefix(carrier))
		return false;
	if (carrier_attach(fd, carrier->ulp) < 0) {
		if (errno == ENOTCONN || errno == EINVAL)
			return false;
		hold_no_ulp(carrier->ulp, errno);
	}
	if (carrier_set(fd, IKETCP_OPT_ACCEPT_PREFIX, 1) < 0 ||
	    (service->timeout_given &&
	     carrier_set(fd, IKETCP_OPT_PREFIX_TIMEOUT, (int)carrier->prefix_timeout) < 0))
		die(code_of(errno), "the module's options: %s", strerror(errno));
	return true;
}

/* One address. Return: -1 with errno if it cannot be listened on. */
static int open_listener(struct service *service, const struct addrinfo *at)
{
	struct endpoint local, remote;
	int fd, error;

	fd = carrier_open(at->ai_family);
	if (fd < 0) {
		/* A kernel without IPv6. */
		if (errno == EAFNOSUPPORT)
			return -1;
		hold_no_socket(errno);
	}
	if (carrier_tune(fd, &service->hold.carrier) < 0)
		die(TOOL_FAILED, "keepalives: %s", strerror(errno));
	if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	service->kernel = attach_listener(service, fd);
	service->listeners[service->n_listeners++] = fd;
	carrier_ends(fd, &local, &remote);
	hold_say("listening", &local, NULL, "ulp", service->hold.carrier.ulp);
	return 0;
}

static void open_listeners(struct service *service)
{
	const char *port = service->port ? service->port : "4500";
	struct addrinfo hints = {
		.ai_family = options.family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | (options.numeric ? AI_NUMERICHOST : 0),
	};
	struct addrinfo *list, *at;
	int error;

	error = getaddrinfo(service->host, port, &hints, &list);
	if (error)
		die(TOOL_USAGE, "%s:%s: %s", service->host ? service->host : "", port,
		    gai_strerror(error));
	for (at = list; at && service->n_listeners < LISTENERS_MAX; at = at->ai_next) {
		if (open_listener(service, at) < 0)
			error = errno;
	}
	freeaddrinfo(list);
	if (service->n_listeners)
		return;
	if (error == EADDRINUSE)
		die(TOOL_FAILED, "port %s is in use: does an IKE daemon run?", port);
	die(code_of(error), "cannot listen on %s:%s: %s",
	    service->host ? service->host : "", port, strerror(error));
}

static void drop(struct service *service, size_t i)
{
	close(service->held[i].fd);
	service->held[i] = service->held[--service->n_held];
}

/* Return: -1 when the connection is of no use. */
static int begin(struct service *service, struct held *held)
{
	struct hold *hold = &service->hold;

	if (!service->kernel && carrier_attach(held->fd, hold->carrier.ulp) < 0) {
		if (errno != ENOTCONN)
			hold_no_ulp(hold->carrier.ulp, errno);
		return -1;
	}
	if (!service->kernel && service->timeout_given && carrier_has_prefix(&hold->carrier) &&
	    carrier_set(held->fd, IKETCP_OPT_PREFIX_TIMEOUT, (int)hold->carrier.prefix_timeout) < 0)
		complain("this module has no such option: see sysctl net.iketcp");
	hold_begin(hold, held, "responder");
	return 0;
}

/* For "espintcp" the prefix is ours to read. Return: -1: a stranger. */
static int read_prefix(struct service *service, struct held *held)
{
	char buf[IKETCP_PREFIX_LEN];
	ssize_t len;

	len = recv(held->fd, buf, sizeof(buf) - held->have, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len <= 0 || memcmp(buf, &IKETCP_PREFIX[held->have], (size_t)len)) {
		hold_say("closed", &held->local, &held->remote, "reason",
			 "no prefix");
		return -1;
	}
	held->have += (unsigned int)len;
	if (held->have < IKETCP_PREFIX_LEN)
		return 0;
	return begin(service, held);
}

static void take_connection(struct service *service, int listener)
{
	struct hold *hold = &service->hold;
	struct held held = {};

	held.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (held.fd < 0) {
		/* What has gone meanwhile is nobody's concern. */
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			complain("accept: %s", strerror(errno));
		return;
	}
	carrier_ends(held.fd, &held.local, &held.remote);
	held.until = hold_now() + (long)hold->carrier.prefix_timeout;
	if (carrier_bypass(held.fd, held.local.address.family) < 0)
		complain("policies of a connection: %s", strerror(errno));
	if (carrier_has_prefix(&hold->carrier) && begin(service, &held) < 0) {
		close(held.fd);
		return;
	}
	service->held = must_have(reallocarray(service->held, service->n_held + 1,
					       sizeof(held)));
	service->held[service->n_held++] = held;
}

/* Milliseconds until the next prefix is late, or -1. */
static int next_deadline(const struct service *service)
{
	long now = hold_now(), next = -1;
	size_t i;

	if (!service->hold.carrier.prefix_timeout)
		return -1;
	for (i = 0; i < service->n_held; i++) {
		long left = service->held[i].until - now;

		if (service->held[i].ready)
			continue;
		if (left < 0)
			left = 0;
		if (next < 0 || left < next)
			next = left;
	}
	return next < 0 ? -1 : (int)next * 1000;
}

static bool is_late(const struct service *service, const struct held *held)
{
	return !held->ready && service->hold.carrier.prefix_timeout &&
	       hold_now() >= held->until;
}

/* One round. Return: whether it is to end. */
static bool serve(struct service *service, struct pollfd *polled)
{
	size_t n = 0, i, first;

	polled[n++] = (struct pollfd){ .fd = service->hold.signals, .events = POLLIN };
	for (i = 0; i < service->n_listeners; i++)
		polled[n++] = (struct pollfd){ .fd = service->listeners[i],
					       .events = POLLIN };
	first = n;
	for (i = 0; i < service->n_held; i++)
		polled[n++] = (struct pollfd){ .fd = service->held[i].fd,
					       .events = POLLIN };
	if (poll(polled, n, next_deadline(service)) < 0 && errno != EINTR)
		die(TOOL_FAILED, "poll: %s", strerror(errno));
	if (polled[0].revents && hold_signals(&service->hold))
		return true;
	/* From the last on: drop() puts the last into the gap. */
	for (i = service->n_held; i-- > 0;) {
		struct held *held = &service->held[i];
		int result = 0;

		if (polled[first + i].revents)
			result = held->ready ? hold_read(&service->hold, held) :
					       read_prefix(service, held);
		else if (is_late(service, held))
			result = -1;
		if (result < 0)
			drop(service, i);
	}
	for (i = 0; i < service->n_listeners; i++) {
		if (polled[1 + i].revents)
			take_connection(service, service->listeners[i]);
	}
	return false;
}

static void parse(struct service *service, int argc, char **argv)
{
	bool given = false;
	int i;

	for (i = 0; i < argc; i++) {
		if (hold_option(&service->hold, argv, &i))
			continue;
		if (is_word(argv[i], "prefix-timeout")) {
			service->hold.carrier.prefix_timeout =
				number("a timeout", next_word(argv, &i), 0, TIMEOUT_MAX);
			service->timeout_given = true;
		} else if (!given && argv[i][0] != '-') {
			if (!endpoint_split(argv[i], &service->host, &service->port))
				die(TOOL_USAGE, "where? [ADDR][:PORT]");
			given = true;
		} else {
			unknown_word(argv[i]);
		}
	}
}

int run_listen(int argc, char **argv)
{
	struct service service = {
		.hold.carrier = {
			.ulp = IKETCP_ULP,
			.prefix_timeout = PREFIX_TIMEOUT,
		},
	};
	struct pollfd *polled = NULL;

	parse(&service, argc, argv);
	hold_init(&service.hold);
	open_listeners(&service);
	do {
		polled = must_have(reallocarray(polled, 1 + LISTENERS_MAX + service.n_held,
						sizeof(*polled)));
	} while (!serve(&service, polled));
	while (service.n_held)
		drop(&service, service.n_held - 1);
	free(service.held);
	free(polled);
	return TOOL_OK;
}
