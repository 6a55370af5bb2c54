// SPDX-License-Identifier: GPL-2.0
/* poll(), epoll and FIONREAD: readable means a whole message, or an end. */
#include "sock.h"

#include <linux/sockios.h>
#include <sys/epoll.h>

#define BOTH	(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | \
		 POLLPRI)

static int inq(int fd)
{
	int n = -1;

	need(ioctl(fd, FIONREAD, &n));
	return n;
}

static void idle_and_message(const struct env *e)
{
	int us, peer, ev;

	ready(e, &us, &peer);
	ev = revents(us, BOTH, WAIT_MS);
	check_eq(ev, POLLOUT | POLLWRNORM);
	check_eq(inq(us), 0);
	peer_put_ike(peer, 123, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	ev = revents(us, BOTH, 0);
	check_eq(ev, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	check_eq(inq(us), 123);
	us_expect_ike(us, 123, 1);
	check_eq(inq(us), 0);
	ev = revents(us, BOTH, 0);
	check_eq(ev, POLLOUT | POLLWRNORM);
	need(close(us));
	need(close(peer));
}

static void no_part_is_readable(const struct env *e)
{
	uint8_t buf[128];
	int us, peer;
	size_t n, cut;

	ready(e, &us, &peer);
	n = frame_ike(buf, 40, 1);
	for (cut = 1; cut < n; cut += cut < 8 ? 1 : n - 9) {
		peer_put(peer, buf, cut);
		quiet(us);
		check_eq(inq(us), 0);
		peer_put(peer, buf + cut, n - cut);
		us_expect_ike(us, 40, 1);
	}
	/* A message and a part: readable until the message is read. */
	peer_put_ike(peer, 50, 2);
	peer_put(peer, buf, n - 1);
	us_expect_ike(us, 50, 2);
	quiet(us);
	check_eq(inq(us), 0);
	need(close(us));
	need(close(peer));
}

static void no_other_message_is_readable(const struct env *e)
{
	static const struct { const char *body; size_t len; } others[] = {
		{ "\xff", 1 }, { "", 0 }, { "\0", 1 }, { "ab", 2 },
		{ "abc", 3 }, { "\0\0\0\0", 4 }, { "abcd", 4 },
		{ "abcd\0\0\0\1", 8 }, { "abcd\0\0\0\1aaaabbbbccccdddd", 24 },
	};
	uint8_t buf[64];
	int us, peer;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(others); i++) {
		peer_put(peer, buf, frame_put(buf, others[i].body,
					      others[i].len));
		quiet(us);
		check_eq(inq(us), 0);
	}
	peer_put_ike(peer, 40, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	check_eq(inq(us), 40);
	us_expect_ike(us, 40, 1);
	need(close(us));
	need(close(peer));
}

static void ioctls(const struct env *e)
{
	uint64_t end = now_ms() + WAIT_MS;
	int us, peer, n = -1;

	ready(e, &us, &peer);
	peer_put_ike(peer, 111, 1);
	peer_put_ike(peer, 222, 2);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	check_eq(inq(us), 111);
	need(ioctl(us, SIOCINQ, &n));
	check_eq(n, 111);
	us_expect_ike(us, 111, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	check_eq(inq(us), 222);
	us_expect_ike(us, 222, 2);
	check_eq(inq(us), 0);
	/* The way out: as for TCP, what the peer has not acknowledged. */
	us_put_ike(us, 1000, 3);
	peer_expect_ike(peer, 1000, 3);
	do {
		need(ioctl(us, SIOCOUTQ, &n));
	} while (n && now_ms() < end);
	check_eq(n, 0);
	need(ioctl(us, SIOCOUTQNSD, &n));
	check_eq(n, 0);
	need(close(us));
	need(close(peer));
}

static void ends(const struct env *e)
{
	int us, peer, ev;

	ready(e, &us, &peer);
	peer_put(peer, "\0", 1);
	need(shutdown(peer, SHUT_WR));
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no end");
	ev = revents(us, BOTH, 0);
	check_eq(ev & (POLLIN | POLLRDHUP | POLLOUT), POLLIN | POLLRDHUP |
		 POLLOUT);
	check(!(ev & (POLLHUP | POLLERR)), "poll says %#x", ev);
	check_eq(inq(us), 0);
	need(shutdown(us, SHUT_WR));
	ev = revents(us, BOTH, 0);
	check(ev & POLLHUP, "poll says %#x", ev);
	check(ev & POLLIN, "poll says %#x", ev);
	need(close(us));
	need(close(peer));

	ready(e, &us, &peer);
	reset_close(peer);
	check(revents(us, 0, WAIT_MS) & POLLHUP, "no reset");
	ev = revents(us, BOTH, 0);
	check_eq(ev & (POLLIN | POLLERR | POLLHUP), POLLIN | POLLERR |
		 POLLHUP);
	us_expect_error(us, ECONNRESET);
	ev = revents(us, BOTH, 0);
	check_eq(ev & (POLLIN | POLLERR | POLLHUP), POLLIN | POLLHUP);
	need(close(us));
}

/* A message behind which the stream ends: first one, then the other. */
static void message_then_end(const struct env *e)
{
	int us, peer, ev;

	ready(e, &us, &peer);
	peer_put_ike(peer, 77, 1);
	need(shutdown(peer, SHUT_WR));
	check(revents(us, POLLRDHUP, WAIT_MS) & POLLRDHUP, "no end");
	check_eq(inq(us), 77);
	us_expect_ike(us, 77, 1);
	ev = revents(us, BOTH, 0);
	check(ev & POLLIN, "poll says %#x", ev);
	us_expect_eof(us);
	need(close(us));
	need(close(peer));
}

static int epoll_new(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };
	int ep = need(epoll_create1(EPOLL_CLOEXEC));

	need(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

static uint32_t epoll_next(int ep, int timeout_ms)
{
	struct epoll_event ev = { 0 };
	int n;

	do {
		n = epoll_wait(ep, &ev, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	need(n);
	return n ? ev.events : 0;
}

static void epoll_level(const struct env *e)
{
	int us, peer, ep;
	char got[8];

	ready(e, &us, &peer);
	ep = epoll_new(us, EPOLLIN | EPOLLRDHUP);
	check_eq(epoll_next(ep, QUIET_MS), 0);
	peer_put(peer, "\0\x08", 2);
	check_eq(epoll_next(ep, QUIET_MS), 0);
	peer_put(peer, "\0\0\0\0xy", 6);
	check_eq(epoll_next(ep, WAIT_MS), EPOLLIN);
	check_eq(epoll_next(ep, 0), EPOLLIN);
	check_eq(need(recv(us, got, sizeof(got), 0)), 6);
	check_eq(epoll_next(ep, QUIET_MS), 0);
	need(shutdown(peer, SHUT_WR));
	check_eq(epoll_next(ep, WAIT_MS), EPOLLIN | EPOLLRDHUP);
	need(close(us));
	check_eq(epoll_next(ep, 0), 0);
	need(close(ep));
	need(close(peer));
}

static void epoll_edge(const struct env *e)
{
	int us, peer, ep;
	char got[8];

	ready(e, &us, &peer);
	ep = epoll_new(us, EPOLLIN | EPOLLET);
	(void)epoll_next(ep, 0);
	peer_put(peer, "\0\x08", 2);
	check(!(epoll_next(ep, QUIET_MS) & EPOLLIN), "for a part");
	peer_put(peer, "\0\0\0\0xy", 6);
	check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none for a message");
	check_eq(epoll_next(ep, QUIET_MS), 0);
	/* Another, with the first unread: an event again. */
	peer_put_ike(peer, 20, 1);
	check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none for the second");
	check_eq(need(recv(us, got, sizeof(got), 0)), 6);
	us_expect_ike(us, 20, 1);
	/* Read dry: one for the next. */
	peer_put_ike(peer, 30, 2);
	check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none for the third");
	us_expect_ike(us, 30, 2);
	peer_put(peer, "\0\3\xff", 3);
	check(!(epoll_next(ep, QUIET_MS) & EPOLLIN), "for a keepalive");
	need(close(us));
	need(close(ep));
	need(close(peer));
}

/*
 * The socket is in the set, and data in TCP's queue, before the ULP comes:
 * the edge that raw TCP raised is gone, the message needs one of its own.
 */
static void epoll_before_attach(const struct env *e)
{
	static const uint32_t triggers[] = { 0, EPOLLET };
	uint8_t buf[256];
	int us, peer, ep;
	size_t n, i;

	for (i = 0; i < ARRAY_LEN(triggers); i++) {
		/* A whole message is there. */
		pair_open(e, US, NULL, &us, &peer);
		ep = epoll_new(us, EPOLLIN | triggers[i]);
		n = 0;
		if (e->mode == RESPONDER) {
			memcpy(buf, PREFIX, PREFIX_LEN);
			n = PREFIX_LEN;
		}
		n += frame_ike(buf + n, 40, 1);
		peer_put(peer, buf, n);
		check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none from TCP");
		if (triggers[i])
			check_eq(epoll_next(ep, QUIET_MS), 0);
		need(attach(us, e->ulp));
		check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none from us");
		us_expect_ike(us, 40, 1);
		check_eq(epoll_next(ep, QUIET_MS), 0);
		need(close(us));
		need(close(ep));
		need(close(peer));

		/* A part is there. */
		pair_open(e, US, NULL, &us, &peer);
		ep = epoll_new(us, EPOLLIN | triggers[i]);
		peer_put(peer, buf, n - 1);
		check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none from TCP");
		need(attach(us, e->ulp));
		check_eq(epoll_next(ep, QUIET_MS), 0);
		peer_put(peer, buf + n - 1, 1);
		check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none from us");
		us_expect_ike(us, 40, 1);
		need(close(us));
		need(close(ep));
		need(close(peer));

		/* Nothing is there yet. */
		pair_open(e, US, NULL, &us, &peer);
		ep = epoll_new(us, EPOLLIN | triggers[i]);
		need(attach(us, e->ulp));
		check_eq(epoll_next(ep, QUIET_MS), 0);
		peer_put(peer, buf, n);
		check(epoll_next(ep, WAIT_MS) & EPOLLIN, "none from us");
		us_expect_ike(us, 40, 1);
		need(close(us));
		need(close(ep));
		need(close(peer));
	}
}

static void epoll_originator(const struct env *e)
{
	uint16_t port;
	int l, us, peer, ep;

	l = sock_listen(e, PEER, NULL, 8, &port);
	us = sock_new(e, US, NULL);
	nonblock(us, true);
	need(attach(us, e->ulp));
	ep = epoll_new(us, EPOLLIN | EPOLLOUT | EPOLLET);
	(void)epoll_next(ep, 0);
	(void)!sock_connect(e, US, us, port);
	check(epoll_next(ep, WAIT_MS) & EPOLLOUT, "not connected");
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	peer_put_ike(peer, 20, 1);
	check(epoll_next(ep, WAIT_MS) & EPOLLIN, "no message");
	us_expect_ike(us, 20, 1);
	need(close(us));
	need(close(ep));
	need(close(peer));
	need(close(l));
}

struct sleeper {
	int fd, ev;
};

static void *sleep_in_poll(void *arg)
{
	struct sleeper *s = arg;

	s->ev = revents(s->fd, POLLIN, WAIT_MS);
	return NULL;
}

/* poll() sleeps already when the ULP comes. */
static void poll_across_attach(const struct env *e)
{
	struct sleeper s = { 0 };
	pthread_t thread;
	int us, peer;

	pair_open(e, US, NULL, &us, &peer);
	s.fd = us;
	need(-pthread_create(&thread, NULL, sleep_in_poll, &s));
	msleep(QUIET_MS);
	need(attach(us, e->ulp));
	if (e->mode == RESPONDER)
		peer_put(peer, PREFIX, PREFIX_LEN);
	peer_put(peer, "\0\3\xff", 3);
	peer_put_ike(peer, 40, 1);
	pthread_join(thread, NULL);
	check(s.ev & POLLIN, "poll says %#x", s.ev);
	us_expect_ike(us, 40, 1);
	need(close(us));
	need(close(peer));
}

static volatile sig_atomic_t sigios;

static void on_sigio(int sig)
{
	(void)sig;
	sigios++;
}

static void signal_driven(const struct env *e)
{
	struct sigaction sa = { .sa_handler = on_sigio, .sa_flags = SA_RESTART };
	uint64_t end;
	int us, peer;

	need(sigaction(SIGIO, &sa, NULL));
	ready(e, &us, &peer);
	need(fcntl(us, F_SETOWN, getpid()));
	need(fcntl(us, F_SETFL, fcntl(us, F_GETFL) | O_ASYNC));
	sigios = 0;
	peer_put_ike(peer, 40, 1);
	end = now_ms() + WAIT_MS;
	while (!sigios && now_ms() < end)
		msleep(5);
	check(sigios, "no SIGIO");
	us_expect_ike(us, 40, 1);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(idle_and_message, ALL),
	TEST(no_part_is_readable, ALL),
	TEST(no_other_message_is_readable, ALL),
	TEST(ioctls, ALL),
	TEST(ends, ALL),
	TEST(message_then_end, ALL),
	TEST(epoll_level, ALL),
	TEST(epoll_edge, ALL),
	TEST(epoll_before_attach, FAMILIES | RESPONDERS),
	TEST(epoll_originator, ORIGINATORS),
	TEST(poll_across_attach, FAMILIES | RESPONDERS),
	TEST(signal_driven, SOME),
};

SOCK_MAIN("poll", tests)
