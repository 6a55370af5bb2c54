// SPDX-License-Identifier: GPL-2.0
/*
 * The socket calls of a connection.
 *
 * Everything that would read or write raw bytes of the stream is replaced or
 * refused: a stream of messages has no place for them.
 */
#include <asm/ioctls.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <net/inet_common.h>
#include <net/tcp.h>
#if IS_ENABLED(CONFIG_IPV6)
#include <net/transp_v6.h>
#endif

#include "bridge.h"
#include "compat.h"
#include "conn.h"
#include "ecn.h"
#include "ike.h"
#include "listen.h"
#include "opt.h"
#include "queue.h"
#include "rx.h"
#include "sock.h"
#include "train.h"
#include "tx.h"

/*
 * So long TCP tries to get rid of a closed socket's last bytes without a sign of
 * progress, ms. Its own limit is a quarter of an hour, for which the socket would
 * keep its namespace, that its states, and they the module. The documented bound
 * is 30 s: the clock starts when the last byte acknowledged so far was, and the
 * timer may be late.
 */
#define END_TIMEOUT	(25 * MSEC_PER_SEC)

static struct proto prot4 __ro_after_init;
static struct proto_ops ops4 __ro_after_init;

/* Made from the first IPv6 socket: inet6_stream_ops is not exported. */
static struct proto prot6;
static struct proto_ops ops6;
static DEFINE_MUTEX(prot6_lock);

static void data_ready(struct sock *sk)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	/* IKE messages wake the daemon one by one, as they become whole. */
	iketcp_rx_ready(conn);
}

static void write_space(struct sock *sk)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	/* Only we wait: whoever writes looks at our queue, not TCP's. */
	if (!iketcp_train_resume(conn))
		return;
	conn->write_space(sk);
	/* Nobody has accepted it yet: see can_send(). */
	if (!sk->sk_socket)
		return;
	/* Still too little; or we are told while we give it more. */
	if (test_bit(SOCK_NOSPACE, &sk->sk_socket->flags) || conn->tx.running)
		return;
	iketcp_tx_kick(conn);
}

static void tell_end(struct iketcp_conn *conn)
{
	if (!conn->tx.ended)
		iketcp_event_close(conn);
	conn->tx.ended = true;
}

static void state_change(struct sock *sk)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	if (sk->sk_state == TCP_ESTABLISHED) {
		iketcp_conn_note_ends(conn);
		iketcp_ecn_take(conn);
		iketcp_event_prefix(conn);
		/* The prefix waits, and maybe more. */
		iketcp_tx_kick(conn);
	} else if (sk->sk_state == TCP_CLOSE && conn->dport) {
		/* In softirq, too: not more than this before the end is told. */
		if (conn->rx.deferred)
			iketcp_rx_turn(conn);
		iketcp_tx_close(conn);
		tell_end(conn);
	} else if (sk->sk_state == TCP_CLOSE) {
		/* It was refused: there is nobody to send to. */
		iketcp_bridge_drop(conn);
	}
	if (sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_CLOSE_WAIT)
		iketcp_listen_note_end(conn);
	conn->state_change(sk);
}

/*
 * See END_TIMEOUT. A shorter limit of the daemon's own stays.
 *
 * Context: socket lock held.
 */
static void bound_end(struct sock *sk)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	unsigned long most = msecs_to_jiffies(END_TIMEOUT);
	u32 limit = READ_ONCE(icsk->icsk_user_timeout);

	sock_owned_by_me(sk);

	if (!limit || limit > END_TIMEOUT)
		WRITE_ONCE(icsk->icsk_user_timeout, END_TIMEOUT);
	/* A peer that is gone already has made the timers long. */
	if (icsk->icsk_pending && time_after(icsk->icsk_timeout, jiffies + most))
		inet_csk_reset_xmit_timer(sk, icsk->icsk_pending, most,
					  TCP_RTO_MAX);
	/* Behind our FIN TCP would wait for the peer's. */
	if (READ_ONCE(tcp_sk(sk)->linger2) >= 0 && tcp_fin_time(sk) > most)
		WRITE_ONCE(tcp_sk(sk)->linger2, most);
}

/*
 * Give the socket back to TCP. Until the socket lock is let go the last time
 * callbacks and runner are ended; SAs that know the connection find it closed.
 *
 * Context: process, socket lock not held; no other system call is under way.
 */
static void detach(struct sock *sk)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	/* In this order: the deadline may start the runner. */
	iketcp_rx_stop(conn);
	iketcp_tx_stop(conn);

	lock_sock(sk);
	/* What nobody has read would make TCP end with a RST. */
	iketcp_rx_catch_up(conn);
	iketcp_tx_close(conn);
	iketcp_tx_drain(conn);
	bound_end(sk);
	iketcp_ecn_give_back(conn);

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = conn->data_ready;
	sk->sk_write_space = conn->write_space;
	sk->sk_state_change = conn->state_change;
	rcu_assign_sk_user_data(sk, NULL);
	WRITE_ONCE(sk->sk_prot, conn->prot);
	if (sk->sk_socket)
		WRITE_ONCE(sk->sk_socket->ops, conn->ops);
	write_unlock_bh(&sk->sk_callback_lock);
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, NULL);
	/*
	 * TCP goes on with the socket for a while (FIN, retransmissions) but
	 * not with us: the ULP's reference to the module ends here. We are
	 * still held by that of our ops->owner, which the caller of
	 * ops->release() drops when we have returned.
	 */
	inet_csk(sk)->icsk_ulp_ops = NULL;
	module_put(THIS_MODULE);
	module_put(conn->ops->owner);

	iketcp_tx_purge(conn);
	iketcp_rx_purge(conn);
	iketcp_ike_purge(conn);
	iketcp_stat_inc(conn->stats, IKETCP_STAT_DETACH);
	tell_end(conn);
	release_sock(sk);

	iketcp_bridge_end(conn, sock_net(sk));
	iketcp_conn_put(conn);
}

static void sock_close(struct sock *sk, long timeout)
{
	detach(sk);
	sk->sk_prot->close(sk, timeout);
}

static int sock_setsockopt_filter(struct sock *sk, int level, int optname,
				  sockptr_t optval, unsigned int optlen)
{
	if (level == SOL_IKETCP)
		return iketcp_opt_set(sk, optname, optval, optlen);
	if (level == SOL_TCP) {
		switch (optname) {
		case TCP_REPAIR:
		case TCP_REPAIR_QUEUE:
		case TCP_QUEUE_SEQ:
		case TCP_REPAIR_OPTIONS:
		case TCP_REPAIR_WINDOW:
		case TCP_FASTOPEN_CONNECT:
			return -EOPNOTSUPP;
		}
	}
	return iketcp_conn_of(sk)->prot->setsockopt(sk, level, optname, optval,
						    optlen);
}

static int sock_getsockopt_filter(struct sock *sk, int level, int optname,
				  char __user *optval, int __user *optlen)
{
	if (level == SOL_IKETCP)
		return iketcp_opt_get(sk, optname, optval, optlen);
	if (level == SOL_TCP && optname == TCP_ZEROCOPY_RECEIVE)
		return -EOPNOTSUPP;
	return iketcp_conn_of(sk)->prot->getsockopt(sk, level, optname, optval,
						    optlen);
}

IKETCP_COMPAT_IOCTL(sock_ioctl, cmd)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	if (cmd == SIOCINQ)
		return IKETCP_COMPAT_IOCTL_RESULT(iketcp_ike_next_len(conn));
	if (cmd == SIOCATMARK)
		return -EOPNOTSUPP;
	return IKETCP_COMPAT_IOCTL_PASS(conn->prot, cmd);
}

static __poll_t ops_poll(struct file *file, struct socket *sock,
			 poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct iketcp_conn *conn = iketcp_conn_of(sk);
	__poll_t mask = 0;
	u8 shutdown;
	int state;

	sock_poll_wait(file, sock, wait);

	state = inet_sk_state_load(sk);
	shutdown = READ_ONCE(sk->sk_shutdown);

	if (shutdown == SHUTDOWN_MASK || state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (iketcp_ike_ready(conn))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (state != TCP_SYN_SENT && state != TCP_SYN_RECV &&
	    (shutdown & SEND_SHUTDOWN || iketcp_queue_writable(conn)))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	/* Pairs with the barrier of sk_error_report()'s callers in TCP. */
	smp_rmb();
	if (READ_ONCE(sk->sk_err) ||
	    !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR;
	return mask;
}

/*
 * A connect() that was refused may be tried again, but a stream that has begun
 * cannot begin again on the same socket.
 */
static int ops_connect(struct socket *sock, struct sockaddr *addr, int len,
		       int flags)
{
	struct iketcp_conn *conn = iketcp_conn_of(sock->sk);

	if (len >= (int)sizeof(addr->sa_family) &&
	    addr->sa_family == AF_UNSPEC)
		return -EOPNOTSUPP;
	if (READ_ONCE(conn->tx.closed))
		return -EOPNOTSUPP;
	return conn->ops->connect(sock, addr, len, flags);
}

/* TCP would let it, as the ULP has a clone() for listeners. */
static int ops_listen(struct socket *sock, int backlog)
{
	return -EINVAL;
}

/* What the daemon wrote before goes out before the end of the stream does. */
static int ops_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct iketcp_conn *conn = iketcp_conn_of(sk);

	if (how == SHUT_WR || how == SHUT_RDWR) {
		lock_sock(sk);
		if (sk->sk_state != TCP_CLOSE)
			iketcp_tx_close(conn);
		iketcp_tx_drain(conn);
		release_sock(sk);
	}
	return inet_shutdown(sock, how);
}

static ssize_t ops_splice_read(struct socket *sock, loff_t *ppos,
			       struct pipe_inode_info *pipe, size_t len,
			       unsigned int flags)
{
	return -EOPNOTSUPP;
}

static int ops_set_rcvlowat(struct sock *sk, int val)
{
	return val > 1 ? -EOPNOTSUPP : 0;
}

static void build(struct proto *prot, struct proto_ops *ops,
		  const struct proto *stock_prot,
		  const struct proto_ops *stock_ops)
{
	*prot = *stock_prot;
	prot->close = sock_close;
	prot->ioctl = sock_ioctl;
	prot->setsockopt = sock_setsockopt_filter;
	prot->getsockopt = sock_getsockopt_filter;
	prot->recvmsg = iketcp_ike_recvmsg;
	prot->sendmsg = iketcp_ike_sendmsg;
#ifdef CONFIG_BPF_SYSCALL
	prot->psock_update_sk_prot = NULL;
#endif

	*ops = *stock_ops;
	ops->owner = THIS_MODULE;
	ops->connect = ops_connect;
	ops->listen = ops_listen;
	ops->poll = ops_poll;
	ops->shutdown = ops_shutdown;
	ops->mmap = sock_no_mmap;
	ops->splice_read = ops_splice_read;
	ops->set_rcvlowat = ops_set_rcvlowat;
	ops->set_peek_off = NULL;
	ops->read_sock = NULL;
	ops->read_skb = NULL;
	ops->peek_len = NULL;
	ops->sendmsg_locked = NULL;
	iketcp_compat_no_sendpage(prot, ops);
}

/**
 * iketcp_sock_ops() - the calls of a socket that has a connection
 * @sk: the socket
 *
 * For the struct socket that accept() makes.
 */
const struct proto_ops *iketcp_sock_ops(const struct sock *sk)
{
	return sk->sk_family == AF_INET ? &ops4 : &ops6;
}

/**
 * iketcp_sock_take() - replace a socket's calls by ours
 * @conn: its connection, which keeps the old ones
 * @ops: the calls of its struct socket, if it had one
 *
 * A socket that nobody has accepted has no struct socket yet; that gets our
 * calls, and a reference to our module with them, from who makes it.
 *
 * Context: process, socket lock held.
 * Return: 0, or -EBUSY when somebody else has replaced them already.
 */
int iketcp_sock_take(struct iketcp_conn *conn, const struct proto_ops *ops)
{
	struct sock *sk = conn->sk;
	struct proto_ops *new_ops = &ops4;
	struct proto *new_prot = &prot4;

	sock_owned_by_me(sk);

	if (sk->sk_family == AF_INET) {
		if (sk->sk_prot != &tcp_prot || ops != &inet_stream_ops)
			return -EBUSY;
#if IS_ENABLED(CONFIG_IPV6)
	} else {
		if (sk->sk_prot != &tcpv6_prot)
			return -EBUSY;
		mutex_lock(&prot6_lock);
		if (!prot6.recvmsg)
			build(&prot6, &ops6, sk->sk_prot, ops);
		mutex_unlock(&prot6_lock);
		new_prot = &prot6;
		new_ops = &ops6;
#endif
	}

	conn->prot = sk->sk_prot;
	conn->ops = ops;
	conn->data_ready = sk->sk_data_ready;
	conn->write_space = sk->sk_write_space;
	conn->state_change = sk->sk_state_change;

	/* For ops->owner; put by __sock_release(), or by detach(). */
	__module_get(sk->sk_socket ? THIS_MODULE : ops->owner);

	/* Set first: whoever sees our proto finds the connection. */
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, conn);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = data_ready;
	sk->sk_write_space = write_space;
	sk->sk_state_change = state_change;
	/* Keeps off who else would take the callbacks: KCM, sockmap. */
	__rcu_assign_sk_user_data_with_flags(sk, conn, SK_USER_DATA_NOCOPY);
	/* Pairs with the acquire in iketcp_sock_is_ours(). */
	smp_store_release(&sk->sk_prot, new_prot);
	if (sk->sk_socket)
		WRITE_ONCE(sk->sk_socket->ops, new_ops);
	write_unlock_bh(&sk->sk_callback_lock);
	return 0;
}

/**
 * iketcp_sock_is_ours() - does the socket have a connection of ours?
 * @sk: a full socket, held or in RCU
 *
 * If so iketcp_conn_of() gives it (in RCU: or NULL, when it is being closed).
 */
bool iketcp_sock_is_ours(const struct sock *sk)
{
	/* Pairs with the release in iketcp_sock_take(). */
	const struct proto *prot = smp_load_acquire(&sk->sk_prot);

	return prot == &prot4 || prot == &prot6;
}

/**
 * iketcp_sock_setup() - build the IPv4 tables
 *
 * Context: module init.
 */
void __init iketcp_sock_setup(void)
{
	build(&prot4, &ops4, &tcp_prot, &inet_stream_ops);
}
