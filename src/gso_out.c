// SPDX-License-Identifier: GPL-2.0
/*
 * GSO packets that xfrm is about to cut.
 *
 * It would do all that it does for a packet for each of the segments. When the
 * bundle, xfrm's route, is just one state in tunnel mode that a connection carries,
 * none of that is needed: the outer header is never sent. So the packet is taken
 * before, and its segments go to the state itself.
 */
#include <linux/module.h>
#include <net/dst.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/xfrm.h>

#include "bridge.h"
#include "conn.h"
#include "esp.h"
#include "gso.h"
#include "sa.h"

/*
 * More segments at once would be a surprise for the order of an SA (sa.c); the
 * largest packets that there are have about 140, if the segments are of common size.
 */
#define COUNT_MAX	256

/* Is the bundle just one state of ours, in tunnel mode? */
static bool is_plain(const struct dst_entry *dst)
{
	const struct xfrm_state *x = dst->xfrm;

	return iketcp_sa_is_of(x) && x->props.mode == XFRM_MODE_TUNNEL &&
	       !xfrm_dst_child(dst)->xfrm;
}

/*
 * Local TCP makes GSO packets for a state that has an offload type, which the stock
 * code has only with its offload modules. Ours does nothing else: xfrm asks none
 * of a state with encap.
 */
static const struct xfrm_type_offload offload = {
	.owner = THIS_MODULE,
	.proto = IPPROTO_ESP,
};

/**
 * iketcp_gso_allow() - let local TCP make GSO packets for a state
 * @x: the state, which has a packet: it must not be earlier, as xfrm must not see
 *     an offload type while it looks whether a device can have the state
 * @skb: the packet, its dst counted
 *
 * Context: any but hard interrupt.
 */
void iketcp_gso_allow(struct xfrm_state *x, const struct sk_buff *skb)
{
	struct sock *sk = skb->sk;

	if (READ_ONCE(x->type_offload) || x->xso.dev ||
	    x->props.mode != XFRM_MODE_TUNNEL ||
	    cmpxchg(&x->type_offload, NULL, &offload))
		return;
	/* The state puts it, and keeps our module in any case. */
	__module_get(THIS_MODULE);
	/* The sender asked too early: it shall look at its route again. */
	if (sk && sk_fullsock(sk) && sk->sk_protocol == IPPROTO_TCP)
		sk_dst_reset(sk);
}

/*
 * The hook of conntrack that confirms, and adjusts what its helpers have changed,
 * has the same priority as ours: it may not have been there yet.
 */
static bool is_tracked_fully(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return !ct || (nf_ct_is_confirmed(ct) &&
		       !(ct->status & (IPS_SEQ_ADJUST | IPS_HELPER |
				       IPS_EXPECTED)));
#else
	return true;
#endif
}

/*
 * Does a connection carry what the state sends? Else the stock code decides. The
 * order of a state is not known before its first message (sa.c).
 */
static bool is_carried(const struct xfrm_state *x)
{
	const struct iketcp_sa *sa = iketcp_sa_of(x);
	const struct iketcp_conn *conn;
	bool carried;

	rcu_read_lock();
	conn = READ_ONCE(sa->conn);
	carried = conn && !READ_ONCE(conn->tx.closed);
	rcu_read_unlock();
	return carried && READ_ONCE(sa->started) &&
	       (!sa->udp || iketcp_bridge_any());
}

/*
 * Take a packet's numbers, as xfrm does for each packet: RFC 4303 sections 2.2 and
 * 2.2.1. What is special (the state has ended, or its numbers are about to) is not
 * decided here.
 *
 * Context: BH off until messages with these numbers are queued: others wait for
 * them.
 * Return: they are taken.
 */
static bool take_numbers(struct xfrm_state *x, const struct iketcp_gso *gso,
			 u64 *first)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	u32 *last = esn ? &esn->oseq : &x->replay.oseq;
	u64 bytes = gso->skb->len + (gso->count - 1) * gso->head_len;
	bool taken = false;

	spin_lock(&x->lock);
	if (x->km.state != XFRM_STATE_VALID || xfrm_state_check_expire(x) ||
	    x->curlft.bytes + bytes > x->lft.hard_byte_limit ||
	    x->curlft.packets + gso->count > x->lft.hard_packet_limit ||
	    *last > U32_MAX - gso->count)
		goto unlock;

	*first = *last + 1;
	if (x->props.flags & XFRM_STATE_ESN)
		*first |= (u64)esn->oseq_hi << 32;
	*last += gso->count;
	x->curlft.bytes += bytes;
	x->curlft.packets += gso->count;
	x->lastused = ktime_get_real_seconds();
	taken = true;
unlock:
	spin_unlock(&x->lock);
	return taken;
}

/**
 * iketcp_gso_output() - take a GSO packet and give its segments to the state
 * @skb: the packet, just before it is transformed, its dst a bundle
 *
 * Context: RCU read side, any but hard interrupt.
 * Return: it is taken; else xfrm shall do what it does: cut it, and tell of errors.
 */
bool iketcp_gso_output(struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct xfrm_state *x = dst->xfrm;
	struct net *net = xs_net(x);
	struct iketcp_gso gso;
	bool taken;
	u64 first;

	if (!is_plain(dst) || !is_carried(x) || !iketcp_gso_read(&gso, skb) ||
	    gso.count > COUNT_MAX ||
	    gso.head_len + gso.size > dst_mtu(dst) ||
	    !is_tracked_fully(skb) || xfrm_aevent_is_on(net))
		return false;
	/* As in xfrm_output_one(): without a route it cannot go on. */
	if (!skb_dst_force(skb)) {
		XFRM_INC_STATS(net, LINUX_MIB_XFRMOUTERROR);
		kfree_skb(skb);
		return true;
	}
	/* Who sends the messages comes when all are there: a train. */
	local_bh_disable();
	taken = take_numbers(x, &gso, &first);
	if (taken) {
		iketcp_stat_inc(iketcp_sa_of(x)->stats, IKETCP_STAT_OUT_GSO);
		iketcp_esp_output_gso(x, &gso, first, skb);
	}
	local_bh_enable();
	return taken;
}
