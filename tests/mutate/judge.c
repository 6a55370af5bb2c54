// SPDX-License-Identifier: GPL-2.0
/*
 * What the module has to make of a stream: a second reader, by the standard's
 * words, that shares nothing with the first and sees the whole stream at once.
 * ESP is judged in the order in which it is there.
 */
#include "stream.h"

#include <string.h>

static void judge_esp(struct conn *c, const uint8_t *body, uint32_t len)
{
	struct tally *w = &c->want;
	uint32_t seq, behind;

	w->esp++;
	if (len < ESP_HEAD) {
		w->header++;
		return;
	}
	if (get32(body) != c->sa.spi) {
		w->unknown++;
		return;
	}
	seq = get32(body + 4);
	behind = c->replay_seq - seq;
	if (c->sa.window && (!seq || (seq <= c->replay_seq &&
				      (behind >= c->sa.window ||
				       c->replay_map & 1u << behind)))) {
		w->replayed++;
		return;
	}
	if (!esp_authentic(&c->sa, body, len)) {
		w->forged++;
		return;
	}
	w->good++;
	if (!c->sa.window)
		return;
	if (seq > c->replay_seq) {
		uint32_t step = seq - c->replay_seq;

		c->replay_map = step < c->sa.window ?
				c->replay_map << step | 1 : 1;
		c->replay_seq = seq;
	} else {
		c->replay_map |= 1u << behind;
	}
}

void judge(struct conn *c)
{
	struct tally *w = &c->want;
	const uint8_t *p = c->data;
	uint32_t left = c->len, n;

	memset(w, 0, sizeof(*w));
	if (c->waits_for_prefix) {
		n = left < PREFIX_LEN ? left : PREFIX_LEN;
		w->bad_prefix = !!memcmp(p, PREFIX, n);
		if (w->bad_prefix || n < PREFIX_LEN)
			return;
		p += PREFIX_LEN;
		left -= PREFIX_LEN;
	}
	while (left >= LEN_LEN) {
		n = get16(p);
		if (n < LEN_LEN) {
			w->bad_length = 1;
			return;
		}
		if (n > left) {
			/* Four bytes tell what it is; then it has begun. */
			w->partial = left >= LEN_LEN + MARKER_LEN &&
				     n > LEN_LEN + MARKER_LEN;
			return;
		}
		w->messages++;
		if (n == LEN_LEN) {
			w->empty++;
		} else if (n == LEN_LEN + 1 && p[LEN_LEN] == 0xff) {
			w->keepalive++;
		} else if (n <= LEN_LEN + MARKER_LEN) {
			w->shorter++;
		} else if (get32(p + LEN_LEN)) {
			judge_esp(c, p + LEN_LEN, n - LEN_LEN);
		} else if (w->ike < FRAMES_MAX) {
			c->ike[w->ike++] = (struct range){
				p + LEN_LEN - c->data, n - LEN_LEN
			};
		}
		p += n;
		left -= n;
	}
}
