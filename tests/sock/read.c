// SPDX-License-Identifier: GPL-2.0
/* read(): one message a call, and what becomes of flags, ends and errors. */
#include "sock.h"

static const size_t sizes[] = {
	BODY_MIN, 6, 7, 8, 28, 100, 1399, 1460, 4094, 4096, 16383, 16384,
	32768, 40000, 65000, BODY_MAX - 1, BODY_MAX,
};

static void one_message_a_read(const struct env *e)
{
	uint8_t buf[4096];
	size_t n = 0;
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 10; i++)
		n += frame_ike(buf + n, 5 + i * 30, i);
	peer_put(peer, buf, n);
	for (i = 0; i < 10; i++)
		us_expect_ike(us, 5 + i * 30, i);
	quiet(us);
	need(close(us));
	need(close(peer));
}

static void every_size(const struct env *e)
{
	int us, peer;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		peer_put_ike(peer, sizes[i], i);
		us_expect_ike(us, sizes[i], i);
	}
	quiet(us);
	need(close(us));
	need(close(peer));
}

struct writer {
	int fd, rc;
	uint8_t *buf;
	size_t len;
};

static void *write_it(void *arg)
{
	struct writer *w = arg;

	w->rc = put_all(w->fd, w->buf, w->len);
	return NULL;
}

/* A message many times the receive buffer passes all the same. */
static void larger_than_rcvbuf(const struct env *e)
{
	static uint8_t buf[FRAME_MAX];
	struct tuning t = { .us_rcvbuf = 1 };
	struct writer w = { .buf = buf };
	pthread_t thread;
	int us, peer, i;

	ready_tuned(e, &t, &us, &peer);
	w.fd = peer;
	for (i = 0; i < 4; i++) {
		size_t n = i % 2 ? 50 : BODY_MAX;

		/* The window is small: this takes several turns. */
		w.len = frame_ike(buf, n, i);
		need(-pthread_create(&thread, NULL, write_it, &w));
		us_expect_ike(us, n, i);
		pthread_join(thread, NULL);
		check_eq(w.rc, 0);
	}
	quiet(us);
	need(close(us));
	need(close(peer));
}

static void short_buffer(const struct env *e)
{
	uint8_t got[64], want[300];
	struct iovec iov = { got, 20 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 5; i++)
		peer_put_ike(peer, 300, i);
	ike_fill(want, 300, 0);
	check_eq(need(recvmsg(us, &m, 0)), 20);
	check(m.msg_flags & MSG_TRUNC, "flags %#x", m.msg_flags);
	check(!memcmp(got, want, 20), "wrong bytes");
	/* With the flag, the whole length is told. */
	ike_fill(want, 300, 1);
	m.msg_flags = 0;
	check_eq(need(recvmsg(us, &m, MSG_TRUNC)), 300);
	check(m.msg_flags & MSG_TRUNC, "flags %#x", m.msg_flags);
	check(!memcmp(got, want, 20), "wrong bytes");
	check_eq(need(read(us, got, 1)), 1);
	/* A buffer that is large enough: no flag. */
	us_expect_ike(us, 300, 3);
	iov.iov_base = want;
	iov.iov_len = 300;
	check_eq(need(recvmsg(us, &m, MSG_TRUNC)), 300);
	check(!(m.msg_flags & MSG_TRUNC), "flags %#x", m.msg_flags);
	quiet(us);
	need(close(us));
	need(close(peer));
}

static void peek(const struct env *e)
{
	uint8_t got[400], want[300];
	struct iovec iov = { got, 10 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int us, peer, i;

	ready(e, &us, &peer);
	refused(recv(us, got, sizeof(got), MSG_PEEK | MSG_DONTWAIT), EAGAIN);
	peer_put_ike(peer, 300, 1);
	peer_put_ike(peer, 200, 2);
	ike_fill(want, 300, 1);
	for (i = 0; i < 3; i++) {
		memset(got, 0xee, sizeof(got));
		check_eq(need(recv(us, got, sizeof(got), MSG_PEEK)), 300);
		check(!memcmp(got, want, 300), "wrong bytes");
	}
	check_eq(need(recvmsg(us, &m, MSG_PEEK)), 10);
	check(m.msg_flags & MSG_TRUNC, "flags %#x", m.msg_flags);
	check_eq(need(recvmsg(us, &m, MSG_PEEK | MSG_TRUNC)), 300);
	us_expect_ike(us, 300, 1);
	us_expect_ike(us, 200, 2);
	quiet(us);
	need(close(us));
	need(close(peer));
}

static void none_yet(const struct env *e)
{
	uint64_t start, took;
	char buf[16];
	int us, peer;

	ready(e, &us, &peer);
	refused(recv(us, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	nonblock(us, true);
	refused(read(us, buf, sizeof(buf)), EAGAIN);
	/* Part of a message is none. */
	peer_put(peer, "\0\x20\0\0\0", 5);
	quiet(us);
	nonblock(us, false);
	timeout_set(us, SO_RCVTIMEO, 200);
	start = now_ms();
	refused(read(us, buf, sizeof(buf)), EAGAIN);
	took = now_ms() - start;
	check(took >= 190 && took < 5000, "took %lu ms", (long)took);
	need(close(us));
	need(close(peer));
}

static void *put_later(void *arg)
{
	struct writer *w = arg;

	msleep(100);
	w->rc = put_all(w->fd, w->buf, w->len);
	return NULL;
}

static void blocking(const struct env *e)
{
	uint8_t buf[600], got[600];
	struct writer w = { .buf = buf };
	pthread_t thread;
	int us, peer;

	ready(e, &us, &peer);
	/* Things that are no message do not wake it. */
	w.fd = peer;
	w.len = frame_put(buf, "\xff", 1);
	w.len += frame_put(buf + w.len, "", 0);
	w.len += frame_put(buf + w.len, "abc", 3);
	w.len += frame_ike(buf + w.len, 500, 1);
	need(-pthread_create(&thread, NULL, put_later, &w));
	check_eq(need(read(us, got, sizeof(got))), 500);
	pthread_join(thread, NULL);
	check_eq(w.rc, 0);
	check(!memcmp(got, buf + w.len - 500, 500), "wrong bytes");
	/* MSG_WAITALL waits for a message, not for a full buffer. */
	need(-pthread_create(&thread, NULL, put_later, &w));
	check_eq(need(recv(us, got, sizeof(got), MSG_WAITALL)), 500);
	pthread_join(thread, NULL);
	need(close(us));
	need(close(peer));
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void *interrupt(void *arg)
{
	msleep(100);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void interrupted(const struct env *e)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	pthread_t self = pthread_self(), thread;
	char buf[16];
	int us, peer;

	need(sigaction(SIGUSR1, &sa, NULL));
	ready(e, &us, &peer);
	need(-pthread_create(&thread, NULL, interrupt, &self));
	refused(read(us, buf, sizeof(buf)), EINTR);
	pthread_join(thread, NULL);
	peer_put_ike(peer, 30, 1);
	us_expect_ike(us, 30, 1);
	need(close(us));
	need(close(peer));
}

static void scattered(const struct env *e)
{
	uint8_t a[3], b[10], c[200], want[100], got[100];
	struct iovec iov[] = { { a, 3 }, { b, 10 }, { NULL, 0 }, { c, 200 } };
	struct sockaddr_storage ss;
	struct msghdr m = {
		.msg_iov = iov, .msg_iovlen = ARRAY_LEN(iov),
		.msg_name = &ss, .msg_namelen = sizeof(ss),
	};
	struct mmsghdr mm[4] = { 0 };
	struct iovec iov1[4];
	uint8_t bufs[4][100];
	int us, peer, i;

	ready(e, &us, &peer);
	peer_put_ike(peer, 100, 1);
	peer_put_ike(peer, 100, 2);
	ike_fill(want, 100, 1);
	check_eq(need(readv(us, iov, ARRAY_LEN(iov))), 100);
	memcpy(got, a, 3);
	memcpy(got + 3, b, 10);
	memcpy(got + 13, c, 87);
	check(!memcmp(got, want, 100), "wrong bytes");
	check_eq(need(recvmsg(us, &m, 0)), 100);
	check_eq(m.msg_namelen, 0);
	/* Several messages in one call. */
	for (i = 0; i < 4; i++) {
		iov1[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		mm[i].msg_hdr.msg_iov = &iov1[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		if (i < 3)
			peer_put_ike(peer, 20 + i, i);
	}
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	msleep(QUIET_MS);
	check_eq(need(recvmmsg(us, mm, 4, MSG_DONTWAIT, NULL)), 3);
	for (i = 0; i < 3; i++) {
		check_eq(mm[i].msg_len, 20 + i);
		ike_fill(want, 20 + i, i);
		check(!memcmp(bufs[i], want, 20 + i), "wrong bytes");
	}
	need(close(us));
	need(close(peer));
}

static void *volatile nowhere = (void *)8;

static void bad_pointer(const struct env *e)
{
	int us, peer;

	ready(e, &us, &peer);
	peer_put_ike(peer, 100, 1);
	refused(read(us, nowhere, 100), EFAULT);
	peer_put_ike(peer, 100, 2);
	/* Whether the first is lost or not, the stream is in step. */
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	(void)!recv(us, nowhere, 100, MSG_PEEK);
	peer_put_ike(peer, 50, 3);
	for (;;) {
		uint8_t got[100];
		int n = need(read(us, got, sizeof(got)));

		if (n == 50)
			break;
		check_eq(n, 100);
	}
	quiet(us);
	need(close(us));
	need(close(peer));
}

/*
 * All 32 flags, without a message and with one that is longer than the buffer.
 * But for five they change nothing.
 */
static void flags(const struct env *e)
{
	char buf[16];
	int us, peer, i;

	ready(e, &us, &peer);
	for (i = 0; i < 32; i++) {
		unsigned int bit = 1u << i;
		int err = bit == MSG_OOB ? EOPNOTSUPP : EAGAIN;
		bool none = bit == MSG_OOB || bit == MSG_ERRQUEUE;
		int len = bit == MSG_TRUNC ? 30 : sizeof(buf);
		ssize_t n;

		n = recv(us, buf, sizeof(buf), bit | MSG_DONTWAIT);
		check(n < 0 && errno == err, "flag %#x: %zd %s", bit, n,
		      strerrorname_np(errno));
		peer_put_ike(peer, 30, i);
		check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
		/* Not all with MSG_DONTWAIT: there is something to read. */
		n = recv(us, buf, sizeof(buf), bit);
		if (none)
			check(n < 0 && errno == err, "flag %#x: %zd %s", bit, n,
			      strerrorname_np(errno));
		else
			check(n == len, "flag %#x: %zd, not %d", bit, n, len);
		if (none || bit == MSG_PEEK)
			us_expect_ike(us, 30, i);
		check_eq(recv(us, buf, sizeof(buf), MSG_DONTWAIT), -1);
		check_eq(errno, EAGAIN);
	}
	need(close(us));
	need(close(peer));
}

/* End of stream, after what is whole and in the place of what is not. */
static void messages_then_end(const struct env *e)
{
	static const size_t rests[] = { 0, 1, 2, 3, 6, 30 };
	uint8_t buf[512];
	int us, peer, j;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rests); i++) {
		ready(e, &us, &peer);
		for (j = 0; j < 3; j++)
			peer_put_ike(peer, 100 + j, j);
		frame_ike(buf, 300, 9);
		if (rests[i])
			peer_put(peer, buf, rests[i]);
		need(shutdown(peer, SHUT_WR));
		for (j = 0; j < 3; j++)
			us_expect_ike(us, 100 + j, j);
		us_expect_eof(us);
		us_expect_eof(us);
		check_eq(need(read(us, buf, sizeof(buf))), 0);
		/* Half closed: the other way is open. */
		us_put_ike(us, 40, 7);
		peer_expect_ike(peer, 40, 7);
		need(close(us));
		peer_expect_eof(peer);
		need(close(peer));
	}
}

/* A reset loses nothing that came whole before it. */
static void messages_then_reset(const struct env *e)
{
	static const size_t rests[] = { 0, 1, 2, 3, 6, 30 };
	uint8_t buf[512];
	int us, peer, j;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rests); i++) {
		ready(e, &us, &peer);
		for (j = 0; j < 3; j++)
			peer_put_ike(peer, 100 + j, j);
		frame_ike(buf, 300, 9);
		if (rests[i])
			peer_put(peer, buf, rests[i]);
		reset_close(peer);
		check(revents(us, 0, WAIT_MS) & POLLERR, "no POLLERR");
		for (j = 0; j < 3; j++)
			us_expect_ike(us, 100 + j, j);
		us_expect_error(us, ECONNRESET);
		us_expect_eof(us);
		us_expect_eof(us);
		need(close(us));
	}
}

static void blocking_then_end(const struct env *e)
{
	struct writer w = { .buf = (uint8_t *)"\0", .len = 1 };
	pthread_t thread;
	char buf[16];
	int us, peer;

	ready(e, &us, &peer);
	w.fd = peer;
	need(-pthread_create(&thread, NULL, put_later, &w));
	pthread_join(thread, NULL);
	need(shutdown(peer, SHUT_WR));
	check_eq(need(read(us, buf, sizeof(buf))), 0);
	need(close(us));
	need(close(peer));
}

static void *reset_later(void *arg)
{
	msleep(100);
	reset_close(*(int *)arg);
	return NULL;
}

static void blocking_then_reset(const struct env *e)
{
	pthread_t thread;
	char buf[16];
	int us, peer;

	ready(e, &us, &peer);
	need(-pthread_create(&thread, NULL, reset_later, &peer));
	refused(read(us, buf, sizeof(buf)), ECONNRESET);
	pthread_join(thread, NULL);
	need(close(us));
}

/* Urgent data is data, wherever in a frame the urgent byte falls. */
static void urgent_inline(const struct env *e)
{
	uint8_t buf[64];
	int us, peer;
	size_t n, i;

	ready(e, &us, &peer);
	n = frame_ike(buf, 30, 1);
	for (i = 1; i <= n; i++) {
		check_eq(need(send(peer, buf, i, MSG_OOB)), (long)i);
		if (i < n)
			peer_put(peer, buf + i, n - i);
		us_expect_ike(us, 30, 1);
	}
	/* poll() has nothing exceptional to say about it, for ours. */
	quiet(us);
	need(close(us));
	need(close(peer));
}

#define MANY	3000

static void *write_many(void *arg)
{
	struct writer *w = arg;
	uint8_t buf[512];
	int i;

	for (i = 0; i < MANY && !w->rc; i++)
		w->rc = put_all(w->fd, buf, frame_ike(buf, 10 + i % 400, i));
	return NULL;
}

static void many_in_order(const struct env *e)
{
	struct tuning t = { .us_rcvbuf = 16 << 20 };
	struct writer w = { 0 };
	pthread_t thread;
	int us, peer, i;

	ready_tuned(e, &t, &us, &peer);
	w.fd = peer;
	need(-pthread_create(&thread, NULL, write_many, &w));
	for (i = 0; i < MANY; i++)
		us_expect_ike(us, 10 + i % 400, i);
	pthread_join(thread, NULL);
	check_eq(w.rc, 0);
	quiet(us);
	need(close(us));
	need(close(peer));
}

#define SHARED	600

struct reader {
	int fd;
	unsigned int count, wrong;
	uint8_t seen[SHARED];
};

static void *read_shared(void *arg)
{
	struct reader *r = arg;
	uint8_t got[128];
	uint32_t seed;
	ssize_t n;

	while ((n = read(r->fd, got, sizeof(got))) > 0) {
		memcpy(&seed, got + MARKER_LEN, 4);
		if (n != 60 || seed >= SHARED || r->seen[seed]++)
			r->wrong++;
		r->count++;
	}
	if (n < 0)
		r->wrong++;
	return NULL;
}

/* Each message goes to one reader of several. */
static void several_readers(const struct env *e)
{
	static struct reader r[3];
	pthread_t threads[3];
	int us, peer, i, j, times;

	ready(e, &us, &peer);
	for (i = 0; i < 3; i++) {
		memset(&r[i], 0, sizeof(r[i]));
		r[i].fd = us;
		need(-pthread_create(&threads[i], NULL, read_shared, &r[i]));
	}
	for (i = 0; i < SHARED; i++) {
		peer_put_ike(peer, 60, i);
		if (i % 50 == 49)
			msleep(20);
	}
	need(shutdown(peer, SHUT_WR));
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		check_eq(r[i].wrong, 0);
	}
	for (j = 0; j < SHARED; j++) {
		for (times = 0, i = 0; i < 3; i++)
			times += r[i].seen[j];
		check(times == 1, "message %d was read %d times", j, times);
	}
	need(close(us));
	need(close(peer));
}

/* The segment with the peer's FIN brings a message, too; we have sent ours. */
static void with_end_behind_our_own(const struct env *e)
{
	uint8_t buf[128];
	size_t n = frame_ike(buf, 50, 1);
	int us, peer;

	ready(e, &us, &peer);
	need(shutdown(us, SHUT_WR));
	peer_expect_eof(peer);
	check_eq(need(send(peer, buf, n, MSG_MORE)), (ssize_t)n);
	need(close(peer));
	us_expect_ike(us, 50, 1);
	us_expect_eof(us);
	need(close(us));
}

static void *shutdown_later(void *arg)
{
	msleep(100);
	shutdown(*(int *)arg, SHUT_RDWR);
	return NULL;
}

static void own_shutdown(const struct env *e)
{
	pthread_t thread;
	char buf[64];
	int us, peer;

	ready(e, &us, &peer);
	peer_put_ike(peer, 40, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	need(shutdown(us, SHUT_RD));
	us_expect_ike(us, 40, 1);
	check_eq(need(read(us, buf, sizeof(buf))), 0);
	need(close(us));
	need(close(peer));

	/* It wakes a reader that sleeps. */
	ready(e, &us, &peer);
	need(-pthread_create(&thread, NULL, shutdown_later, &us));
	check_eq(need(read(us, buf, sizeof(buf))), 0);
	pthread_join(thread, NULL);
	peer_expect_eof(peer);
	need(close(us));
	need(close(peer));
}

/*
 * The stream has a hole: what comes behind it waits in TCP, and all of it is there at
 * once when the hole is filled. It is read in turns of 128 KiB at most, none of it is
 * lost, and the message behind it comes last.
 */
static void behind_a_hole(const struct env *e)
{
	enum { COUNT = 200000, FRAME = 3, TURN = 128 * 1024 };
	struct tuning t = { .us_rcvbuf = 4 << 20, .peer_sndbuf = 4 << 20 };
	static uint8_t buf[COUNT * FRAME + 200];
	struct stats before;
	long longest = 0, bytes;
	char line[512];
	size_t len;
	int us, peer, i;
	FILE *trace;

	ready_tuned(e, &t, &us, &peer);
	/* TCP's windows have to grow first. */
	for (i = 0; i < 24; i++) {
		peer_put_ike(peer, BODY_MAX, i);
		us_expect_ike(us, BODY_MAX, i);
	}
	stats_take(&before);
	for (i = 0; i < COUNT; i++)
		memcpy(buf + i * FRAME, "\0\3\377", FRAME);
	len = COUNT * FRAME;
	len += frame_ike(buf + len, 100, 7);

	/* What each turn has read; the first segment to us is lost, once. */
	run("mount -t tracefs none /sys/kernel/tracing 2>/dev/null");
	check_eq(run("cd /sys/kernel/tracing && echo >trace && "
		     "echo 'r:iketcp_turn tcp_read_sock read=$retval:s32' >>kprobe_events && "
		     "echo 1 >events/kprobes/iketcp_turn/enable"), 0);
	check_eq(run("nft 'add table inet t; "
		     "add chain inet t in { type filter hook input priority 0; }; "
		     "add rule inet t in tcp dport %u meta length > 1000 "
		     "numgen inc mod 1000000 < 1 counter drop'",
		     sock_port(us)), 0);
	peer_put(peer, buf, len);
	us_expect_ike(us, 100, 7);
	check_eq(run("nft list table inet t | grep -q 'packets 1 '"), 0);
	check_eq(run("nft delete table inet t"), 0);

	trace = fopen("/sys/kernel/tracing/trace", "r");
	check(trace);
	while (fgets(line, sizeof(line), trace)) {
		const char *read = strstr(line, " read=");

		bytes = read ? atol(read + 6) : 0;
		if (bytes > longest)
			longest = bytes;
	}
	fclose(trace);
	check_eq(run("cd /sys/kernel/tracing && "
		     "echo 0 >events/kprobes/iketcp_turn/enable && "
		     "echo '-:iketcp_turn' >>kprobe_events"), 0);

	stat_expect(&before, InKeepalive, COUNT);
	stat_expect(&before, InIke, 1);
	check_eq(longest, TURN);
	quiet(us);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(one_message_a_read, ALL),
	TEST(every_size, ALL),
	TEST(behind_a_hole, SOME),
	TEST(larger_than_rcvbuf, ALL),
	TEST(short_buffer, ALL),
	TEST(peek, ALL),
	TEST(none_yet, ALL),
	TEST(blocking, SOME),
	TEST(interrupted, SOME),
	TEST(scattered, SOME),
	TEST(bad_pointer, MODES),
	TEST(flags, ALL),
	TEST(messages_then_end, ALL),
	TEST(messages_then_reset, ALL),
	TEST(blocking_then_end, SOME),
	TEST(blocking_then_reset, SOME),
	TEST(urgent_inline, ALL),
	TEST(many_in_order, SOME),
	TEST(several_readers, SOME),
	TEST(with_end_behind_our_own, ALL),
	TEST(own_shutdown, SOME),
};

SOCK_MAIN("read", tests)
