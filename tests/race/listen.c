// SPDX-License-Identifier: GPL-2.0
/* Listeners begin, change and end while connections come. */
#include "runner.h"

#include <poll.h>
#include <sched.h>

#include <iketcp.h>

#define LISTEN_PORT	4501

static int listener;

static void filter(int on)
{
	(void)setsockopt(listener, SOL_IKETCP, IKETCP_OPT_ACCEPT_PREFIX, &on,
			 sizeof(on));
}

/* Nothing, a part of the prefix, something else, or all and a message. */
static void come(int n)
{
	int fd = ns_socket(traffic.w, A, SOCK_STREAM);
	uint8_t data[600] = "IKETCP";
	size_t len = 6;

	(void)n;
	/* A full queue lets the handshake wait for a second. */
	timeouts(fd, 20);
	if (!connect_to(traffic.w, fd, B, LISTEN_PORT)) {
		switch (random_below(4)) {
		case 0:
			len = random_below(6);
			break;
		case 1:
			memset(data, 0x16, sizeof(data));
			break;
		default:
			len += frame_ike(data + 6, 8 + random_below(500), 1);
		}
		if (len)
			(void)!send(fd, data, len, MSG_NOSIGNAL);
	}
	if (random_below(2))
		moment();
	if (random_below(2))
		reset_close(fd);
	else
		close(fd);
}

static void take(int n)
{
	socklen_t name_len = 16;
	uint8_t got[600];
	char name[16];
	ssize_t len;
	int fd;

	(void)n;
	fd = accept4(__atomic_load_n(&listener, __ATOMIC_RELAXED), NULL, NULL,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		sched_yield();
		return;
	}
	/* One from before the ULP was there is a bare one. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &name_len) || !name_len) {
		close(fd);
		return;
	}
	len = recv(fd, got, sizeof(got), 0);
	check(len <= 0 || ike_is(got, len), "a wrong message of %zd bytes",
	      len);
	if (random_below(2))
		reset_close(fd);
	else
		close(fd);
}

static void listens(struct world *w)
{
	bool begun = random_below(2);
	int i;

	listener = ns_socket(w, B, SOCK_STREAM | SOCK_NONBLOCK);
	need(bind_to(w, listener, B, LISTEN_PORT));
	need(listen(listener, 1 + random_below(8)));
	if (begun)
		need(attach(listener, "iketcp"));
	filter(random_below(2));
	workers_go(come, random_below(3) ? take : come);
	workers_warm(random_below(2));
	if (!begun)
		need(attach(listener, "iketcp"));
	for (i = random_below(4); i; i--) {
		moment();
		filter(random_below(2));
	}
	moment();
	if (random_below(2))
		need(shutdown(listener, SHUT_RDWR));
	moment();
	/* The number is not used again while a worker has it. */
	workers_stop();
	workers_go(come, come);
	need(close(listener));
	workers_stop();
}

/*
 * After shutdown() nobody waits for an accept() that cannot come: all that were
 * made are closed, though the listener is still there.
 */
static int made[16];

static void shut_down(struct world *w)
{
	struct pollfd p = { .events = POLLRDHUP };
	int n = 0, i;

	listener = ns_socket(w, B, SOCK_STREAM | SOCK_NONBLOCK);
	need(bind_to(w, listener, B, LISTEN_PORT));
	need(listen(listener, 16));
	need(attach(listener, "iketcp"));
	filter(random_below(2));
	for (n = 0; n < (int)ARRAY_LEN(made); n++) {
		made[n] = ns_socket(w, A, SOCK_STREAM | SOCK_NONBLOCK);
		if (connect_to(w, made[n], B, LISTEN_PORT))
			check(errno == EINPROGRESS, "connect: %s",
			      strerror(errno));
		if (random_below(2))
			(void)!send(made[n], "IKETCP", 6, MSG_NOSIGNAL);
	}
	moment();
	need(shutdown(listener, SHUT_RDWR));
	for (i = 0; i < n; i++) {
		p.fd = made[i];
		check(poll(&p, 1, 5000 * slow()) == 1,
		      "a connection is kept after shutdown()");
		reset_close(made[i]);
	}
	need(close(listener));
}

const struct race listen_races[] = {
	{ .name = "listen", .what = "listeners come and go with their connections",
	  .round = listens, .strangers = true },
	{ .name = "listen-shutdown", .what = "a listener is shut down",
	  .round = shut_down },
	{ 0 }
};
