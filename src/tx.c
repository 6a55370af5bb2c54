// SPDX-License-Identifier: GPL-2.0
/*
 * Send: messages come from any context into one queue, which is taken in trains
 * and given to TCP.
 *
 * ESP output may run inside a call chain that holds the socket lock already,
 * so it never takes it: it queues and schedules a tasklet (run_soon), which runs
 * when that chain has ended or lets softirqs run. If a process has the socket lock,
 * or something is to be done that may sleep, the tasklet leaves it to the runner
 * (run), a work item.
 *
 * IKE and ESP share the queue, so that their order is kept, but each has an
 * allowance of its own, so that neither can crowd out the other (section 12.1:
 * bounded buffering).
 */
#include <linux/bvec.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/sched/mm.h>
#include <net/tcp.h>

#include "compat.h"
#include "conn.h"
#include "msg.h"
#include "rx.h"
#include "trace.h"
#include "tx.h"

/*
 * ESP bytes that may wait in front of TCP: what goes in 1/16 s, within these
 * bounds. More only adds delay for inner connections (section 12.1); less cuts
 * trains short, and a burst has to find room. Below that it is the delay that
 * decides (delay.c).
 */
#define ESP_BYTES_SHIFT	4
#define ESP_BYTES_MIN	(64 * 1024)
#define ESP_BYTES_MAX	(256 * 1024)

/*
 * Bytes that TCP may hold unsent: what goes in 1/256 s, within these bounds and
 * TCP_NOTSENT_LOWAT. They wait behind nobody's queue discipline, so there should
 * be few; but TCP must have something to send when an acknowledgment comes, and
 * enough for full segments.
 */
#define UNSENT_SHIFT	8
#define UNSENT_MIN	(8 * 1024)

/*
 * ESP messages that come one by one, but closely, wait for each other, so that TCP
 * sends many in one segment: until there are so many bytes, which fill a few, or
 * the first has waited so long (iketcp_delay_now(); as NICs wait before they tell
 * what they have received). Only while as many as HOLD_GATHER can be expected in
 * that time: at fewer it would not pay.
 */
#define HOLD_TIME	256
#define HOLD_GATHER	4
#define HOLD_BYTES	4096

/*
 * The mean time between messages: over how many of them; what one counts at most,
 * so that few pauses of the sender change nothing; and what one counts at least that
 * comes behind an answer of the peer's, as it may be the next question. After a long
 * time nothing is known.
 */
#define GAP_WEIGHT	8
#define GAP_MAX		HOLD_TIME
#define GAP_ANSWER	(2 * HOLD_TIME / HOLD_GATHER)
#define GAP_FORGET	4096

/* pieces of memory given to TCP in one call */
#define TRAIN_PIECES	16

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

static void kick_locked(struct iketcp_tx *tx)
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
	kick_locked(&conn->tx);
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

/**
 * iketcp_tx_esp_room() - may another ESP message be made?
 * @conn: the connection
 * @ahead: bytes of the SA that are being encrypted or wait for their turn
 *
 * Asked before the work of encryption; the last message may pass the bound.
 */
bool iketcp_tx_esp_room(const struct iketcp_conn *conn, unsigned int ahead)
{
	return READ_ONCE(conn->tx.esp_bytes) + ahead <
	       READ_ONCE(conn->tx.esp_max);
}

/**
 * iketcp_tx_esp_waits() - are there ESP messages that TCP has not taken yet?
 * @conn: the connection
 */
bool iketcp_tx_esp_waits(const struct iketcp_conn *conn)
{
	return READ_ONCE(conn->tx.esp_bytes);
}

/* Shall a message that has come into the queue wait for others? */
static bool may_wait(struct iketcp_conn *conn, u32 now)
{
	u32 heard = READ_ONCE(conn->counted.in_esp);
	struct iketcp_tx *tx = &conn->tx;
	u32 gap = now - tx->last;

	lockdep_assert_held(&tx->lock);

	if (heard != tx->heard)
		gap = max_t(u32, gap, GAP_ANSWER);
	if (gap > GAP_FORGET)
		tx->gaps = GAP_MAX * GAP_WEIGHT;
	else
		tx->gaps += min_t(u32, gap, GAP_MAX) - tx->gaps / GAP_WEIGHT;
	tx->last = now;
	tx->heard = heard;
	/* A timer that has only ticks would take much longer. */
	return tx->gaps < HOLD_TIME / HOLD_GATHER * GAP_WEIGHT &&
	       tx->esp_bytes < HOLD_BYTES &&
	       hrtimer_resolution < HOLD_TIME * NSEC_PER_USEC;
}

static ktime_t hold_ktime(u32 time)
{
	return ns_to_ktime((u64)time << 10);
}

/* The first message has waited for long enough, if it is still there. */
static enum hrtimer_restart end_hold(struct hrtimer *timer)
{
	struct iketcp_tx *tx = container_of(timer, struct iketcp_tx, hold);
	enum hrtimer_restart restart = HRTIMER_NORESTART;
	const struct iketcp_msg *first;
	u32 waited;

	spin_lock_bh(&tx->lock);
	first = list_first_entry_or_null(&tx->queue, struct iketcp_msg, list);
	waited = first ? iketcp_delay_now() - first->queued : 0;
	if (first && waited < HOLD_TIME) {
		hrtimer_forward_now(timer, hold_ktime(HOLD_TIME - waited));
		restart = HRTIMER_RESTART;
	} else {
		tx->held = false;
		if (first)
			kick_locked(tx);
	}
	spin_unlock_bh(&tx->lock);
	return restart;
}

/* Give TCP what waits, but not before it is worth it. */
static void kick_gathered(struct iketcp_conn *conn, u32 now)
{
	struct iketcp_tx *tx = &conn->tx;

	lockdep_assert_held(&tx->lock);

	if (!may_wait(conn, now)) {
		kick_locked(tx);
	} else if (!tx->held && !tx->stopped) {
		tx->held = true;
		hrtimer_start(&tx->hold, hold_ktime(HOLD_TIME),
			      HRTIMER_MODE_REL_SOFT);
	}
}

/**
 * iketcp_tx_push_esp() - queue an ESP message
 * @conn: the connection
 * @msg: the message; the queue's if true is returned, else still the caller's
 *
 * Context: any but hard interrupt.
 * Return: false when the connection takes no more messages.
 */
bool iketcp_tx_push_esp(struct iketcp_conn *conn, struct iketcp_msg *msg)
{
	struct iketcp_tx *tx = &conn->tx;
	bool open;

	spin_lock_bh(&tx->lock);
	open = !tx->closed;
	if (open) {
		msg->kind = IKETCP_MSG_ESP;
		msg->queued = iketcp_delay_now();
		list_add_tail(&msg->list, &tx->queue);
		WRITE_ONCE(tx->esp_bytes, tx->esp_bytes + msg->len);
		kick_gathered(conn, msg->queued);
	}
	spin_unlock_bh(&tx->lock);
	return open;
}

/**
 * iketcp_tx_ike_room() - reserve bytes for an IKE message
 * @conn: the connection
 * @len: bytes with the length field
 *
 * The reservation ends when the message, pushed with iketcp_tx_push_ike(), has
 * gone; a caller that fails to make the message pushes an empty one.
 *
 * As with TCP the last message may pass the bound, so that a poller who was
 * told to write can, whatever the length.
 *
 * Return: reserved, or the connection is closed; else the socket's sleepers
 * are woken when it is worth another try.
 */
bool iketcp_tx_ike_room(struct iketcp_conn *conn, unsigned int len)
{
	struct iketcp_tx *tx = &conn->tx;
	bool room;

	spin_lock_bh(&tx->lock);
	room = tx->closed || tx->ike_bytes < READ_ONCE(conn->sk->sk_sndbuf);
	if (room)
		tx->ike_bytes += len;
	else
		tx->starved = true;
	spin_unlock_bh(&tx->lock);
	return room;
}

/* Half of the allowance, so that writers do not wake for every byte. */
static bool is_writable(const struct iketcp_conn *conn)
{
	const struct iketcp_tx *tx = &conn->tx;

	lockdep_assert_held(&tx->lock);

	return tx->closed ||
	       tx->ike_bytes <= READ_ONCE(conn->sk->sk_sndbuf) / 2;
}

/**
 * iketcp_tx_writable() - should a poller write?
 * @conn: the connection
 *
 * Return: yes; else the socket's sleepers are woken when it should.
 */
bool iketcp_tx_writable(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;
	bool writable;

	spin_lock_bh(&tx->lock);
	writable = is_writable(conn);
	if (!writable)
		tx->starved = true;
	spin_unlock_bh(&tx->lock);
	return writable;
}

/* Bytes of a kind have left the queue; @ike bytes may let a writer go on. */
static void uncharge(struct iketcp_conn *conn, unsigned int esp,
		     unsigned int ike)
{
	struct iketcp_tx *tx = &conn->tx;
	bool wake = false;

	spin_lock_bh(&tx->lock);
	WRITE_ONCE(tx->esp_bytes, tx->esp_bytes - esp);
	tx->ike_bytes -= ike;
	if (tx->starved && is_writable(conn)) {
		tx->starved = false;
		wake = true;
	}
	spin_unlock_bh(&tx->lock);

	if (wake) {
		struct socket_wq *wq;

		rcu_read_lock();
		wq = rcu_dereference(conn->sk->sk_wq);
		if (skwq_has_sleeper(wq))
			wake_up_interruptible_poll(&wq->wait, EPOLLOUT |
						   EPOLLWRNORM | EPOLLWRBAND);
		rcu_read_unlock();
	}
}

/**
 * iketcp_tx_push_ike() - queue an IKE message whose bytes are reserved
 * @conn: the connection
 * @msg: the message; the queue's if true is returned, else still the caller's
 *
 * Context: process.
 * Return: false when the connection takes no more messages.
 */
bool iketcp_tx_push_ike(struct iketcp_conn *conn, struct iketcp_msg *msg)
{
	struct iketcp_tx *tx = &conn->tx;
	bool open;

	msg->kind = IKETCP_MSG_IKE;
	spin_lock_bh(&tx->lock);
	open = !tx->closed;
	if (open) {
		list_add_tail(&msg->list, &tx->queue);
		kick_locked(tx);
	}
	spin_unlock_bh(&tx->lock);
	if (!open)
		uncharge(conn, 0, msg->len);
	return open;
}

static void drop(struct iketcp_conn *conn, struct iketcp_msg *msg,
		 enum iketcp_stat_id reason)
{
	enum iketcp_msg_kind kind = msg->kind;
	unsigned int len = msg->len;

	list_del(&msg->list);
	iketcp_msg_free(msg);
	if (kind == IKETCP_MSG_PREFIX)
		return;
	iketcp_conn_drop(conn, reason);
	uncharge(conn, kind == IKETCP_MSG_ESP ? len : 0,
		 kind == IKETCP_MSG_IKE ? len : 0);
}

/**
 * iketcp_tx_offer_ike() - queue an IKE message if there is room for it
 * @conn: the connection, held; its socket may be gone
 * @msg: the message; the queue's if it is queued, else still the caller's
 *
 * Context: any but hard interrupt.
 * Return: IKETCP_STAT_COUNT: queued; else the counter of what is missing.
 */
enum iketcp_stat_id iketcp_tx_offer_ike(struct iketcp_conn *conn,
					struct iketcp_msg *msg)
{
	enum iketcp_stat_id reason = IKETCP_STAT_COUNT;
	struct iketcp_tx *tx = &conn->tx;

	msg->kind = IKETCP_MSG_IKE;
	spin_lock_bh(&tx->lock);
	/* Until it is closed the socket is there. */
	if (tx->closed)
		reason = IKETCP_STAT_OUT_CLOSED;
	else if (tx->ike_bytes >= READ_ONCE(conn->sk->sk_sndbuf))
		reason = IKETCP_STAT_OUT_FULL;
	if (reason == IKETCP_STAT_COUNT) {
		tx->ike_bytes += msg->len;
		list_add_tail(&msg->list, &tx->queue);
		kick_locked(tx);
	}
	spin_unlock_bh(&tx->lock);
	return reason;
}

/* Collect the head of tx->sending into pieces, neighbours merged. */
static unsigned int gather(const struct iketcp_tx *tx, struct bio_vec *piece,
			   size_t *len, bool *all)
{
	const struct iketcp_msg *msg;
	unsigned int n = 0;

	*len = 0;
	*all = true;
	list_for_each_entry(msg, &tx->sending, list) {
		unsigned int offset = msg->offset + msg->sent;
		unsigned int left = msg->len - msg->sent;
		struct bio_vec *last = n ? &piece[n - 1] : NULL;

		if (last && last->bv_page == msg->page &&
		    last->bv_offset + last->bv_len == offset) {
			last->bv_len += left;
		} else if (n < TRAIN_PIECES) {
			bvec_set_page(&piece[n++], msg->page, left, offset);
		} else {
			*all = false;
			break;
		}
		*len += left;
	}
	return n;
}

/* TCP has taken @sent bytes from the head of tx->sending. */
static void advance(struct iketcp_conn *conn, size_t sent)
{
	struct iketcp_tx *tx = &conn->tx;
	unsigned int esp = 0, ike = 0;

	conn->counted.out_bytes += sent;
	/* Freed skbs wake their senders in softirq: once, at the end. */
	local_bh_disable();
	while (sent) {
		struct iketcp_msg *msg;
		unsigned int left;

		msg = list_first_entry(&tx->sending, struct iketcp_msg, list);
		left = msg->len - msg->sent;
		if (sent < left) {
			msg->sent += sent;
			break;
		}
		sent -= left;
		list_del(&msg->list);
		if (msg->kind == IKETCP_MSG_IKE) {
			ike += msg->len;
			trace_iketcp_out(conn, true, msg->len);
			iketcp_stat_inc(conn->stats, IKETCP_STAT_OUT_IKE);
			conn->counted.out_ike++;
		} else if (msg->kind == IKETCP_MSG_ESP) {
			esp += msg->len;
			trace_iketcp_out(conn, false, msg->len);
			iketcp_stat_inc(conn->stats, IKETCP_STAT_OUT_ESP);
			conn->counted.out_esp++;
		}
		iketcp_msg_free(msg);
	}
	uncharge(conn, esp, ike);
	local_bh_enable();
}

/*
 * Give tx->sending to TCP. Each call but the last says that more is coming, so
 * that segments are full; the last one pushes at once, as Nagle is off.
 *
 * Return: bytes taken; or the error that stopped the first call.
 */
static ssize_t send_train(struct iketcp_conn *conn)
{
	struct bio_vec piece[TRAIN_PIECES];
	struct iketcp_tx *tx = &conn->tx;
	size_t total = 0;

	sock_owned_by_me(conn->sk);

	while (!list_empty(&tx->sending)) {
		unsigned int n;
		ssize_t sent;
		size_t len;
		bool all;

		n = gather(tx, piece, &len, &all);
		tx->running = true;
		sent = iketcp_compat_send_pages(conn->sk, piece, n, len,
						MSG_DONTWAIT | MSG_NOSIGNAL |
						(all ? 0 : MSG_MORE));
		tx->running = false;
		/* TCP tells its error once; it is the daemon's, too. */
		if (sent < 0 && sent != -EAGAIN && sent != -EPIPE)
			cmpxchg(&conn->sk->sk_err, 0, -sent);
		if (sent <= 0)
			return total ?: sent ?: -EAGAIN;
		advance(conn, sent);
		total += sent;
	}
	return total;
}

static void take_queue(struct iketcp_tx *tx)
{
	spin_lock_bh(&tx->lock);
	list_splice_tail_init(&tx->queue, &tx->sending);
	spin_unlock_bh(&tx->lock);
}

/* Return: how many bytes TCP may hold unsent. */
static unsigned int unsent_max(const struct sock *sk)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate) >> UNSENT_SHIFT;
	unsigned int lowat = READ_ONCE(tcp_sk(sk)->notsent_lowat);

	return min_t(unsigned long, max_t(unsigned long, rate, UNSENT_MIN),
		     lowat ?: INT_MAX);
}

/* Return: how many bytes of ESP may wait. */
static unsigned int esp_bytes_max(const struct sock *sk)
{
	return clamp_t(unsigned long,
		       READ_ONCE(sk->sk_pacing_rate) >> ESP_BYTES_SHIFT,
		       ESP_BYTES_MIN, ESP_BYTES_MAX);
}

/* Return: how many it holds. */
static unsigned int unsent(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_nxt);
}

/*
 * Microseconds that a message may wait because TCP is given as much as goes in
 * that time.
 */
static u32 delay_target(const struct sock *sk)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate) >> 10;

	return rate ? unsent_max(sk) * 1024UL / rate : USEC_PER_SEC;
}

/*
 * Take messages off the queue, about @room bytes, but those that are better
 * dropped; those go to @late.
 */
static void take_some(struct iketcp_conn *conn, int room,
		      struct list_head *late)
{
	struct iketcp_tx *tx = &conn->tx;
	struct iketcp_msg *msg, *next;
	u32 now, target;

	sock_owned_by_me(conn->sk);

	now = iketcp_delay_now();
	target = delay_target(conn->sk);
	spin_lock_bh(&tx->lock);
	list_for_each_entry_safe(msg, next, &tx->queue, list) {
		if (room <= 0)
			break;
		/* The last one has nobody behind it who would go sooner. */
		if (list_is_last(&msg->list, &tx->queue)) {
			iketcp_delay_calm(&tx->delay);
		} else if (msg->kind == IKETCP_MSG_ESP &&
			   iketcp_delay_drop(&tx->delay, now, now - msg->queued,
					     target)) {
			list_move_tail(&msg->list, late);
			continue;
		}
		list_move_tail(&msg->list, &tx->sending);
		room -= msg->len;
	}
	spin_unlock_bh(&tx->lock);
}

/*
 * send_train(), though the socket has an error to report. On a connection that
 * lives it is an ICMP error (IP_RECVERR): the daemon's to read, while TCP would
 * give it to us and send nothing.
 */
static ssize_t send_despite_error(struct iketcp_conn *conn)
{
	struct sock *sk = conn->sk;
	int err = xchg(&sk->sk_err, 0);
	ssize_t sent = send_train(conn);

	/* Who has looked meanwhile saw none. */
	if (err && !cmpxchg(&sk->sk_err, 0, err))
		sk_error_report(sk);
	return sent;
}

/*
 * Give TCP no more until it has sent half of what it has: write_space() starts
 * us again then. TCP calls that only with SOCK_NOSPACE set.
 */
static void pause(struct iketcp_conn *conn)
{
	conn->tx.paused = true;
	set_bit(SOCK_NOSPACE, &conn->sk->sk_socket->flags);
}

/**
 * iketcp_tx_resume() - TCP says that it has sent something
 * @conn: the connection
 *
 * Context: socket lock held, any.
 * Return: it is worth giving it more; else it will say so again.
 */
bool iketcp_tx_resume(struct iketcp_conn *conn)
{
	struct sock *sk = conn->sk;

	if (!conn->tx.paused)
		return true;
	if (unsent(sk) > unsent_max(sk) / 2)
		return false;
	conn->tx.paused = false;
	return true;
}

/* Return: the next messages are in tx->sending. */
static bool refill(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;
	struct sock *sk = conn->sk;
	struct iketcp_msg *msg, *next;
	unsigned int held, max;
	LIST_HEAD(late);

	if (!list_empty(&tx->sending))
		return true;
	if (list_empty(&tx->queue))
		return false;

	held = unsent(sk);
	max = unsent_max(sk);
	if (held >= max || (tx->paused && held > max / 2)) {
		pause(conn);
		return false;
	}
	tx->paused = false;
	take_some(conn, max - held, &late);
	list_for_each_entry_safe(msg, next, &late, list)
		drop(conn, msg, IKETCP_STAT_OUT_DELAY);
	return !list_empty(&tx->sending);
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
	WRITE_ONCE(tx->esp_max, esp_bytes_max(sk));

	while (can_send(sk) && refill(conn)) {
		ssize_t sent;

		if (total >= max)
			return 0;
		sent = send_despite_error(conn);
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
			drop(conn, msg, IKETCP_STAT_OUT_CLOSED);
	}
	if (!ike)
		return;

	sndbuf = sk->sk_sndbuf;
	lowat = tp->notsent_lowat;
	WRITE_ONCE(sk->sk_sndbuf, INT_MAX);
	WRITE_ONCE(tp->notsent_lowat, UINT_MAX);
	send_despite_error(conn);
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
		drop(conn, msg, IKETCP_STAT_OUT_CLOSED);
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
 * iketcp_tx_init() - set up a connection's queue
 * @conn: being made; role is set
 *
 * Return: 0, or -ENOMEM.
 */
int iketcp_tx_init(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;

	spin_lock_init(&tx->lock);
	INIT_LIST_HEAD(&tx->queue);
	INIT_LIST_HEAD(&tx->sending);
	tx->esp_max = ESP_BYTES_MIN;
	tx->gaps = GAP_MAX * GAP_WEIGHT;
	hrtimer_init(&tx->hold, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	tx->hold.function = end_hold;
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
