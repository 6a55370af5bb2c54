// SPDX-License-Identifier: GPL-2.0
/*
 * The upper-layer protocols: how a TCP socket becomes a connection of ours.
 *
 * "espintcp": as in kernels with CONFIG_INET_ESPINTCP; the application sends
 *	or reads the prefix itself. Registered where the kernel has none.
 * "iketcp": the kernel handles the prefix (section 4).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/module.h>
#include <linux/user_namespace.h>
#include <net/tcp.h>

#include "compat.h"
#include "conn.h"
#include "ecn.h"
#include "info.h"
#include "listen.h"
#include "rx.h"
#include "sock.h"
#include "tx.h"
#include "ulp.h"

/*
 * Bytes that TCP may hold unsent before it takes no more. What waits behind
 * is in the connection's queue, where order and bounds are ours.
 */
#define NOTSENT_LOWAT	(128 * 1024)

static bool allow_userns;
module_param(allow_userns, bool, 0644);
MODULE_PARM_DESC(allow_userns,
		 "Allow network namespaces that belong to other than the initial user namespace (default N)");

/* The kernel has "espintcp" itself, and keeps it. */
static bool stock_espintcp;

static int may_attach(const struct sock *sk)
{
	const struct user_namespace *ns = sock_net(sk)->user_ns;

	if (!ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	/*
	 * In a user namespace of their own everybody is administrator: by
	 * default they get none of this code.
	 */
	if (ns != &init_user_ns && !READ_ONCE(allow_userns))
		return -EPERM;
	return 0;
}

/* The socket does nothing that reads or writes the stream behind our back. */
static int is_plain(const struct sock *sk)
{
	if (sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
		return -EOPNOTSUPP;
	if (sk->sk_user_data)
		return -EBUSY;
	if (tcp_sk(sk)->repair || tcp_sk(sk)->fastopen_connect ||
	    tcp_sk(sk)->fastopen_req)
		return -EINVAL;
	return 0;
}

/*
 * What daemons do not set themselves. Messages end where they end: no Nagle
 * delay between the last one and the wire.
 */
static void tune(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	tp->nonagle |= TCP_NAGLE_OFF;
	if (!tp->notsent_lowat)
		WRITE_ONCE(tp->notsent_lowat, NOTSENT_LOWAT);
	/* We read all there is; TCP must not wait to tell us. */
	WRITE_ONCE(sk->sk_rcvlowat, 1);
	iketcp_compat_own_frag(sk);
}

/*
 * The peer may have closed its side already: what it sent before is there to
 * be read, and daemons expect to.
 */
static bool is_established(const struct sock *sk)
{
	return sk->sk_state == TCP_ESTABLISHED ||
	       sk->sk_state == TCP_CLOSE_WAIT;
}

/*
 * Make the connection of a socket whose struct socket has, or would have, @ops.
 * Return: the connection, which is the socket's; or an error.
 */
static struct iketcp_conn *make(struct sock *sk, enum iketcp_role role,
				const struct proto_ops *ops)
{
	struct iketcp_conn *conn;
	int err;

	sock_owned_by_me(sk);

	err = is_plain(sk);
	if (err)
		return ERR_PTR(err);

	conn = iketcp_conn_create(sk, role);
	if (!conn)
		return ERR_PTR(-ENOMEM);
	if (is_established(sk))
		iketcp_conn_note_ends(conn);

	err = iketcp_sock_take(conn, ops);
	if (err) {
		iketcp_tx_purge(conn);
		iketcp_conn_put(conn);
		return ERR_PTR(err);
	}
	tune(sk);
	iketcp_ecn_take(conn);
	iketcp_stat_inc(conn->stats, IKETCP_STAT_ATTACH);
	iketcp_event_attach(conn);
	return conn;
}

static int attach(struct sock *sk, enum iketcp_role role)
{
	struct iketcp_conn *conn;
	int err;

	err = may_attach(sk);
	if (err)
		return err;
	conn = make(sk, role, sk->sk_socket->ops);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	iketcp_rx_start(conn);
	return 0;
}

static int attach_espintcp(struct sock *sk)
{
	if (!is_established(sk))
		return -ENOTCONN;
	return attach(sk, IKETCP_ROLE_PLAIN);
}

static int attach_iketcp(struct sock *sk)
{
	switch (sk->sk_state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
		return attach(sk, IKETCP_ROLE_RESPONDER);
	case TCP_CLOSE:
		/* Not a fresh socket, but what is left of a connection. */
		if (sk->sk_shutdown || sock_flag(sk, SOCK_DONE))
			return -ENOTCONN;
		fallthrough;
	case TCP_SYN_SENT:
		return attach(sk, IKETCP_ROLE_ORIGINATOR);
	case TCP_LISTEN:
		return may_attach(sk) ?: is_plain(sk) ?:
		       iketcp_listen_start(sk);
	default:
		return -ENOTCONN;
	}
}

/*
 * TCP has copied a listening socket, and with it what points to us, which was
 * never the child's: no reference came with it. listen.c attaches it later.
 *
 * Context: softirq; the child is locked, nobody else knows it.
 */
static void clone(const struct request_sock *req, struct sock *sk,
		  const gfp_t priority)
{
	inet_csk(sk)->icsk_ulp_ops = NULL;
	RCU_INIT_POINTER(inet_csk(sk)->icsk_ulp_data, NULL);
}

static struct tcp_ulp_ops espintcp_ulp __read_mostly = {
	.name = "espintcp",
	.owner = THIS_MODULE,
	.init = attach_espintcp,
	.get_info = iketcp_info_diag,
	.get_info_size = iketcp_info_diag_size,
};

static struct tcp_ulp_ops iketcp_ulp __read_mostly = {
	.name = "iketcp",
	.owner = THIS_MODULE,
	.init = attach_iketcp,
	.clone = clone,
	.get_info = iketcp_info_diag,
	.get_info_size = iketcp_info_diag_size,
};

/**
 * iketcp_ulp_attach_child() - what TCP_ULP does, for a listener's connection
 * @sk: a socket that was taken from TCP's accept queue
 * @ops: the calls that accept() would have given it
 *
 * Nothing is read yet: iketcp_rx_start() does that. The listener's owner was
 * allowed to attach, so this is.
 *
 * Context: process, socket lock held.
 * Return: the connection, which is the socket's; or an error.
 */
struct iketcp_conn *iketcp_ulp_attach_child(struct sock *sk,
					    const struct proto_ops *ops)
{
	struct iketcp_conn *conn;

	if (inet_csk(sk)->icsk_ulp_ops)
		return ERR_PTR(-EEXIST);
	if (!is_established(sk))
		return ERR_PTR(-ENOTCONN);
	conn = make(sk, IKETCP_ROLE_RESPONDER, ops);
	if (IS_ERR(conn))
		return conn;
	/* Put by detach(), as that of tcp_set_ulp(). */
	__module_get(THIS_MODULE);
	inet_csk(sk)->icsk_ulp_ops = &iketcp_ulp;
	return conn;
}

/**
 * iketcp_ulp_setup() - offer the ULPs
 *
 * Context: process, module init; everything else is set up.
 * Return: 0 or an error.
 */
int __init iketcp_ulp_setup(void)
{
	int err;

	iketcp_sock_setup();
	iketcp_listen_setup();

	err = tcp_register_ulp(&iketcp_ulp);
	if (err)
		return err;

	err = tcp_register_ulp(&espintcp_ulp);
	if (err == -EEXIST) {
		stock_espintcp = true;
		pr_info("the name espintcp stays with the kernel\n");
		err = 0;
	}
	if (err)
		tcp_unregister_ulp(&iketcp_ulp);
	return err;
}

/**
 * iketcp_ulp_teardown() - take the ULPs back
 *
 * Context: process, module exit; no socket has one of them.
 */
void iketcp_ulp_teardown(void)
{
	if (!stock_espintcp)
		tcp_unregister_ulp(&espintcp_ulp);
	tcp_unregister_ulp(&iketcp_ulp);
}
