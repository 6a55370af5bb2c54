// SPDX-License-Identifier: GPL-2.0
/*
 * Send: what waits in the queue (queue.c) is taken in trains (train.c) and given
 * to TCP.
 *
 * ESP output may run inside a call chain that holds the socket lock already,
 * so it never takes it: it queues and schedules a tasklet (run_soon), which runs
 * when that chain has ended or lets softirqs run. If a process has the socket lock,
 * or something is to be done that may sleep, the tasklet leaves it to the runner
 * (run), a work item.
 */
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/sched/mm.h>
#include <net/tcp.h>

#include "conn.h"
#include "msg.h"
#include "queue.h"
#include "rx.h"
#include "train.h"
#include "tx.h"

/* bytes given to TCP before the socket lock is let go for a moment */
#define RUN_BYTES	(512 * 1024)

/* the same in softirq: if there is more, other work should have a chance */
#define SOON_BYTES	(64 * 1024)

/* when TCP has no memory, to try again */
#define NOMEM_DELAY	(HZ / 50 ?: 1)

static struct workqueue_struct *workqueue;

static struct iketcp_conn *conn_of_work(struct work_struct *work)
{
	return container_of(to_delayed_work(work), struct iketcp_conn, tx.work);
}

static struct iketcp_conn *conn_of_tasklet(struct tasklet_struct *tasklet)
{
	return container_of(tasklet, struct iketcp_conn, tx.soon);
}

/*
 * The socket can take bytes: neither before the handshake nor after the end; nor
 * before accept(), as TCP wants a struct socket for that.
 */
static bool can_send(const struct sock *sk)
{
	return sk->sk_socket &&
	       (1 << sk->sk_state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT);
}

/**
 * iketcp_tx_kick_locked() - give TCP what waits
 * @tx: the connection's
 *
 * Context: tx.lock held.
 */
void iketcp_tx_kick_locked(struct iketcp_tx *tx)
{
	lockdep_assert_held(&tx->lock);

	if (!tx->stopped)
		tasklet_schedule(&tx->soon);
}

/**
 * iketcp_tx_kick() - give TCP what waits
 * @conn: the connection
 *
 * Context: any but hard interrupt. Harmless after iketcp_tx_stop().
 */
void iketcp_tx_kick(struct iketcp_conn *conn)
{
	spin_lock_bh(&conn->tx.lock);
	iketcp_tx_kick_locked(&conn->tx);
	spin_unlock_bh(&conn->tx.lock);
}

/* Start the work item, in @delay jiffies; 0: though it would have waited. */
static void kick_work_locked(struct iketcp_tx *tx, unsigned long delay)
{
	lockdep_assert_held(&tx->lock);

	if (tx->stopped)
		return;
	if (delay)
		queue_delayed_work(workqueue, &tx->work, delay);
	else
		mod_delayed_work(workqueue, &tx->work, 0);
}

static void kick_work(struct iketcp_conn *conn, unsigned long delay)
{
	spin_lock_bh(&conn->tx.lock);
	kick_work_locked(&conn->tx, delay);
	spin_unlock_bh(&conn->tx.lock);
}

/**
 * iketcp_tx_call_runner() - something is to be done in process context
 * @conn: the connection
 *
 * Context: any but hard interrupt. Harmless after iketcp_tx_stop().
 */
void iketcp_tx_call_runner(struct iketcp_conn *conn)
{
	kick_work(conn, 0);
}

/**
 * iketcp_tx_flush_runner() - wait until what the runner was called for is done
 * @conn: the connection
 *
 * Context: process, socket lock not held.
 */
void iketcp_tx_flush_runner(struct iketcp_conn *conn)
{
	flush_delayed_work(&conn->tx.work);
}

/**
 * iketcp_tx_abort() - let the runner reset the connection
 * @conn: the connection
 * @err: what the daemon shall read, positive errno
 *
 * Context: socket lock held, any; the reset itself needs process context.
 */
void iketcp_tx_abort(struct iketcp_conn *conn, int err)
{
	conn->tx.abort = err;
	conn->tx.reason = err;
	iketcp_tx_call_runner(conn);
}

/*
 * Give TCP what waits, about @max bytes of it, with the socket lock. Return: delay
 * of the next turn, or -1.
 */
static long run_locked(struct iketcp_conn *conn, size_t max)
{
	struct iketcp_tx *tx = &conn->tx;
	struct sock *sk = conn->sk;
	size_t total = 0;

	/* A closed connection keeps nothing: see iketcp_tx_close(). */
	if (READ_ONCE(tx->closed)) {
		iketcp_tx_purge(conn);
		return -1;
	}
	iketcp_queue_set_esp_max(conn);

	while (can_send(sk) && iketcp_train_refill(conn)) {
		ssize_t sent;

		if (total >= max)
			return 0;
		sent = iketcp_train_send(conn);
		if (sent < 0 && sent != -EAGAIN) {
			iketcp_tx_close(conn);
			iketcp_tx_purge(conn);
			return -1;
		}
		/* TCP is full, and calls write_space(); or it has no memory. */
		if (!list_empty(&tx->sending))
			return sk_stream_memory_free(sk) ? NOMEM_DELAY : -1;
		total += sent;
	}
	return -1;
}

static void run(struct work_struct *work)
{
	struct iketcp_conn *conn = conn_of_work(work);
	struct iketcp_tx *tx = &conn->tx;
	struct sock *sk = conn->sk;
	unsigned int noio;
	long again = -1;
	int abort;

	/* What is paged out may be reached through this very connection. */
	noio = memalloc_noio_save();
	lock_sock(sk);
	iketcp_rx_catch_up(conn);
	abort = tx->abort;
	tx->abort = 0;
	if (!abort)
		again = run_locked(conn, RUN_BYTES);
	release_sock(sk);

	/* It takes the lock itself, and tells us through state_change(). */
	if (abort)
		tcp_abort(sk, abort);
	memalloc_noio_restore(noio);

	if (again >= 0)
		kick_work(conn, again);
}

/* TCP is full, and has not called write_space() yet. */
static bool is_full(const struct sock *sk)
{
	return can_send(sk) && !sk_stream_memory_free(sk) &&
	       test_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
}

/* run_locked() for those who must not sleep. */
static long run_atomic(struct iketcp_conn *conn)
{
	struct sock *sk = conn->sk;
	gfp_t allocation = sk->sk_allocation;
	long again;

	sk->sk_allocation = sk_gfp_mask(sk, GFP_ATOMIC | __GFP_NOWARN);
	again = run_locked(conn, SOON_BYTES);
	sk->sk_allocation = allocation;
	return again;
}

/*
 * Give TCP what waits, without a process that would have to be woken first. What
 * has to wait, for the socket lock or for other reasons, is left to the runner.
 *
 * Context: softirq. Whoever has a socket's spinlock has BH off, so it is nobody whom
 * this has interrupted.
 */
static void run_soon(struct tasklet_struct *tasklet)
{
	struct iketcp_conn *conn = conn_of_tasklet(tasklet);
	struct sock *sk = conn->sk;
	long again = 0;

	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk) && !READ_ONCE(conn->tx.closed) &&
	    !conn->tx.abort)
		again = is_full(sk) ? -1 : run_atomic(conn);
	bh_unlock_sock(sk);

	/* Without memory, too: there it may be had. */
	if (again >= 0)
		kick_work(conn, 0);
}

/**
 * iketcp_tx_close() - take no more messages
 * @conn: a connection that is broken or being detached
 *
 * The runner drops what is queued: after a break no byte of it could be used,
 * as the next connection starts with a new stream (section 6).
 *
 * Context: any but hard interrupt.
 */
void iketcp_tx_close(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;

	spin_lock_bh(&tx->lock);
	WRITE_ONCE(tx->closed, true);
	kick_work_locked(tx, 0);
	spin_unlock_bh(&tx->lock);
}

/**
 * iketcp_tx_stop() - end the runner
 * @conn: a connection being detached
 *
 * Context: process, socket lock not held (the runner takes it).
 */
void iketcp_tx_stop(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;

	spin_lock_bh(&tx->lock);
	tx->stopped = true;
	spin_unlock_bh(&tx->lock);
	/* In this order: each may start the next. */
	hrtimer_cancel(&tx->hold);
	tasklet_kill(&tx->soon);
	cancel_delayed_work_sync(&tx->work);
}

static void take_queue(struct iketcp_tx *tx)
{
	spin_lock_bh(&tx->lock);
	list_splice_tail_init(&tx->queue, &tx->sending);
	spin_unlock_bh(&tx->lock);
}

/**
 * iketcp_tx_drain() - give TCP what the daemon wrote before it closed
 * @conn: a connection about to be closed or shut down; iketcp_tx_close() was
 *	  called, so that nothing comes behind and is lost
 *
 * IKE messages (a DELETE, say) go out although the send buffer may be full:
 * they are bounded by the daemon's allowance. ESP is not worth it, but for a
 * message that has begun and has IKE behind it, which could not be read without
 * its end.
 *
 * Context: process, socket lock held.
 */
void iketcp_tx_drain(struct iketcp_conn *conn)
{
	struct tcp_sock *tp = tcp_sk(conn->sk);
	struct iketcp_tx *tx = &conn->tx;
	struct iketcp_msg *msg, *next;
	struct sock *sk = conn->sk;
	int sndbuf, lowat;
	bool ike = false;

	sock_owned_by_me(sk);

	if (!can_send(sk))
		return;
	take_queue(tx);
	list_for_each_entry_safe(msg, next, &tx->sending, list) {
		ike |= msg->kind == IKETCP_MSG_IKE;
		if (msg->kind == IKETCP_MSG_ESP && !msg->sent)
			iketcp_queue_drop(conn, msg, IKETCP_STAT_OUT_CLOSED);
	}
	if (!ike)
		return;

	sndbuf = sk->sk_sndbuf;
	lowat = tp->notsent_lowat;
	WRITE_ONCE(sk->sk_sndbuf, INT_MAX);
	WRITE_ONCE(tp->notsent_lowat, UINT_MAX);
	iketcp_train_send(conn);
	WRITE_ONCE(sk->sk_sndbuf, sndbuf);
	WRITE_ONCE(tp->notsent_lowat, lowat);
}

/**
 * iketcp_tx_purge() - drop everything that is queued
 * @conn: a connection whose tx.closed is set
 *
 * Context: process or softirq, socket lock held.
 */
void iketcp_tx_purge(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;
	struct iketcp_msg *msg, *next;

	sock_owned_by_me(conn->sk);

	take_queue(tx);
	list_for_each_entry_safe(msg, next, &tx->sending, list)
		iketcp_queue_drop(conn, msg, IKETCP_STAT_OUT_CLOSED);
}

/**
 * iketcp_tx_begin() - let the prefix go out
 * @conn: a connection of an originator
 *
 * It is the first entry of the queue, so it goes out first, once.
 *
 * Context: process; with the socket lock held, or while the connection is being
 * made.
 * Return: 0, -ENOMEM, or -EBUSY when something was queued or sent already.
 */
int iketcp_tx_begin(struct iketcp_conn *conn)
{
	struct iketcp_msg *msg = iketcp_msg_alloc(GFP_KERNEL);
	struct iketcp_tx *tx = &conn->tx;
	int err = -ENOMEM;

	if (!msg)
		return err;
	if (!iketcp_msg_room(msg, NULL, IKETCP_PREFIX_LEN, false, GFP_KERNEL))
		goto free;
	memcpy(iketcp_msg_data(msg), iketcp_frame_prefix, IKETCP_PREFIX_LEN);
	msg->kind = IKETCP_MSG_PREFIX;

	err = -EBUSY;
	spin_lock_bh(&tx->lock);
	if (!tx->closed && list_empty(&tx->queue) &&
	    list_empty(&tx->sending) && !conn->counted.out_bytes) {
		list_add_tail(&msg->list, &tx->queue);
		err = 0;
	}
	spin_unlock_bh(&tx->lock);
	if (!err)
		return 0;
free:
	iketcp_msg_free(msg);
	return err;
}

/**
 * iketcp_tx_init() - set up a connection's queue and runner
 * @conn: being made; role is set
 *
 * Return: 0, or -ENOMEM.
 */
int iketcp_tx_init(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;

	iketcp_queue_init(conn);
	INIT_LIST_HEAD(&tx->sending);
	tasklet_setup(&tx->soon, run_soon);
	INIT_DELAYED_WORK(&tx->work, run);
	return conn->role == IKETCP_ROLE_ORIGINATOR ? iketcp_tx_begin(conn) : 0;
}

int __init iketcp_tx_setup(void)
{
	workqueue = alloc_workqueue("iketcp", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return workqueue ? 0 : -ENOMEM;
}

/* Context: process, module exit; no connection is left. */
void iketcp_tx_teardown(void)
{
	destroy_workqueue(workqueue);
}
