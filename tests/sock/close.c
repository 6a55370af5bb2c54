// SPDX-License-Identifier: GPL-2.0
/* The end of a connection: shared descriptors, races, churn. */
#include "sock.h"

#include <sched.h>
#include <sys/wait.h>

static void duplicated(const struct env *e)
{
	int us, peer, other;

	ready(e, &us, &peer);
	other = need(fcntl(us, F_DUPFD_CLOEXEC, 0));
	peer_put_ike(peer, 50, 1);
	us_expect_ike(other, 50, 1);
	need(close(us));
	us_put_ike(other, 60, 2);
	peer_expect_ike(peer, 60, 2);
	peer_put_ike(peer, 70, 3);
	us_expect_ike(other, 70, 3);
	quiet(peer);
	need(close(other));
	peer_expect_eof(peer);
	need(close(peer));
}

static void forked(const struct env *e)
{
	uint8_t body[80];
	int us, peer, status;
	pid_t pid;

	ready(e, &us, &peer);
	peer_put_ike(peer, 50, 1);
	peer_put_ike(peer, 60, 2);
	fflush(NULL);
	pid = need(fork());
	if (!pid) {
		/* One message is the child's, and one goes out from it. */
		if (recv(us, body, sizeof(body), 0) != 50)
			_exit(1);
		ike_fill(body, 80, 3);
		if (send(us, body, 80, MSG_NOSIGNAL) != 80)
			_exit(2);
		_exit(0);
	}
	need(waitpid(pid, &status, 0));
	check_eq(status, 0);
	us_expect_ike(us, 60, 2);
	peer_expect_ike(peer, 80, 3);
	quiet(peer);
	us_put_ike(us, 90, 4);
	peer_expect_ike(peer, 90, 4);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
}

/* The last holder is a process that ends. */
static void exited(const struct env *e)
{
	int us, peer, status;
	pid_t pid;

	fflush(NULL);
	ready(e, &us, &peer);
	pid = need(fork());
	if (!pid) {
		uint8_t body[80];

		close(peer);
		ike_fill(body, 80, 1);
		_exit(send(us, body, 80, MSG_NOSIGNAL) != 80);
	}
	need(close(us));
	need(waitpid(pid, &status, 0));
	check_eq(status, 0);
	peer_expect_ike(peer, 80, 1);
	peer_expect_eof(peer);
	need(close(peer));
}

/* Passed through a UNIX socket and back; attached in the other process. */
static void passed_on(const struct env *e)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { &(char){ 0 }, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c),
	};
	int us, peer, sv[2], fd;

	ready(e, &us, &peer);
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.h), &us, sizeof(us));
	need(sendmsg(sv[0], &m, 0));
	need(close(us));
	peer_put_ike(peer, 50, 1);
	need(recvmsg(sv[1], &m, MSG_CMSG_CLOEXEC));
	memcpy(&fd, CMSG_DATA(&c.h), sizeof(fd));
	us_expect_ike(fd, 50, 1);
	need(close(fd));
	peer_expect_eof(peer);
	need(close(peer));
	need(close(sv[0]));
	need(close(sv[1]));
}

static void unread_messages(const struct env *e)
{
	uint8_t buf[256];
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 20; i++)
		peer_put_ike(peer, 200, i);
	frame_ike(buf, 200, 1);
	peer_put(peer, buf, 100);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	need(close(us));
	peer_expect_end(peer);
	need(close(peer));
}

static void reset_own(const struct env *e)
{
	int us, peer;

	ready(e, &us, &peer);
	reset_close(us);
	peer_expect_reset(peer);
	need(close(peer));
}

/* A peer that goes on sending into a socket that closes. */
struct sender {
	int fd;
	int stop;
	unsigned int sent;
};

static void *send_on(void *arg)
{
	struct sender *s = arg;
	uint8_t buf[1024];
	size_t n;

	n = frame_ike(buf, 200, 1);
	n += frame_put(buf + n, "\xff", 1);
	n += frame_put(buf + n, "\x12\x34\x56\x78\0\0\0\1" "01234567", 16);
	while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
		if (put_all(s->fd, buf, n))
			break;
		s->sent++;
	}
	return NULL;
}

static void under_fire(const struct env *e)
{
	struct sender s;
	pthread_t thread;
	int us, peer, i;

	for (i = 0; i < 20; i++) {
		ready(e, &us, &peer);
		s = (struct sender){ .fd = peer };
		need(-pthread_create(&thread, NULL, send_on, &s));
		msleep(i % 7);
		need(close(us));
		pthread_join(thread, NULL);
		need(close(peer));
	}
}

/* The ULP comes while the data does. */
static void attach_under_fire(const struct env *e)
{
	struct sender s;
	pthread_t thread;
	int us, peer, i;

	for (i = 0; i < 20; i++) {
		pair_open(e, US, NULL, &us, &peer);
		if (e->mode == RESPONDER)
			peer_put(peer, PREFIX, PREFIX_LEN);
		s = (struct sender){ .fd = peer };
		need(-pthread_create(&thread, NULL, send_on, &s));
		msleep(i % 5);
		need(attach(us, e->ulp));
		us_expect_ike(us, 200, 1);
		us_expect_ike(us, 200, 1);
		__atomic_store_n(&s.stop, 1, __ATOMIC_SEQ_CST);
		need(close(us));
		pthread_join(thread, NULL);
		need(close(peer));
	}
}

static void churn(const struct env *e)
{
	int us, peer, i;

	for (i = 0; i < 60; i++) {
		ready(e, &us, &peer);
		if (i % 3)
			us_put_ike(us, 30, i);
		if (i % 2)
			peer_put_ike(peer, 40, i);
		if (i % 5) {
			need(close(us));
			need(close(peer));
		} else {
			reset_close(peer);
			need(close(us));
		}
	}
}

/*
 * Everything at once on one socket, from several threads, until somebody
 * ends it; again and again with fresh sockets.
 */
struct crowd {
	int us, peer;
	int stop;
};

static bool stopped(struct crowd *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_SEQ_CST);
}

static void *crowd_read(void *arg)
{
	static __thread uint8_t buf[FRAME_MAX];
	struct crowd *c = arg;

	while (!stopped(c) && recv(c->us, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

static void *crowd_peek(void *arg)
{
	uint8_t buf[100];
	struct crowd *c = arg;
	int n;

	while (!stopped(c)) {
		revents(c->us, POLLIN | POLLOUT, 10);
		(void)!recv(c->us, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT);
		(void)!ioctl(c->us, FIONREAD, &n);
	}
	return NULL;
}

static void *crowd_write(void *arg)
{
	uint8_t body[2000];
	struct crowd *c = arg;
	unsigned int i = 0;

	ike_fill(body, sizeof(body), 1);
	while (!stopped(c) &&
	       send(c->us, body, 10 + i++ % 1900, MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void *crowd_peer_write(void *arg)
{
	uint8_t buf[4096];
	struct crowd *c = arg;
	size_t n;

	n = frame_ike(buf, 1000, 1);
	n += frame_put(buf + n, "\xff", 1);
	n += frame_ike(buf + n, 50, 1);
	while (!stopped(c) && !put_all(c->peer, buf, n))
		;
	return NULL;
}

static void *crowd_peer_read(void *arg)
{
	static __thread uint8_t buf[FRAME_MAX];
	struct crowd *c = arg;

	while (!stopped(c) && recv(c->peer, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

static void crowded(const struct env *e)
{
	static void *(*const jobs[])(void *) = {
		crowd_read, crowd_peek, crowd_write, crowd_write,
		crowd_peer_write, crowd_peer_read,
	};
	/* IKETCP_SHORT: each kind of end once. */
	uint64_t end = now_ms() + (getenv("IKETCP_SHORT") ? 0 : 3000);
	pthread_t threads[ARRAY_LEN(jobs)];
	unsigned int round, i;

	for (round = 0; now_ms() < end || round < 4; round++) {
		struct crowd c = { 0 };

		ready(e, &c.us, &c.peer);
		for (i = 0; i < ARRAY_LEN(jobs); i++)
			need(-pthread_create(&threads[i], NULL, jobs[i], &c));
		msleep(20 + round * 13 % 60);
		__atomic_store_n(&c.stop, 1, __ATOMIC_SEQ_CST);
		switch (round % 4) {
		case 0:
			need(shutdown(c.us, SHUT_RDWR));
			break;
		case 1:
			need(shutdown(c.peer, SHUT_RDWR));
			break;
		case 2: {
			struct linger l = { .l_onoff = 1, .l_linger = 0 };
			struct sockaddr sa = { .sa_family = AF_UNSPEC };

			/* A reset, with the descriptor open. */
			need(setsockopt(c.peer, SOL_SOCKET, SO_LINGER, &l,
					sizeof(l)));
			need(connect(c.peer, &sa, sizeof(sa)));
			break;
		}
		case 3:
			/* The end of it by bad input, in mid-frame or not. */
			for (i = 0; i < 100000; i++)
				if (send(c.peer, "\0\0", 2, MSG_NOSIGNAL |
					 MSG_DONTWAIT) < 0)
					break;
			shutdown(c.us, SHUT_RDWR);
			break;
		}
		shutdown(c.peer, SHUT_RDWR);
		for (i = 0; i < ARRAY_LEN(jobs); i++)
			pthread_join(threads[i], NULL);
		need(close(c.us));
		need(close(c.peer));
	}
}

/* close() itself against calls that are under way in other threads. */
static void *close_it(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

static void closed_by_a_thread(const struct env *e)
{
	pthread_t closer, writer, peeker;
	int i;

	for (i = 0; i < 20; i++) {
		struct crowd c = { 0 };
		int fd;

		ready(e, &c.us, &c.peer);
		fd = c.us;
		need(-pthread_create(&writer, NULL, crowd_write, &c));
		need(-pthread_create(&peeker, NULL, crowd_peek, &c));
		msleep(i % 5);
		need(-pthread_create(&closer, NULL, close_it, &fd));
		pthread_join(closer, NULL);
		/* The writer may sleep with the file held: wake it. */
		need(close(c.peer));
		__atomic_store_n(&c.stop, 1, __ATOMIC_SEQ_CST);
		pthread_join(writer, NULL);
		pthread_join(peeker, NULL);
	}
}

/* The administrator ends it: "ss -K". */
static void destroyed(const struct env *e)
{
	char buf[16];
	int us, peer;

	ready(e, &us, &peer);
	peer_put_ike(peer, 50, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	check_eq(run("ss -K -t '( sport = %d )' >/dev/null", sock_port(us)), 0);
	check(revents(us, 0, WAIT_MS) & POLLHUP, "still there");
	us_expect_ike(us, 50, 1);
	refused(recv(us, buf, sizeof(buf), 0), ECONNABORTED);
	us_expect_eof(us);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL), EPIPE, ECONNABORTED);
	peer_expect_end(peer);
	need(close(us));
	need(close(peer));
}

/*
 * Somebody sleeps in TCP's own read() when the ULP comes. What it gets is
 * its problem; that it wakes at the end and nothing breaks is ours.
 */
static void raw_reader_across_attach(const struct env *e)
{
	struct crowd c = { 0 };
	pthread_t thread;

	pair_open(e, US, NULL, &c.us, &c.peer);
	need(-pthread_create(&thread, NULL, crowd_read, &c));
	msleep(QUIET_MS);
	need(attach(c.us, e->ulp));
	if (e->mode == RESPONDER)
		peer_put(c.peer, PREFIX, PREFIX_LEN);
	peer_put_ike(c.peer, 100, 1);
	peer_put_ike(c.peer, 100, 2);
	msleep(QUIET_MS);
	need(shutdown(c.peer, SHUT_WR));
	pthread_join(thread, NULL);
	need(close(c.us));
	need(close(c.peer));
}

/* The network namespace goes with the last process, sockets open. */
static void namespace_goes(const struct env *e)
{
	int status, i;
	pid_t pid;

	fflush(NULL);
	for (i = 0; i < 5; i++) {
		pid = need(fork());
		if (!pid) {
			int us, peer, n;

			if (unshare(CLONE_NEWNET) || run("ip link set lo up"))
				_exit(1);
			ready(e, &us, &peer);
			for (n = 0; n < 50; n++) {
				peer_put_ike(peer, 500, n);
				us_put_ike(us, 500, n);
			}
			_exit(0);
		}
		need(waitpid(pid, &status, 0));
		check_eq(status, 0);
	}
}

static bool is_ending(uint16_t port)
{
	return !run("ss -Htn state fin-wait-1 '( sport = %d )' | grep -q .", port);
}

/*
 * What has been written cannot go out any more, or is never answered: the closed
 * socket gives up within 30 s, also when TCP had backed off for long already.
 */
static void wire_gone(const struct env *e)
{
	static const char *const ways[] = {
		"ip link set lo down",
		"nft 'add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }'",
	};
	/* In virtual time a minute costs nothing: see tests/vm/run. */
	bool backed_off = getenv("IKETCP_PACE");
	unsigned int way, late;

	for (way = 0; way < ARRAY_LEN(ways); way++) {
		for (late = 0; late <= backed_off; late++) {
			uint64_t start;
			uint16_t port;
			int us, peer;

			ready(e, &us, &peer);
			port = sock_port(us);
			check_eq(run("%s", ways[way]), 0);
			us_put_ike(us, 100, 1);
			if (late)
				msleep(65000);
			need(close(us));
			start = now_ms();
			check(is_ending(port), "way %u: no orphan", way);
			while (is_ending(port)) {
				check(now_ms() - start < 30000,
				      "way %u, late %u: still there", way, late);
				msleep(2000);
			}
			check(late || now_ms() - start > 5000,
			      "way %u: gave up after %d ms", way,
			      (int)(now_ms() - start));
			reset_close(peer);
			if (way)
				check_eq(run("nft delete table inet t"), 0);
			need(loopback_up());
		}
	}
}

static const struct test tests[] = {
	TEST(duplicated, ALL),
	TEST(forked, ALL),
	TEST(exited, ALL),
	TEST(passed_on, SOME),
	TEST(unread_messages, ALL),
	TEST(reset_own, ALL),
	TEST(under_fire, ALL),
	TEST(attach_under_fire, FAMILIES | RESPONDERS),
	TEST(churn, ALL),
	TEST(crowded, SOME | MODES),
	TEST(closed_by_a_thread, SOME),
	TEST(destroyed, SOME),
	TEST(raw_reader_across_attach, FAMILIES | RESPONDERS),
	TEST(namespace_goes, SOME),
	TEST_SECONDS(wire_gone, SOME, 400),
};

SOCK_MAIN("close", tests)
