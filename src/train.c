// SPDX-License-Identifier: GPL-2.0
/*
 * Trains: messages off the queue that are given to TCP in one call, and how many
 * it is given.
 */
#include <linux/bvec.h>
#include <net/tcp.h>

#include "compat.h"
#include "conn.h"
#include "msg.h"
#include "queue.h"
#include "trace.h"
#include "train.h"

/*
 * Bytes that TCP may hold unsent: what goes in 1/256 s, within these bounds and
 * TCP_NOTSENT_LOWAT. They wait behind nobody's queue discipline, so there should
 * be few; but TCP must have something to send when an acknowledgment comes, and
 * enough for full segments.
 */
#define UNSENT_SHIFT	8
#define UNSENT_MIN	(8 * 1024)

/* pieces of memory given to TCP in one call */
#define TRAIN_PIECES	16

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
	unsigned int esp = 0, ike = 0, count = 0;

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
			count++;
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
	iketcp_queue_uncharge(conn, esp, ike, count);
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

/* Return: how many bytes TCP may hold unsent. */
static unsigned int unsent_max(const struct sock *sk)
{
	unsigned long rate = READ_ONCE(sk->sk_pacing_rate) >> UNSENT_SHIFT;
	unsigned int lowat = READ_ONCE(tcp_sk(sk)->notsent_lowat);

	return min_t(unsigned long, max_t(unsigned long, rate, UNSENT_MIN),
		     lowat ?: INT_MAX);
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

/**
 * iketcp_train_send() - give TCP what is in tx.sending
 * @conn: the connection
 *
 * Though the socket may have an error to report: on a connection that lives it is
 * an ICMP error (IP_RECVERR), the daemon's to read, while TCP would give it to us
 * and send nothing.
 *
 * Context: process or softirq, socket lock held.
 * Return: bytes taken; or the error that stopped the first call.
 */
ssize_t iketcp_train_send(struct iketcp_conn *conn)
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
 * iketcp_train_resume() - TCP says that it has sent something
 * @conn: the connection
 *
 * Context: socket lock held, any.
 * Return: it is worth giving it more; else it will say so again.
 */
bool iketcp_train_resume(struct iketcp_conn *conn)
{
	struct sock *sk = conn->sk;

	if (!conn->tx.paused)
		return true;
	if (unsent(sk) > unsent_max(sk) / 2)
		return false;
	conn->tx.paused = false;
	return true;
}

/**
 * iketcp_train_refill() - take the next messages off the queue
 * @conn: the connection
 *
 * Context: process or softirq, socket lock held.
 * Return: they are in tx.sending.
 */
bool iketcp_train_refill(struct iketcp_conn *conn)
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
		iketcp_queue_drop(conn, msg, IKETCP_STAT_OUT_DELAY);
	return !list_empty(&tx->sending);
}
