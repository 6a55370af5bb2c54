// SPDX-License-Identifier: GPL-2.0
/*
 * IKE between a bridge and the UDP socket of a daemon.
 *
 * Received: the message becomes a datagram that comes in by the device by which
 * the segment came, so that routing, firewalls and the daemon see what they always
 * see.
 *
 * Sent: datagrams of a bridge are taken at the very end of the output hook, behind
 * the host's own firewall. They become messages of the connection.
 */
#include <linux/etherdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/udp.h>

#include "bridge.h"
#include "compat.h"
#include "conn.h"
#include "msg.h"
#include "queue.h"
#include "udp.h"

/* Room in front of the datagram. */
#define HEADROOM	ALIGN(ETH_HLEN + sizeof(struct ipv6hdr) +	\
			      sizeof(struct udphdr), 16)

/* The longest message that fits into a datagram, in bytes. */
static unsigned int longest(unsigned short family)
{
	unsigned int len = 0xffff - sizeof(struct udphdr);

	return family == AF_INET6 ? len : len - sizeof(struct iphdr);
}

static void add_udp(const struct iketcp_bridge_ends *ends, struct sk_buff *skb)
{
	struct udphdr *uh = skb_push(skb, sizeof(*uh));
	unsigned int len = skb->len;
	__wsum sum;

	skb_reset_transport_header(skb);
	uh->source = ends->peer_port;
	uh->dest = ends->local_port;
	uh->len = htons(len);
	uh->check = 0;
	sum = csum_partial(uh, len, 0);
	if (ends->family == AF_INET6)
		uh->check = csum_ipv6_magic(&ends->peer.in6, &ends->local.in6,
					    len, IPPROTO_UDP, sum);
	else
		uh->check = csum_tcpudp_magic(ends->peer.a4, ends->local.a4,
					      len, IPPROTO_UDP, sum);
	if (!uh->check)
		uh->check = CSUM_MANGLED_0;
}

static void add_ipv4(const struct iketcp_bridge_ends *ends, struct sk_buff *skb)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tot_len = htons(skb->len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = 64;
	iph->protocol = IPPROTO_UDP;
	iph->saddr = ends->peer.a4;
	iph->daddr = ends->local.a4;
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
}

static void add_ipv6(const struct iketcp_bridge_ends *ends, struct sk_buff *skb)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	memset(ip6h, 0, sizeof(*ip6h));
	ip6h->version = 6;
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->hop_limit = 64;
	ip6h->nexthdr = IPPROTO_UDP;
	ip6h->saddr = ends->peer.in6;
	ip6h->daddr = ends->local.in6;
	skb->protocol = htons(ETH_P_IPV6);
}

/* What the stack wants to know of a packet that comes in. */
static void add_device(const struct iketcp_conn *conn, struct net_device *dev,
		       struct sk_buff *skb)
{
	skb_reset_network_header(skb);
	skb_set_mac_header(skb, -ETH_HLEN);
	memset(skb_mac_header(skb), 0, ETH_HLEN);
	eth_hdr(skb)->h_proto = skb->protocol;
	skb->mac_len = ETH_HLEN;
	skb->dev = dev;
	skb->mark = conn->rx.mark;
	skb->pkt_type = PACKET_HOST;
	/* It came with TCP's. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
}

/**
 * iketcp_udp_deliver() - an IKE message has come by a bridge
 * @conn: the connection
 * @ends: what it stands for
 * @from: the message, marker included, linear; only read
 *
 * Context: socket lock held, BH off, RCU read side.
 */
void iketcp_udp_deliver(struct iketcp_conn *conn,
			const struct iketcp_bridge_ends *ends,
			const struct sk_buff *from)
{
	struct net_device *dev;
	struct sk_buff *skb;

	sock_owned_by_me(conn->sk);

	if (from->len > longest(ends->family)) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_TOO_LONG);
		return;
	}
	dev = dev_get_by_index_rcu(sock_net(conn->sk), conn->rx.iif);
	if (!dev) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_NO_DEVICE);
		return;
	}
	skb = alloc_skb(HEADROOM + from->len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_NO_MEM);
		return;
	}
	skb_reserve(skb, HEADROOM);
	skb_put_data(skb, from->data, from->len);
	add_udp(ends, skb);
	if (ends->family == AF_INET6)
		add_ipv6(ends, skb);
	else
		add_ipv4(ends, skb);
	add_device(conn, dev, skb);
	if (netif_rx(skb) == NET_RX_DROP)
		iketcp_conn_drop(conn, IKETCP_STAT_IN_IKE_FULL);
}

/*
 * Queue a datagram's payload, @len bytes at @offset, as a message.
 *
 * Return: IKETCP_STAT_COUNT: it is; else the counter of what is missing.
 */
static enum iketcp_stat_id send(struct iketcp_conn *conn,
				const struct sk_buff *skb, unsigned int offset,
				unsigned int len)
{
	enum iketcp_stat_id reason = IKETCP_STAT_OUT_NO_MEM;
	struct iketcp_msg *msg;
	u8 *to;

	if (len > IKETCP_BODY_MAX)
		return IKETCP_STAT_OUT_TOO_LONG;

	msg = iketcp_msg_alloc(GFP_ATOMIC);
	if (!msg)
		return reason;
	if (!iketcp_msg_room(msg, NULL, IKETCP_LENGTH_LEN + len, false,
			     GFP_ATOMIC))
		goto free;
	to = iketcp_msg_data(msg);
	to += iketcp_frame_put_length(to, len);
	if (skb_copy_bits(skb, offset, to, len))
		goto free;
	reason = iketcp_queue_offer_ike(conn, msg);
	if (reason == IKETCP_STAT_COUNT)
		return reason;
free:
	iketcp_msg_free(msg);
	return reason;
}

/*
 * A datagram of a bridge is being sent, its payload at @offset.
 *
 * Return: it is taken; else it is none of ours, or nobody is there to take it.
 */
static bool take(struct net *net, struct iketcp_conn *conn,
		 const struct sk_buff *skb, unsigned int offset)
{
	unsigned int len = skb->len - offset;
	u8 buf[IKETCP_MARKER_LEN];
	enum iketcp_stat_id reason;
	const u8 *head;

	head = skb_header_pointer(skb, offset, min_t(unsigned int, len,
						     sizeof(buf)), buf);
	if (!head || !len)
		return false;
	if (len == 1 && *head == 0xff) {
		iketcp_stat_inc(conn->stats, IKETCP_STAT_OUT_KEEPALIVE);
		return true;
	}
	if (len <= IKETCP_MARKER_LEN || memchr_inv(head, 0, IKETCP_MARKER_LEN))
		return false;

	reason = send(conn, skb, offset, len);
	/* It closed a moment ago: the next one, or UDP. */
	if (reason == IKETCP_STAT_OUT_CLOSED)
		return false;
	if (reason != IKETCP_STAT_COUNT) {
		iketcp_stat_inc(conn->stats, reason);
		iketcp_conn_note_drop(net, conn, reason, 0);
	}
	return true;
}

/* A packet with a UDP header at @offset is being sent. */
static unsigned int output(struct net *net, struct sk_buff *skb,
			   unsigned int offset, struct iketcp_bridge_ends *ends)
{
	const struct udphdr *uh;
	struct iketcp_conn *conn;
	struct udphdr buf;
	bool taken;
	u64 id;

	uh = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!uh || skb_is_gso(skb) || ntohs(uh->len) != skb->len - offset)
		return NF_ACCEPT;
	ends->local_port = uh->source;
	ends->peer_port = uh->dest;
	conn = iketcp_bridge_find(net, ends, &id);
	if (!conn)
		return NF_ACCEPT;
	taken = take(net, conn, skb, offset + sizeof(*uh));
	iketcp_conn_put(conn);
	if (!taken)
		return NF_ACCEPT;

	/* So that a firewall knows the answer for one. */
	iketcp_compat_ct_confirm(skb);
	consume_skb(skb);
	return NF_STOLEN;
}

static unsigned int output4(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct iketcp_bridge_ends ends = { .family = AF_INET };
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->protocol != IPPROTO_UDP || ip_is_fragment(iph))
		return NF_ACCEPT;
	ends.local.a4 = iph->saddr;
	ends.peer.a4 = iph->daddr;
	return output(state->net, skb, iph->ihl * 4, &ends);
}

static unsigned int output6(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct iketcp_bridge_ends ends = { .family = AF_INET6 };
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (ip6h->nexthdr != IPPROTO_UDP)
		return NF_ACCEPT;
	ends.local.in6 = ip6h->saddr;
	ends.peer.in6 = ip6h->daddr;
	return output(state->net, skb, sizeof(*ip6h), &ends);
}

static const struct nf_hook_ops hooks[] = {
	{
		.hook = output4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = output6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
};

/**
 * iketcp_udp_start() - look at what a namespace sends by UDP
 * @net: the namespace
 *
 * Context: process.
 * Return: 0 or an error.
 */
int iketcp_udp_start(struct net *net)
{
	return nf_register_net_hooks(net, hooks, ARRAY_SIZE(hooks));
}

/**
 * iketcp_udp_stop() - no longer do so
 * @net: the namespace
 *
 * Context: process.
 */
void iketcp_udp_stop(struct net *net)
{
	nf_unregister_net_hooks(net, hooks, ARRAY_SIZE(hooks));
}
