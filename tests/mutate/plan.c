// SPDX-License-Identifier: GPL-2.0
/*
 * What a connection is and what is sent on it: a stream, what is done to it,
 * and the pieces. All of it follows from the numbers.
 */
#include "stream.h"

#include <stdio.h>
#include <string.h>

/* With so little before the ULP is attached, no buffer can be full. */
#define EARLY_BYTES	8192
#define EARLY_PIECES	40

/*
 * Making a stream
 */
static uint8_t *room(struct conn *c, uint32_t len)
{
	if (c->len + len > DATA_MAX || c->frames == FRAMES_MAX)
		return NULL;
	c->frame[c->frames++] = c->len;
	c->len += len;
	return c->data + c->len - len;
}

static uint8_t *frame(struct conn *c, uint32_t body)
{
	uint8_t *p = room(c, LEN_LEN + body);

	if (!p)
		return NULL;
	put16(p, LEN_LEN + body);
	return p + LEN_LEN;
}

/* Most messages are small: there are to be many. */
static uint32_t size(struct rng *r, uint32_t from)
{
	uint32_t dice = rng_below(r, 1000);

	if (dice < 900)
		return rng_in(r, from, 64);
	if (dice < 995)
		return rng_in(r, from, 1500);
	if (dice < 999)
		return rng_in(r, from, 9000);
	return rng_in(r, from, BODY_MAX);
}

static void make_ike(struct conn *c, struct rng *r)
{
	uint32_t len = size(r, MARKER_LEN + 1);
	uint8_t *p = frame(c, len);

	if (!p)
		return;
	memset(p, 0, MARKER_LEN);
	rng_fill(r, p + MARKER_LEN, len - MARKER_LEN);
}

static void make_esp(struct conn *c, struct rng *r)
{
	uint8_t data[9000], *p;
	uint32_t len, seq;

	len = rng_percent(r, 90) ? rng_below(r, 40) :
				   rng_below(r, sizeof(data));
	p = frame(c, esp_size(len));
	if (!p)
		return;
	switch (rng_below(r, 20)) {
	case 0:
		/* The window moves on. */
		c->seq += rng_in(r, 2, 50);
		seq = c->seq;
		break;
	case 1:
		/* Late, maybe too late, maybe for the second time. */
		seq = c->seq - rng_below(r, 40);
		if ((int32_t)seq < 1)
			seq = 1;
		break;
	default:
		seq = ++c->seq;
	}
	rng_fill(r, data, len);
	esp_make(p, &c->sa, seq, data, len);
}

/* ESP that nobody knows, or that only says so. */
static void make_false_esp(struct conn *c, struct rng *r, bool known)
{
	uint32_t len = size(r, MARKER_LEN + 1), spi = rng_next(r) | 0x100;
	uint8_t *p = frame(c, len);

	if (!p)
		return;
	rng_fill(r, p, len);
	put32(p, known ? c->sa.spi : spi);
}

static void make_stream(struct conn *c, struct rng *r, uint32_t budget)
{
	uint32_t n, dice;
	uint8_t *p;

	if (c->waits_for_prefix) {
		p = room(c, PREFIX_LEN);
		memcpy(p, PREFIX, PREFIX_LEN);
	}
	while (c->len < budget) {
		dice = rng_below(r, 100);
		n = dice < 30 ? rng_in(r, 1, keepalives_max) : rng_in(r, 1, 8);
		for (; n; n--) {
			if (dice < 30) {
				p = frame(c, 1);
				if (p)
					*p = 0xff;
			} else if (dice < 32) {
				frame(c, 0);
			} else if (dice < 34) {
				uint32_t len = rng_in(r, 1, 4);

				p = frame(c, len);
				if (p)
					rng_fill(r, p, len);
				if (p && len == 1 && *p == 0xff)
					*p = 0;
			} else if (dice < 65) {
				make_ike(c, r);
			} else if (dice < 94) {
				make_esp(c, r);
			} else {
				make_false_esp(c, r, dice & 1);
			}
			if (c->len >= DATA_MAX - 2 * FRAME_MAX ||
			    c->frames == FRAMES_MAX)
				return;
		}
	}
}

/*
 * Mutations
 */
static void note(struct conn *c, const char *what)
{
	size_t len = strlen(c->mutations);

	snprintf(c->mutations + len, sizeof(c->mutations) - len, " %s", what);
}

/* Any place, or one in the head of a message, where it hurts. */
static uint32_t place(const struct conn *c, struct rng *r)
{
	uint32_t at = rng_below(r, c->len);

	if (c->frames && rng_percent(r, 60))
		at = c->frame[rng_below(r, c->frames)] + rng_below(r, 7);
	return at < c->len ? at : c->len - 1;
}

static uint32_t some(const struct conn *c, struct rng *r, uint32_t at,
		     uint32_t max)
{
	uint32_t left = c->len - at;

	return rng_in(r, 1, left < max ? left : max);
}

static bool insert(struct conn *c, uint32_t at, const void *from, uint32_t len)
{
	uint8_t copy[4096];

	if (len > sizeof(copy) || c->len + len > DATA_MAX)
		return false;
	memcpy(copy, from, len);
	memmove(c->data + at + len, c->data + at, c->len - at);
	memcpy(c->data + at, copy, len);
	c->len += len;
	return true;
}

static void mutate(struct conn *c, struct rng *r)
{
	static const uint16_t lengths[] = { 0, 1, 2, 3, 5, 6, 7, 0xffff };
	uint32_t at, to, n, dice = rng_below(r, 13);
	uint8_t random[64], copy[2048];

	if (!c->len)
		return;
	at = place(c, r);
	to = place(c, r);
	if (dice >= 10 && c->frames) {
		/* Whole messages only, so that the rest stays readable. */
		dice -= 10;
		at = rng_below(r, c->frames - 1);
		n = c->frame[at + 1] - c->frame[at];
		at = c->frame[at];
		to = c->frame[rng_below(r, c->frames)];
		if (c->frames < 2 || at + n > c->len || to > c->len ||
		    n > sizeof(copy))
			return;
		note(c, dice == 0 ? "again" : dice == 1 ? "later" : "lost");
		memcpy(copy, c->data + at, n);
		if (dice) {
			memmove(c->data + at, c->data + at + n,
				c->len - at - n);
			c->len -= n;
			if (to > at)
				to = to >= at + n ? to - n : at;
		}
		if (dice < 2)
			insert(c, to, copy, n);
		return;
	}
	switch (dice) {
	case 0:
	case 1:
		note(c, "flip");
		for (n = rng_in(r, 1, 8); n; n--)
			c->data[place(c, r)] ^= 1 << rng_below(r, 8);
		break;
	case 2:
		note(c, "truncate");
		c->len = at;
		break;
	case 3:
		note(c, "delete");
		n = some(c, r, at, 300);
		memmove(c->data + at, c->data + at + n, c->len - at - n);
		c->len -= n;
		break;
	case 4:
		note(c, "repeat");
		insert(c, at, c->data + at, some(c, r, at, 1000));
		break;
	case 5:
		note(c, "move");
		n = some(c, r, at, 500);
		insert(c, to, c->data + at, n);
		break;
	case 6:
		note(c, "insert");
		n = rng_in(r, 1, sizeof(random));
		rng_fill(r, random, n);
		insert(c, at, random, n);
		break;
	case 7:
		if (!c->frames)
			break;
		note(c, "length");
		at = c->frame[rng_below(r, c->frames)];
		if (at + LEN_LEN > c->len)
			break;
		n = rng_below(r, ARRAY_LEN(lengths) + 4);
		if (n < ARRAY_LEN(lengths))
			n = lengths[n];
		else if (n < ARRAY_LEN(lengths) + 2)
			n = get16(c->data + at) + (n & 1 ? 1 : -1);
		else
			n = rng_next(r);
		put16(c->data + at, n & 0xffff);
		break;
	case 8:
		note(c, "prefix");
		at = rng_below(r, PREFIX_LEN);
		if (at >= c->len)
			break;
		n = rng_below(r, 4);
		if (n == 0) {
			c->data[at] ^= 1 << rng_below(r, 8);
		} else if (n == 1) {
			insert(c, at, c->data, at + 1);
		} else if (n == 2) {
			c->len = at;
		} else {
			memmove(c->data, c->data + at + 1, c->len - at - 1);
			c->len -= at + 1;
		}
		break;
	default:
		note(c, "fill");
		n = some(c, r, at, 400);
		if (rng_percent(r, 30))
			rng_fill(r, c->data + at, n);
		else
			memset(c->data + at, rng_percent(r, 50) ? 0 : 0xff, n);
	}
}

/*
 * Cutting it into pieces
 */
static void cut(struct conn *c, struct rng *r)
{
	uint32_t how = rng_below(r, 7), at = 0, n, i = 0;
	struct piece *p;

	c->pieces = 0;
	while (at < c->len) {
		switch (how) {
		case 0:
			n = 1 << 17;
			break;
		case 1:
			n = rng_in(r, 1, 16);
			break;
		case 2:
			n = rng_in(r, 1, 2000);
			break;
		case 3:
			/* Where messages begin, or a few bytes off. */
			i += rng_in(r, 1, 4);
			n = i < c->frames ? c->frame[i] + rng_below(r, 8) : 0;
			n = n > at ? n - at : 1;
			break;
		case 4:
			n = 1448;
			break;
		case 5:
			n = c->pieces < 100 ? 1 : rng_in(r, 1, 20000);
			break;
		default:
			n = rng_percent(r, 50) ? rng_in(r, 1, 8) :
						 rng_in(r, 1, 8000);
		}
		if (c->pieces == PIECES_MAX || n > c->len - at)
			n = c->len - at;
		p = &c->piece[c->pieces++];
		p->len = n;
		p->vectors = rng_percent(r, 20) ? rng_in(r, 2, 8) : 1;
		p->flags = 0;
		at += n;
		if (at < c->len && rng_percent(r, 10))
			p->flags = MSG_MORE;
		else if (!c->clean && rng_percent(r, 1))
			p->flags = MSG_OOB;
	}
}

static void choose_attach(struct conn *c, struct rng *r)
{
	uint32_t bytes = 0, i;

	c->attach_at = 0;
	if (is_persistent(c) || c->style == LATE || c->style == NONE ||
	    !rng_percent(r, 40))
		return;
	for (i = 0; i < c->pieces && i < EARLY_PIECES; i++) {
		bytes += c->piece[i].len;
		if (bytes > EARLY_BYTES)
			break;
		/* TCP itself takes a byte out that nobody has read yet. */
		if (c->piece[i].flags == MSG_OOB)
			c->piece[i].flags = 0;
	}
	if (i == c->pieces && c->end == FIN)
		i++;
	c->attach_at = rng_below(r, i + 1);
	/* Behind the end there is not so much to choose from otherwise. */
	if (i > c->pieces && rng_percent(r, 50))
		c->attach_at = i;
}

void plan(struct conn *c, struct rng *r)
{
	static const uint32_t budgets[] = { 50, 1000, 8000, 50000, 250000 };
	static const uint8_t windows[] = { 0, 1, 8, 32 };
	uint32_t n;

	pthread_mutex_lock(&c->lock);
	c->len = 0;
	c->frames = 0;
	c->next = 0;
	c->got = 0;
	c->err = 0;
	c->mutations[0] = 0;
	atomic_store(&c->done, false);
	if (!c->attached) {
		c->family = is_persistent(c) ? (c->index & 1 ? V6 : V4) :
					       rng_below(r, NR_FAMILIES);
		n = is_persistent(c) ? c->index / 2u : rng_below(r, 2);
		c->ulp = n ? "espintcp" : "iketcp";
		c->waits_for_prefix = !n;
		c->sa.v6 = c->family == V6;
		c->sa.spi = rng_next(r) | 0x100;
		c->sa.window = windows[rng_below(r, ARRAY_LEN(windows))];
		rng_fill(r, c->sa.key, sizeof(c->sa.key));
		c->seq = 0;
		c->replay_seq = 0;
		c->replay_map = 0;
		c->lost = false;
	}
	c->clean = is_persistent(c) || rng_percent(r, 20);
	if (is_persistent(c)) {
		c->style = c->index;
		c->end = FIN;
	} else {
		c->style = rng_below(r, NR_STYLES);
		n = rng_below(r, 100);
		c->end = n < 70 ? FIN : n < 80 ? RESET : n < 90 ? RESET_NOW :
						 CLOSE;
		if (c->clean)
			c->end = n < 80 ? FIN : RESET;
		if (c->end == CLOSE)
			c->style = NONE;
	}
	make_stream(c, r, budgets[rng_below(r, ARRAY_LEN(budgets))]);
	if (is_persistent(c))
		make_ike(c, r);
	if (!c->clean)
		for (n = rng_in(r, 1, 3); n; n--)
			mutate(c, r);
	cut(c, r);
	if (c->end == CLOSE) {
		c->pieces = rng_below(r, c->pieces + 1);
		for (c->len = 0, n = 0; n < c->pieces; n++)
			c->len += c->piece[n].len;
	}
	choose_attach(c, r);
	judge(c);
	if (is_persistent(c))
		c->waits_for_prefix = false;
	pthread_mutex_unlock(&c->lock);
}
