// SPDX-License-Identifier: GPL-2.0
/* However TCP cuts the stream, the messages are the same. */
#include "sock.h"

static const size_t small[] = { BODY_MIN, 20, 31 };
static const size_t large[] = { 50, BODY_MAX, 5000, 60 };

/**
 * struct talk - a conversation and what is to be read of it
 * @bytes: the stream
 * @len: its length
 * @sizes: the lengths of its IKE messages; the seed is the index
 * @count: how many there are
 */
struct talk {
	uint8_t *bytes;
	size_t len;
	const size_t *sizes;
	size_t count;
};

static void talk_small(const struct env *e, struct talk *t)
{
	static uint8_t buf[512];
	size_t n = 0;

	if (e->mode == RESPONDER) {
		memcpy(buf, PREFIX, PREFIX_LEN);
		n = PREFIX_LEN;
	}
	n += frame_ike(buf + n, small[0], 0);
	n += frame_put(buf + n, "\xff", 1);
	n += frame_put(buf + n, "", 0);
	n += frame_put(buf + n, "\0\0\0\0", 4);
	n += frame_put(buf + n, "\xff\xff", 2);
	n += frame_ike(buf + n, small[1], 1);
	n += frame_put(buf + n, "\x12\x34\x56\x78\0\0\0\1" "0123456789ab", 20);
	n += frame_ike(buf + n, small[2], 2);
	*t = (struct talk){ buf, n, small, ARRAY_LEN(small) };
}

static void talk_large(const struct env *e, struct talk *t)
{
	static uint8_t buf[2 * FRAME_MAX];
	size_t n = 0, i;

	if (e->mode == RESPONDER) {
		memcpy(buf, PREFIX, PREFIX_LEN);
		n = PREFIX_LEN;
	}
	for (i = 0; i < ARRAY_LEN(large); i++)
		n += frame_ike(buf + n, large[i], i);
	*t = (struct talk){ buf, n, large, ARRAY_LEN(large) };
}

/* A connection that has seen nothing of the stream yet, the prefix neither. */
static void fresh(const struct env *e, int *us, int *peer)
{
	struct tuning t = { .us_rcvbuf = 1 << 20 };

	if (e->mode == ORIGINATOR) {
		ready_tuned(e, &t, us, peer);
		return;
	}
	pair_open(e, US, &t, us, peer);
	need(attach(*us, e->ulp));
}

static void expect_all(const struct talk *t, int us, int peer)
{
	size_t i;

	need(shutdown(peer, SHUT_WR));
	for (i = 0; i < t->count; i++)
		us_expect_ike_(us, t->sizes[i], i);
	us_expect_eof_(us);
	need(close(us));
	need(close(peer));
}

static void one_cut(const struct env *e)
{
	struct talk t;
	int us, peer;
	size_t cut;

	talk_small(e, &t);
	for (cut = 1; cut < t.len; cut++) {
		fresh(e, &us, &peer);
		peer_put(peer, t.bytes, cut);
		peer_put(peer, t.bytes + cut, t.len - cut);
		AT();
		expect_all(&t, us, peer);
	}
}

/* Everything up to the cut is in TCP's queue when the ULP comes. */
static void cut_by_attach(const struct env *e)
{
	struct talk t;
	int us, peer;
	size_t cut;

	talk_small(e, &t);
	for (cut = 1; cut <= t.len; cut++) {
		pair_open(e, US, NULL, &us, &peer);
		peer_put(peer, t.bytes, cut);
		check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no data");
		need(attach(us, e->ulp));
		if (cut < t.len)
			peer_put(peer, t.bytes + cut, t.len - cut);
		AT();
		expect_all(&t, us, peer);
	}
}

static void in_steps(const struct env *e)
{
	static const size_t steps[] = { 1, 2, 3, 5, 7, 11, 13, 64 };
	struct talk t;
	int us, peer;
	size_t i, at, n;

	talk_small(e, &t);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		fresh(e, &us, &peer);
		for (at = 0; at < t.len; at += n) {
			n = t.len - at < steps[i] ? t.len - at : steps[i];
			peer_put(peer, t.bytes + at, n);
		}
		AT();
		expect_all(&t, us, peer);
	}
}

static void random_cuts(const struct env *e)
{
	struct talk t;
	int us, peer, round;
	uint32_t x = 4711;
	size_t at, n;

	talk_small(e, &t);
	for (round = 0; round < 20; round++) {
		fresh(e, &us, &peer);
		for (at = 0; at < t.len; at += n) {
			x = x * 1664525u + 1013904223u;
			n = 1 + (x >> 16) % 24;
			if (n > t.len - at)
				n = t.len - at;
			peer_put(peer, t.bytes + at, n);
		}
		AT();
		expect_all(&t, us, peer);
	}
}

/* The same bytes read while they come, one by one. */
static void read_along(const struct env *e)
{
	struct talk t;
	int us, peer;
	size_t i, at = 0, end;
	uint8_t c;

	talk_small(e, &t);
	fresh(e, &us, &peer);
	nonblock(us, true);
	for (i = 0; i < t.count; i++) {
		/* Where the message ends, found by searching for its bytes. */
		uint8_t frame[64];
		size_t n = frame_ike(frame, t.sizes[i], i);

		for (end = at; memcmp(t.bytes + end, frame, n); end++)
			;
		end += n;
		for (; at < end - 1; at++) {
			peer_put(peer, t.bytes + at, 1);
			refused(read(us, &c, 1), EAGAIN);
		}
		peer_put(peer, t.bytes + at++, 1);
		us_expect_ike(us, t.sizes[i], i);
	}
	need(close(us));
	need(close(peer));
}

static void large_cut(const struct env *e)
{
	/* From the start of the large message, and from its end. */
	static const int offsets[] = {
		-1, 0, 1, 2, 3, 6, 7, 100, 1460, 4096, 32768, 65533, 65534,
		65535, 65536, 65537,
	};
	struct talk t;
	int us, peer;
	size_t i, start;

	talk_large(e, &t);
	start = (e->mode == RESPONDER ? PREFIX_LEN : 0) + LEN_LEN + large[0];
	for (i = 0; i < ARRAY_LEN(offsets); i++) {
		size_t cut = start + offsets[i];

		fresh(e, &us, &peer);
		timeout_set(peer, SO_SNDTIMEO, WAIT_MS);
		peer_put(peer, t.bytes, cut);
		peer_put(peer, t.bytes + cut, t.len - cut);
		AT();
		expect_all(&t, us, peer);
	}
}

/* Segments of an odd size, so that every message begins somewhere else. */
static void large_in_steps(const struct env *e)
{
	static const size_t steps[] = { 997, 1448, 8191 };
	struct talk t;
	int us, peer;
	size_t i, at, n;

	talk_large(e, &t);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		fresh(e, &us, &peer);
		timeout_set(peer, SO_SNDTIMEO, WAIT_MS);
		for (at = 0; at < t.len; at += n) {
			n = t.len - at < steps[i] ? t.len - at : steps[i];
			peer_put(peer, t.bytes + at, n);
		}
		AT();
		expect_all(&t, us, peer);
	}
}

static const struct test tests[] = {
	TEST_SECONDS(one_cut, ALL, 120),
	TEST_SECONDS(cut_by_attach, FAMILIES | RESPONDERS, 120),
	TEST(in_steps, ALL),
	TEST(random_cuts, ALL),
	TEST(read_along, ALL),
	TEST(large_cut, ALL),
	TEST(large_in_steps, ALL),
};

SOCK_MAIN("split", tests)
