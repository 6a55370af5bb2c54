/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ESP: the xfrm_type that stands in for the stock one, its output and input.
 */
#ifndef IKETCP_ESP_H
#define IKETCP_ESP_H

#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/xfrm.h>

struct crypto_aead;
struct iketcp_conn;
struct iketcp_gso;
struct sk_buff;

/* Bytes of a packet in front of what a state encrypts. */
static inline unsigned int iketcp_esp_clear_len(const struct xfrm_state *x)
{
	if (x->props.mode == XFRM_MODE_TUNNEL)
		return 0;
	return x->props.family == AF_INET6 ? sizeof(struct ipv6hdr) :
					     sizeof(struct iphdr);
}

/* esp_in.c: from the stream reader to xfrm */
struct sk_buff *iketcp_esp_skb(unsigned int len);
void iketcp_esp_receive(struct iketcp_conn *conn, struct sk_buff *skb);
void iketcp_esp_forget_tos(struct sk_buff *skb);

/* esp_out.c: from xfrm to the connection's queue */
unsigned int iketcp_esp_request_size(struct crypto_aead *aead);
int iketcp_esp_output(struct xfrm_state *x, struct sk_buff *skb);
int iketcp_esp_output_udp(struct xfrm_state *x, struct sk_buff *skb);
void iketcp_esp_output_gso(struct xfrm_state *x, const struct iketcp_gso *gso,
			   u64 seq, struct sk_buff *skb);

/* esp.c: the type */
int iketcp_esp_setup(void);
void iketcp_esp_take(void);
void iketcp_esp_give_back(void);
void iketcp_esp_teardown(void);

#endif
