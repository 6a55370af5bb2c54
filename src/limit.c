// SPDX-License-Identifier: GPL-2.0
/*
 * The longest message that ESP packets shall make: it bounds the inner MTU
 * (sections 3 and 12.4).
 *
 * What senders may send is known by their route, an xfrm bundle, for which xfrm has
 * computed what the outer device lets through. Just before a packet is transformed
 * (hook.c) that is lowered to what fits the limit. All that follows is xfrm's: it
 * asks the route, and tells the sender.
 */
#include <crypto/aead.h>
#include <net/esp.h>
#include <net/xfrm.h>

#include "conn.h"
#include "esp.h"
#include "frame.h"
#include "limit.h"
#include "sa.h"

/* A limit was set at some time: else there is nothing to look at. */
static bool wanted;

/* The longest packet that makes no longer a message of a state. */
static u32 packet_max(const struct xfrm_state *x, unsigned int max)
{
	struct crypto_aead *aead = x->data;
	unsigned int block = ALIGN(crypto_aead_blocksize(aead), 4);
	u32 len;

	len = max - IKETCP_LENGTH_LEN - sizeof(struct ip_esp_hdr) -
	      crypto_aead_ivsize(aead) - crypto_aead_authsize(aead);
	/* Less the pad length and the next header. */
	return ALIGN_DOWN(len, block) - 2 + iketcp_esp_clear_len(x);
}

/* Return: the packet length that the state's connection wants, or U32_MAX. */
static u32 limit_of(const struct xfrm_state *x)
{
	const struct iketcp_conn *conn;
	unsigned int max;

	if (!iketcp_sa_is_of(x))
		return U32_MAX;
	/* Not held: in RCU, which frees connections. */
	conn = READ_ONCE(iketcp_sa_of(x)->conn);
	if (!conn)
		return U32_MAX;
	max = READ_ONCE(conn->max_message);
	return max == IKETCP_LIMIT_NONE ? U32_MAX : packet_max(x, max);
}

/**
 * iketcp_limit_apply() - lower what a bundle and those below it let through
 * @dst: the bundle
 *
 * xfrm sets it anew when the outer route's MTU changes; the next packet comes by
 * here again.
 *
 * Context: RCU read side, any but hard interrupt.
 */
void iketcp_limit_apply(struct dst_entry *dst)
{
	struct dst_entry *bundle[XFRM_MAX_DEPTH];
	u32 mtu = U32_MAX;
	int n = 0;

	if (!READ_ONCE(wanted))
		return;
	for (; dst->xfrm && n < XFRM_MAX_DEPTH; dst = xfrm_dst_child(dst))
		bundle[n++] = dst;
	/* From the outermost transformation to the packet as it comes. */
	while (n--) {
		struct xfrm_state *x = bundle[n]->xfrm;

		if (mtu != U32_MAX)
			mtu = xfrm_state_mtu(x, mtu);
		mtu = min(mtu, limit_of(x));
		if (mtu < dst_mtu(bundle[n]))
			dst_metric_set(bundle[n], RTAX_MTU, mtu);
	}
}

/**
 * iketcp_limit_set() - set the limit of a connection
 * @conn: the connection
 * @max: bytes of a message with its length field, IKETCP_LIMIT_MIN..
 *	 IKETCP_LIMIT_NONE
 *
 * It holds from now on, for the packets of SAs that the connection carries already.
 * A larger one is of use when their senders look up their route again.
 *
 * Context: socket lock held, or the connection is being made.
 */
void iketcp_limit_set(struct iketcp_conn *conn, unsigned int max)
{
	WRITE_ONCE(conn->max_message, max);
	if (max != IKETCP_LIMIT_NONE)
		WRITE_ONCE(wanted, true);
}
