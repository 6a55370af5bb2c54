/* SPDX-License-Identifier: GPL-2.0 */
/* TCP packets that are still whole, to be cut into segments. */
#ifndef IKETCP_GSO_H
#define IKETCP_GSO_H

#include <linux/types.h>

struct sk_buff;
struct xfrm_state;

/**
 * struct iketcp_gso - a GSO packet and how it is to be cut
 * @skb: IP, TCP, payload
 * @ip_len: bytes of the IP header
 * @head_len: bytes of both headers, which stand at the begin of each segment
 * @size: bytes of payload of each segment but the last
 * @count: number of segments
 * @v6: IPv6
 */
struct iketcp_gso {
	const struct sk_buff *skb;
	unsigned int ip_len;
	unsigned int head_len;
	unsigned int size;
	unsigned int count;
	bool v6;
};

/* gso.c: how they are cut */
bool iketcp_gso_read(struct iketcp_gso *gso, const struct sk_buff *skb);
unsigned int iketcp_gso_len(const struct iketcp_gso *gso, unsigned int i);
void iketcp_gso_write(const struct iketcp_gso *gso, unsigned int i, u8 *to);

/* gso_out.c: from xfrm's route to its state */
void iketcp_gso_allow(struct xfrm_state *x, const struct sk_buff *skb);
bool iketcp_gso_output(struct sk_buff *skb);

#endif
