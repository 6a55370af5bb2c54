// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of src/frame.c: the same file as in the kernel, here with the
 * address and undefined-behaviour sanitizers. Every split of a stream must give
 * the same messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/frame.h"

/* What a stream gave, as text: easy to compare, easy to read in a failure. */
struct log {
	char text[4096];
	size_t len;
	uint8_t body[0x10000];
	size_t body_len;
};

static void note(struct log *log, const char *what, size_t n)
{
	log->len += snprintf(log->text + log->len,
			     sizeof(log->text) - log->len, "%s%zu ", what, n);
	assert_true(log->len < sizeof(log->text));
}

/* A sum that sees each byte and its place. */
static size_t digest(const uint8_t *p, size_t n)
{
	size_t sum = n;

	while (n--)
		sum = sum * 31 + *p++;
	return sum & 0xffff;
}

static void finish(struct log *log)
{
	note(log, "=", digest(log->body, log->body_len));
	log->body_len = 0;
}

/*
 * Show a piece of the stream to the reader, the way that the kernel does. The
 * piece lies in memory of its own size, so that a byte read beyond it is seen.
 */
static void feed(struct iketcp_frame *frame, const uint8_t *bytes, size_t len,
		 struct log *log)
{
	uint8_t *copy = malloc(len ? len : 1);
	const uint8_t *p = copy;

	memcpy(copy, bytes, len);
	while (len) {
		size_t want = iketcp_frame_want(frame);
		enum iketcp_frame_event event;
		size_t n = len < want ? len : want;

		if (!want)
			break;
		if (frame->state == IKETCP_FRAME_IN_BODY) {
			memcpy(log->body + log->body_len, p, n);
			log->body_len += n;
			if (iketcp_frame_body(frame, n))
				finish(log);
			p += n;
			len -= n;
			continue;
		}

		n = iketcp_frame_head(frame, p, n, &event);
		p += n;
		len -= n;
		switch (event) {
		case IKETCP_FRAME_MORE:
			break;
		case IKETCP_FRAME_PREFIX:
			note(log, "prefix", 0);
			break;
		case IKETCP_FRAME_IKE:
		case IKETCP_FRAME_ESP:
			note(log, event == IKETCP_FRAME_IKE ? "ike" : "esp",
			     frame->len);
			assert_int_equal(frame->left,
					 frame->len - IKETCP_MARKER_LEN);
			memcpy(log->body, frame->head + IKETCP_LENGTH_LEN,
			       IKETCP_MARKER_LEN);
			log->body_len = IKETCP_MARKER_LEN;
			break;
		case IKETCP_FRAME_KEEPALIVE:
			note(log, "keepalive", frame->len);
			break;
		case IKETCP_FRAME_EMPTY:
			note(log, "empty", frame->len);
			break;
		case IKETCP_FRAME_SHORT:
			note(log, "short", frame->len);
			break;
		case IKETCP_FRAME_BAD_PREFIX:
			note(log, "badprefix", 0);
			break;
		case IKETCP_FRAME_BAD_LENGTH:
			note(log, "badlength", 0);
			break;
		}
	}
	free(copy);
}

static const uint8_t stream[] = {
	'I', 'K', 'E', 'T', 'C', 'P',
	0, 10, 0, 0, 0, 0, 'i', 'k', 'e', '!',		/* IKE, 8 */
	0, 3, 0xff,					/* keepalive */
	0, 2,						/* empty */
	0, 7, 0x12, 0x34, 0x56, 0x78, 0x9a,		/* ESP, 5 */
	0, 3, 0xfe,					/* 1 byte, no keepalive */
	0, 4, 0xff, 0xff,				/* 2 bytes */
	0, 5, 1, 2, 3,					/* 3 bytes */
	0, 6, 0, 0, 0, 0,				/* SPI 0 alone */
	0, 6, 1, 0, 0, 0,				/* an SPI alone */
	0, 2, 0, 2,					/* empty, twice */
	0, 9, 0, 0, 0, 1, 7, 7, 7,			/* ESP with SPI 1 */
	0, 7, 0, 0, 0, 0, 0xff,				/* IKE, 5 */
	0, 3, 0xff, 0, 3, 0xff,				/* keepalives */
};

static const char expected[] =
	"prefix0 ike8 =%zu keepalive1 empty0 esp5 =%zu short1 short2 short3 "
	"short4 short4 empty0 empty0 esp7 =%zu ike5 =%zu "
	"keepalive1 keepalive1 ";

static void expect(char *text, size_t size)
{
	snprintf(text, size, expected,
		 digest((const uint8_t *)"\0\0\0\0ike!", 8),
		 digest((const uint8_t *)"\x12\x34\x56\x78\x9a", 5),
		 digest((const uint8_t *)"\0\0\0\1\7\7\7", 7),
		 digest((const uint8_t *)"\0\0\0\0\xff", 5));
}

static void check(const uint8_t *bytes, size_t len, bool prefix,
		  const size_t *cuts, size_t n, const char *want)
{
	struct log *log = calloc(1, sizeof(*log));
	struct iketcp_frame frame;
	size_t at = 0, i;

	iketcp_frame_init(&frame, prefix);
	for (i = 0; i < n; i++) {
		feed(&frame, bytes + at, cuts[i] - at, log);
		at = cuts[i];
	}
	feed(&frame, bytes + at, len - at, log);
	assert_string_equal(log->text, want);
	free(log);
}

static void whole(void **state)
{
	char want[512];

	(void)state;
	expect(want, sizeof(want));
	check(stream, sizeof(stream), true, NULL, 0, want);
}

static void without_prefix(void **state)
{
	char want[512];

	(void)state;
	expect(want, sizeof(want));
	check(stream + 6, sizeof(stream) - 6, false, NULL, 0,
	      want + strlen("prefix0 "));
}

static void byte_by_byte(void **state)
{
	size_t cuts[sizeof(stream)], i;
	char want[512];

	(void)state;
	for (i = 0; i < sizeof(stream); i++)
		cuts[i] = i;
	expect(want, sizeof(want));
	check(stream, sizeof(stream), true, cuts, sizeof(stream), want);
}

static void every_three_pieces(void **state)
{
	size_t cuts[2];
	char want[512];

	(void)state;
	expect(want, sizeof(want));
	for (cuts[0] = 0; cuts[0] <= sizeof(stream); cuts[0]++)
		for (cuts[1] = cuts[0]; cuts[1] <= sizeof(stream); cuts[1]++)
			check(stream, sizeof(stream), true, cuts, 2, want);
}

static void wrong_prefix_at_every_byte(void **state)
{
	uint8_t bad[sizeof(stream)];
	size_t at, cut;

	(void)state;
	for (at = 0; at < IKETCP_PREFIX_LEN; at++) {
		memcpy(bad, stream, sizeof(bad));
		bad[at] ^= 0x20;
		for (cut = 0; cut <= IKETCP_PREFIX_LEN; cut++)
			check(bad, sizeof(bad), true, &cut, 1, "badprefix0 ");
	}
}

/* The stream is dead after a bad length: nothing behind it is read. */
static void bad_lengths(void **state)
{
	const uint8_t zero[] = { 0, 2, 0, 0, 0, 7, 1, 2, 3, 4, 5 };
	const uint8_t one[] = { 0, 2, 0, 1, 0, 7, 1, 2, 3, 4, 5 };
	size_t cut;

	(void)state;
	for (cut = 0; cut <= sizeof(zero); cut++) {
		check(zero, sizeof(zero), false, &cut, 1, "empty0 badlength0 ");
		check(one, sizeof(one), false, &cut, 1, "empty0 badlength0 ");
	}
}

static void every_length(void **state)
{
	uint8_t *bytes = calloc(1, 0x10000 + 3);
	struct log *log = calloc(1, sizeof(*log));
	size_t len;

	(void)state;
	for (len = IKETCP_MARKER_LEN + 1; len <= IKETCP_BODY_MAX; len += 127) {
		struct iketcp_frame frame;
		char want[64];
		size_t n;

		n = iketcp_frame_put_length(bytes, len);
		memset(bytes + n, len & 0x7f ? len & 0x7f : 1, len);
		/* A keepalive behind shows that the end was found. */
		memcpy(bytes + n + len, "\0\3\xff", 3);

		memset(log, 0, sizeof(*log));
		iketcp_frame_init(&frame, false);
		feed(&frame, bytes, n + len + 3, log);
		snprintf(want, sizeof(want), "esp%zu =%zu keepalive1 ", len,
			 digest(bytes + n, len));
		assert_string_equal(log->text, want);
		if (len < IKETCP_BODY_MAX && len + 127 > IKETCP_BODY_MAX)
			len = IKETCP_BODY_MAX - 127;
	}
	free(log);
	free(bytes);
}

static void put_length(void **state)
{
	uint8_t buf[2];

	(void)state;
	assert_int_equal(iketcp_frame_put_length(buf, 0), 2);
	assert_memory_equal(buf, "\0\2", 2);
	iketcp_frame_put_length(buf, IKETCP_BODY_MAX);
	assert_memory_equal(buf, "\xff\xff", 2);
}

static void nothing_wanted_when_dead(void **state)
{
	enum iketcp_frame_event event;
	struct iketcp_frame frame;

	(void)state;
	iketcp_frame_init(&frame, true);
	assert_int_equal(iketcp_frame_want(&frame), IKETCP_PREFIX_LEN);
	iketcp_frame_head(&frame, (const uint8_t *)"X", 1, &event);
	assert_int_equal(event, IKETCP_FRAME_BAD_PREFIX);
	assert_int_equal(iketcp_frame_want(&frame), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(without_prefix),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(every_three_pieces),
		cmocka_unit_test(wrong_prefix_at_every_byte),
		cmocka_unit_test(bad_lengths),
		cmocka_unit_test(every_length),
		cmocka_unit_test(put_length),
		cmocka_unit_test(nothing_wanted_when_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
