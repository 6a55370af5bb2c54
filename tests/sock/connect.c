// SPDX-License-Identifier: GPL-2.0
/* The originator of "iketcp": attach, connect, and the prefix goes first. */
#include "sock.h"

static int listener(const struct env *e, uint16_t *port)
{
	return sock_listen(e, PEER, NULL, 8, port);
}

static int originator(const struct env *e)
{
	int fd = sock_new(e, US, NULL);

	need(attach(fd, e->ulp));
	return fd;
}

static void prefix_without_a_write(const struct env *e)
{
	uint16_t port;
	int l, us, peer;

	l = listener(e, &port);
	us = originator(e);
	need(sock_connect(e, US, us, port));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	quiet(peer);
	quiet(us);
	/* The peer may speak first, and sends no prefix. */
	peer_put_ike(peer, 80, 1);
	us_expect_ike(us, 80, 1);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
	need(close(l));
}

static void prefix_before_messages(const struct env *e)
{
	uint16_t port;
	int l, us, peer, i;

	l = listener(e, &port);
	us = originator(e);
	need(sock_connect(e, US, us, port));
	for (i = 0; i < 10; i++)
		us_put_ike(us, 100 + i, i);
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	for (i = 0; i < 10; i++)
		peer_expect_ike(peer, 100 + i, i);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
	need(close(l));
}

static void prefix_then_close(const struct env *e)
{
	uint16_t port;
	int l, us, peer;

	l = listener(e, &port);
	us = originator(e);
	need(sock_connect(e, US, us, port));
	need(close(us));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	peer_expect_eof(peer);
	need(close(peer));
	need(close(l));
}

static void nonblocking(const struct env *e)
{
	socklen_t len = sizeof(int);
	uint16_t port;
	int l, us, peer, rc, err;

	l = listener(e, &port);
	us = originator(e);
	nonblock(us, true);
	rc = sock_connect(e, US, us, port);
	check(!rc || errno == EINPROGRESS, "%s", strerrorname_np(errno));
	check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "not connected");
	need(getsockopt(us, SOL_SOCKET, SO_ERROR, &err, &len));
	check_eq(err, 0);
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	us_put_ike(us, 30, 1);
	peer_expect_ike(peer, 30, 1);
	/* The first of these fetches the result, as TCP has it. */
	need(sock_connect(e, US, us, port));
	refused(sock_connect(e, US, us, port), EISCONN);
	quiet(us);
	quiet(peer);
	need(close(us));
	need(close(peer));
	need(close(l));
}

static void bound_first(const struct env *e)
{
	uint16_t port, mine;
	int l, us, peer;

	l = listener(e, &port);
	us = originator(e);
	need(sock_bind(e, US, us, 0));
	mine = sock_port(us);
	need(sock_connect(e, US, us, port));
	check_eq(sock_port(us), mine);
	peer = sock_accept(l);
	check_eq(sock_peer_port(peer), mine);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	need(close(us));
	need(close(peer));
	need(close(l));
}

static void refused_by_the_peer(const struct env *e)
{
	socklen_t len = sizeof(int);
	int l, us, rc, err;
	uint16_t port;

	l = listener(e, &port);
	need(close(l));

	us = originator(e);
	refused(sock_connect(e, US, us, port), ECONNREFUSED);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL | MSG_DONTWAIT), EPIPE,
		ENOTCONN);
	need(close(us));

	us = originator(e);
	nonblock(us, true);
	rc = sock_connect(e, US, us, port);
	if (rc && errno == EINPROGRESS) {
		check(revents(us, POLLOUT, WAIT_MS) & POLLERR, "no error");
		need(getsockopt(us, SOL_SOCKET, SO_ERROR, &err, &len));
		check_eq(err, ECONNREFUSED);
	} else {
		refused(rc, ECONNREFUSED);
	}
	need(close(us));
}

/* A second attempt on the same socket, as TCP on Linux allows. */
static void refused_then_again(const struct env *e)
{
	int l, us, peer, i, rc;
	uint16_t port;

	for (i = 0; i < 2; i++) {
		l = listener(e, &port);
		need(close(l));
		us = originator(e);
		refused(sock_connect(e, US, us, port), ECONNREFUSED);
		l = listener(e, &port);
		nonblock(us, i);
		rc = sock_connect(e, US, us, port);
		check(!rc || errno == EINPROGRESS, "%s",
		      strerrorname_np(errno));
		peer = sock_accept(l);
		nonblock(us, false);
		peer_expect(peer, PREFIX, PREFIX_LEN);
		us_put_ike(us, 60, 1);
		peer_expect_ike(peer, 60, 1);
		quiet(peer);
		need(close(us));
		need(close(peer));
		need(close(l));
	}
}

static void before_connect(const struct env *e)
{
	char buf[16];
	int us, ev, n = -1;

	us = originator(e);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL), EPIPE, ENOTCONN);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL | MSG_DONTWAIT), EPIPE,
		ENOTCONN);
	refused(recv(us, buf, sizeof(buf), 0), ENOTCONN);
	refused(recv(us, buf, sizeof(buf), MSG_DONTWAIT), ENOTCONN);
	ev = revents(us, POLLIN | POLLOUT, 0);
	check(ev & POLLHUP, "poll says %#x", ev);
	need(ioctl(us, FIONREAD, &n));
	check_eq(n, 0);
	refused(shutdown(us, SHUT_RDWR), ENOTCONN);
	need(close(us));
}

/* Attached before connect() or during it, the result is the same. */
static void syn_sent(const struct env *e)
{
	uint8_t body[40];
	struct hole h;
	int us, peer, i, ev;

	for (i = 0; i < 2; i++) {
		hole_open(e, &h);
		us = sock_new(e, US, NULL);
		nonblock(us, true);
		if (i == 0)
			need(attach(us, e->ulp));
		refused(sock_connect(e, US, us, h.port), EINPROGRESS);
		if (i == 1)
			need(attach(us, e->ulp));
		ike_fill(body, sizeof(body), 1);
		refused(send(us, body, sizeof(body), MSG_NOSIGNAL), EAGAIN);
		refused(recv(us, body, sizeof(body), 0), EAGAIN);
		ev = revents(us, POLLIN | POLLOUT, QUIET_MS);
		check(!ev, "poll says %#x", ev);
		refused(sock_connect(e, US, us, h.port), EALREADY);

		peer = hole_let_through(&h);
		check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "no POLLOUT");
		peer_expect(peer, PREFIX, PREFIX_LEN);
		us_put_ike(us, 40, 2);
		peer_expect_ike(peer, 40, 2);
		quiet(peer);
		need(close(us));
		need(close(peer));
		hole_close(&h);
	}
}

static void *let_through(void *arg)
{
	struct hole *h = arg;
	int fd;

	msleep(100);
	fd = accept(h->listener, NULL, NULL);
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* A blocking write() waits for the connection, and comes after the prefix. */
static void syn_sent_blocking_write(const struct env *e)
{
	struct hole h;
	pthread_t t;
	int us, peer;

	hole_open(e, &h);
	us = originator(e);
	nonblock(us, true);
	refused(sock_connect(e, US, us, h.port), EINPROGRESS);
	nonblock(us, false);
	need(-pthread_create(&t, NULL, let_through, &h));
	us_put_ike(us, 40, 1);
	pthread_join(t, NULL);
	peer = sock_accept(h.listener);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	peer_expect_ike(peer, 40, 1);
	quiet(peer);
	need(close(us));
	need(close(peer));
	hole_close(&h);
}

static void syn_sent_close(const struct env *e)
{
	struct hole h;
	int us;

	hole_open(e, &h);
	us = originator(e);
	nonblock(us, true);
	refused(sock_connect(e, US, us, h.port), EINPROGRESS);
	need(close(us));
	us = originator(e);
	need(close(us));
	hole_close(&h);
}

/* Both ends are ours, each with its own role. */
static void both_ends(const struct env *e)
{
	uint16_t port;
	int l, us, peer, i;

	l = listener(e, &port);
	us = originator(e);
	need(sock_connect(e, US, us, port));
	peer = sock_accept(l);
	need(attach(peer, "iketcp"));
	for (i = 0; i < 20; i++) {
		us_put_ike(us, 100 * i + 10, i);
		us_put_ike(peer, 100 * i + 20, i);
	}
	for (i = 0; i < 20; i++) {
		us_expect_ike(peer, 100 * i + 10, i);
		us_expect_ike(us, 100 * i + 20, i);
	}
	quiet(us);
	quiet(peer);
	need(close(us));
	us_expect_eof(peer);
	need(close(peer));
	need(close(l));
}

/* Ours to the one that mainline has. */
static void to_espintcp(const struct env *e)
{
	char buf[PREFIX_LEN];
	uint16_t port;
	int l, us, peer;

	l = listener(e, &port);
	us = originator(e);
	need(sock_connect(e, US, us, port));
	us_put_ike(us, 500, 1);
	peer = sock_accept(l);
	check(revents(peer, POLLIN, WAIT_MS) & POLLIN, "no prefix");
	check_eq(read(peer, buf, sizeof(buf)), PREFIX_LEN);
	need(attach(peer, "espintcp"));
	us_expect_ike(peer, 500, 1);
	us_put_ike(peer, 600, 2);
	us_expect_ike(us, 600, 2);
	need(close(us));
	need(close(peer));
	need(close(l));
}

static void fast_open_message(const struct env *e)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	uint16_t port;
	int l, us;

	sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "5");
	l = sock_listen(e, US, NULL, 8, &port);
	need(getsockname(l, (struct sockaddr *)&ss, &len));
	us = originator(e);
	refused(sendto(us, "\0\0\0\0x", 5, MSG_FASTOPEN | MSG_NOSIGNAL,
		       (struct sockaddr *)&ss, len), EOPNOTSUPP);
	need(close(us));
	need(close(l));
}

static const struct test tests[] = {
	TEST(prefix_without_a_write, ORIGINATORS),
	TEST(prefix_before_messages, ORIGINATORS),
	TEST(prefix_then_close, ORIGINATORS),
	TEST(nonblocking, ORIGINATORS),
	TEST(bound_first, ORIGINATORS),
	TEST(refused_by_the_peer, ORIGINATORS),
	TEST(refused_then_again, ORIGINATORS),
	TEST(before_connect, ORIGINATORS),
	TEST(syn_sent, ORIGINATORS),
	TEST(syn_sent_blocking_write, ORIGINATORS),
	TEST(syn_sent_close, ORIGINATORS),
	TEST(both_ends, ORIGINATORS),
	TEST(to_espintcp, ORIGINATORS),
	TEST(fast_open_message, ORIGINATORS),
};

SOCK_MAIN("connect", tests)
