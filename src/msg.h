/* SPDX-License-Identifier: GPL-2.0 */
/* A message on its way out: bytes in pages that nobody else writes. */
#ifndef IKETCP_MSG_H
#define IKETCP_MSG_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/skbuff.h>

enum iketcp_msg_kind {
	IKETCP_MSG_PREFIX,
	IKETCP_MSG_IKE,
	IKETCP_MSG_ESP,
};

/**
 * struct iketcp_msg - one framed message, or the stream prefix
 * @list: in an SA's order, then in a connection's queue; empty while in none
 * @page: where the bytes are; the message holds a reference
 * @offset: of the first byte in @page, which may be compound
 * @len: bytes with the length field, 1..65535
 * @sent: bytes that TCP has taken already
 * @kind: whose allowance and counter it is; the prefix has none
 * @follows: it is a segment behind the first of a packet, which found room
 * @queued: when it came into the connection's queue: iketcp_delay_now()
 * @seq: ESP sequence number with its high half, for the order
 * @skb: the packet that was encrypted, kept so that its sender is charged
 *	 until TCP has the bytes; may be NULL
 *
 * Owned by whoever holds it off a list, or by the list.
 */
struct iketcp_msg {
	struct list_head list;
	struct page *page;
	unsigned int offset;
	unsigned int len;
	unsigned int sent;
	enum iketcp_msg_kind kind;
	bool follows;
	u32 queued;
	u64 seq;
	struct sk_buff *skb;
};

struct iketcp_msg *iketcp_msg_alloc(gfp_t gfp);
bool iketcp_msg_room(struct iketcp_msg *msg, struct page_frag *frag,
		     unsigned int len, bool more, gfp_t gfp);
void iketcp_msg_no_room(struct iketcp_msg *msg);
void iketcp_msg_free(struct iketcp_msg *msg);
void iketcp_msg_free_list(struct list_head *list);
u8 *iketcp_msg_data(const struct iketcp_msg *msg);

int iketcp_msg_setup(void);
void iketcp_msg_teardown(void);

#endif
