// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of the framing: any stream, cut anywhere, gives what the standard says.
 *
 * Sources: src/frame.c
 * Options: -max_len=512
 *
 * A second parser, which has the whole stream before it, says what must be
 * found. Then the reader gets the stream in the pieces that the input chooses,
 * byte by byte, and all at once. Each time it must find just that, each thing
 * at the first byte that tells it, and stand at the same place in the end.
 *
 * An input:
 *
 *   1 byte     0x80: the prefix is expected; 0x40: a byte is stretched;
 *              0x0f: how many cuts there are
 *   cuts       1 byte each: length of a piece; from 0x80 on in units of 512
 *              bytes; 0 is all that is left. After the last the first again.
 *   4 bytes    only if a byte is stretched: which one (modulo the length of the
 *              stream), and how many more of it there are
 *   the rest   the stream
 *
 * Stretching makes the longest messages out of short inputs. The run of bytes
 * that it adds is given in pieces of 509 bytes at least: single bytes would take
 * a thousand times as long as all the rest, and be the same over and over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/frame.h"

#define FLAG_PREFIX	0x80
#define FLAG_STRETCH	0x40
#define CUTS		0x0f
#define STRETCH_LEN	4
#define LONG_CUT	0x80
#define LONG_CUT_SHIFT	9
#define RUN_CUT		509
/* nothing that the reader could tell */
#define NO_EVENT	99

/**
 * struct found - something that is to be found in the stream
 * @event: what
 * @start: its first byte
 * @known: so many bytes of the stream must be there to tell
 * @len: length of the body; messages only
 * @end: the first byte behind it
 */
struct found {
	enum iketcp_frame_event event;
	size_t start;
	size_t known;
	size_t len;
	size_t end;
};

/**
 * struct stream - an input, taken apart
 * @prefix: the prefix is expected
 * @cuts: lengths of pieces
 * @n_cuts: how many
 * @bytes: what the peer sent
 * @len: length of @bytes
 * @run: where a stretched byte's run begins
 * @run_end: the first byte behind it; @run if there is none
 * @found: what is to be found, by the second parser; behind the last one stands
 *	one that is never known
 * @n_found: how many
 * @room: for how many there is memory
 */
struct stream {
	bool prefix;
	const u8 *cuts;
	size_t n_cuts;
	u8 *bytes;
	size_t len;
	size_t run;
	size_t run_end;
	struct found *found;
	size_t n_found;
	size_t room;
};

/**
 * struct walk - the reader on its way through the stream
 * @name: how the stream is cut
 * @stream: all of it
 * @frame: the reader, in memory of its own
 * @at: bytes that the reader has taken
 * @event: what it told last
 * @next: what is to be found next
 * @body: what has come of the current message
 * @body_len: bytes in @body
 */
struct walk {
	const char *name;
	const struct stream *stream;
	struct iketcp_frame *frame;
	size_t at;
	enum iketcp_frame_event event;
	const struct found *next;
	u8 *body;
	size_t body_len;
};

static const char *const event_names[] = {
	[IKETCP_FRAME_MORE] = "MORE",
	[IKETCP_FRAME_PREFIX] = "PREFIX",
	[IKETCP_FRAME_IKE] = "IKE",
	[IKETCP_FRAME_ESP] = "ESP",
	[IKETCP_FRAME_KEEPALIVE] = "KEEPALIVE",
	[IKETCP_FRAME_EMPTY] = "EMPTY",
	[IKETCP_FRAME_SHORT] = "SHORT",
	[IKETCP_FRAME_BAD_PREFIX] = "BAD_PREFIX",
	[IKETCP_FRAME_BAD_LENGTH] = "BAD_LENGTH",
};

static void describe(const struct stream *s)
{
	size_t i;

	fprintf(stderr, "stream: %zu bytes, %s, cuts", s->len,
		s->prefix ? "prefix expected" : "no prefix");
	for (i = 0; i < s->n_cuts; i++)
		fprintf(stderr, " %02x", s->cuts[i]);
	fprintf(stderr, "%s\nholds:", s->n_cuts ? "" : " none");
	for (i = 0; i < s->n_found; i++)
		fprintf(stderr, " %s(%zu+%zu)", event_names[s->found[i].event],
			s->found[i].start, s->found[i].end - s->found[i].start);
	fprintf(stderr, "\n");
}

static void wrong(const struct walk *w, const char *what, int line)
{
	fprintf(stderr, "frame.c:%d: WRONG: not true: %s\n", line, what);
	fprintf(stderr, "reader: %s, at byte %zu, state %d, have %d, left %d, last event %s\n",
		w->name, w->at, w->frame->state, w->frame->have, w->frame->left,
		w->event <= IKETCP_FRAME_BAD_LENGTH ? event_names[w->event] : "none");
	describe(w->stream);
	abort();
}

#define must(walk, what) \
	do { \
		if (!(what)) \
			wrong(walk, #what, __LINE__); \
	} while (0)

static size_t min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool is_final(enum iketcp_frame_event event)
{
	return event == IKETCP_FRAME_BAD_PREFIX ||
	       event == IKETCP_FRAME_BAD_LENGTH;
}

static void add(struct stream *s, enum iketcp_frame_event event, size_t start,
		size_t known, size_t end)
{
	if (s->n_found == s->room) {
		s->room = 2 * s->room + 8;
		s->found = realloc(s->found, s->room * sizeof(*s->found));
	}
	s->found[s->n_found++] = (struct found){
		.event = event, .start = start, .known = known,
		.len = end - start - IKETCP_LENGTH_LEN, .end = end,
	};
}

/*
 * The second parser. It has nothing of the reader's: neither its constants nor
 * its states. It is the standard, written down once more.
 */
static void find(struct stream *s)
{
	const u8 *p = s->bytes;
	size_t at = 0;

	if (s->prefix) {
		for (; at < 6; at++) {
			if (at == s->len)
				return;
			if (p[at] != "IKETCP"[at]) {
				add(s, IKETCP_FRAME_BAD_PREFIX, 0, at + 1,
				    at + 1);
				return;
			}
		}
		add(s, IKETCP_FRAME_PREFIX, 0, 6, 6);
	}

	while (at + 2 <= s->len) {
		enum iketcp_frame_event event;
		size_t total = p[at] * 256 + p[at + 1];
		size_t known = at + (total < 6 ? total : 6);

		if (total < 2) {
			add(s, IKETCP_FRAME_BAD_LENGTH, at, at + 2, at + 2);
			return;
		}
		if (known > s->len)
			return;
		if (total == 2)
			event = IKETCP_FRAME_EMPTY;
		else if (total == 3 && p[at + 2] == 255)
			event = IKETCP_FRAME_KEEPALIVE;
		else if (total <= 6)
			event = IKETCP_FRAME_SHORT;
		else if (p[at + 2] || p[at + 3] || p[at + 4] || p[at + 5])
			event = IKETCP_FRAME_ESP;
		else
			event = IKETCP_FRAME_IKE;
		add(s, event, at, known, at + total);
		at += total;
	}
}

/* What a caller relies on, wherever the reader stands. */
static void check_want(const struct walk *w)
{
	const struct iketcp_frame *frame = w->frame;
	size_t want = iketcp_frame_want(frame);

	switch (frame->state) {
	case IKETCP_FRAME_IN_PREFIX:
	case IKETCP_FRAME_IN_HEAD:
		must(w, want >= 1);
		must(w, frame->have + want <= sizeof(frame->head));
		break;
	case IKETCP_FRAME_IN_BODY:
		must(w, want >= 1);
		must(w, want == frame->left);
		break;
	default:
		must(w, frame->state == IKETCP_FRAME_DEAD);
		must(w, want == 0);
	}
}

/* The length field of a message that is sent is the one that was received. */
static void check_length(const struct walk *w, const struct found *found)
{
	u8 *field = malloc(IKETCP_LENGTH_LEN);

	must(w, iketcp_frame_put_length(field, found->len) == IKETCP_LENGTH_LEN);
	must(w, !memcmp(field, w->stream->bytes + found->start, IKETCP_LENGTH_LEN));
	free(field);
}

/* The reader told an event; what it took of the stream ends at @end. */
static void check_event(struct walk *w, size_t end)
{
	const struct iketcp_frame *frame = w->frame;
	enum iketcp_frame_event event = w->event;
	const struct found *found = w->next++;

	must(w, event == found->event);
	if (is_final(event)) {
		must(w, frame->state == IKETCP_FRAME_DEAD);
		return;
	}
	must(w, end == found->known);
	if (event == IKETCP_FRAME_PREFIX) {
		must(w, frame->state == IKETCP_FRAME_IN_HEAD);
		return;
	}
	must(w, frame->len == found->len);
	check_length(w, found);
	if (event != IKETCP_FRAME_IKE && event != IKETCP_FRAME_ESP) {
		must(w, frame->state == IKETCP_FRAME_IN_HEAD);
		return;
	}
	must(w, frame->state == IKETCP_FRAME_IN_BODY);
	memcpy(w->body, frame->head + IKETCP_LENGTH_LEN, IKETCP_MARKER_LEN);
	w->body_len = IKETCP_MARKER_LEN;
}

/* Shows bytes of prefix or head, @len at most. Returns how many were taken. */
static size_t step_head(struct walk *w, size_t len)
{
	size_t want = iketcp_frame_want(w->frame);
	size_t shown = min_of(len, want);
	u8 state = w->frame->state;
	size_t taken;
	u8 *copy;

	/* Just as long as what is shown: a byte read behind it is seen. */
	copy = malloc(shown);
	memcpy(copy, w->stream->bytes + w->at, shown);
	w->event = NO_EVENT;
	taken = iketcp_frame_head(w->frame, copy, shown, &w->event);
	free(copy);

	must(w, taken >= 1);
	must(w, taken <= shown);
	if (w->at + shown >= w->next->known) {
		check_event(w, w->at + taken);
	} else {
		must(w, w->event == IKETCP_FRAME_MORE);
		must(w, taken == shown);
		must(w, w->frame->state == state);
		/* As much as it wants is always enough. */
		must(w, shown < want);
	}
	return taken;
}

/* Moves bytes of a body, @len at most. Returns how many. */
static size_t step_body(struct walk *w, size_t len)
{
	const struct found *found = w->next - 1;
	size_t want = iketcp_frame_want(w->frame);
	size_t n = min_of(len, want);
	bool whole;

	must(w, want == found->end - w->at);
	memcpy(w->body + w->body_len, w->stream->bytes + w->at, n);
	w->body_len += n;
	whole = iketcp_frame_body(w->frame, n);
	must(w, whole == (n == want));
	if (whole) {
		must(w, w->frame->state == IKETCP_FRAME_IN_HEAD);
		must(w, w->frame->have == 0);
		must(w, w->body_len == found->len);
		must(w, !memcmp(w->body, w->stream->bytes + found->start + 2,
				found->len));
	} else {
		must(w, w->frame->state == IKETCP_FRAME_IN_BODY);
	}
	return n;
}

/* Where the reader must stand when all of the stream was shown to it. */
static void check_end(const struct walk *w)
{
	const struct stream *s = w->stream;
	const struct iketcp_frame *frame = w->frame;
	const struct found *last = s->n_found ? w->next - 1 : NULL;
	size_t start = last ? last->end : 0;

	must(w, w->next == s->found + s->n_found);
	check_want(w);
	if (last && is_final(last->event)) {
		must(w, frame->state == IKETCP_FRAME_DEAD);
		return;
	}

	must(w, w->at == s->len);
	if (start > s->len) {
		must(w, frame->state == IKETCP_FRAME_IN_BODY);
		must(w, frame->left == start - s->len);
		must(w, frame->len == last->len);
		must(w, w->body_len == s->len - last->start - 2);
		must(w, !memcmp(w->body, s->bytes + last->start + 2, w->body_len));
		return;
	}
	must(w, frame->state == (s->prefix && !last ? IKETCP_FRAME_IN_PREFIX :
						      IKETCP_FRAME_IN_HEAD));
	must(w, frame->have == s->len - start);
	must(w, !memcmp(frame->head, s->bytes + start, frame->have));
}

/* Length of piece number @i, which begins at byte @at. */
static size_t next_piece(const struct stream *s, const u8 *cuts, size_t n_cuts,
			 size_t i, size_t at)
{
	size_t len = n_cuts ? cuts[i % n_cuts] : 0;

	if (len >= LONG_CUT)
		len = (len - LONG_CUT) << LONG_CUT_SHIFT;
	if (!len)
		len = s->len;
	if (at >= s->run && at < s->run_end && len < RUN_CUT)
		len = min_of(RUN_CUT, s->run_end - at);
	return min_of(len, s->len - at);
}

/*
 * All of the stream, cut as @cuts says. What is found is compared with what the
 * second parser found, so it is the same for every way to cut.
 */
static void walk(const struct stream *s, const char *name, const u8 *cuts,
		 size_t n_cuts)
{
	static u8 body[IKETCP_BODY_MAX];
	struct walk w = {
		.name = name,
		.stream = s,
		.frame = malloc(sizeof(*w.frame)),
		.event = NO_EVENT,
		.next = s->found,
		.body = body,
	};
	size_t given = 0, i;

	/* Whatever was there before. */
	memset(w.frame, 0xa5, sizeof(*w.frame));
	iketcp_frame_init(w.frame, s->prefix);

	for (i = 0; given < s->len; i++) {
		given += next_piece(s, cuts, n_cuts, i, given);
		while (w.at < given) {
			size_t left = given - w.at;

			check_want(&w);
			if (w.frame->state == IKETCP_FRAME_DEAD)
				break;
			w.at += w.frame->state == IKETCP_FRAME_IN_BODY ?
					step_body(&w, left) :
					step_head(&w, left);
		}
	}
	check_end(&w);
	free(w.frame);
}

/* False if the input is too short to be one. */
static bool take_apart(struct stream *s, const u8 *data, size_t size)
{
	size_t head, place = 0, more = 0;
	u8 flags;

	if (!size)
		return false;
	flags = data[0];
	s->prefix = flags & FLAG_PREFIX;
	s->cuts = data + 1;
	s->n_cuts = flags & CUTS;
	head = 1 + s->n_cuts + (flags & FLAG_STRETCH ? STRETCH_LEN : 0);
	if (size < head)
		return false;
	data += head;
	size -= head;
	if (flags & FLAG_STRETCH && size) {
		place = (data[-4] << 8 | data[-3]) % size;
		more = data[-2] << 8 | data[-1];
	}

	s->len = size + more;
	s->run = place;
	s->run_end = place + more;
	s->bytes = malloc(s->len ? s->len : 1);
	memcpy(s->bytes, data, place);
	if (more)
		memset(s->bytes + place, data[place], more);
	memcpy(s->bytes + place + more, data + place, size - place);
	return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool verbose;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	verbose = getenv("FUZZ_VERBOSE");
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 one = 1;
	struct stream s = {};

	if (!take_apart(&s, data, size))
		return 0;
	find(&s);
	add(&s, NO_EVENT, s.len, SIZE_MAX, s.len);
	s.n_found--;
	if (verbose)
		describe(&s);

	walk(&s, "cut as chosen", s.cuts, s.n_cuts);
	walk(&s, "byte by byte", &one, 1);
	walk(&s, "all at once", NULL, 0);
	free(s.found);
	free(s.bytes);
	return 0;
}
