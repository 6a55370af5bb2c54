// SPDX-License-Identifier: GPL-2.0
/* What is known of a connection or a listener, for who asks from outside. */
#include <net/netlink.h>

#include "bridge.h"
#include "conn.h"
#include "info.h"
#include "listen.h"

static u8 conn_flags(const struct iketcp_conn *conn)
{
	u8 flags = 0;

	if (conn->role == IKETCP_ROLE_ORIGINATOR ?
	    conn->counted.out_bytes > 0 :
	    READ_ONCE(conn->rx.frame.state) != IKETCP_FRAME_IN_PREFIX)
		flags |= IKETCP_INFO_F_PREFIX;
	if (READ_ONCE(conn->rx.dead))
		flags |= IKETCP_INFO_F_DEAD;
	if (READ_ONCE(conn->tx.closed))
		flags |= IKETCP_INFO_F_CLOSED;
	return flags;
}

static void fill_conn(const struct iketcp_conn *conn, struct iketcp_info *info)
{
	info->flags = conn_flags(conn);
	info->last_drop = READ_ONCE(conn->counted.last_drop);
	info->in_queue = READ_ONCE(conn->ike.bytes);
	info->out_queue_ike = READ_ONCE(conn->tx.ike_bytes);
	info->out_queue_esp = READ_ONCE(conn->tx.esp_bytes);
	info->in_ike = conn->counted.in_ike;
	info->in_esp = conn->counted.in_esp;
	info->in_bytes = conn->counted.in_bytes;
	info->out_ike = conn->counted.out_ike;
	info->out_esp = conn->counted.out_esp;
	info->out_bytes = conn->counted.out_bytes;
	info->drops = atomic_long_read(&conn->counted.drops);
}

/**
 * iketcp_info_fill() - tell of a connection or a listener
 * @ulp_data: what the socket's icsk_ulp_data points to: held, or in RCU
 * @info: filled in, all of it
 *
 * Nothing is locked: numbers that belong together may be of different moments.
 *
 * Context: any.
 */
void iketcp_info_fill(const void *ulp_data, struct iketcp_info *info)
{
	memset(info, 0, sizeof(*info));
	info->role = iketcp_conn_role_of(ulp_data);
	if (info->role == IKETCP_ROLE_LISTENER)
		iketcp_listen_info(ulp_data, info);
	else
		fill_conn(ulp_data, info);
}

/**
 * iketcp_info_diag_size() - room that iketcp_info_diag() wants
 * @sk: the socket
 *
 * Return: bytes.
 */
size_t iketcp_info_diag_size(const struct sock *sk)
{
	return nla_total_size(sizeof(struct iketcp_info)) +
	       nla_total_size(sizeof(struct iketcp_bridge));
}

/**
 * iketcp_info_diag() - tell sock_diag of a socket
 * @sk: the socket, held but not locked: it may be closed meanwhile
 * @skb: where to, inside INET_DIAG_ULP_INFO
 *
 * Context: any.
 * Return: 0, or -EMSGSIZE.
 */
int iketcp_info_diag(struct sock *sk, struct sk_buff *skb)
{
	struct iketcp_bridge bridge = {};
	struct iketcp_info info;
	const void *ulp_data;
	int err;

	rcu_read_lock();
	ulp_data = rcu_dereference(inet_csk(sk)->icsk_ulp_data);
	if (ulp_data) {
		iketcp_info_fill(ulp_data, &info);
		/* A listener has none. */
		iketcp_bridge_get(ulp_data, &bridge);
	}
	rcu_read_unlock();

	if (!ulp_data)
		return 0;
	err = nla_put(skb, IKETCP_DIAG_INFO, sizeof(info), &info);
	if (err || !bridge.family)
		return err;
	return nla_put(skb, IKETCP_DIAG_BRIDGE, sizeof(bridge), &bridge);
}
