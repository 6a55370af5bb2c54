// SPDX-License-Identifier: GPL-2.0
/* The memory of a connection: made, held, dropped. See conn.h. */
#include <linux/slab.h>

#include "conn.h"
#include "ike.h"
#include "limit.h"
#include "listen.h"
#include "rx.h"
#include "sysctl.h"
#include "tx.h"

/**
 * iketcp_conn_create() - make the connection of a socket
 * @sk: the socket
 * @role: who handles the prefix
 *
 * Context: process, socket lock held.
 * Return: the connection with one reference, which becomes the socket's;
 * NULL without memory.
 */
struct iketcp_conn *iketcp_conn_create(struct sock *sk, enum iketcp_role role)
{
	struct iketcp_conn *conn;

	sock_owned_by_me(sk);

	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn)
		return NULL;

	refcount_set(&conn->ref, 1);
	conn->sk = sk;
	conn->role = role;
	INIT_LIST_HEAD(&conn->parked);
	iketcp_rx_init(conn);
	iketcp_ike_init(conn);
	if (iketcp_tx_init(conn)) {
		kfree(conn);
		return NULL;
	}
	conn->stats = iketcp_stats_get(sock_net(sk));
	iketcp_limit_set(conn, iketcp_sysctl_max_message(sock_net(sk)));
	return conn;
}

/**
 * iketcp_conn_get() - take a reference
 * @conn: found in RCU, so possibly on its way out
 *
 * Return: the caller has a reference now.
 */
bool iketcp_conn_get(struct iketcp_conn *conn)
{
	return refcount_inc_not_zero(&conn->ref);
}

/**
 * iketcp_conn_put() - drop a reference
 * @conn: the connection
 *
 * Queues are empty by the time of the last put: detach has emptied them and
 * nothing gets in once tx.closed is set.
 *
 * Context: any but hard interrupt.
 */
void iketcp_conn_put(struct iketcp_conn *conn)
{
	if (!refcount_dec_and_test(&conn->ref))
		return;
	iketcp_listen_put(conn->listener);
	iketcp_stats_put(conn->stats);
	kfree_rcu(conn, rcu);
}

/**
 * iketcp_conn_note_ends() - remember addresses and ports of an established
 *			     socket
 * @conn: its connection
 *
 * They cannot change any more. SAs compare them, also when the socket has gone.
 *
 * Context: socket lock held.
 */
void iketcp_conn_note_ends(struct iketcp_conn *conn)
{
	const struct sock *sk = conn->sk;
	const struct inet_sock *inet = inet_sk(sk);

	conn->family = iketcp_sock_family(sk);
	conn->saddr.a4 = inet->inet_rcv_saddr;
	conn->daddr.a4 = inet->inet_daddr;
#if IS_ENABLED(CONFIG_IPV6)
	if (conn->family == AF_INET6) {
		conn->saddr.in6 = sk->sk_v6_rcv_saddr;
		conn->daddr.in6 = sk->sk_v6_daddr;
	}
#endif
	WRITE_ONCE(conn->sport, inet->inet_sport);
	WRITE_ONCE(conn->dport, inet->inet_dport);
}
