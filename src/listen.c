// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: every connection that they accept is a responder's (section 4),
 * and if the program wants so, accept() returns only those whose prefix has
 * come (section 13): strangers never reach it.
 *
 * TCP clones a listening socket in softirq, where nothing may fail and from
 * where a child may vanish without a call to us. So children get nothing of
 * ours there: what they inherit is taken off (clone()). When one is ready in
 * TCP's accept queue a worker takes it from there, attaches it, and keeps it
 * until accept() wants it. The listening socket itself keeps TCP's proto, which
 * children would remember beyond our time; only its socket's calls are ours,
 * and an entry in its wait queue tells us of new children.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <net/inet_common.h>
#include <net/tcp.h>
#if IS_ENABLED(CONFIG_IPV6)
#include <net/transp_v6.h>
#endif

#include "compat.h"
#include "conn.h"
#include "limit.h"
#include "listen.h"
#include "opt.h"
#include "rx.h"
#include "sock.h"
#include "sysctl.h"
#include "tx.h"
#include "ulp.h"

/**
 * struct iketcp_listener - what the module keeps for a listening socket
 * @role: IKETCP_ROLE_LISTENER; first, as in struct iketcp_conn
 * @ref: one of the socket until its release, one of each connection
 * @rcu: frees the memory when look-ups by socket are over
 * @sk: the socket; not held; valid until @closed
 * @ops: its calls before ours
 * @wait: our entry in its wait queue: starts @work
 * @work: takes children out of TCP's queue and closes strangers; process
 *	  context, takes the socket locks of listener and children
 * @filter: accept() waits for the prefix; written under the socket lock
 * @timeout: seconds for the prefix of each connection, -1: as the sysctl says;
 *	     written under the socket lock
 * @max_message: see struct iketcp_conn, 0: as the sysctl says; likewise
 * @lock: guards what follows, and iketcp_conn.parked of the connections; taken
 *	  with BH off, inside the children's socket locks
 * @waiting: connections that have no prefix yet: those that are over, then the
 *	     oldest first
 * @ready: connections that accept() returns, the oldest first
 * @nr_waiting: length of @waiting
 * @nr_ready: length of @ready
 * @closed: nobody is to be woken any more; never goes back
 */
struct iketcp_listener {
	enum iketcp_role role;
	refcount_t ref;
	struct rcu_head rcu;
	struct sock *sk;
	const struct proto_ops *ops;
	wait_queue_entry_t wait;
	struct work_struct work;
	bool filter;
	int timeout;
	unsigned int max_message;

	spinlock_t lock;
	struct list_head waiting;
	struct list_head ready;
	unsigned int nr_waiting;
	unsigned int nr_ready;
	bool closed;
};

static struct proto_ops ops4 __ro_after_init;

/* Made from the first IPv6 socket: inet6_stream_ops is not exported. */
static struct proto_ops ops6;
static DEFINE_MUTEX(ops6_lock);

static struct iketcp_listener *listener_of(const struct sock *sk)
{
	return rcu_dereference_raw(inet_csk(sk)->icsk_ulp_data);
}

/**
 * iketcp_listen_put() - drop a reference
 * @listener: the listener, or NULL
 *
 * Context: any but hard interrupt.
 */
void iketcp_listen_put(struct iketcp_listener *listener)
{
	if (listener && refcount_dec_and_test(&listener->ref))
		kfree_rcu(listener, rcu);
}

/* Let the worker look; not once the socket is gone. */
static void kick_locked(struct iketcp_listener *listener)
{
	lockdep_assert_held(&listener->lock);

	if (!listener->closed)
		schedule_work(&listener->work);
}

/* accept() and poll() have something to look at. */
static void wake_locked(struct iketcp_listener *listener)
{
	struct socket_wq *wq;

	lockdep_assert_held(&listener->lock);

	if (listener->closed)
		return;
	rcu_read_lock();
	wq = rcu_dereference(listener->sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLIN | EPOLLRDNORM);
	sk_wake_async(listener->sk, SOCK_WAKE_WAITD, POLL_IN);
	rcu_read_unlock();
}

static void park_ready_locked(struct iketcp_listener *listener,
			      struct iketcp_conn *conn)
{
	lockdep_assert_held(&listener->lock);

	list_add_tail(&conn->parked, &listener->ready);
	WRITE_ONCE(listener->nr_ready, listener->nr_ready + 1);
	conn->parked_ready = true;
	wake_locked(listener);
}

/* Nothing more will come on the connection, a prefix neither. */
static bool is_over(const struct sock *child)
{
	return !((1 << inet_sk_state_load(child)) &
		 (TCPF_ESTABLISHED | TCPF_SYN_RECV));
}

static void park_waiting_locked(struct iketcp_listener *listener,
				struct iketcp_conn *conn)
{
	lockdep_assert_held(&listener->lock);

	if (is_over(conn->sk))
		list_add(&conn->parked, &listener->waiting);
	else
		list_add_tail(&conn->parked, &listener->waiting);
	WRITE_ONCE(listener->nr_waiting, listener->nr_waiting + 1);
	conn->parked_ready = false;
}

static void unpark_locked(struct iketcp_listener *listener,
			  struct iketcp_conn *conn)
{
	lockdep_assert_held(&listener->lock);

	list_del_init(&conn->parked);
	if (conn->parked_ready)
		WRITE_ONCE(listener->nr_ready, listener->nr_ready - 1);
	else
		WRITE_ONCE(listener->nr_waiting, listener->nr_waiting - 1);
}

/**
 * iketcp_listen_note_prefix() - a connection's prefix is whole
 * @conn: the connection
 *
 * Context: socket lock held, in softirq or process.
 */
void iketcp_listen_note_prefix(struct iketcp_conn *conn)
{
	struct iketcp_listener *listener = conn->listener;

	if (!listener)
		return;
	spin_lock_bh(&listener->lock);
	if (!list_empty(&conn->parked) && !conn->parked_ready) {
		unpark_locked(listener, conn);
		park_ready_locked(listener, conn);
	}
	spin_unlock_bh(&listener->lock);
}

/**
 * iketcp_listen_note_end() - a connection will get no more bytes
 * @conn: the connection
 *
 * If it waits for its prefix it does so in vain.
 *
 * Context: socket lock held, in softirq or process.
 */
void iketcp_listen_note_end(struct iketcp_conn *conn)
{
	struct iketcp_listener *listener = conn->listener;

	if (!listener)
		return;
	spin_lock_bh(&listener->lock);
	if (!list_empty(&conn->parked) && !conn->parked_ready) {
		list_move(&conn->parked, &listener->waiting);
		kick_locked(listener);
	}
	spin_unlock_bh(&listener->lock);
}

/*
 * Close a socket that accept() has never returned. @child is gone afterwards.
 *
 * Context: process; the caller has taken it off the listener's lists.
 */
static void close_child(struct sock *child)
{
	struct iketcp_stats *stats = iketcp_stats_get(sock_net(child));

	iketcp_stat_inc(stats, IKETCP_STAT_LISTEN_DROP);
	iketcp_stats_put(stats);
	/* TCP's own, or ours, which detaches first. */
	READ_ONCE(child->sk_prot)->close(child, 0);
}

/* Do more connections wait for their prefix than may? */
static bool is_crowded(const struct iketcp_listener *listener)
{
	return READ_ONCE(listener->nr_waiting) >
	       iketcp_sysctl_max_waiting(sock_net(listener->sk));
}

/*
 * A connection that waits for nothing, or the oldest of too many. Only the first has
 * to be looked at: there may be thousands.
 * Return: it, off the list; NULL when there is none.
 */
static struct iketcp_conn *pop_stranger(struct iketcp_listener *listener)
{
	bool crowded = is_crowded(listener);
	struct iketcp_conn *conn;

	spin_lock_bh(&listener->lock);
	conn = list_first_entry_or_null(&listener->waiting, struct iketcp_conn,
					parked);
	if (conn && (crowded || is_over(conn->sk)))
		unpark_locked(listener, conn);
	else
		conn = NULL;
	spin_unlock_bh(&listener->lock);
	return conn;
}

/*
 * The end of a connection that waited for its prefix; unless that has come
 * meanwhile, be it with the end of the stream: TCP tells of a FIN before it shows
 * what came in the same segment, all under the socket lock.
 */
static void judge(struct iketcp_listener *listener, struct iketcp_conn *conn)
{
	struct sock *child = conn->sk;
	bool stranger;

	lock_sock(child);
	iketcp_rx_catch_up(conn);
	stranger = conn->rx.dead ||
		   conn->rx.frame.state == IKETCP_FRAME_IN_PREFIX;
	if (!stranger) {
		spin_lock_bh(&listener->lock);
		park_ready_locked(listener, conn);
		spin_unlock_bh(&listener->lock);
	}
	release_sock(child);
	if (stranger)
		close_child(child);
}

/* A child from TCP's queue becomes a connection that waits for accept(). */
static int adopt(struct iketcp_listener *listener, struct sock *child)
{
	struct iketcp_conn *conn;
	bool ready;
	int err;

	lock_sock(child);
	conn = iketcp_ulp_attach_child(child, listener->ops);
	err = PTR_ERR_OR_ZERO(conn);
	if (err)
		goto unlock;

	refcount_inc(&listener->ref);
	conn->listener = listener;
	conn->rx.timeout = iketcp_listen_timeout(listener);
	iketcp_limit_set(conn, iketcp_listen_max_message(listener));

	spin_lock_bh(&listener->lock);
	ready = !READ_ONCE(listener->filter);
	if (!ready)
		park_waiting_locked(listener, conn);
	spin_unlock_bh(&listener->lock);

	/* What has come already is read: it may make the connection ready. */
	iketcp_rx_start(conn);

	/* Now accept() may have it at once. */
	if (ready) {
		spin_lock_bh(&listener->lock);
		park_ready_locked(listener, conn);
		spin_unlock_bh(&listener->lock);
	}
unlock:
	release_sock(child);
	return err;
}

static bool has_room(const struct iketcp_listener *listener)
{
	return READ_ONCE(listener->nr_ready) <=
	       READ_ONCE(listener->sk->sk_max_ack_backlog);
}

static void run(struct work_struct *work)
{
	struct iketcp_listener *listener =
		container_of(work, struct iketcp_listener, work);
	struct iketcp_conn *conn;
	struct sock *child;

	/* Who floods must not keep this from its bound, nor from an end. */
	while (!READ_ONCE(listener->closed) && has_room(listener)) {
		child = iketcp_compat_accept(listener->sk);
		if (!child)
			break;
		if (adopt(listener, child))
			close_child(child);
		if (is_crowded(listener)) {
			conn = pop_stranger(listener);
			if (conn)
				judge(listener, conn);
		}
		cond_resched();
	}
	while (!READ_ONCE(listener->closed) &&
	       (conn = pop_stranger(listener))) {
		judge(listener, conn);
		cond_resched();
	}
}

static int wake_fn(wait_queue_entry_t *wait, unsigned int mode, int sync,
		   void *key)
{
	struct iketcp_listener *listener =
		container_of(wait, struct iketcp_listener, wait);

	/* Under the wait queue's lock, as is the entry's removal. */
	schedule_work(&listener->work);
	return 0;
}

/* Close what accept() has not returned. Context: process. */
static void close_parked(struct iketcp_listener *listener)
{
	struct iketcp_conn *conn;

	for (;;) {
		spin_lock_bh(&listener->lock);
		conn = list_first_entry_or_null(&listener->ready,
						struct iketcp_conn, parked) ?:
		       list_first_entry_or_null(&listener->waiting,
						struct iketcp_conn, parked);
		if (conn)
			unpark_locked(listener, conn);
		spin_unlock_bh(&listener->lock);
		if (!conn)
			break;
		close_child(conn->sk);
	}
}

/* The socket's last call, or one of a socket that accept() has not filled. */
static int ops_release(struct socket *sock)
{
	struct iketcp_listener *listener;
	struct sock *sk = sock->sk;
	const struct proto_ops *ops;

	if (!sk)
		return 0;

	listener = listener_of(sk);
	ops = listener->ops;
	remove_wait_queue(sk_sleep(sk), &listener->wait);
	spin_lock_bh(&listener->lock);
	WRITE_ONCE(listener->closed, true);
	spin_unlock_bh(&listener->lock);
	cancel_work_sync(&listener->work);
	close_parked(listener);

	lock_sock(sk);
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, NULL);
	/* As in sock.c's detach(): the caller still holds us for sock->ops. */
	inet_csk(sk)->icsk_ulp_ops = NULL;
	WRITE_ONCE(sock->ops, ops);
	release_sock(sk);
	module_put(THIS_MODULE);
	module_put(ops->owner);

	iketcp_listen_put(listener);
	return ops->release(sock);
}

/* Return: a connection off the list, or NULL. */
static struct iketcp_conn *pop_ready(struct iketcp_listener *listener)
{
	struct iketcp_conn *conn;

	spin_lock_bh(&listener->lock);
	conn = list_first_entry_or_null(&listener->ready, struct iketcp_conn,
					parked);
	if (conn) {
		unpark_locked(listener, conn);
		/* There is room again for another one. */
		kick_locked(listener);
	}
	spin_unlock_bh(&listener->lock);
	return conn;
}

static struct iketcp_conn *wait_ready(struct sock *sk, int flags)
{
	struct iketcp_listener *listener = listener_of(sk);
	long timeo = sock_rcvtimeo(sk, flags & O_NONBLOCK);
	struct iketcp_conn *conn;
	DEFINE_WAIT(wait);

	for (;;) {
		/* Exclusive: one connection, one thread. */
		prepare_to_wait_exclusive(sk_sleep(sk), &wait,
					  TASK_INTERRUPTIBLE);
		conn = ERR_PTR(-EINVAL);
		if (inet_sk_state_load(sk) != TCP_LISTEN)
			break;
		conn = pop_ready(listener);
		if (conn)
			break;
		conn = ERR_PTR(-EAGAIN);
		if (!timeo)
			break;
		conn = ERR_PTR(sock_intr_errno(timeo));
		if (signal_pending(current))
			break;
		timeo = schedule_timeout(timeo);
	}
	finish_wait(sk_sleep(sk), &wait);
	return conn;
}

IKETCP_COMPAT_ACCEPT(ops_accept)
{
	struct iketcp_conn *conn;
	struct sock *child;

	conn = wait_ready(sock->sk, IKETCP_COMPAT_ACCEPT_FLAGS);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	IKETCP_COMPAT_ACCEPT_EMPTY(!READ_ONCE(listener_of(sock->sk)->nr_ready));

	child = conn->sk;
	lock_sock(child);
	sock_graft(child, newsock);
	newsock->ops = iketcp_sock_ops(child);
	newsock->state = SS_CONNECTED;
	release_sock(child);
	/* ESP may have waited for the socket. */
	iketcp_tx_kick(conn);
	return 0;
}

static __poll_t ops_poll(struct file *file, struct socket *sock,
			 poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct iketcp_listener *listener = listener_of(sk);

	if (inet_sk_state_load(sk) != TCP_LISTEN)
		return listener->ops->poll(file, sock, wait);

	sock_poll_wait(file, sock, wait);
	return READ_ONCE(listener->nr_ready) ? EPOLLIN | EPOLLRDNORM : 0;
}

/* It ends the listening, as with any listener; what waits is closed. */
static int ops_shutdown(struct socket *sock, int how)
{
	struct iketcp_listener *listener = listener_of(sock->sk);
	int err = listener->ops->shutdown(sock, how);

	if (inet_sk_state_load(sock->sk) != TCP_LISTEN) {
		/* It may have a child in hand, the last one. */
		flush_work(&listener->work);
		close_parked(listener);
	}
	return err;
}

static int ops_connect(struct socket *sock, struct sockaddr *addr, int len,
		       int flags)
{
	return -EOPNOTSUPP;
}

static int ops_setsockopt(struct socket *sock, int level, int optname,
			  sockptr_t optval, unsigned int optlen)
{
	if (level == SOL_IKETCP)
		return iketcp_opt_set(sock->sk, optname, optval, optlen);
	/* Its children begin before they are established. */
	if (level == SOL_TCP && optname == TCP_FASTOPEN)
		return -EOPNOTSUPP;
	return listener_of(sock->sk)->ops->setsockopt(sock, level, optname,
						      optval, optlen);
}

static int ops_getsockopt(struct socket *sock, int level, int optname,
			  char __user *optval, int __user *optlen)
{
	if (level == SOL_IKETCP)
		return iketcp_opt_get(sock->sk, optname, optval, optlen);
	return listener_of(sock->sk)->ops->getsockopt(sock, level, optname,
						      optval, optlen);
}

static void build(struct proto_ops *ops, const struct proto_ops *stock)
{
	*ops = *stock;
	ops->owner = THIS_MODULE;
	ops->release = ops_release;
	ops->connect = ops_connect;
	ops->accept = ops_accept;
	ops->poll = ops_poll;
	ops->shutdown = ops_shutdown;
	ops->setsockopt = ops_setsockopt;
	ops->getsockopt = ops_getsockopt;
}

/* Return: our calls for a socket that has @ops now; NULL for none of TCP's. */
static const struct proto_ops *table_for(const struct sock *sk,
					 const struct proto_ops *ops)
{
	if (sk->sk_family == AF_INET)
		return sk->sk_prot == &tcp_prot && ops == &inet_stream_ops ?
		       &ops4 : NULL;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_prot != &tcpv6_prot)
		return NULL;
	mutex_lock(&ops6_lock);
	if (!ops6.accept)
		build(&ops6, ops);
	mutex_unlock(&ops6_lock);
	return &ops6;
#else
	return NULL;
#endif
}

/**
 * iketcp_listen_start() - make a listening socket a listener of ours
 * @sk: the socket
 *
 * Context: process, socket lock held.
 * Return: 0, -EBUSY when somebody else has its calls, -EINVAL with Fast Open,
 * -ENOMEM.
 */
int iketcp_listen_start(struct sock *sk)
{
	const struct proto_ops *ops = sk->sk_socket->ops;
	struct iketcp_listener *listener;
	const struct proto_ops *ours;

	sock_owned_by_me(sk);

	if (inet_csk(sk)->icsk_accept_queue.fastopenq.max_qlen)
		return -EINVAL;
	ours = table_for(sk, ops);
	if (!ours)
		return -EBUSY;

	listener = kzalloc(sizeof(*listener), GFP_KERNEL);
	if (!listener)
		return -ENOMEM;
	listener->role = IKETCP_ROLE_LISTENER;
	refcount_set(&listener->ref, 1);
	listener->sk = sk;
	listener->ops = ops;
	listener->timeout = -1;
	spin_lock_init(&listener->lock);
	INIT_LIST_HEAD(&listener->waiting);
	INIT_LIST_HEAD(&listener->ready);
	INIT_WORK(&listener->work, run);
	init_waitqueue_func_entry(&listener->wait, wake_fn);

	/* For ops->owner; put by __sock_release(). */
	__module_get(THIS_MODULE);
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, listener);
	WRITE_ONCE(sk->sk_socket->ops, ours);
	add_wait_queue(sk_sleep(sk), &listener->wait);
	/* There may be some already. The worker waits for the socket lock. */
	schedule_work(&listener->work);
	return 0;
}

/**
 * iketcp_listen_set_filter() - shall accept() wait for the prefix?
 * @listener: the listener
 * @filter: yes; else what waits for it now is ready, too
 *
 * Context: process, socket lock held.
 */
void iketcp_listen_set_filter(struct iketcp_listener *listener, bool filter)
{
	struct iketcp_conn *conn, *next;

	spin_lock_bh(&listener->lock);
	WRITE_ONCE(listener->filter, filter);
	if (!filter) {
		list_for_each_entry_safe(conn, next, &listener->waiting,
					 parked) {
			unpark_locked(listener, conn);
			park_ready_locked(listener, conn);
		}
	}
	spin_unlock_bh(&listener->lock);
}

/** iketcp_listen_filter() - does accept() wait for the prefix? */
bool iketcp_listen_filter(const struct iketcp_listener *listener)
{
	return READ_ONCE(listener->filter);
}

/**
 * iketcp_listen_set_timeout() - time limit of the prefix, for connections to be
 * @listener: the listener
 * @seconds: 0..3600, 0 for no limit
 *
 * Context: process, socket lock held.
 */
void iketcp_listen_set_timeout(struct iketcp_listener *listener,
			       unsigned int seconds)
{
	WRITE_ONCE(listener->timeout, seconds);
}

/** iketcp_listen_timeout() - what connections get: seconds, 0 for no limit */
unsigned int iketcp_listen_timeout(const struct iketcp_listener *listener)
{
	int seconds = READ_ONCE(listener->timeout);

	return seconds >= 0 ? seconds :
	       iketcp_sysctl_prefix_timeout(sock_net(listener->sk));
}

/**
 * iketcp_listen_set_max_message() - limit of messages, for connections to be
 * @listener: the listener
 * @max: bytes, IKETCP_LIMIT_MIN..IKETCP_LIMIT_NONE
 *
 * Context: process, socket lock held.
 */
void iketcp_listen_set_max_message(struct iketcp_listener *listener,
				   unsigned int max)
{
	WRITE_ONCE(listener->max_message, max);
}

/** iketcp_listen_max_message() - what connections get: bytes */
unsigned int iketcp_listen_max_message(const struct iketcp_listener *listener)
{
	return READ_ONCE(listener->max_message) ?:
	       iketcp_sysctl_max_message(sock_net(listener->sk));
}

/** iketcp_listen_info() - the listener's part of iketcp_info_fill() */
void iketcp_listen_info(const struct iketcp_listener *listener,
			struct iketcp_info *info)
{
	if (iketcp_listen_filter(listener))
		info->flags |= IKETCP_INFO_F_FILTER;
	info->waiting = READ_ONCE(listener->nr_waiting);
	info->ready = READ_ONCE(listener->nr_ready);
}

/**
 * iketcp_listen_setup() - build the IPv4 table
 *
 * Context: module init.
 */
void __init iketcp_listen_setup(void)
{
	build(&ops4, &inet_stream_ops);
}
