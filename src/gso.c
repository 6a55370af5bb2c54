// SPDX-License-Identifier: GPL-2.0
/*
 * TCP packets that are still whole. The segments that they stand for are written
 * right where they will be encrypted: one copy, in which the checksum is computed,
 * and no packet for each.
 *
 * Only what local TCP and GRO make is read here. All else (packets whose sender
 * says how to cut them, encapsulated ones, other protocols) is left to the stock
 * code, which looks at it more closely.
 */
#include <linux/skbuff.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "gso.h"

/* What a packet may say of itself, beside its family. */
#define GSO_TYPES	(SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID)

/* where in a TCP header the flags are */
#define FLAGS		13

/**
 * iketcp_gso_read() - see how a packet is to be cut
 * @gso: filled in
 * @skb: from its IP header on; not kept
 *
 * Return: it can be.
 */
bool iketcp_gso_read(struct iketcp_gso *gso, const struct sk_buff *skb)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	unsigned int family = info->gso_type & ~GSO_TYPES;
	const struct tcphdr *th;

	if (!info->gso_size || skb->encapsulation ||
	    skb->ip_summed != CHECKSUM_PARTIAL)
		return false;

	gso->skb = skb;
	gso->v6 = family == SKB_GSO_TCPV6;
	if (gso->v6) {
		const struct ipv6hdr *ip6h = (void *)skb->data;

		gso->ip_len = sizeof(*ip6h);
		if (skb_headlen(skb) < gso->ip_len || ip6h->version != 6 ||
		    ip6h->nexthdr != IPPROTO_TCP)
			return false;
	} else {
		const struct iphdr *iph = (void *)skb->data;

		if (family != SKB_GSO_TCPV4 ||
		    skb_headlen(skb) < sizeof(*iph) || iph->version != 4 ||
		    iph->protocol != IPPROTO_TCP || ip_is_fragment(iph))
			return false;
		/* What has the same number may not be fragmented. */
		if (info->gso_type & SKB_GSO_TCP_FIXEDID &&
		    !(iph->frag_off & htons(IP_DF)))
			return false;
		gso->ip_len = iph->ihl * 4;
		if (gso->ip_len < sizeof(*iph))
			return false;
	}

	if (skb_headlen(skb) < gso->ip_len + sizeof(*th))
		return false;
	th = (void *)(skb->data + gso->ip_len);
	gso->head_len = gso->ip_len + th->doff * 4;
	if (th->doff * 4 < sizeof(*th) || skb_headlen(skb) < gso->head_len ||
	    skb->len <= gso->head_len)
		return false;

	gso->size = info->gso_size;
	gso->count = DIV_ROUND_UP(skb->len - gso->head_len, gso->size);
	return true;
}

/* Return: where a segment's payload begins in that of the packet. */
static unsigned int offset_of(const struct iketcp_gso *gso, unsigned int i)
{
	return i * gso->size;
}

static unsigned int payload_len(const struct iketcp_gso *gso, unsigned int i)
{
	return min(gso->size, gso->skb->len - gso->head_len -
			      offset_of(gso, i));
}

/**
 * iketcp_gso_len() - length of a segment
 * @gso: the packet
 * @i: the segment's number, 0..gso->count - 1
 *
 * Return: bytes with headers.
 */
unsigned int iketcp_gso_len(const struct iketcp_gso *gso, unsigned int i)
{
	return gso->head_len + payload_len(gso, i);
}

/* Only the first segment says that the window was reduced, only the last one ends. */
static void write_flags(const struct iketcp_gso *gso, unsigned int i, u8 *tcp)
{
	if (i)
		tcp[FLAGS] &= ~TCPHDR_CWR;
	if (i + 1 < gso->count)
		tcp[FLAGS] &= ~(TCPHDR_FIN | TCPHDR_PSH);
}

/* Return: the IP header's part of a segment's TCP checksum, added to @sum. */
static __sum16 finish_v6(struct ipv6hdr *ip6h, unsigned int tcp_len, __wsum sum)
{
	put_unaligned_be16(tcp_len, &ip6h->payload_len);
	return csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, tcp_len, IPPROTO_TCP,
			       sum);
}

static __sum16 finish_v4(struct iphdr *iph, unsigned int tcp_len, __wsum sum,
			 unsigned int id)
{
	put_unaligned_be16(iph->ihl * 4 + tcp_len, &iph->tot_len);
	put_unaligned_be16(get_unaligned_be16(&iph->id) + id, &iph->id);
	put_unaligned((__sum16)0, &iph->check);
	put_unaligned(ip_fast_csum(iph, iph->ihl), &iph->check);
	return csum_tcpudp_magic(get_unaligned(&iph->saddr),
				 get_unaligned(&iph->daddr), tcp_len,
				 IPPROTO_TCP, sum);
}

/**
 * iketcp_gso_write() - write a segment
 * @gso: the packet
 * @i: the segment's number, 0..gso->count - 1
 * @to: room for iketcp_gso_len() bytes
 */
void iketcp_gso_write(const struct iketcp_gso *gso, unsigned int i, u8 *to)
{
	const struct skb_shared_info *info = skb_shinfo(gso->skb);
	unsigned int len = payload_len(gso, i);
	u8 *tcp = to + gso->ip_len;
	struct tcphdr *th = (void *)tcp;
	unsigned int tcp_len = gso->head_len - gso->ip_len + len;
	__wsum sum;

	/* The headers are in the packet's head: iketcp_gso_read(). */
	memcpy(to, gso->skb->data, gso->head_len);
	put_unaligned_be32(get_unaligned_be32(&th->seq) + offset_of(gso, i),
			   &th->seq);
	write_flags(gso, i, tcp);
	put_unaligned((__sum16)0, &th->check);

	sum = skb_copy_and_csum_bits(gso->skb,
				     gso->head_len + offset_of(gso, i),
				     to + gso->head_len, len);
	/* The header's length is even: no byte changes its weight. */
	sum = csum_partial(tcp, gso->head_len - gso->ip_len, sum);
	put_unaligned(gso->v6 ?
		      finish_v6((void *)to, tcp_len, sum) :
		      finish_v4((void *)to, tcp_len, sum,
				info->gso_type & SKB_GSO_TCP_FIXEDID ? 0 : i),
		      &th->check);
}
