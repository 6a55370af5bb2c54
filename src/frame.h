/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Framing of the TCP stream: prefix, length, message.
 *
 * Pure code: no socket, no skb, no allocation. The kernel module, the unit
 * tests and the fuzzers compile the same frame.c.
 *
 * draft-ietf-ipsecme-tcp-encaps sections 3 (framing), 4 (prefix), 10 (NAT
 * keepalives).
 */
#ifndef IKETCP_FRAME_H
#define IKETCP_FRAME_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
#endif

/* "IKETCP", sent once by the originator (section 4) */
#define IKETCP_PREFIX_LEN	6
/* 16 bits that count themselves (section 3) */
#define IKETCP_LENGTH_LEN	2
/* the four zero bytes in front of an IKE message, where ESP has its SPI */
#define IKETCP_MARKER_LEN	4
/* as much as must be read of a message to know what it is */
#define IKETCP_HEAD_LEN		(IKETCP_LENGTH_LEN + IKETCP_MARKER_LEN)
/* the longest body that the length field can say */
#define IKETCP_BODY_MAX		(0xffff - IKETCP_LENGTH_LEN)

extern const u8 iketcp_frame_prefix[IKETCP_PREFIX_LEN];

enum iketcp_frame_event {
	IKETCP_FRAME_MORE,	/* all bytes taken, the head is not whole yet */
	IKETCP_FRAME_PREFIX,	/* the prefix is whole and right */
	IKETCP_FRAME_IKE,	/* an IKE message begins */
	IKETCP_FRAME_ESP,	/* an ESP message begins */
	IKETCP_FRAME_KEEPALIVE,	/* one byte 0xff: whole, to be ignored */
	IKETCP_FRAME_EMPTY,	/* a length and no body: whole, to be ignored */
	IKETCP_FRAME_SHORT,	/* a body of 1 to 4 bytes: whole, to be dropped */
	IKETCP_FRAME_BAD_PREFIX, /* final: the stream is not ours */
	IKETCP_FRAME_BAD_LENGTH, /* final: a length of 0 or 1 */
};

enum iketcp_frame_state {
	IKETCP_FRAME_IN_PREFIX,
	IKETCP_FRAME_IN_HEAD,
	IKETCP_FRAME_IN_BODY,
	IKETCP_FRAME_DEAD,
};

/**
 * struct iketcp_frame - where in the stream the reader stands
 * @state: what the next byte belongs to
 * @have: bytes in @head, 0..6
 * @len: body length of the current message, 0..65533; valid in the body
 * @left: body bytes that are still to come, valid in the body
 * @head: the prefix, or the length and the first four bytes of the body
 */
struct iketcp_frame {
	u8 state;
	u8 have;
	u16 len;
	u16 left;
	u8 head[IKETCP_HEAD_LEN];
};

void iketcp_frame_init(struct iketcp_frame *frame, bool prefix);
size_t iketcp_frame_want(const struct iketcp_frame *frame);
size_t iketcp_frame_head(struct iketcp_frame *frame, const u8 *buf, size_t len,
			 enum iketcp_frame_event *event);
bool iketcp_frame_body(struct iketcp_frame *frame, size_t len);
size_t iketcp_frame_put_length(u8 *buf, size_t body_len);

#endif
