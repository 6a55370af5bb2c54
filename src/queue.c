// SPDX-License-Identifier: GPL-2.0
/*
 * What is to be sent waits here: one queue a connection, into which messages come
 * from any context. tx.c takes it.
 *
 * IKE and ESP share the queue, so that their order is kept, but each has an
 * allowance of its own, so that neither can crowd out the other (section 12.1:
 * bounded buffering).
 */
#include <linux/hrtimer.h>
#include <net/tcp.h>

#include "conn.h"
#include "msg.h"
#include "queue.h"
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
 * What an IKE message counts beside its bytes, as it has a page of its own: so what
 * waits takes a few times the allowance at most, however small the messages are.
 */
#define IKE_COST	1024

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
			iketcp_tx_kick_locked(tx);
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
		iketcp_tx_kick_locked(tx);
	} else if (!tx->held && !tx->stopped) {
		tx->held = true;
		hrtimer_start(&tx->hold, hold_ktime(HOLD_TIME),
			      HRTIMER_MODE_REL_SOFT);
	}
}

/**
 * iketcp_queue_set_esp_max() - bound ESP by what TCP sends now
 * @conn: the connection
 *
 * Context: socket lock held.
 */
void iketcp_queue_set_esp_max(struct iketcp_conn *conn)
{
	unsigned long rate = READ_ONCE(conn->sk->sk_pacing_rate);

	sock_owned_by_me(conn->sk);

	WRITE_ONCE(conn->tx.esp_max,
		   clamp_t(unsigned long, rate >> ESP_BYTES_SHIFT,
			   ESP_BYTES_MIN, ESP_BYTES_MAX));
}

/**
 * iketcp_queue_esp_room() - may another ESP message be made?
 * @conn: the connection
 * @ahead: bytes of the SA that are being encrypted or wait for their turn
 *
 * Asked before the work of encryption; the last message may pass the bound.
 */
bool iketcp_queue_esp_room(const struct iketcp_conn *conn, unsigned int ahead)
{
	return READ_ONCE(conn->tx.esp_bytes) + ahead <
	       READ_ONCE(conn->tx.esp_max);
}

/**
 * iketcp_queue_esp_waits() - are there ESP messages that TCP has not taken yet?
 * @conn: the connection
 */
bool iketcp_queue_esp_waits(const struct iketcp_conn *conn)
{
	return READ_ONCE(conn->tx.esp_bytes);
}

/**
 * iketcp_queue_push_esp() - queue an ESP message
 * @conn: the connection
 * @msg: the message; the queue's if true is returned, else still the caller's
 *
 * Context: any but hard interrupt.
 * Return: false when the connection takes no more messages.
 */
bool iketcp_queue_push_esp(struct iketcp_conn *conn, struct iketcp_msg *msg)
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

/* Return: how much of the allowance, SO_SNDBUF, is used up. */
static unsigned int ike_used(const struct iketcp_tx *tx)
{
	lockdep_assert_held(&tx->lock);

	return tx->ike_bytes + tx->ike_count * IKE_COST;
}

/**
 * iketcp_queue_ike_room() - reserve bytes for an IKE message
 * @conn: the connection
 * @len: bytes with the length field
 *
 * The reservation ends when the message, pushed with iketcp_queue_push_ike(), has
 * gone; a caller that fails to make the message pushes an empty one.
 *
 * As with TCP the last message may pass the bound, so that a poller who was
 * told to write can, whatever the length.
 *
 * Return: reserved, or the connection is closed; else the socket's sleepers
 * are woken when it is worth another try.
 */
bool iketcp_queue_ike_room(struct iketcp_conn *conn, unsigned int len)
{
	struct iketcp_tx *tx = &conn->tx;
	bool room;

	spin_lock_bh(&tx->lock);
	room = tx->closed || ike_used(tx) < READ_ONCE(conn->sk->sk_sndbuf);
	if (room) {
		tx->ike_bytes += len;
		tx->ike_count++;
	} else {
		tx->starved = true;
	}
	spin_unlock_bh(&tx->lock);
	return room;
}

/* Half of the allowance, so that writers do not wake for every byte. */
static bool is_writable(const struct iketcp_conn *conn)
{
	const struct iketcp_tx *tx = &conn->tx;

	lockdep_assert_held(&tx->lock);

	return tx->closed ||
	       ike_used(tx) <= READ_ONCE(conn->sk->sk_sndbuf) / 2;
}

/**
 * iketcp_queue_writable() - should a poller write?
 * @conn: the connection
 *
 * Return: yes; else the socket's sleepers are woken when it should.
 */
bool iketcp_queue_writable(struct iketcp_conn *conn)
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

/**
 * iketcp_queue_uncharge() - bytes of a kind have left the queue
 * @conn: the connection
 * @esp: bytes of ESP messages
 * @ike: bytes of IKE messages; they may let a writer go on
 * @count: how many IKE messages
 *
 * Context: any but hard interrupt.
 */
void iketcp_queue_uncharge(struct iketcp_conn *conn, unsigned int esp,
			   unsigned int ike, unsigned int count)
{
	struct iketcp_tx *tx = &conn->tx;
	bool wake = false;

	spin_lock_bh(&tx->lock);
	WRITE_ONCE(tx->esp_bytes, tx->esp_bytes - esp);
	tx->ike_bytes -= ike;
	tx->ike_count -= count;
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
 * iketcp_queue_push_ike() - queue an IKE message whose bytes are reserved
 * @conn: the connection
 * @msg: the message; the queue's if true is returned, else still the caller's
 *
 * Context: process.
 * Return: false when the connection takes no more messages.
 */
bool iketcp_queue_push_ike(struct iketcp_conn *conn, struct iketcp_msg *msg)
{
	struct iketcp_tx *tx = &conn->tx;
	bool open;

	msg->kind = IKETCP_MSG_IKE;
	spin_lock_bh(&tx->lock);
	open = !tx->closed;
	if (open) {
		list_add_tail(&msg->list, &tx->queue);
		iketcp_tx_kick_locked(tx);
	}
	spin_unlock_bh(&tx->lock);
	if (!open)
		iketcp_queue_uncharge(conn, 0, msg->len, 1);
	return open;
}

/**
 * iketcp_queue_drop() - drop a message that was taken off the queue, and count it
 * @conn: the connection
 * @msg: the message, on a list of the caller's; freed
 * @reason: the counter
 *
 * Context: process or softirq, socket lock held.
 */
void iketcp_queue_drop(struct iketcp_conn *conn, struct iketcp_msg *msg,
		       enum iketcp_stat_id reason)
{
	enum iketcp_msg_kind kind = msg->kind;
	unsigned int len = msg->len;

	list_del(&msg->list);
	iketcp_msg_free(msg);
	if (kind == IKETCP_MSG_PREFIX)
		return;
	iketcp_conn_drop(conn, reason);
	if (kind == IKETCP_MSG_IKE)
		iketcp_queue_uncharge(conn, 0, len, 1);
	else
		iketcp_queue_uncharge(conn, len, 0, 0);
}

/**
 * iketcp_queue_offer_ike() - queue an IKE message if there is room for it
 * @conn: the connection, held; its socket may be gone
 * @msg: the message; the queue's if it is queued, else still the caller's
 *
 * Context: any but hard interrupt.
 * Return: IKETCP_STAT_COUNT: queued; else the counter of what is missing.
 */
enum iketcp_stat_id iketcp_queue_offer_ike(struct iketcp_conn *conn,
					   struct iketcp_msg *msg)
{
	enum iketcp_stat_id reason = IKETCP_STAT_COUNT;
	struct iketcp_tx *tx = &conn->tx;

	msg->kind = IKETCP_MSG_IKE;
	spin_lock_bh(&tx->lock);
	/* Until it is closed the socket is there. */
	if (tx->closed)
		reason = IKETCP_STAT_OUT_CLOSED;
	else if (ike_used(tx) >= READ_ONCE(conn->sk->sk_sndbuf))
		reason = IKETCP_STAT_OUT_FULL;
	if (reason == IKETCP_STAT_COUNT) {
		tx->ike_bytes += msg->len;
		tx->ike_count++;
		list_add_tail(&msg->list, &tx->queue);
		iketcp_tx_kick_locked(tx);
	}
	spin_unlock_bh(&tx->lock);
	return reason;
}

/**
 * iketcp_queue_init() - set up a connection's queue
 * @conn: being made
 */
void iketcp_queue_init(struct iketcp_conn *conn)
{
	struct iketcp_tx *tx = &conn->tx;

	spin_lock_init(&tx->lock);
	INIT_LIST_HEAD(&tx->queue);
	tx->esp_max = ESP_BYTES_MIN;
	tx->gaps = GAP_MAX * GAP_WEIGHT;
	hrtimer_init(&tx->hold, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	tx->hold.function = end_hold;
}
