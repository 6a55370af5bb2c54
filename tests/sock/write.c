// SPDX-License-Identifier: GPL-2.0
/* write(): one message a call, and what the peer finds on the wire. */
#include "sock.h"

#include <linux/errqueue.h>

static void *volatile nowhere = (void *)8;
static uint8_t big[1 << 20];

static void every_size(const struct env *e)
{
	static const size_t sizes[] = {
		BODY_MIN, 6, 7, 8, 28, 100, 1399, 1460, 4094, 4096, 16384,
		32768, 65000, BODY_MAX - 1, BODY_MAX,
	};
	struct stats s;
	int us, peer;
	size_t i;

	stats_take(&s);
	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		us_put_ike(us, sizes[i], i);
		peer_expect_ike(peer, sizes[i], i);
	}
	quiet(peer);
	stat_expect(&s, OutIke, ARRAY_LEN(sizes));
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
}

static void several_in_a_row(const struct env *e)
{
	int us, peer, i;

	ready(e, &us, &peer);
	nonblock(us, true);
	for (i = 0; i < 20; i++)
		us_put_ike(us, 20 + 40 * i, i);
	for (i = 0; i < 20; i++)
		peer_expect_ike(peer, 20 + 40 * i, i);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

/* No peer has to acknowledge one message before it gets the next. */
static void no_nagle(const struct env *e)
{
	uint64_t start;
	int us, peer, i;

	ready(e, &us, &peer);
	/* Out of quick-ack mode: the peer's acknowledgements are late. */
	for (i = 0; i < 20; i++) {
		us_put_ike(us, 30, i);
		peer_expect_ike(peer, 30, i);
		peer_put_ike(peer, 30, i);
		us_expect_ike(us, 30, i);
	}
	start = now_ms();
	for (i = 0; i < 20; i++) {
		us_put_ike(us, 30, i);
		us_put_ike(us, 40, i);
		peer_expect_ike(peer, 30, i);
		peer_expect_ike(peer, 40, i);
		peer_put_ike(peer, 30, i);
		us_expect_ike(us, 30, i);
	}
	start = now_ms() - start;
	/* 20 times a delayed acknowledgement is 800 ms and more. */
	check(start < 700, "took %d ms", (int)start);
	need(close(us));
	need(close(peer));
}

static void gathered(const struct env *e)
{
	uint8_t body[300];
	struct iovec iov[] = {
		{ body, 1 }, { body + 1, 3 }, { NULL, 0 }, { body + 4, 96 },
		{ body + 100, 200 },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov) };
	int us, peer;

	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	check_eq(need(writev(us, iov, ARRAY_LEN(iov))), 300);
	peer_expect_ike(peer, 300, 1);
	check_eq(need(sendmsg(us, &m, MSG_NOSIGNAL)), 300);
	peer_expect_ike(peer, 300, 1);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

/* sendmmsg(), whose own flag (MSG_BATCH) the kernel adds. */
static void several_in_one_call(const struct env *e)
{
	uint8_t body[300];
	struct iovec iov = { body, sizeof(body) };
	struct mmsghdr mm[3] = { 0 };
	int us, peer, i;

	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	for (i = 0; i < 3; i++) {
		mm[i].msg_hdr.msg_iov = &iov;
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	check_eq(need(sendmmsg(us, mm, 3, MSG_NOSIGNAL)), 3);
	for (i = 0; i < 3; i++) {
		check_eq(mm[i].msg_len, 300);
		peer_expect_ike(peer, 300, 1);
	}
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static void too_long(const struct env *e)
{
	int us, peer;

	ready(e, &us, &peer);
	refused(send(us, big, BODY_MAX + 1, MSG_NOSIGNAL), EMSGSIZE);
	refused(send(us, big, BODY_MAX + 2, MSG_NOSIGNAL), EMSGSIZE);
	refused(send(us, big, BODY_MAX + 3, MSG_NOSIGNAL), EMSGSIZE);
	refused(send(us, big, sizeof(big), MSG_NOSIGNAL), EMSGSIZE);
	refused(write(us, big, sizeof(big)), EMSGSIZE);
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static void nothing_and_keepalive(const struct env *e)
{
	struct iovec iov = { NULL, 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct stats s;
	int us, peer;

	stats_take(&s);
	ready(e, &us, &peer);
	check_eq(need(send(us, "", 0, 0)), 0);
	check_eq(need(send(us, NULL, 0, MSG_DONTWAIT)), 0);
	check_eq(need(write(us, "", 0)), 0);
	check_eq(need(sendmsg(us, &m, 0)), 0);
	/* The draft wants no NAT keepalives over TCP. */
	check_eq(need(write(us, "\xff", 1)), 1);
	check_eq(need(send(us, "\xff", 1, MSG_DONTWAIT | MSG_NOSIGNAL)), 1);
	quiet(peer);
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	quiet(peer);
	stat_expect(&s, OutIke, 1);
	need(close(us));
	need(close(peer));
}

/*
 * All 32 flags, alone and with MSG_DONTWAIT: one that means something else than a
 * message is refused; with another one it is delivered, once.
 */
static void flags(const struct env *e)
{
	enum {
		BATCH = 0x40000,	/* sendmmsg()'s own */
		SPLICE_PAGES = 0x8000000,
		/* of the former sendpage() */
		NOPOLICY = 0x10000, DECRYPTED = 0x100000,
	};
	static const unsigned int good = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR |
		MSG_MORE | BATCH |
		/* What 32-bit programs' calls have; sendmsg() refuses it. */
		0x80000000;
	/* The kernel takes them off before the module sees them: some of these. */
	static const unsigned int internal = SPLICE_PAGES | NOPOLICY | DECRYPTED;
	unsigned int taken = 0, count = 0, bit, with;
	struct msghdr m = { 0 };
	uint8_t body[50];
	struct stats s;
	int us, peer, i, one = 1;

	ready(e, &us, &peer);
	stats_take(&s);
	for (i = 0; i < 64; i++) {
		ssize_t n;

		bit = 1u << i / 2;
		with = MSG_NOSIGNAL | (i % 2 ? MSG_DONTWAIT : 0);
		ike_fill(body, sizeof(body), i);
		n = send(us, body, sizeof(body), bit | with);
		if (n < 0 && errno == EOPNOTSUPP && !(bit & good))
			continue;
		if (n != (ssize_t)sizeof(body) || !(bit & (good | internal)))
			die("flag %#x: %s", bit, n < 0 ?
			    strerrorname_np(errno) : "accepted");
		peer_expect_ike(peer, sizeof(body), i);
		taken |= bit;
		count++;
	}
	check_eq(taken & good, good);
	/* Kernels hide these two together, or none. */
	check(!(taken & NOPOLICY) == !(taken & DECRYPTED), "%#x", taken);
	check(taken & SPLICE_PAGES, "no kernel lets it through");
	/* All of the good ones at once. */
	ike_fill(body, sizeof(body), i);
	check_eq(need(send(us, body, sizeof(body), good)), sizeof(body));
	peer_expect_ike(peer, sizeof(body), i);
	stat_expect(&s, OutIke, count + 1);
	refused(sendmsg(us, &m, 0x80000000), EINVAL);
	/* Nor with the socket's consent. */
	need(setsockopt(us, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
	refused(send(us, body, sizeof(body), MSG_ZEROCOPY), EOPNOTSUPP);
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	quiet(peer);
	stat_expect(&s, OutIke, count + 2);
	need(close(us));
	need(close(peer));
}

static void more_then_last(const struct env *e)
{
	uint8_t body[100];
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 10; i++) {
		ike_fill(body, sizeof(body), i);
		check_eq(need(send(us, body, sizeof(body),
				   i < 9 ? MSG_MORE : 0)), 100);
	}
	for (i = 0; i < 10; i++)
		peer_expect_ike(peer, sizeof(body), i);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static void control_data(const struct env *e)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	static const struct { int level, type; } kinds[] = {
		{ SOL_SOCKET, SCM_RIGHTS }, { SOL_SOCKET, SO_TIMESTAMPING },
		{ IPPROTO_IP, IP_TTL }, { IPPROTO_IPV6, IPV6_HOPLIMIT },
		{ 123, 45 },
	};
	uint8_t body[50];
	struct iovec iov = { body, sizeof(body) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c),
	};
	int us, peer, value;
	size_t i;

	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		value = kinds[i].type == SCM_RIGHTS ? peer : 1;
		c.h.cmsg_level = kinds[i].level;
		c.h.cmsg_type = kinds[i].type;
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.h), &value, sizeof(value));
		refused(sendmsg(us, &m, MSG_NOSIGNAL), EOPNOTSUPP);
	}
	m.msg_controllen = 0;
	check_eq(need(sendmsg(us, &m, 0)), 50);
	peer_expect_ike(peer, 50, 1);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static void bad_pointer(const struct env *e)
{
	uint8_t body[50];
	struct iovec iov[2] = { { body, sizeof(body) }, { nowhere, 50 } };
	int us, peer;

	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	refused(write(us, nowhere, 100), EFAULT);
	refused(writev(us, iov, 2), EFAULT);
	iov[0].iov_base = big;
	iov[0].iov_len = 40000;
	refused(writev(us, iov, 2), EFAULT);
	/* Nothing of it went out: the stream is in step. */
	us_put_ike(us, 100, 2);
	peer_expect_ike(peer, 100, 2);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void after_own_shutdown(const struct env *e)
{
	struct sigaction sa = { .sa_handler = on_sigpipe };
	uint8_t body[50];
	int us, peer;

	need(sigaction(SIGPIPE, &sa, NULL));
	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	need(shutdown(us, SHUT_WR));
	sigpipes = 0;
	refused(send(us, body, sizeof(body), MSG_NOSIGNAL), EPIPE);
	check_eq(sigpipes, 0);
	refused(write(us, body, sizeof(body)), EPIPE);
	check_eq(sigpipes, 1);
	refused(send(us, body, sizeof(body), MSG_DONTWAIT), EPIPE);
	check_eq(sigpipes, 2);
	peer_expect_eof(peer);
	/* The other way is still open. */
	peer_put_ike(peer, 60, 2);
	us_expect_ike(us, 60, 2);
	need(close(us));
	need(close(peer));
}

static void after_reset(const struct env *e)
{
	struct sigaction sa = { .sa_handler = on_sigpipe };
	uint8_t body[50];
	int us, peer, i, err;

	need(sigaction(SIGPIPE, &sa, NULL));
	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	reset_close(peer);
	check(revents(us, 0, WAIT_MS) & POLLHUP, "no reset");
	sigpipes = 0;
	err = refused(send(us, body, sizeof(body), MSG_NOSIGNAL), ECONNRESET,
		      EPIPE);
	check_eq(sigpipes, 0);
	for (i = 0; i < 3; i++)
		refused(send(us, body, sizeof(body), MSG_NOSIGNAL), EPIPE,
			err == EPIPE ? ECONNRESET : EPIPE);
	check_eq(sigpipes, 0);
	refused(write(us, body, sizeof(body)), EPIPE);
	check_eq(sigpipes, 1);
	need(close(us));
}

/* The peer's answer to a message is a reset. */
static void reset_by_a_message(const struct env *e)
{
	uint8_t body[50];
	int us, peer, i;

	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 1);
	need(close(peer));
	check(revents(us, POLLRDHUP, WAIT_MS) & POLLRDHUP, "no FIN");
	/* The first one cannot know, a later one must. */
	for (i = 0; i < 200; i++) {
		if (send(us, body, sizeof(body), MSG_NOSIGNAL) < 0)
			break;
		msleep(10);
	}
	check(i && i < 200, "%d messages went out", i);
	check(errno == EPIPE || errno == ECONNRESET, "%s",
	      strerrorname_np(errno));
	refused(send(us, body, sizeof(body), MSG_NOSIGNAL), EPIPE, ECONNRESET);
	need(close(us));
}

static void then_close(const struct env *e)
{
	int us, peer, i;

	ready(e, &us, &peer);
	us_put_ike(us, 100, 1);
	need(close(us));
	peer_expect_ike(peer, 100, 1);
	peer_expect_eof(peer);
	need(close(peer));

	ready(e, &us, &peer);
	for (i = 0; i < 10; i++)
		us_put_ike(us, 1000 + i, i);
	need(close(us));
	for (i = 0; i < 10; i++)
		peer_expect_ike(peer, 1000 + i, i);
	peer_expect_eof(peer);
	need(close(peer));
}

static void then_shutdown(const struct env *e)
{
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 10; i++)
		us_put_ike(us, 1000 + i, i);
	need(shutdown(us, SHUT_WR));
	for (i = 0; i < 10; i++)
		peer_expect_ike(peer, 1000 + i, i);
	peer_expect_eof(peer);
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	need(close(us));
	need(close(peer));
}

#define THREADS		4
#define EACH		150

struct writer {
	int fd, id, rc;
};

static size_t size_of(int id, int i)
{
	return 12 + (id * 977 + i * 131) % 3000;
}

static void *write_each(void *arg)
{
	struct writer *w = arg;
	uint8_t body[4096];
	int i;

	for (i = 0; i < EACH; i++) {
		size_t n = size_of(w->id, i);

		ike_fill(body, n, w->id << 16 | i);
		if (send(w->fd, body, n, MSG_NOSIGNAL) != (ssize_t)n) {
			w->rc = -1;
			break;
		}
	}
	return NULL;
}

/* Messages of several writers do not mix; each writer's are in order. */
static void several_writers(const struct env *e)
{
	struct writer w[THREADS];
	pthread_t threads[THREADS];
	int next[THREADS] = { 0 };
	uint8_t frame[4096], want[4096];
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct writer){ us, i, 0 };
		need(-pthread_create(&threads[i], NULL, write_each, &w[i]));
	}
	for (i = 0; i < THREADS * EACH; i++) {
		uint32_t seed;
		size_t n;
		int id;

		need(get_all(peer, frame, 10));
		n = frame[0] << 8 | frame[1];
		check(n >= 14 && n < 3100, "length %zu", n);
		memcpy(&seed, frame + LEN_LEN + MARKER_LEN, 4);
		id = seed >> 16;
		check(id < THREADS, "writer %d", id);
		check_eq(seed & 0xffff, next[id]);
		check_eq(n, size_of(id, next[id]) + LEN_LEN);
		need(get_all(peer, frame + 10, n - 10));
		frame_ike(want, n - LEN_LEN, seed);
		check(!memcmp(frame, want, n), "wrong bytes");
		next[id]++;
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		check_eq(w[i].rc, 0);
	}
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(every_size, ALL),
	TEST(several_in_a_row, ALL),
	TEST(no_nagle, ALL),
	TEST(gathered, ALL),
	TEST(several_in_one_call, ALL),
	TEST(too_long, ALL),
	TEST(nothing_and_keepalive, ALL),
	TEST(flags, ALL),
	TEST(more_then_last, ALL),
	TEST(control_data, ALL),
	TEST(bad_pointer, SOME),
	TEST(after_own_shutdown, ALL),
	TEST(after_reset, ALL),
	TEST(reset_by_a_message, ALL),
	TEST(then_close, ALL),
	TEST(then_shutdown, ALL),
	TEST(several_writers, ALL),
};

SOCK_MAIN("write", tests)
