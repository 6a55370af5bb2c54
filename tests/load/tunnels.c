// SPDX-License-Identifier: GPL-2.0
/*
 * load tunnels [connections=1000] [kind=iketcp|espintcp] [kilobytes=131072]
 *
 * So many connections with two SAs at each end, and a TCP stream through each tunnel.
 * The streams take turns: 64 KiB each, and four times that is under way at most, however
 * many there are: more would wait for the CPU, until TCP sends it again. Together they
 * carry so much, and as much before, to warm up. Prints what it took: see
 * tests/bench/measure.h.
 */
#include "load.h"

#include "../bench/measure.h"

#include <sys/epoll.h>

#define STREAM_PORT	7001
#define CHUNK		65536
#define UNDER_WAY	(4 * CHUNK)
/* Nobody waits for room. */
#define SEND_BUFFER	(4 * UNDER_WAY)
#define EVENTS		64
/* As long as TCP may wait until it tries again. */
#define STALL_MS	120000

/**
 * struct stream - a TCP connection inside a tunnel
 * @a: A's socket, which sends
 * @b: B's
 */
struct stream {
	int a, b;
};

static void states(const struct link *links, unsigned int n)
{
	unsigned int i;
	int at, from;

	for (at = 0; at < 2; at++) {
		struct nl *nl = nl_open(at);

		for (i = 0; i < n; i++) {
			for (from = 0; from < 2; from++)
				sa_add(nl, &(struct sa){ from, i, SPI(from, i),
							 links[i].port });
			policy_out(nl, at, i);
		}
		policy_in(nl, at);
		nl_commit(nl);
		nl_close(nl);
	}
}

static void states_gone(void)
{
	int at;

	for (at = 0; at < 2; at++) {
		struct nl *nl = nl_open(at);

		xfrm_flush(nl);
		nl_close(nl);
	}
}

static void stream_open(struct stream *s, int listener, unsigned int n)
{
	struct sockaddr_in from = address(inner(A, n), 0);
	struct sockaddr_in to = address(inner(B, n), STREAM_PORT);
	int size = SEND_BUFFER;

	s->a = sock_new(A, SOCK_STREAM);
	need(setsockopt(s->a, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)));
	need(bind(s->a, (struct sockaddr *)&from, sizeof(from)));
	need(connect(s->a, (struct sockaddr *)&to, sizeof(to)));
	s->b = need(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static uint64_t receive_some(const struct stream *s)
{
	static char data[CHUNK];
	ssize_t n = need(recv(s->b, data, sizeof(data), MSG_DONTWAIT));

	if (!n)
		die("the end of a stream");
	return n;
}

/* By turns, from the first stream on, CHUNK each. */
static void move(const struct stream *streams, unsigned int n, uint64_t bytes,
		 int epoll)
{
	static const char data[CHUNK];
	struct epoll_event events[EVENTS];
	uint64_t sent = 0, received = 0;
	int count, i;

	while (received < bytes) {
		for (; sent < bytes && sent < received + UNDER_WAY; sent += CHUNK)
			need(send(streams[sent / CHUNK % n].a, data, CHUNK, 0));
		count = need(epoll_wait(epoll, events, EVENTS, STALL_MS));
		if (!count)
			die("%lu of %lu bytes came", received, bytes);
		for (i = 0; i < count; i++)
			received += receive_some(&streams[events[i].data.u32]);
	}
}

/* All that was sent went through the tunnels, and through all of them. */
static void carried(const struct sa_count *c, void *arg)
{
	unsigned int *good = arg;

	*good += c->packets >= 3;
}

int load_tunnels(int argc, char **argv)
{
	unsigned int n = option(argc, argv, "connections", 1000), i, good = 0;
	/* Whole turns. */
	uint64_t bytes = option(argc, argv, "kilobytes", 131072) / 64 *
		(uint64_t)CHUNK;
	enum kind kind = option_kind(argc, argv);
	struct stream *streams = calloc(n, sizeof(*streams));
	struct link *links = calloc(n, sizeof(*links));
	int outside, inside, epoll = need(epoll_create1(EPOLL_CLOEXEC));
	struct nl *nl;

	world_up(1);
	/* As NICs have it. */
	if (run("for n in A B; do nsenter --net=/run/netns/$n ethtool -K wire gro on || exit; done"))
		die("no GRO");
	/* Who waits for his turn is not idle: no slow start for that. */
	sysctl_write(A, "ipv4/tcp_slow_start_after_idle", "0");
	outside = sock_listen(B, outer(B, 0), IKE_PORT);
	inside = sock_listen(B, (struct in_addr){ 0 }, STREAM_PORT);
	links_open(links, n, outside, kind);
	states(links, n);
	for (i = 0; i < n; i++) {
		struct epoll_event in = { EPOLLIN, { .u32 = i } };

		stream_open(&streams[i], inside, i);
		need(epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i].b, &in));
	}
	move(streams, n, bytes, epoll);
	measure_begin();
	move(streams, n, bytes, epoll);
	measure_end(bytes, 0, 0);
	nl = nl_open(B);
	sa_dump(nl, carried, &good);
	nl_close(nl);
	if (good != 2 * n)
		die("%u of %u states carried something", good, 2 * n);
	for (i = 0; i < n; i++) {
		sock_reset(streams[i].a);
		sock_reset(streams[i].b);
	}
	close(epoll);
	close(inside);
	states_gone();
	links_reset(links, n);
	close(outside);
	world_down();
	return 0;
}
