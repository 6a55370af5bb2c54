// SPDX-License-Identifier: GPL-2.0
/* Socket options: level SOL_IKETCP of include/iketcp.h, which describes them. */
#include <net/tcp.h>

#include "bridge.h"
#include "conn.h"
#include "info.h"
#include "limit.h"
#include "listen.h"
#include "opt.h"
#include "rx.h"
#include "sysctl.h"
#include "tx.h"

/* Nobody else looks at it: the owner has the socket's file. */
static void *data_of(const struct sock *sk)
{
	return rcu_dereference_raw(inet_csk(sk)->icsk_ulp_data);
}

/* The program connected, and wants the kernel to send the prefix. */
static int become_originator(struct iketcp_conn *conn)
{
	int err;

	if (conn->role == IKETCP_ROLE_ORIGINATOR)
		return 0;
	if (conn->role != IKETCP_ROLE_RESPONDER || conn->listener)
		return -EINVAL;
	iketcp_rx_catch_up(conn);
	if (!iketcp_rx_is_fresh(conn))
		return -EBUSY;
	err = iketcp_tx_begin(conn);
	if (err)
		return err;
	iketcp_rx_skip_prefix(conn);
	conn->role = IKETCP_ROLE_ORIGINATOR;
	iketcp_tx_kick(conn);
	return 0;
}

static int set_timeout(void *data, int seconds)
{
	if (seconds < 0 || seconds > IKETCP_SYSCTL_PREFIX_TIMEOUT_MAX)
		return -EINVAL;
	switch (iketcp_conn_role_of(data)) {
	case IKETCP_ROLE_RESPONDER:
		iketcp_rx_set_timeout(data, seconds);
		return 0;
	case IKETCP_ROLE_LISTENER:
		iketcp_listen_set_timeout(data, seconds);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int set_max_message(struct sock *sk, void *data, int bytes)
{
	if (bytes < IKETCP_LIMIT_MIN || bytes > IKETCP_LIMIT_NONE)
		return -EINVAL;
	if (iketcp_conn_role_of(data) == IKETCP_ROLE_LISTENER)
		iketcp_listen_set_max_message(data, bytes);
	else
		iketcp_limit_set(data, bytes);
	return 0;
}

static int set_locked(struct sock *sk, void *data, int optname, int value)
{
	enum iketcp_role role = iketcp_conn_role_of(data);

	switch (optname) {
	case IKETCP_OPT_ROLE:
		if (role == IKETCP_ROLE_LISTENER ||
		    value != IKETCP_ROLE_ORIGINATOR)
			return value == role ? 0 : -EINVAL;
		return become_originator(data);
	case IKETCP_OPT_PREFIX_TIMEOUT:
		return set_timeout(data, value);
	case IKETCP_OPT_ACCEPT_PREFIX:
		if (role != IKETCP_ROLE_LISTENER)
			return -ENOPROTOOPT;
		if (value != 0 && value != 1)
			return -EINVAL;
		iketcp_listen_set_filter(data, value);
		return 0;
	case IKETCP_OPT_MAX_MESSAGE:
		return set_max_message(sk, data, value);
	default:
		return -ENOPROTOOPT;
	}
}

/**
 * iketcp_opt_set() - setsockopt() of level SOL_IKETCP
 * @sk: a socket with one of our ULPs
 * @optname: IKETCP_OPT_*
 * @optval: an int, or struct iketcp_bridge
 * @optlen: its length
 *
 * Context: process, socket lock not held.
 * Return: 0, -ENOPROTOOPT, -EINVAL, -EBUSY, -ENOTCONN, -ENOMEM or -EFAULT.
 */
int iketcp_opt_set(struct sock *sk, int optname, sockptr_t optval,
		   unsigned int optlen)
{
	int value, err;

	if (optname == IKETCP_OPT_BRIDGE)
		return iketcp_bridge_set(sk, optval, optlen);
	if (optlen < sizeof(value))
		return -EINVAL;
	if (copy_from_sockptr(&value, optval, sizeof(value)))
		return -EFAULT;

	lock_sock(sk);
	err = set_locked(sk, data_of(sk), optname, value);
	release_sock(sk);
	return err;
}

/* Return: 0, and an option's value in @value; or -ENOPROTOOPT. */
static int get_int(const void *data, int optname, int *value)
{
	const struct iketcp_conn *conn = data;
	bool listener = iketcp_conn_role_of(data) == IKETCP_ROLE_LISTENER;

	switch (optname) {
	case IKETCP_OPT_ROLE:
		*value = iketcp_conn_role_of(data);
		return 0;
	case IKETCP_OPT_PREFIX_TIMEOUT:
		*value = listener ? iketcp_listen_timeout(data) :
				    conn->rx.timeout;
		return 0;
	case IKETCP_OPT_ACCEPT_PREFIX:
		if (!listener)
			return -ENOPROTOOPT;
		*value = iketcp_listen_filter(data);
		return 0;
	case IKETCP_OPT_MAX_MESSAGE:
		*value = listener ? iketcp_listen_max_message(data) :
				    conn->max_message;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/**
 * iketcp_opt_get() - getsockopt() of level SOL_IKETCP
 * @sk: a socket with one of our ULPs
 * @optname: IKETCP_OPT_*
 * @optval: where to
 * @optlen: room there, and then what was used of it
 *
 * Context: process, socket lock not held.
 * Return: 0, -ENOPROTOOPT, -EINVAL or -EFAULT.
 */
int iketcp_opt_get(struct sock *sk, int optname, char __user *optval,
		   int __user *optlen)
{
	union {
		int value;
		struct iketcp_info info;
		struct iketcp_bridge bridge;
	} of;
	int room, len, err = 0;

	if (get_user(room, optlen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;

	lock_sock(sk);
	if (optname == IKETCP_OPT_INFO) {
		len = sizeof(of.info);
		iketcp_info_fill(data_of(sk), &of.info);
	} else if (optname == IKETCP_OPT_BRIDGE) {
		len = sizeof(of.bridge);
		err = iketcp_bridge_get(data_of(sk), &of.bridge);
	} else {
		len = sizeof(of.value);
		err = get_int(data_of(sk), optname, &of.value);
	}
	release_sock(sk);
	if (err)
		return err;
	if (optname != IKETCP_OPT_INFO && room < len)
		return -EINVAL;

	len = min(len, room);
	if (put_user(len, optlen) || copy_to_user(optval, &of, len))
		return -EFAULT;
	return 0;
}
