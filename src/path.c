// SPDX-License-Identifier: GPL-2.0
/*
 * Which connection carries an SA (section 6): the one by which the last valid
 * message of its peer came; before there was one, or where the IKE daemon has
 * said something new since, the established socket of ours with the state's
 * network namespace, addresses and encap ports.
 *
 * For the latter the kernel's own table of established sockets is asked; the
 * answer is kept in the SA (sa.c) for as long as it fits.
 *
 * For the former there is a table of all SAs. When a valid message of an
 * inbound SA comes by another connection than the one before it, the outbound
 * SAs of the same peer go there. xfrm does not say which those are; the daemon
 * does, by what it has configured: same namespace, family, reqid, if_id and
 * mark, and the same connection, that is, addresses and ports the other way
 * round. Two clients behind one NAT address differ in the port, whatever else
 * they share.
 *
 * But what is configured may be out of date, and another client may have got
 * the port meanwhile. So an outbound SA does not go with an inbound one if
 * there is another inbound SA that was heard where the outbound one belongs,
 * and this one never was: then it is the other one's. That may be settled later
 * (in a rekey the old SA goes), so in doubt it is tried again; as it is where
 * no outbound SA was found, which may have yet to be made.
 */
#include <linux/module.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <net/inet_hashtables.h>
#include <net/netns/hash.h>
#include <net/tcp.h>
#include <net/xfrm.h>
#if IS_ENABLED(CONFIG_IPV6)
#include <net/inet6_hashtables.h>
#endif

#include "bridge.h"
#include "compat.h"
#include "conn.h"
#include "path.h"
#include "sa.h"
#include "sock.h"

/*
 * A connection of the kernel's espintcp, perhaps. What has no ULP, or ours no more
 * but still our part to be undone, is none: its code would not know what to do.
 */
static bool is_foreign(const struct sock *sk)
{
	const struct tcp_ulp_ops *ulp = READ_ONCE(inet_csk(sk)->icsk_ulp_ops);

	return ulp && ulp->owner != THIS_MODULE;
}

/*
 * SAs by namespace and reqid: what does not change in a state's life. Daemons
 * give each pair of SAs a reqid of its own.
 */
static DEFINE_HASHTABLE(sas, 10);

/* Guards the table and iketcp_sa.heard; BH off. iketcp_sa.lock nests in it. */
static DEFINE_SPINLOCK(sas_lock);

static u32 key_of(const struct xfrm_state *x)
{
	return jhash_2words(x->props.reqid,
			    net_hash_mix(xs_net((struct xfrm_state *)x)), 0);
}

/**
 * iketcp_path_add() - an SA can be followed
 * @sa: the SA; its state has its ids but perhaps not its addresses
 *
 * Context: process.
 */
void iketcp_path_add(struct iketcp_sa *sa)
{
	spin_lock_bh(&sas_lock);
	hash_add(sas, &sa->node, key_of(sa->x));
	spin_unlock_bh(&sas_lock);
}

/**
 * iketcp_path_remove() - an SA ends
 * @sa: the SA
 *
 * Context: process.
 */
void iketcp_path_remove(struct iketcp_sa *sa)
{
	spin_lock_bh(&sas_lock);
	hash_del(&sa->node);
	spin_unlock_bh(&sas_lock);
}

/*
 * What does not change in a state's life. That can be looked at as long as the
 * SA is in the table; for all else the state has to be held.
 */
static bool is_related(const struct xfrm_state *x, const struct xfrm_state *y)
{
	return net_eq(xs_net((struct xfrm_state *)x),
		      xs_net((struct xfrm_state *)y)) &&
	       x->props.reqid == y->props.reqid;
}

/* Is @y, by what is configured, the other direction of @x? */
static bool is_partner(const struct xfrm_state *x, const struct xfrm_state *y)
{
	unsigned short family = x->props.family;

	return y->props.family == family && y->if_id == x->if_id &&
	       y->encap->encap_type == x->encap->encap_type &&
	       y->mark.v == x->mark.v && y->mark.m == x->mark.m &&
	       xfrm_addr_equal(&y->id.daddr, &x->props.saddr, family) &&
	       xfrm_addr_equal(&y->props.saddr, &x->id.daddr, family) &&
	       READ_ONCE(y->encap->encap_dport) ==
	       READ_ONCE(x->encap->encap_sport) &&
	       READ_ONCE(y->encap->encap_sport) ==
	       READ_ONCE(x->encap->encap_dport);
}

/*
 * Does the outbound SA @out belong to another inbound SA than @in, which is
 * being heard on @conn?
 */
static bool is_anothers(const struct iketcp_sa *in, const struct iketcp_sa *out,
			const struct iketcp_conn *conn)
{
	const struct iketcp_conn *home = out->via[0];
	const struct iketcp_sa *other;

	lockdep_assert_held(&sas_lock);

	if (home && (home == conn || home == in->heard))
		return false;
	hash_for_each_possible(sas, other, node, key_of(in->x)) {
		const struct iketcp_conn *heard = other->heard;

		/* Who was heard where we are or were is the same peer. */
		if (!heard || heard == conn || heard == in->heard ||
		    !is_related(in->x, other->x))
			continue;
		if (home ? heard == home :
			   iketcp_path_is_configured(heard, out->x))
			return true;
	}
	return false;
}

/* A valid message of @in came by another connection, or there is doubt. */
static void follow(struct iketcp_sa *in, struct iketcp_conn *conn)
{
	struct iketcp_conn *old;
	struct iketcp_sa *out;
	bool found = false, left = false;

	/* We cannot send there any more. */
	if (READ_ONCE(conn->tx.closed))
		return;

	spin_lock_bh(&sas_lock);
	hash_for_each_possible(sas, out, node, key_of(in->x)) {
		struct xfrm_state *y = out->x;

		/* The part of a state that is going outlives its ports. */
		if (!is_related(in->x, y) || !refcount_inc_not_zero(&y->refcnt))
			continue;
		if (!is_partner(in->x, y)) {
			/* nothing to do with it */
		} else if (is_anothers(in, out, conn)) {
			left = true;
		} else {
			iketcp_sa_move(out, conn);
			found = true;
		}
		xfrm_state_put(y);
	}

	old = in->heard;
	if (old != conn && iketcp_conn_get(conn))
		WRITE_ONCE(in->heard, conn);
	else
		old = NULL;
	WRITE_ONCE(in->doubt, left || !found);
	WRITE_ONCE(in->asked, jiffies);
	spin_unlock_bh(&sas_lock);

	if (old)
		iketcp_conn_put(old);
}

/**
 * iketcp_path_heard() - a valid message has come
 * @in: the SA that it came for; its state is held
 * @conn: the connection that it came by; held
 *
 * Almost always the same one as before.
 *
 * Context: softirq, or process with BH off; maybe the socket lock is held.
 */
void iketcp_path_heard(struct iketcp_sa *in, struct iketcp_conn *conn)
{
	if (likely(READ_ONCE(in->heard) == conn) &&
	    (!READ_ONCE(in->doubt) || time_before_eq(jiffies, READ_ONCE(in->asked))))
		return;
	follow(in, conn);
}

/* Return: the socket with a reference (maybe no full socket), or NULL. */
static struct sock *find_sock(const struct xfrm_state *x, int dif,
			      __be16 sport, __be16 dport)
{
	struct net *net = xs_net((struct xfrm_state *)x);
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;

	switch (x->props.family) {
	case AF_INET:
		return inet_lookup_established(net, hashinfo, x->id.daddr.a4,
					       dport, x->props.saddr.a4, sport,
					       dif);
#if IS_ENABLED(CONFIG_IPV6)
	case AF_INET6:
		return __inet6_lookup_established(net, hashinfo,
						  &x->id.daddr.in6, dport,
						  &x->props.saddr.in6,
						  ntohs(sport), dif, 0);
#endif
	default:
		return NULL;
	}
}

/**
 * iketcp_path_find() - find the connection of an outbound SA
 * @x: the state, encap type espintcp
 * @dif: interface that the SA's packets leave by, for sockets bound to one
 * @foreign: set when there is a socket with somebody else's ULP: the stock
 *	     code's perhaps
 *
 * Context: RCU read side.
 * Return: the connection with a reference, or NULL.
 */
struct iketcp_conn *iketcp_path_find(const struct xfrm_state *x, int dif,
				     bool *foreign)
{
	const struct xfrm_encap_tmpl *encap = x->encap;
	struct iketcp_conn *conn = NULL;
	struct sock *sk;

	sk = find_sock(x, dif, READ_ONCE(encap->encap_sport),
		       READ_ONCE(encap->encap_dport));
	*foreign = false;
	if (!sk)
		return NULL;
	if (sk_fullsock(sk) && !iketcp_sock_is_ours(sk)) {
		*foreign = IKETCP_STOCK_ESPINTCP && is_foreign(sk);
	} else if (sk_fullsock(sk)) {
		conn = iketcp_conn_of(sk);
		if (conn && (READ_ONCE(conn->tx.closed) ||
			     !iketcp_conn_get(conn)))
			conn = NULL;
	}
	sock_gen_put(sk);
	return conn;
}

/**
 * iketcp_path_is_configured() - has a connection a state's addresses and ports?
 * @conn: a connection that was established, held
 * @x: an outbound state, held
 *
 * If UDP encapsulates it: does the connection stand for them?
 *
 * Context: any.
 */
bool iketcp_path_is_configured(const struct iketcp_conn *conn,
			       const struct xfrm_state *x)
{
	const struct xfrm_encap_tmpl *encap = x->encap;
	unsigned short family = x->props.family;

	if (encap->encap_type == UDP_ENCAP_ESPINUDP)
		return iketcp_bridge_is_configured(conn, x);
	return conn->family == family &&
	       READ_ONCE(conn->sport) == READ_ONCE(encap->encap_sport) &&
	       READ_ONCE(conn->dport) == READ_ONCE(encap->encap_dport) &&
	       xfrm_addr_equal(&conn->saddr, &x->props.saddr, family) &&
	       xfrm_addr_equal(&conn->daddr, &x->id.daddr, family);
}
