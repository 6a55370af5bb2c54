// SPDX-License-Identifier: GPL-2.0
/*
 * Congestion marks of the segments that a connection sends: none is ECN-capable
 * (section 12.5).
 *
 * One mark would be for many inner packets, of which some may be ECN-capable and
 * some not. So our SYN does not offer ECN. Where it is agreed on all the same (by
 * whoever connected to us, or before the ULP was there) our segments are not
 * marked as capable, which the sender may always do; but what is marked on the
 * way to us is still echoed: the peer counts on that.
 *
 * TCP has no switch for a socket, only the namespace's tcp_ecn, routes and
 * congestion control, and it sets the mark anew for each segment. So we stand
 * between TCP and IP: in a copy of the table by which TCP calls it.
 */
#include <net/inet_ecn.h>
#include <net/tcp.h>

#include "conn.h"
#include "ecn.h"

/* The header has a checksum of its own, over the flags, too. */
static bool is_signed(const struct sock *sk)
{
#ifdef CONFIG_TCP_MD5SIG
	if (rcu_access_pointer(tcp_sk(sk)->md5sig_info))
		return true;
#endif
#ifdef CONFIG_TCP_AO
	if (rcu_access_pointer(tcp_sk(sk)->ao_info))
		return true;
#endif
	return false;
}

/*
 * TCP's checksum is not affected: at this point it is that of the addresses, the
 * rest is added below IP.
 */
static void withdraw_offer(struct sock *sk, struct sk_buff *skb)
{
	struct tcphdr *th = tcp_hdr(skb);

	if (skb->ip_summed != CHECKSUM_PARTIAL || is_signed(sk))
		return;
	th->ece = 0;
	th->cwr = 0;
	tcp_sk(sk)->ecn_flags &= ~TCP_ECN_OK;
}

/* Context: socket lock held, as for all that TCP sends. */
static int queue_xmit(struct sock *sk, struct sk_buff *skb, struct flowi *fl)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	if (unlikely(tcp_hdr(skb)->syn))
		withdraw_offer(sk, skb);
	INET_ECN_dontxmit(sk);
	return conn->ecn.stock->queue_xmit(sk, skb, fl);
}

/**
 * iketcp_ecn_take() - from now on the socket's segments are not ECN-capable
 * @conn: the connection of a socket that has been taken
 *
 * Called again when the connection stands: the connect() of an IPv6 socket to an
 * IPv4 address gives the socket another table. Whoever reads ours meanwhile,
 * without the lock, finds what is the same in both (setsockopt, getsockopt).
 *
 * Context: socket lock held.
 */
void iketcp_ecn_take(struct iketcp_conn *conn)
{
	struct inet_connection_sock *icsk = inet_csk(conn->sk);
	struct iketcp_ecn *ecn = &conn->ecn;

	sock_owned_by_me(conn->sk);

	if (icsk->icsk_af_ops == &ecn->ops)
		return;
	ecn->stock = icsk->icsk_af_ops;
	ecn->ops = *ecn->stock;
	ecn->ops.queue_xmit = queue_xmit;
	WRITE_ONCE(icsk->icsk_af_ops, &ecn->ops);
}

/**
 * iketcp_ecn_give_back() - TCP goes on without us
 * @conn: a connection being detached
 *
 * What it sends from now on is still not ECN-capable. Nobody reads what comes, so
 * there is nothing to echo either.
 *
 * Context: socket lock held.
 */
void iketcp_ecn_give_back(struct iketcp_conn *conn)
{
	struct inet_connection_sock *icsk = inet_csk(conn->sk);

	sock_owned_by_me(conn->sk);

	tcp_sk(conn->sk)->ecn_flags &= ~TCP_ECN_OK;
	INET_ECN_dontxmit(conn->sk);
	if (icsk->icsk_af_ops == &conn->ecn.ops)
		WRITE_ONCE(icsk->icsk_af_ops, conn->ecn.stock);
}
