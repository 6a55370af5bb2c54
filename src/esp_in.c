// SPDX-License-Identifier: GPL-2.0
/*
 * ESP input: a message gets the headers that xfrm expects and goes there.
 *
 * What xfrm and the stock ESP code look at: the addresses (the SA's key), the
 * next header and, behind the IP header, the peer's port (a change is told to
 * the IKE daemon), DSCP and ECN, the transport header at the ESP header, the
 * control block, the ingress device, and a MAC header for GRO of the decapsulated
 * packet.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/tcp.h>
#include <net/xfrm.h>
#if IS_ENABLED(CONFIG_IPV6)
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#endif

#include "bridge.h"
#include "conn.h"
#include "esp.h"
#include "trace.h"
#include "verdict.h"

/* Ports in front of the ESP header, and alignment of what is decrypted. */
#define GAP	8

/* Room in front of the ESP header: MAC and IP header, the gap. */
#define HEADROOM	ALIGN(ETH_HLEN + sizeof(struct ipv6hdr) + GAP, 16)

/**
 * iketcp_esp_skb() - make an skb for an ESP message
 * @len: bytes from the SPI on that there is to be room for
 *
 * Linear, private, and with a head that GRO can merge where size allows.
 *
 * Context: softirq, or process with BH off.
 * Return: the skb, empty, the caller's; NULL without memory.
 */
struct sk_buff *iketcp_esp_skb(unsigned int len)
{
	struct sk_buff *skb;

	skb = __netdev_alloc_skb(NULL, HEADROOM + len,
				 GFP_ATOMIC | __GFP_NOWARN);
	if (skb)
		skb_reserve(skb, HEADROOM);
	return skb;
}

/* Addresses and ports as the message came, or would have: from the peer to us. */
static void add_ipv4(const struct iketcp_bridge_ends *ends, u8 protocol,
		     struct sk_buff *skb, u8 tos)
{
	struct iphdr *iph;

	skb_set_network_header(skb, -(int)(GAP + sizeof(*iph)));
	iph = ip_hdr(skb);
	memset(iph, 0, GAP + sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = tos;
	iph->tot_len = htons(min_t(u32, skb->len + GAP + sizeof(*iph),
				   0xffff));
	iph->ttl = 64;
	iph->protocol = protocol;
	iph->saddr = ends->peer.a4;
	iph->daddr = ends->local.a4;
	/* TCP has it in the same place. */
	((struct udphdr *)(iph + 1))->source = ends->peer_port;

	skb->protocol = htons(ETH_P_IP);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->iif = skb->skb_iif;
}

#if IS_ENABLED(CONFIG_IPV6)
static void add_ipv6(const struct iketcp_bridge_ends *ends, u8 protocol,
		     struct sk_buff *skb, u8 tos)
{
	struct ipv6hdr *ip6h;

	skb_set_network_header(skb, -(int)(GAP + sizeof(*ip6h)));
	ip6h = ipv6_hdr(skb);
	memset(ip6h, 0, GAP + sizeof(*ip6h));
	ip6h->version = 6;
	ipv6_change_dsfield(ip6h, 0, tos);
	ip6h->payload_len = htons(min_t(u32, skb->len + GAP, 0xffff));
	ip6h->hop_limit = 64;
	ip6h->nexthdr = protocol;
	ip6h->saddr = ends->peer.in6;
	ip6h->daddr = ends->local.in6;
	((struct udphdr *)(ip6h + 1))->source = ends->peer_port;

	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->iif = skb->skb_iif;
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
}
#endif

/* The ends of the TCP connection itself, as far as add_...() wants them. */
static void fill_ends(const struct sock *sk, struct iketcp_bridge_ends *ends)
{
	const struct inet_sock *inet = inet_sk(sk);

	ends->family = iketcp_sock_family(sk);
	ends->peer_port = inet->inet_dport;
#if IS_ENABLED(CONFIG_IPV6)
	if (ends->family == AF_INET6) {
		ends->peer.in6 = sk->sk_v6_daddr;
		ends->local.in6 = sk->sk_v6_rcv_saddr;
		return;
	}
#endif
	ends->peer.a4 = inet->inet_daddr;
	ends->local.a4 = inet->inet_rcv_saddr;
}

static void add_mac(struct sk_buff *skb)
{
	skb_set_mac_header(skb, skb_network_offset(skb) - ETH_HLEN);
	memset(skb_mac_header(skb), 0, ETH_HLEN);
	eth_hdr(skb)->h_proto = skb->protocol;
	skb->mac_len = ETH_HLEN;
}

/*
 * The route by which the socket's segments come in: without one xfrm would
 * look one up for each message.
 */
static void add_route(const struct sock *sk, struct sk_buff *skb)
{
	struct dst_entry *dst = rcu_dereference(sk->sk_rx_dst);

	if (dst && sk->sk_rx_dst_ifindex == skb->skb_iif)
		dst = dst_check(dst, sk->sk_rx_dst_cookie);
	else
		dst = NULL;
	if (dst)
		skb_dst_set_noref(skb, dst);
}

/* To xfrm, as what it is or, by a bridge, would be. */
static void hand_over(const struct sock *sk, struct sk_buff *skb,
		      const struct iketcp_bridge_ends *ends, u8 protocol,
		      int encap, u8 tos)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (ends->family == AF_INET6) {
		add_ipv6(ends, protocol, skb, tos);
		add_mac(skb);
		if (iketcp_sock_family(sk) == AF_INET6)
			add_route(sk, skb);
		ipv6_stub->xfrm6_rcv_encap(skb, IPPROTO_ESP, 0, encap);
		return;
	}
#endif
	add_ipv4(ends, protocol, skb, tos);
	add_mac(skb);
	if (iketcp_sock_family(sk) == AF_INET)
		add_route(sk, skb);
	xfrm4_rcv_encap(skb, IPPROTO_ESP, 0, encap);
}

/**
 * iketcp_esp_forget_tos() - take DSCP and ECN off a message's header again
 * @skb: from iketcp_esp_receive()
 *
 * Without a tunnel that header becomes the packet's own. Its sender's marks are
 * not known then (they were on no segment), so it may not be ECN-capable.
 */
void iketcp_esp_forget_tos(struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		ip_hdr(skb)->tos = 0;
	else
		ipv6_change_dsfield(ipv6_hdr(skb), 0, 0);
}

/**
 * iketcp_esp_receive() - hand an ESP message to xfrm
 * @conn: the connection it came by
 * @skb: from iketcp_esp_skb(), the message from the SPI on; taken
 *
 * Context: socket lock held, BH off, RCU read side.
 */
void iketcp_esp_receive(struct iketcp_conn *conn, struct sk_buff *skb)
{
	const struct iketcp_bridge_entry *bridge;
	const struct sock *sk = conn->sk;
	struct iketcp_bridge_ends ends;

	skb->skb_iif = conn->rx.iif;
	skb->mark = conn->rx.mark;
	skb->dev = dev_get_by_index_rcu(sock_net(sk), skb->skb_iif);
	if (!skb->dev) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_NO_DEVICE);
		kfree_skb(skb);
		return;
	}
	skb->pkt_type = PACKET_HOST;
	skb_reset_transport_header(skb);
	iketcp_stat_inc(conn->stats, IKETCP_STAT_IN_ESP);
	/* iketcp_queue_push_esp() has a look, without the lock. */
	WRITE_ONCE(conn->counted.in_esp, conn->counted.in_esp + 1);
	trace_iketcp_in(conn, false, skb->len);
	iketcp_verdict_expect(conn, skb);

	bridge = rcu_dereference(conn->bridge);
	if (bridge) {
		hand_over(sk, skb, &bridge->ends, IPPROTO_UDP,
			  UDP_ENCAP_ESPINUDP, conn->rx.tos);
		return;
	}
	fill_ends(sk, &ends);
	hand_over(sk, skb, &ends, IPPROTO_TCP, TCP_ENCAP_ESPINTCP,
		  conn->rx.tos);
}
