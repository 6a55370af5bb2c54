// SPDX-License-Identifier: GPL-2.0
/* The responder of "iketcp": the kernel waits for the prefix and eats it. */
#include "sock.h"

static void open_responder(const struct env *e, int *us, int *peer)
{
	pair_open(e, US, NULL, us, peer);
	need(attach(*us, e->ulp));
}

static void with_message_in_one_segment(const struct env *e)
{
	uint8_t buf[256] = PREFIX;
	size_t n = PREFIX_LEN;
	int us, peer;

	open_responder(e, &us, &peer);
	n += frame_ike(buf + n, 100, 1);
	peer_put(peer, buf, n);
	us_expect_ike(us, 100, 1);
	quiet(us);
	/* It is the originator's to send: the peer gets none. */
	us_put_ike(us, 50, 2);
	peer_expect_ike(peer, 50, 2);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
}

static void cut_anywhere(const struct env *e)
{
	uint8_t buf[256] = PREFIX;
	size_t n = PREFIX_LEN, cut;
	int us, peer;

	n += frame_ike(buf + n, 60, 1);
	for (cut = 1; cut <= PREFIX_LEN + LEN_LEN + 1; cut++) {
		open_responder(e, &us, &peer);
		peer_put(peer, buf, cut);
		quiet(us);
		peer_put(peer, buf + cut, n - cut);
		us_expect_ike(us, 60, 1);
		need(close(us));
		need(close(peer));
	}
}

static void byte_by_byte(const struct env *e)
{
	uint8_t buf[256] = PREFIX;
	size_t n = PREFIX_LEN, i;
	int us, peer;

	n += frame_ike(buf + n, 60, 1);
	open_responder(e, &us, &peer);
	for (i = 0; i < n; i++) {
		check(!(revents(us, POLLIN, 0) & POLLIN), "at byte %zu", i);
		peer_put(peer, buf + i, 1);
	}
	us_expect_ike(us, 60, 1);
	need(close(us));
	need(close(peer));
}

/* Some of it in TCP's queue when the ULP comes, some after. */
static void cut_by_attach(const struct env *e)
{
	uint8_t buf[256] = PREFIX;
	size_t n = PREFIX_LEN, cut;
	int us, peer;

	n += frame_ike(buf + n, 60, 1);
	for (cut = 1; cut <= n; cut += cut < 10 ? 1 : n - 10) {
		pair_open(e, US, NULL, &us, &peer);
		peer_put(peer, buf, cut);
		check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no data");
		need(attach(us, e->ulp));
		if (cut < n) {
			quiet(us);
			peer_put(peer, buf + cut, n - cut);
		}
		us_expect_ike(us, 60, 1);
		quiet(us);
		need(close(us));
		need(close(peer));
	}
}

static void expect_refusal(int us, int peer, const struct stats *s)
{
	us_expect_error(us, EPROTO);
	us_expect_eof(us);
	us_expect_eof(us);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL), EPIPE);
	peer_expect_reset(peer);
	stat_expect(s, InBadPrefix, 1);
	stat_expect(s, InIke, 0);
	stat_expect(s, InEsp, 0);
}

/* Wrong in any one byte: a reset, an error, and not a byte of it parsed. */
static void wrong_anywhere(const struct env *e)
{
	uint8_t buf[256];
	struct stats s;
	int us, peer;
	size_t i, n;

	for (i = 0; i < PREFIX_LEN; i++) {
		memcpy(buf, PREFIX, PREFIX_LEN);
		buf[i] ^= 0x20;
		n = PREFIX_LEN;
		n += frame_ike(buf + n, 60, 1);
		n += frame_put(buf + n, "\x12\x34\x56\x78\0\0\0\1abcdefgh", 16);
		stats_take(&s);
		open_responder(e, &us, &peer);
		peer_put(peer, buf, n);
		expect_refusal(us, peer, &s);
		need(close(us));
		need(close(peer));
	}
}

static void wrong_protocols(const struct env *e)
{
	static const char *const hellos[] = {
		"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "IKETCQ", "iketcp",
	};
	struct stats s;
	int us, peer;
	size_t i;

	for (i = 0; i < ARRAY_LEN(hellos); i++) {
		stats_take(&s);
		open_responder(e, &us, &peer);
		peer_put(peer, hellos[i], strlen(hellos[i]));
		expect_refusal(us, peer, &s);
		need(close(us));
		need(close(peer));
	}
}

/* No prefix at all, straight to a message, as espintcp's peers would. */
static void missing(const struct env *e)
{
	struct stats s;
	int us, peer;

	stats_take(&s);
	open_responder(e, &us, &peer);
	peer_put_ike(peer, 100, 1);
	expect_refusal(us, peer, &s);
	need(close(us));
	need(close(peer));
}

static void wrong_byte_by_byte(const struct env *e)
{
	struct stats s;
	int us, peer;
	size_t i;

	stats_take(&s);
	open_responder(e, &us, &peer);
	for (i = 0; i < PREFIX_LEN; i++)
		if (put_all(peer, &"IKETCQ"[i], 1))
			break;
	expect_refusal(us, peer, &s);
	need(close(us));
	need(close(peer));
}

static void wrong_before_attach(const struct env *e)
{
	struct stats s;
	int us, peer;

	stats_take(&s);
	pair_open(e, US, NULL, &us, &peer);
	peer_put(peer, "IKETCQ", PREFIX_LEN);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no data");
	/* What has come is told as if it came afterwards: by read(). */
	need(attach(us, e->ulp));
	AT();
	expect_refusal(us, peer, &s);
	need(close(us));
	need(close(peer));
}

static void wrong_seen_by_poll(const struct env *e)
{
	int us, peer, ev;

	open_responder(e, &us, &peer);
	peer_put(peer, "IKETCQ", PREFIX_LEN);
	ev = revents(us, POLLIN, WAIT_MS);
	check(ev & POLLIN, "poll says %#x", ev);
	check(ev & POLLERR, "poll says %#x", ev);
	check(ev & POLLHUP, "poll says %#x", ev);
	us_expect_error(us, EPROTO);
	ev = revents(us, POLLIN, WAIT_MS);
	check(!(ev & POLLERR), "poll says %#x after the error", ev);
	need(close(us));
	need(close(peer));
}

static void end_inside(const struct env *e)
{
	int us, peer;
	size_t i;

	for (i = 0; i <= PREFIX_LEN; i++) {
		open_responder(e, &us, &peer);
		if (i)
			peer_put(peer, PREFIX, i);
		need(shutdown(peer, SHUT_WR));
		us_expect_eof(us);
		us_expect_eof(us);
		need(close(us));
		peer_expect_end(peer);
		need(close(peer));
	}
}

static void reset_inside(const struct env *e)
{
	int us, peer;
	size_t i;

	for (i = 0; i <= PREFIX_LEN; i++) {
		open_responder(e, &us, &peer);
		if (i)
			peer_put(peer, PREFIX, i);
		reset_close(peer);
		us_expect_error(us, ECONNRESET);
		us_expect_eof(us);
		need(close(us));
	}
}

static void close_inside(const struct env *e)
{
	int us, peer;
	size_t i;

	for (i = 0; i <= PREFIX_LEN; i++) {
		open_responder(e, &us, &peer);
		if (i)
			peer_put(peer, PREFIX, i);
		need(close(us));
		peer_expect_end(peer);
		need(close(peer));
	}
}

struct slow {
	int fd;
	int rc;
};

static void *send_slowly(void *arg)
{
	struct slow *slow = arg;
	uint8_t buf[256] = PREFIX;
	size_t n = PREFIX_LEN, i;

	n += frame_ike(buf + n, 40, 1);
	for (i = 0; i < n; i += 2) {
		msleep(10);
		slow->rc |= put_all(slow->fd, buf + i, n - i < 2 ? 1 : 2);
	}
	return NULL;
}

/* A blocking reader sleeps through the prefix and wakes for the message. */
static void blocking_reader(const struct env *e)
{
	uint8_t got[100], want[100];
	struct slow slow = { 0 };
	pthread_t t;
	int us, peer;

	open_responder(e, &us, &peer);
	slow.fd = peer;
	need(-pthread_create(&t, NULL, send_slowly, &slow));
	check_eq(need(read(us, got, sizeof(got))), 40);
	pthread_join(t, NULL);
	check_eq(slow.rc, 0);
	ike_fill(want, 40, 1);
	check(!memcmp(got, want, 40), "wrong bytes");
	need(close(us));
	need(close(peer));
}

#define TIMEOUT	"/proc/sys/net/iketcp/prefix_timeout"

static void set_limit(const char *seconds)
{
	/* It may be the first attach that loads the module. */
	check(!run("modprobe iketcp"), "modprobe");
	sysctl_write(TIMEOUT, seconds);
}

/* Nobody waits for ever for strangers. */
static void late(const struct env *e)
{
	struct stats before;
	int us, peer, n;

	set_limit("1");
	for (n = 0; n < PREFIX_LEN; n += 5) {
		uint64_t begin = now_ms();

		stats_take(&before);
		open_responder(e, &us, &peer);
		peer_put(peer, PREFIX, n);
		quiet(us);
		us_expect_error(us, ETIMEDOUT);
		check(now_ms() - begin >= 900, "after %d ms only",
		      (int)(now_ms() - begin));
		us_expect_eof(us);
		peer_expect_reset(peer);
		stat_expect(&before, InPrefixTimeout, 1);
		stat_expect(&before, InBadPrefix, 0);
		need(close(us));
		need(close(peer));
	}
}

static void in_time(const struct env *e)
{
	struct stats before;
	int us, peer;

	set_limit("1");
	stats_take(&before);
	open_responder(e, &us, &peer);
	peer_put(peer, PREFIX, PREFIX_LEN);
	msleep(1500);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	stat_expect(&before, InPrefixTimeout, 0);
	need(close(us));
	need(close(peer));
}

/* Who has no prefix to wait for has no limit, nor has 0. */
static void no_limit(const struct env *e)
{
	int us, peer;

	set_limit(e->mode == RESPONDER ? "0" : "1");
	if (e->mode == RESPONDER)
		open_responder(e, &us, &peer);
	else
		ready(e, &us, &peer);
	msleep(1500);
	if (e->mode == RESPONDER)
		peer_put(peer, PREFIX, PREFIX_LEN);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	need(close(us));
	need(close(peer));
}

static void closed_before_the_limit(const struct env *e)
{
	int us, peer;

	set_limit("1");
	open_responder(e, &us, &peer);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
	open_responder(e, &us, &peer);
	reset_close(peer);
	us_expect_error(us, ECONNRESET);
	msleep(1500);
	us_expect_eof(us);
	need(close(us));
}

static void limit_range(const struct env *e)
{
	char value[16] = { 0 };
	int fd;

	(void)e;
	check(!run("modprobe iketcp"), "modprobe");
	fd = need(open(TIMEOUT, O_RDWR | O_CLOEXEC));
	need(pread(fd, value, sizeof(value) - 1, 0));
	check(!strcmp(value, "10\n"), "the default is %s", value);
	refused(pwrite(fd, "-1", 2, 0), EINVAL);
	refused(pwrite(fd, "3601", 4, 0), EINVAL);
	refused(pwrite(fd, "ten", 3, 0), EINVAL);
	need(pwrite(fd, "3600", 4, 0));
	need(close(fd));
}

static const struct test tests[] = {
	TEST(with_message_in_one_segment, RESPONDERS),
	TEST(cut_anywhere, RESPONDERS),
	TEST(byte_by_byte, RESPONDERS),
	TEST(cut_by_attach, RESPONDERS),
	TEST(wrong_anywhere, RESPONDERS),
	TEST(wrong_protocols, RESPONDERS),
	TEST(missing, RESPONDERS),
	TEST(wrong_byte_by_byte, RESPONDERS),
	TEST(wrong_before_attach, RESPONDERS),
	TEST(wrong_seen_by_poll, RESPONDERS),
	TEST(end_inside, RESPONDERS),
	TEST(reset_inside, RESPONDERS),
	TEST(close_inside, RESPONDERS),
	TEST(blocking_reader, RESPONDERS),
	TEST(late, RESPONDERS),
	TEST(in_time, RESPONDERS),
	TEST(no_limit, MODES),
	TEST(closed_before_the_limit, RESPONDERS),
	TEST(limit_range, ONE),
};

SOCK_MAIN("prefix", tests)
