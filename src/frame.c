// SPDX-License-Identifier: GPL-2.0
/*
 * Framing of the TCP stream. See frame.h; the draft's sections 3, 4 and 10.
 *
 * The caller shows the bytes of prefix and heads to iketcp_frame_head(); the
 * bytes of a body it moves itself (they are many) and only says how many it
 * moved, with iketcp_frame_body().
 */
#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#include "frame.h"

const u8 iketcp_frame_prefix[IKETCP_PREFIX_LEN] = {
	'I', 'K', 'E', 'T', 'C', 'P'
};

/**
 * iketcp_frame_init() - start at the beginning of a stream
 * @frame: what to set up
 * @prefix: the stream prefix is still to come (section 4)
 */
void iketcp_frame_init(struct iketcp_frame *frame, bool prefix)
{
	memset(frame, 0, sizeof(*frame));
	frame->state = prefix ? IKETCP_FRAME_IN_PREFIX : IKETCP_FRAME_IN_HEAD;
}

/**
 * iketcp_frame_want() - how many bytes the reader can use now
 * @frame: the reader
 *
 * Return: in prefix and head, at most this many bytes may be shown to
 * iketcp_frame_head(); in a body, what is left of it; 0 when the stream is
 * dead.
 */
size_t iketcp_frame_want(const struct iketcp_frame *frame)
{
	switch (frame->state) {
	case IKETCP_FRAME_IN_PREFIX:
	case IKETCP_FRAME_IN_HEAD:
		return sizeof(frame->head) - frame->have;
	case IKETCP_FRAME_IN_BODY:
		return frame->left;
	default:
		return 0;
	}
}

static enum iketcp_frame_event take_prefix(struct iketcp_frame *frame)
{
	/* A wrong byte is enough: whoever sent it will not become right. */
	if (memcmp(frame->head, iketcp_frame_prefix, frame->have)) {
		frame->state = IKETCP_FRAME_DEAD;
		return IKETCP_FRAME_BAD_PREFIX;
	}
	if (frame->have < IKETCP_PREFIX_LEN)
		return IKETCP_FRAME_MORE;

	frame->state = IKETCP_FRAME_IN_HEAD;
	frame->have = 0;
	return IKETCP_FRAME_PREFIX;
}

/* A message without more than a marker's room: whole as soon as it is there. */
static enum iketcp_frame_event take_short(struct iketcp_frame *frame)
{
	frame->have = 0;
	if (!frame->len)
		return IKETCP_FRAME_EMPTY;
	if (frame->len == 1 && frame->head[IKETCP_LENGTH_LEN] == 0xff)
		return IKETCP_FRAME_KEEPALIVE;
	return IKETCP_FRAME_SHORT;
}

static enum iketcp_frame_event take_message(struct iketcp_frame *frame)
{
	static const u8 marker[IKETCP_MARKER_LEN];

	frame->state = IKETCP_FRAME_IN_BODY;
	frame->have = 0;
	frame->left = frame->len - IKETCP_MARKER_LEN;
	if (memcmp(frame->head + IKETCP_LENGTH_LEN, marker, sizeof(marker)))
		return IKETCP_FRAME_ESP;
	return IKETCP_FRAME_IKE;
}

/**
 * iketcp_frame_head() - read bytes of the prefix or of a message's head
 * @frame: the reader, not in a body
 * @buf: the next bytes of the stream
 * @len: how many, 1..iketcp_frame_want()
 * @event: what was found
 *
 * After IKETCP_FRAME_IKE and IKETCP_FRAME_ESP the first four bytes of the
 * body are in @frame->head + IKETCP_LENGTH_LEN, @frame->len is the length of
 * the whole body and @frame->left what follows the four bytes (never 0).
 *
 * Return: how many bytes were taken. The rest belongs to what comes next.
 */
size_t iketcp_frame_head(struct iketcp_frame *frame, const u8 *buf, size_t len,
			 enum iketcp_frame_event *event)
{
	size_t had = frame->have;
	size_t need;

	memcpy(frame->head + had, buf, len);
	frame->have = had + len;

	if (frame->state == IKETCP_FRAME_IN_PREFIX) {
		*event = take_prefix(frame);
		return len;
	}

	*event = IKETCP_FRAME_MORE;
	if (frame->have < IKETCP_LENGTH_LEN)
		return len;

	frame->len = frame->head[0] << 8 | frame->head[1];
	if (frame->len < IKETCP_LENGTH_LEN) {
		frame->state = IKETCP_FRAME_DEAD;
		*event = IKETCP_FRAME_BAD_LENGTH;
		return len;
	}
	frame->len -= IKETCP_LENGTH_LEN;

	need = IKETCP_LENGTH_LEN + (frame->len < IKETCP_MARKER_LEN ?
				    frame->len : IKETCP_MARKER_LEN);
	if (frame->have < need)
		return len;

	/* A short message ends before the bytes shown do. */
	*event = frame->len <= IKETCP_MARKER_LEN ? take_short(frame) :
						   take_message(frame);
	return need - had;
}

/**
 * iketcp_frame_body() - count bytes of a body
 * @frame: the reader, in a body
 * @len: how many bytes the caller moved or skipped, 1..@frame->left
 *
 * Return: the message is whole.
 */
bool iketcp_frame_body(struct iketcp_frame *frame, size_t len)
{
	frame->left -= len;
	if (frame->left)
		return false;
	frame->state = IKETCP_FRAME_IN_HEAD;
	return true;
}

/**
 * iketcp_frame_put_length() - write a message's length field
 * @buf: room for IKETCP_LENGTH_LEN bytes
 * @body_len: length of what follows, 0..IKETCP_BODY_MAX
 *
 * Return: the length of the field.
 */
size_t iketcp_frame_put_length(u8 *buf, size_t body_len)
{
	size_t len = body_len + IKETCP_LENGTH_LEN;

	buf[0] = len >> 8;
	buf[1] = len & 0xff;
	return IKETCP_LENGTH_LEN;
}
