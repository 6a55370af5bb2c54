// SPDX-License-Identifier: GPL-2.0
/* Bad input: what is dropped, what is counted, what ends the connection. */
#include "sock.h"

#define SPI_UNKNOWN	"\x12\x34\x56\x78"

/* Length 0 and 1: EINVAL once, behind what came before, then the end. */
static void length_too_small(const struct env *e, uint8_t length)
{
	uint8_t buf[512];
	struct stats s;
	int us, peer, n;

	stats_take(&s);
	ready(e, &us, &peer);
	n = frame_ike(buf, 100, 1);
	n += frame_ike(buf + n, 120, 2);
	buf[n++] = 0;
	buf[n++] = length;
	n += frame_ike(buf + n, 50, 3);
	peer_put(peer, buf, n);
	us_expect_ike(us, 100, 1);
	us_expect_ike(us, 120, 2);
	check(revents(us, 0, WAIT_MS) & POLLERR, "no POLLERR");
	us_expect_error(us, EINVAL);
	us_expect_eof(us);
	us_expect_eof(us);
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL), EPIPE);
	peer_expect_reset(peer);
	stat_expect(&s, InBadLength, 1);
	stat_expect(&s, InIke, 2);
	need(close(us));
	need(close(peer));
}

static void length_0(const struct env *e)
{
	length_too_small(e, 0);
}

static void length_1(const struct env *e)
{
	length_too_small(e, 1);
}

/* The very first frame, and cut in two. */
static void length_0_first(const struct env *e)
{
	struct stats s;
	int us, peer;

	stats_take(&s);
	ready(e, &us, &peer);
	peer_put(peer, "\0", 1);
	quiet(us);
	peer_put(peer, "\0", 1);
	us_expect_error(us, EINVAL);
	us_expect_eof(us);
	peer_expect_end(peer);
	stat_expect(&s, InBadLength, 1);
	need(close(us));
	need(close(peer));
}

static void length_0_before_attach(const struct env *e)
{
	struct stats s;
	int us, peer;

	stats_take(&s);
	pair_open(e, US, NULL, &us, &peer);
	if (e->mode == RESPONDER)
		peer_put(peer, PREFIX, PREFIX_LEN);
	peer_put_ike(peer, 30, 1);
	peer_put(peer, "\0\0", 2);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no data");
	need(attach(us, e->ulp));
	us_expect_ike(us, 30, 1);
	us_expect_error(us, EINVAL);
	us_expect_eof(us);
	peer_expect_end(peer);
	stat_expect(&s, InBadLength, 1);
	need(close(us));
	need(close(peer));
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Where there is no such CPU nothing can run on two. */
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* A length of 0 in one segment with the FIN. */
static void *end_with_length_0(void *arg)
{
	int peer = *(int *)arg;

	run_on(0);
	msleep(20);
	need(send(peer, "\0\0", 2, MSG_MORE));
	need(shutdown(peer, SHUT_WR));
	return NULL;
}

/*
 * What comes with the end of the stream is an error all the same, and before the
 * end: also for who sleeps until then and reads at once, on another CPU.
 */
static void length_0_and_end(const struct env *e)
{
	pthread_t thread;
	int round, us, peer;
	char buf[16];

	for (round = 0; round < 20; round++) {
		ready(e, &us, &peer);
		need(-pthread_create(&thread, NULL, end_with_length_0, &peer));
		run_on(1);
		check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no end");
		refused(recv(us, buf, sizeof(buf), MSG_DONTWAIT), EINVAL);
		us_expect_eof(us);
		need(-pthread_join(thread, NULL));
		peer_expect_end(peer);
		need(close(us));
		need(close(peer));
	}
}

static void *read_one(void *arg)
{
	char buf[16];
	ssize_t n = read(*(int *)arg, buf, sizeof(buf));

	return (void *)(intptr_t)(n < 0 ? -errno : n);
}

static void length_0_wakes_a_reader(const struct env *e)
{
	pthread_t thread;
	int us, peer;
	void *rc;

	ready(e, &us, &peer);
	need(-pthread_create(&thread, NULL, read_one, &us));
	msleep(QUIET_MS);
	peer_put(peer, "\0\0", 2);
	pthread_join(thread, &rc);
	check_eq((intptr_t)rc, -EINVAL);
	us_expect_eof(us);
	need(close(us));
	need(close(peer));
}

static void put_body(int peer, const char *body, size_t len)
{
	uint8_t buf[256];

	peer_put_(peer, buf, frame_put(buf, body, len));
}

/* Short ones vanish, each under its own counter; the stream goes on. */
static void short_frames(const struct env *e)
{
	static const struct {
		const char *body;
		size_t len;
		enum counter counter;
	} frames[] = {
		{ "", 0, InEmpty },
		{ "\xff", 1, InKeepalive },
		{ "\0", 1, InShort },
		{ "\xfe", 1, InShort },
		{ "\xff\xff", 2, InShort },
		{ "\xff\xff\xff", 3, InShort },
		{ "\0\0\0", 3, InShort },
		{ "\0\0\0\0", 4, InShort },
		{ "\xff\xff\xff\xff", 4, InShort },
		{ SPI_UNKNOWN, 4, InShort },
	};
	static const enum counter all[] = { InEmpty, InKeepalive, InShort };
	struct stats s;
	int us, peer;
	size_t i, j;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(frames); i++) {
		stats_take(&s);
		put_body(peer, frames[i].body, frames[i].len);
		peer_put_ike(peer, 40, i);
		us_expect_ike(us, 40, i);
		for (j = 0; j < ARRAY_LEN(all); j++)
			stat_expect(&s, all[j], all[j] == frames[i].counter);
		stat_expect(&s, InIke, 1);
		stat_expect(&s, InEsp, 0);
		stat_expect(&s, InBadLength, 0);
	}
	quiet(us);
	need(close(us));
	need(close(peer));
}

/* Many keepalives are no reason to do anything. */
static void many_keepalives(const struct env *e)
{
	uint8_t buf[3 * 500];
	struct stats s;
	int us, peer, i;

	ready(e, &us, &peer);
	stats_take(&s);
	for (i = 0; i < 500; i++)
		frame_put(buf + 3 * i, "\xff", 1);
	peer_put(peer, buf, sizeof(buf));
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	stat_expect(&s, InKeepalive, 500);
	stat_expect(&s, InShort, 0);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

/* The smallest IKE message: a marker and one byte (Libreswan's test 09). */
static void smallest_ike(const struct env *e)
{
	char got[16];
	int us, peer;

	ready(e, &us, &peer);
	peer_put(peer, "\0\7\0\0\0\0\xff", 7);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	check_eq(need(read(us, got, sizeof(got))), 5);
	check(!memcmp(got, "\0\0\0\0\xff", 5), "wrong bytes");
	need(close(us));
	need(close(peer));
}

/* xfrm knows nothing of it: dropped, counted there, the stream goes on. */
static void unknown_spi(const struct env *e)
{
	static const size_t sizes[] = { 8, 12, 16, 40, 1400, 65000 };
	static uint8_t body[BODY_MAX], buf[FRAME_MAX];
	unsigned long before = xfrm_stat("XfrmInNoStates");
	struct stats s;
	int us, peer;
	size_t i;

	stats_take(&s);
	ready(e, &us, &peer);
	ike_fill(body, sizeof(body), 7);
	memcpy(body, SPI_UNKNOWN "\0\0\0\1", 8);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		peer_put(peer, buf, frame_put(buf, body, sizes[i]));
		peer_put_ike(peer, 40, i);
		us_expect_ike(us, 40, i);
	}
	quiet(us);
	xfrm_stat_expect("XfrmInNoStates", before + ARRAY_LEN(sizes));
	stat_expect(&s, InEsp, ARRAY_LEN(sizes));
	stat_expect(&s, InUnknownSpi, ARRAY_LEN(sizes));
	/* With an IPv4 header before it, this one would be no IP packet. */
	peer_put(peer, buf, frame_put(buf, body, BODY_MAX));
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	stat_expect(&s, InUnknownSpi, ARRAY_LEN(sizes) + 1);
	stat_expect(&s, InBadAuth, 0);
	us_put_ike(us, 40, 1);
	peer_expect_ike(peer, 40, 1);
	need(close(us));
	need(close(peer));
}

/* An SPI with less behind it than a sequence number. */
static void cut_esp_header(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInHdrError");
	struct stats s;
	int us, peer, n;

	stats_take(&s);
	ready(e, &us, &peer);
	for (n = 5; n < 8; n++) {
		put_body(peer, SPI_UNKNOWN "\0\0\0", n);
		peer_put_ike(peer, 40, n);
		us_expect_ike(us, 40, n);
	}
	quiet(us);
	xfrm_stat_expect("XfrmInHdrError", before + 3);
	stat_expect(&s, InEsp, 3);
	stat_expect(&s, InUnknownSpi, 0);
	need(close(us));
	need(close(peer));
}

/* As IKE would look, whatever is in it: that is all the module asks for. */
static size_t frame_header(uint8_t *out)
{
	uint8_t body[MARKER_LEN + 28] = { 0 };

	body[MARKER_LEN + 17] = 0x20;
	body[MARKER_LEN + 27] = 28;
	return frame_put(out, body, sizeof(body));
}

/* It comes, and is a message like any other. */
static void put_header(int us, int peer)
{
	uint8_t buf[64];

	peer_put_(peer, buf, frame_header(buf));
	if (!(revents(us, POLLIN, WAIT_MS) & POLLIN))
		die_("no IKE message");
	check_eq(need(read(us, buf, sizeof(buf))), MARKER_LEN + 28);
}

/* EBADMSG once, then the end; the peer is reset. */
static void expect_bad_stream(int us, int peer)
{
	us_expect_error_(us, (const int[]){ EBADMSG, 0 });
	us_expect_eof_(us);
	peer_expect_reset_(peer);
}

static void put_bad_messages(int peer, int count)
{
	static const struct {
		const char *body;
		size_t len;
	} bad[] = {
		{ "", 0 }, { "\0", 1 }, { "\xff\xff\xff\xff", 4 },
		{ SPI_UNKNOWN "\0\0", 6 },
	};
	int i;

	for (i = 0; i < count; i++)
		put_body(peer, bad[i % 4].body, bad[i % 4].len);
}

/* 32 in a row. Keepalives are not bad, and what is no IKE changes nothing. */
static void too_many_bad_messages(const struct env *e)
{
	struct stats s;
	int us, peer, i;

	stats_take(&s);
	ready(e, &us, &peer);
	put_bad_messages(peer, 31);
	for (i = 0; i < 10; i++)
		put_body(peer, "\xff", 1);
	put_header(us, peer);
	put_bad_messages(peer, 31);
	for (i = 0; i < 10; i++)
		put_body(peer, "\xff", 1);
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	stat_expect(&s, InCorruptMessage, 0);
	put_bad_messages(peer, 1);
	AT();
	expect_bad_stream(us, peer);
	stat_expect(&s, InCorruptMessage, 1);
	stat_expect(&s, InCorruptSpi, 0);
	stat_expect(&s, InKeepalive, 20);
	stat_expect(&s, InEmpty, 8 + 8 + 1);
	stat_expect(&s, InShort, 8 + 8 + 8 + 8);
	stat_expect(&s, InUnknownSpi, 0);
	need(close(us));
	need(close(peer));
}

static void put_unknown_spis(int peer, int count)
{
	while (count--)
		put_body(peer, SPI_UNKNOWN "\0\0\0\1abcd", 12);
}

/* 100 in a row that take 5 seconds or more: a burst is nothing. */
static void too_many_unknown_spis(const struct env *e)
{
	struct stats s;
	int us, peer;

	stats_take(&s);
	ready(e, &us, &peer);
	put_unknown_spis(peer, 150);
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	put_header(us, peer);
	put_unknown_spis(peer, 98);
	msleep(6000);
	put_unknown_spis(peer, 1);
	peer_put_ike(peer, 40, 2);
	us_expect_ike(us, 40, 2);
	stat_expect(&s, InUnknownSpi, 249);
	stat_expect(&s, InCorruptSpi, 0);
	put_unknown_spis(peer, 1);
	AT();
	expect_bad_stream(us, peer);
	stat_expect(&s, InUnknownSpi, 250);
	stat_expect(&s, InCorruptSpi, 1);
	stat_expect(&s, InCorruptMessage, 0);
	stat_expect(&s, InCorruptAuth, 0);
	need(close(us));
	need(close(peer));
}

/* Counted as cut off is what had begun: its first bytes tell what it is. */
static void end_inside(const struct env *e)
{
	static const size_t cuts[] = { 0, 1, 2, 3, 5, 6, 7, 40, 101 };
	uint8_t buf[128];
	struct stats s;
	int us, peer;
	size_t i;

	frame_ike(buf, 100, 1);
	for (i = 0; i < ARRAY_LEN(cuts); i++) {
		int partial = cuts[i] >= LEN_LEN + MARKER_LEN;

		stats_take(&s);
		ready(e, &us, &peer);
		if (cuts[i])
			peer_put(peer, buf, cuts[i]);
		need(shutdown(peer, SHUT_WR));
		us_expect_eof(us);
		us_expect_eof(us);
		need(close(us));
		stat_expect(&s, InPartial, partial);
		peer_expect_end(peer);
		need(close(peer));

		ready(e, &us, &peer);
		if (cuts[i])
			peer_put(peer, buf, cuts[i]);
		reset_close(peer);
		us_expect_error(us, ECONNRESET);
		us_expect_eof(us);
		need(close(us));
		stat_expect(&s, InPartial, 2 * partial);
		stat_expect(&s, InIke, 0);
	}
}

/* Libreswan's tests 08 and 09, the part behind the prefix. */
static void libreswan_streams(const struct env *e)
{
	static const struct { const char *bytes; int len, err; } ends[] = {
		{ "", 0, 0 }, { "\0", 1, 0 }, { "\0\0", 2, EINVAL },
		{ "\0\xff", 2, 0 }, { "\xff\xff", 2, 0 }, { "\0\2", 2, 0 },
		{ "\0\6\0\0\0\0", 6, 0 },
	};
	char c[4];
	int us, peer;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ends); i++) {
		ready(e, &us, &peer);
		nonblock(us, true);
		if (ends[i].len)
			peer_put(peer, ends[i].bytes, ends[i].len);
		if (!ends[i].err)
			quiet(us);
		if (ends[i].err)
			us_expect_error(us, EINVAL);
		else
			need(shutdown(peer, SHUT_WR));
		us_expect_eof(us);
		check_eq(read(us, c, sizeof(c)), 0);
		need(close(us));
		need(close(peer));
	}
}

/* Nobody reads: IKE is dropped past the buffer, the rest goes on. */
static void reader_that_never_reads(const struct env *e)
{
	enum { COUNT = 400, SIZE = 1000 };
	static uint8_t buf[SIZE + LEN_LEN], esp[64], got[FRAME_MAX];
	struct tuning t = { .us_rcvbuf = 20000 };
	unsigned long before = xfrm_stat("XfrmInNoStates"), in, full;
	struct stats s, now;
	int us, peer, i, queued = 0;
	uint32_t seed, last = 0;
	size_t n;

	stats_take(&s);
	ready_tuned(e, &t, &us, &peer);
	/* No stall: the sender never waits for a reader. */
	timeout_set(peer, SO_SNDTIMEO, WAIT_MS);
	for (i = 0; i < COUNT; i++)
		peer_put(peer, buf, frame_ike(buf, SIZE, i));
	memcpy(esp, SPI_UNKNOWN "\0\0\0\1", 8);
	n = frame_put(buf, esp, 40);
	for (i = 0; i < 3; i++)
		peer_put(peer, buf, n);
	xfrm_stat_expect("XfrmInNoStates", before + 3);
	stats_take(&now);
	in = now.v[InIke] - s.v[InIke];
	full = now.v[InIkeFull] - s.v[InIkeFull];
	check(full > 0, "none was dropped");
	check(in == COUNT || in + full == COUNT, "InIke %lu InIkeFull %lu",
	      in, full);

	/* The first ones are there, whole and in order. */
	while (revents(us, POLLIN, QUIET_MS) & POLLIN) {
		check_eq(need(read(us, got, sizeof(got))), SIZE);
		memcpy(&seed, got + MARKER_LEN, 4);
		check(!queued || seed > last, "%u after %u", seed, last);
		check(queued || !seed, "%u is the first", seed);
		ike_fill(buf, SIZE, seed);
		check(!memcmp(buf, got, SIZE), "wrong bytes in %u", seed);
		last = seed;
		queued++;
	}
	check(queued > 0, "none was kept");
	check_eq(queued + full, COUNT);
	check(queued * SIZE < 200000, "%d of them were kept", queued);
	/* And now there is room again. */
	peer_put_ike(peer, 500, 1);
	us_expect_ike(us, 500, 1);
	need(close(us));
	need(close(peer));
}

/* A message without room is dropped once, though it is cut off as well. */
static void end_inside_one_without_room(const struct env *e)
{
	enum { COUNT = 100, SIZE = 1000 };
	struct tuning t = { .us_rcvbuf = 20000 };
	static uint8_t buf[SIZE + LEN_LEN];
	struct stats s, now;
	int us, peer, i;

	stats_take(&s);
	ready_tuned(e, &t, &us, &peer);
	for (i = 0; i < COUNT; i++)
		peer_put(peer, buf, frame_ike(buf, SIZE, i));
	frame_ike(buf, SIZE, i);
	peer_put(peer, buf, SIZE / 2);
	need(shutdown(peer, SHUT_WR));
	need(revents(us, POLLRDHUP, WAIT_MS));
	need(close(us));
	stat_expect(&s, Detach, 1);
	stats_take(&now);
	check_eq(now.v[InIke] + now.v[InIkeFull] - s.v[InIke] - s.v[InIkeFull],
		 COUNT + 1);
	check(now.v[InIke] - s.v[InIke] < COUNT, "all were kept");
	stat_expect(&s, InPartial, 0);
	need(close(peer));
}

/* The smallest buffer, the largest message, and nobody reads. */
static void large_ones_unread(const struct env *e)
{
	struct tuning t = { .us_rcvbuf = 1 };
	int us, peer, i;
	char c;

	ready_tuned(e, &t, &us, &peer);
	timeout_set(peer, SO_SNDTIMEO, WAIT_MS);
	for (i = 0; i < 10; i++)
		peer_put_ike(peer, BODY_MAX, i);
	us_expect_ike(us, BODY_MAX, 0);
	while (revents(us, POLLIN, 500) & POLLIN)
		need(recv(us, &c, 1, MSG_DONTWAIT));
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	need(close(us));
	need(close(peer));
}

/* Noise: whatever it does, it does not crash, and the end comes. */
static void noise(const struct env *e)
{
	uint8_t buf[4096];
	uint32_t x = 1;
	int us, peer, round;
	size_t i;

	for (round = 0; round < 30; round++) {
		ready(e, &us, &peer);
		for (i = 0; i < sizeof(buf); i++) {
			x = x * 1664525u + 1013904223u;
			buf[i] = x >> 24;
			/* Small lengths now and then. */
			if (round % 2 && !(x >> 16 & 7))
				buf[i] = 0;
		}
		(void)!put_all(peer, buf, sizeof(buf));
		shutdown(peer, SHUT_WR);
		for (;;) {
			ssize_t n;

			check(revents(us, POLLIN, WAIT_MS), "no end");
			n = recv(us, buf, sizeof(buf), MSG_DONTWAIT);
			if (!n)
				break;
			if (n < 0)
				check(errno == EINVAL || errno == ECONNRESET ||
				      errno == EAGAIN, "%s",
				      strerrorname_np(errno));
		}
		need(close(us));
		need(close(peer));
	}
}

static const struct test tests[] = {
	TEST(length_0, ALL),
	TEST(length_1, ALL),
	TEST(length_0_first, ALL),
	TEST(length_0_before_attach, FAMILIES | RESPONDERS),
	TEST(length_0_and_end, ALL),
	TEST(length_0_wakes_a_reader, SOME),
	TEST(short_frames, ALL),
	TEST(many_keepalives, SOME),
	TEST(smallest_ike, ALL),
	TEST(unknown_spi, ALL),
	TEST(cut_esp_header, ALL),
	TEST(too_many_bad_messages, SOME),
	TEST(too_many_unknown_spis, SOME),
	TEST(end_inside, ALL),
	TEST(libreswan_streams, ALL),
	TEST(reader_that_never_reads, ALL),
	TEST(end_inside_one_without_room, SOME),
	TEST(large_ones_unread, ALL),
	TEST(noise, ALL),
};

SOCK_MAIN("bad", tests)
