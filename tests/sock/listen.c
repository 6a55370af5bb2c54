// SPDX-License-Identifier: GPL-2.0
/* "iketcp" on a listening socket: what accept() gives, and to whom. */
#include "sock.h"
#include "../../include/iketcp.h"

#include <sys/epoll.h>

#define TIMEOUT	"/proc/sys/net/iketcp/prefix_timeout"
#define WAITING	"/proc/sys/net/iketcp/max_waiting"

static int listen_at(const struct env *e, int backlog, uint16_t *port)
{
	int l = sock_listen(e, US, NULL, backlog, port);

	need(attach(l, "iketcp"));
	return l;
}

static void option(int fd, int name, int value)
{
	need(setsockopt(fd, SOL_IKETCP, name, &value, sizeof(value)));
}

/* One whose accept() waits for the prefix. */
static int filter_at(const struct env *e, int backlog, uint16_t *port)
{
	int l = listen_at(e, backlog, port);

	option(l, IKETCP_OPT_ACCEPT_PREFIX, 1);
	return l;
}

static int peer_to(const struct env *e, uint16_t port)
{
	int fd = sock_new(e, PEER, NULL);

	need(sock_connect(e, PEER, fd, port));
	nodelay(fd);
	return fd;
}

static struct iketcp_info info_of(int fd)
{
	struct iketcp_info info = { 0 };
	socklen_t len = sizeof(info);

	need(getsockopt(fd, SOL_IKETCP, IKETCP_OPT_INFO, &info, &len));
	check_eq(len, sizeof(info));
	return info;
}

static void expect_waiting(int l, unsigned int n)
{
	uint64_t end = now_ms() + WAIT_MS;

	while (info_of(l).waiting != n && now_ms() < end)
		msleep(10);
	check_eq(info_of(l).waiting, n);
}

static void nobody(int l)
{
	check_eq(revents(l, POLLIN, QUIET_MS), 0);
}

/* A connection that works, both ways. */
static void works(int us, int peer)
{
	char name[16] = { 0 };
	socklen_t len = sizeof(name);

	need(getsockopt(us, IPPROTO_TCP, TCP_ULP, name, &len));
	check(!strcmp(name, "iketcp"), "the ULP is %s", name);
	check_eq(info_of(us).role, IKETCP_ROLE_RESPONDER);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	us_put_ike(us, 200, 2);
	peer_expect_ike(peer, 200, 2);
}

static void accepted(const struct env *e)
{
	struct stats before;
	int l, us, peer, n;
	uint16_t port;

	l = listen_at(e, 8, &port);
	check_eq(info_of(l).role, IKETCP_ROLE_LISTENER);
	for (n = 0; n < 3; n++) {
		stats_take(&before);
		peer = peer_to(e, port);
		us = sock_accept(l);
		check_eq(sock_peer_port(us), sock_port(peer));
		peer_put(peer, PREFIX, PREFIX_LEN);
		works(us, peer);
		stat_expect(&before, Attach, 1);
		need(close(us));
		peer_expect_eof(peer);
		need(close(peer));
		stat_expect(&before, Detach, 1);
	}
	stat_expect(&before, ListenDrop, 0);
	need(close(l));
}

/* Those that TCP had accepted before the ULP came are no exception. */
static void from_before(const struct env *e)
{
	int l, us[3], peer[3], n;
	uint16_t port;

	l = sock_listen(e, US, NULL, 8, &port);
	for (n = 0; n < 3; n++) {
		peer[n] = peer_to(e, port);
		peer_put(peer[n], PREFIX, n);
	}
	need(attach(l, "iketcp"));
	for (n = 0; n < 3; n++) {
		us[n] = sock_accept(l);
		check_eq(sock_peer_port(us[n]), sock_port(peer[n]));
	}
	for (n = 0; n < 3; n++) {
		peer_put(peer[n], PREFIX + n, PREFIX_LEN - n);
		works(us[n], peer[n]);
		need(close(us[n]));
		need(close(peer[n]));
	}
	need(close(l));
}

/* What comes before accept() is not lost, and ESP need not wait for it. */
static void data_first(const struct env *e)
{
	static const uint8_t esp[64] = { 0, 0, 0x30, 0x39 };
	uint8_t buf[600];
	struct stats before;
	int l, us, peer;
	uint16_t port;
	size_t len;

	l = listen_at(e, 8, &port);
	stats_take(&before);
	peer = peer_to(e, port);
	memcpy(buf, PREFIX, PREFIX_LEN);
	len = PREFIX_LEN;
	len += frame_ike(buf + len, 100, 1);
	len += frame_put(buf + len, esp, sizeof(esp));
	len += frame_ike(buf + len, 150, 2);
	peer_put(peer, buf, len);
	stat_expect(&before, InIke, 2);
	stat_expect(&before, InEsp, 1);
	us = sock_accept(l);
	us_expect_ike(us, 100, 1);
	us_expect_ike(us, 150, 2);
	works(us, peer);
	need(close(us));
	need(close(peer));
	need(close(l));
}

/* The backlog is a bound, as ever, and nobody behind it is lost. */
static void many(const struct env *e)
{
	enum { N = 40 };
	int l, us, peer[N], n;
	uint16_t port;

	l = listen_at(e, 4, &port);
	for (n = 0; n < 5; n++)
		peer[n] = peer_to(e, port);
	for (n = 0; n < N; n++) {
		peer_put(peer[n], PREFIX, PREFIX_LEN);
		us = sock_accept(l);
		check_eq(sock_peer_port(us), sock_port(peer[n]));
		works(us, peer[n]);
		need(close(us));
		need(close(peer[n]));
		if (n + 5 < N)
			peer[n + 5] = peer_to(e, port);
	}
	need(close(l));
}

struct accepter {
	int l, fd, err;
};

static void *accept_one(void *arg)
{
	struct accepter *a = arg;

	a->fd = accept4(a->l, NULL, NULL, SOCK_CLOEXEC);
	a->err = errno;
	return NULL;
}

static void blocking(const struct env *e)
{
	struct accepter a = { .fd = -1 };
	uint16_t port;
	pthread_t t;
	int peer;

	a.l = filter_at(e, 8, &port);
	need(-pthread_create(&t, NULL, accept_one, &a));
	msleep(QUIET_MS);
	peer = peer_to(e, port);
	msleep(QUIET_MS);
	check_eq(a.fd, -1);
	peer_put(peer, PREFIX, PREFIX_LEN);
	pthread_join(t, NULL);
	need(a.fd);
	works(a.fd, peer);
	need(close(a.fd));
	need(close(peer));

	/* The end of the listening wakes it, too. */
	need(-pthread_create(&t, NULL, accept_one, &a));
	msleep(QUIET_MS);
	need(shutdown(a.l, SHUT_RDWR));
	pthread_join(t, NULL);
	check_eq(a.fd, -1);
	check_eq(a.err, EINVAL);
	need(close(a.l));
}

/* Two threads, two connections: each gets one. */
static void two_accept(const struct env *e)
{
	struct accepter a[2];
	pthread_t t[2];
	int l, peer[2], n;
	uint16_t port;

	l = listen_at(e, 8, &port);
	for (n = 0; n < 2; n++) {
		a[n] = (struct accepter){ l, -1, 0 };
		need(-pthread_create(&t[n], NULL, accept_one, &a[n]));
	}
	msleep(QUIET_MS);
	for (n = 0; n < 2; n++)
		peer[n] = peer_to(e, port);
	for (n = 0; n < 2; n++)
		pthread_join(t[n], NULL);
	for (n = 0; n < 2; n++) {
		need(a[n].fd);
		need(close(a[n].fd));
		need(close(peer[n]));
	}
	need(close(l));
}

static void polled(const struct env *e)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int l, us, peer, ep;
	uint16_t port;

	l = sock_listen(e, US, NULL, 8, &port);
	/* From before the ULP, and edge-triggered: the hardest. */
	ep = need(epoll_create1(EPOLL_CLOEXEC));
	need(epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev));
	need(attach(l, "iketcp"));
	option(l, IKETCP_OPT_ACCEPT_PREFIX, 1);
	nonblock(l, true);
	refused(accept(l, NULL, NULL), EAGAIN);

	peer = peer_to(e, port);
	expect_waiting(l, 1);
	check_eq(epoll_wait(ep, &ev, 1, QUIET_MS), 0);
	nobody(l);
	refused(accept(l, NULL, NULL), EAGAIN);
	peer_put(peer, PREFIX, PREFIX_LEN);
	check_eq(epoll_wait(ep, &ev, 1, WAIT_MS), 1);
	check_eq(info_of(l).ready, 1);
	us = sock_accept(l);
	refused(accept(l, NULL, NULL), EAGAIN);
	check_eq(info_of(l).ready, 0);
	works(us, peer);
	need(close(us));
	need(close(peer));
	need(close(ep));
	need(close(l));
}

/* Strangers of every kind do not reach the program, and keep nobody off. */
static void strangers(const struct env *e)
{
	struct stats before;
	int l, us, peer[5], late[2], honest, n;
	uint16_t port;

	l = filter_at(e, 2, &port);
	option(l, IKETCP_OPT_PREFIX_TIMEOUT, 0);
	stats_take(&before);
	/* More than the backlog. */
	for (n = 0; n < 5; n++)
		peer[n] = peer_to(e, port);
	peer_put(peer[1], PREFIX, 3);
	peer_put(peer[2], "GET / HTTP/1.0\r\n\r\n", 18);
	reset_close(peer[3]);
	need(shutdown(peer[4], SHUT_WR));
	peer_expect_reset(peer[2]);
	peer_expect_end(peer[4]);
	stat_expect(&before, InBadPrefix, 1);
	stat_expect(&before, ListenDrop, 3);
	expect_waiting(l, 2);

	honest = peer_to(e, port);
	peer_put(honest, PREFIX, PREFIX_LEN);
	us = sock_accept(l);
	works(us, honest);
	nobody(l);

	/* Time is for those that come from now on. */
	option(l, IKETCP_OPT_PREFIX_TIMEOUT, 1);
	late[0] = peer_to(e, port);
	late[1] = peer_to(e, port);
	peer_put(late[1], PREFIX, PREFIX_LEN - 1);
	peer_expect_reset(late[0]);
	peer_expect_reset(late[1]);
	stat_expect(&before, InPrefixTimeout, 2);
	stat_expect(&before, ListenDrop, 5);
	expect_waiting(l, 2);
	nobody(l);
	works(us, honest);
	need(close(late[0]));
	need(close(late[1]));
	need(close(us));
	need(close(honest));
	for (n = 0; n < 5; n++)
		if (n != 3)
			need(close(peer[n]));
	need(close(l));
}

/* The prefix, a message and the end in one segment: that is no stranger. */
static void short_visit(const struct env *e)
{
	uint8_t buf[200];
	struct stats before;
	int l, us, peer, n;
	uint16_t port;
	size_t len;

	memcpy(buf, PREFIX, PREFIX_LEN);
	len = PREFIX_LEN + frame_ike(buf + PREFIX_LEN, 100, 1);
	l = filter_at(e, 8, &port);
	stats_take(&before);
	for (n = 0; n < 100; n++) {
		int one = 1;

		peer = peer_to(e, port);
		/* Data and FIN together. */
		need(setsockopt(peer, IPPROTO_TCP, TCP_CORK, &one, sizeof(one)));
		peer_put(peer, buf, len);
		need(shutdown(peer, SHUT_WR));
		us = sock_accept(l);
		us_expect_ike(us, 100, 1);
		us_expect_eof(us);
		need(close(us));
		need(close(peer));
	}
	stat_expect(&before, ListenDrop, 0);
	need(close(l));
}

/* When too many wait the oldest go, not the newest. */
static void too_many(const struct env *e)
{
	struct stats before;
	int l, us, peer[6], n;
	uint16_t port;

	check(!run("modprobe iketcp"), "modprobe");
	sysctl_write(WAITING, "3");
	l = filter_at(e, 8, &port);
	stats_take(&before);
	for (n = 0; n < 6; n++) {
		peer[n] = peer_to(e, port);
		stat_expect(&before, Attach, n + 1);
	}
	stat_expect(&before, ListenDrop, 3);
	expect_waiting(l, 3);
	for (n = 0; n < 3; n++)
		peer_expect_end(peer[n]);
	for (n = 3; n < 6; n++) {
		peer_put(peer[n], PREFIX, PREFIX_LEN);
		us = sock_accept(l);
		check_eq(sock_peer_port(us), sock_port(peer[n]));
		works(us, peer[n]);
		need(close(us));
	}
	for (n = 0; n < 6; n++)
		need(close(peer[n]));
	need(close(l));
}

static void waiting_range(const struct env *e)
{
	char value[16] = { 0 };
	int fd;

	(void)e;
	check(!run("modprobe iketcp"), "modprobe");
	fd = need(open(WAITING, O_RDWR | O_CLOEXEC));
	need(pread(fd, value, sizeof(value) - 1, 0));
	check(!strcmp(value, "4096\n"), "the default is %s", value);
	refused(pwrite(fd, "0", 1, 0), EINVAL);
	refused(pwrite(fd, "1048577", 7, 0), EINVAL);
	need(pwrite(fd, "1048576", 7, 0));
	need(close(fd));
}

/* The filter can be switched off: who waits is let in. */
static void filter_off(const struct env *e)
{
	int l, us, peer;
	uint16_t port;

	l = filter_at(e, 8, &port);
	peer = peer_to(e, port);
	expect_waiting(l, 1);
	nobody(l);
	option(l, IKETCP_OPT_ACCEPT_PREFIX, 0);
	us = sock_accept(l);
	peer_put(peer, PREFIX, PREFIX_LEN);
	works(us, peer);
	need(close(us));
	need(close(peer));
	need(close(l));
}

/* Nothing is left when the listener goes with connections in every state. */
static void closed(const struct env *e)
{
	struct stats before;
	int l, us, peer[4], n;
	uint16_t port;

	for (n = 0; n < 2; n++) {
		l = n ? filter_at(e, 8, &port) : listen_at(e, 8, &port);
		stats_take(&before);
		peer[0] = peer_to(e, port);
		peer_put(peer[0], PREFIX, PREFIX_LEN);
		us = sock_accept(l);
		peer[1] = peer_to(e, port);
		peer[2] = peer_to(e, port);
		peer_put(peer[2], PREFIX, 2);
		peer[3] = peer_to(e, port);
		peer_put(peer[3], PREFIX, PREFIX_LEN);
		peer_put_ike(peer[3], 100, 1);
		stat_expect(&before, Attach, 4);
		stat_expect(&before, InIke, 1);
		need(close(l));
		peer_expect_end(peer[1]);
		peer_expect_end(peer[2]);
		peer_expect_end(peer[3]);
		stat_expect(&before, ListenDrop, 3);
		stat_expect(&before, Detach, 3);
		works(us, peer[0]);
		need(close(us));
		stat_expect(&before, Detach, 4);
		need(close(peer[0]));
		need(close(peer[1]));
		need(close(peer[2]));
		need(close(peer[3]));
	}
}

static void ended_and_again(const struct env *e)
{
	struct stats before;
	int l, us, peer, old;
	uint16_t port;

	l = filter_at(e, 8, &port);
	stats_take(&before);
	old = peer_to(e, port);
	expect_waiting(l, 1);
	need(shutdown(l, SHUT_RDWR));
	peer_expect_end(old);
	need(close(old));
	stat_expect(&before, ListenDrop, 1);
	refused(accept(l, NULL, NULL), EINVAL);
	check(revents(l, POLLIN, 0) & POLLHUP, "no POLLHUP");

	need(listen(l, 8));
	peer = peer_to(e, sock_port(l));
	peer_put(peer, PREFIX, PREFIX_LEN);
	us = sock_accept(l);
	works(us, peer);
	need(close(us));
	need(close(peer));
	need(close(l));
}

/* What a listener has been told holds for its connections. */
static void limit(const struct env *e)
{
	socklen_t len = sizeof(int);
	int l, us, peer, value = 0;
	uint16_t port;

	l = listen_at(e, 8, &port);
	option(l, IKETCP_OPT_MAX_MESSAGE, 1500);
	peer = peer_to(e, port);
	us = sock_accept(l);
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_MAX_MESSAGE, &value, &len));
	check_eq(value, 1500);
	need(getsockopt(l, SOL_IKETCP, IKETCP_OPT_MAX_MESSAGE, &value, &len));
	check_eq(value, 1500);
	need(close(us));
	need(close(peer));
	need(close(l));
}

static void refusals(const struct env *e)
{
	int l, fd, five = 5;
	uint16_t port;

	l = listen_at(e, 8, &port);
	refused(attach(l, "iketcp"), EEXIST);
	refused(sock_connect(e, US, l, port), EOPNOTSUPP);
	refused(setsockopt(l, IPPROTO_TCP, TCP_FASTOPEN, &five, sizeof(five)),
		EOPNOTSUPP);
	refused(read(l, &five, sizeof(five)), ENOTCONN);
	refused(setsockopt(l, SOL_IKETCP, IKETCP_OPT_ROLE, &five, sizeof(five)),
		EINVAL);
	refused(setsockopt(l, SOL_IKETCP, IKETCP_OPT_ACCEPT_PREFIX, &five,
			   sizeof(five)), EINVAL);
	refused(setsockopt(l, SOL_IKETCP, IKETCP_OPT_MAX_MESSAGE, &five,
			   sizeof(five)), EINVAL);
	need(close(l));

	fd = sock_listen(e, US, NULL, 8, &port);
	need(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &five, sizeof(five)));
	refused(attach(fd, "iketcp"), EINVAL);
	need(close(fd));
}

struct visitor {
	const struct env *e;
	uint16_t port;
	unsigned int seed;
	volatile bool *stop;
};

static void *visit(void *arg)
{
	struct visitor *v = arg;
	struct linger l = { 1, 0 };
	int fd;

	while (!*v->stop) {
		fd = socket(v->e->family == V6 ? AF_INET6 : AF_INET,
			    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			continue;
		sock_connect(v->e, PEER, fd, v->port);
		usleep(rand_r(&v->seed) % 2000);
		/* The prefix, a part of it, or nothing; FIN or RST. */
		send(fd, PREFIX, rand_r(&v->seed) % (PREFIX_LEN + 1),
		     MSG_NOSIGNAL);
		if (rand_r(&v->seed) % 3)
			usleep(rand_r(&v->seed) % 2000);
		if (rand_r(&v->seed) % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		close(fd);
	}
	return NULL;
}

static int reuse(const struct env *e, uint16_t port)
{
	int l = sock_new(e, US, NULL), one = 1;

	need(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	need(sock_bind(e, US, l, port));
	need(listen(l, 8));
	return l;
}

/* Listeners come and go while visitors come and go. */
static void churn(const struct env *e)
{
	volatile bool stop = false;
	struct visitor v[3];
	pthread_t t[3];
	int l, fd, n;
	uint16_t port;

	l = reuse(e, 0);
	port = sock_port(l);
	for (n = 0; n < 3; n++) {
		v[n] = (struct visitor){ e, port, n + 1, &stop };
		need(-pthread_create(&t[n], NULL, visit, &v[n]));
	}
	for (n = 0; n < 40; n++) {
		uint64_t end = now_ms() + 100;

		need(attach(l, "iketcp"));
		if (n % 2)
			option(l, IKETCP_OPT_ACCEPT_PREFIX, 1);
		nonblock(l, true);
		while (now_ms() < end) {
			fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				need(close(fd));
			else
				revents(l, POLLIN, 10);
		}
		if (n % 3 == 1)
			need(shutdown(l, SHUT_RDWR));
		need(close(l));
		l = reuse(e, port);
	}
	stop = true;
	for (n = 0; n < 3; n++)
		pthread_join(t[n], NULL);
	need(close(l));
}

static const struct test tests[] = {
	TEST(accepted, RESPONDERS),
	TEST(from_before, RESPONDERS),
	TEST(data_first, RESPONDERS),
	TEST(many, RESPONDERS),
	TEST(blocking, RESPONDERS),
	TEST(two_accept, RESPONDERS),
	TEST(polled, RESPONDERS),
	TEST(strangers, RESPONDERS),
	TEST(short_visit, RESPONDERS),
	TEST(too_many, RESPONDERS),
	TEST(waiting_range, ONE),
	TEST(filter_off, RESPONDERS),
	TEST(closed, RESPONDERS),
	TEST(ended_and_again, RESPONDERS),
	TEST(limit, RESPONDERS),
	TEST(refusals, RESPONDERS),
	TEST_SECONDS(churn, RESPONDERS, 120),
};

SOCK_MAIN("listen", tests)
