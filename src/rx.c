// SPDX-License-Identifier: GPL-2.0
/*
 * Receive: the TCP stream -> whole messages -> xfrm or the daemon's queue.
 *
 * Every message is copied, once, out of the TCP skbs into a fresh linear skb
 * that nobody else can see. What came with a segment may be a page of the
 * page cache (splice, sendfile) or shared with a clone; nothing is ever
 * decrypted over it, whatever flags an skb carries or has lost.
 */
#include <asm/simd.h>
#include <linux/skbuff.h>
#include <net/inet_ecn.h>
#include <net/tcp.h>

#include "conn.h"
#include "esp.h"
#include "fault.h"
#include "ike.h"
#include "listen.h"
#include "rx.h"
#include "sysctl.h"
#include "tx.h"

/*
 * What a message gets at first, in bytes. A longer one gets more as it comes: its
 * length alone is a promise that anybody can make, for two bytes.
 */
#define ROOM_FIRST	4096

/*
 * What is read in one turn, in bytes. BH is off meanwhile, and a receive buffer has
 * room for hundreds of thousands of the smallest messages.
 */
#define RUN_BYTES	(128 * 1024)

/* The stream cannot be read any further: what comes is thrown away. */
static void fail(struct iketcp_conn *conn, enum iketcp_stat_id stat, int err)
{
	iketcp_stat_inc(conn->stats, stat);
	conn->rx.dead = true;
	iketcp_tx_abort(conn, err);
}

/* A message has been dealt with: are there too many bad ones? */
static void check_faults(struct iketcp_conn *conn)
{
	enum iketcp_stat_id reason;

	if (likely(!iketcp_fault_any(conn)))
		return;
	reason = iketcp_fault_judge(conn);
	if (reason != IKETCP_STAT_COUNT)
		fail(conn, reason, EBADMSG);
}

/* A stranger, or a peer who is gone (section 13). */
static void give_up_prefix(struct work_struct *work)
{
	struct iketcp_conn *conn = container_of(to_delayed_work(work),
						struct iketcp_conn,
						rx.deadline);
	struct sock *sk = conn->sk;

	lock_sock(sk);
	iketcp_rx_catch_up(conn);
	/* The limit may have been moved while we waited for the lock. */
	if (conn->rx.frame.state == IKETCP_FRAME_IN_PREFIX &&
	    conn->rx.timeout && !time_before(jiffies, conn->rx.expires) &&
	    sk->sk_state != TCP_CLOSE)
		fail(conn, IKETCP_STAT_IN_PREFIX_TIMEOUT, ETIMEDOUT);
	release_sock(sk);
}

/**
 * iketcp_rx_init() - set up the reader
 * @conn: being made; role is set
 */
void iketcp_rx_init(struct iketcp_conn *conn)
{
	iketcp_frame_init(&conn->rx.frame,
			  conn->role == IKETCP_ROLE_RESPONDER);
	conn->rx.timeout = iketcp_sysctl_prefix_timeout(sock_net(conn->sk));
	/* What is there already may have been merged. */
	conn->rx.ooopack = tcp_sk(conn->sk)->rcv_ooopack - 1;
	INIT_DELAYED_WORK(&conn->rx.deadline, give_up_prefix);
}

/*
 * A message begins, its first four bytes are in the frame's head, @ahead more
 * bytes of the stream are at hand. Without memory or room it is skipped: rx.skb
 * stays NULL and the body is counted only, so that the stream goes on.
 */
static void begin(struct iketcp_conn *conn, bool ike, size_t ahead)
{
	struct iketcp_rx *rx = &conn->rx;
	unsigned int len;

	len = min_t(size_t, rx->frame.len,
		    max_t(size_t, IKETCP_MARKER_LEN + ahead, ROOM_FIRST));

	rx->ike = ike;
	if (ike && !iketcp_ike_room(conn)) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_IKE_FULL);
		return;
	}
	rx->skb = ike ? alloc_skb(len, GFP_ATOMIC | __GFP_NOWARN) :
			iketcp_esp_skb(len);
	if (!rx->skb) {
		iketcp_conn_drop(conn, IKETCP_STAT_IN_NO_MEM);
		return;
	}
	skb_put_data(rx->skb, rx->frame.head + IKETCP_LENGTH_LEN,
		     IKETCP_MARKER_LEN);
}

static void finish(struct iketcp_conn *conn)
{
	struct iketcp_rx *rx = &conn->rx;
	struct sk_buff *skb = rx->skb;

	rx->skb = NULL;
	if (!skb)
		return;
	if (rx->ike) {
		if (iketcp_fault_any(conn) && iketcp_fault_is_ike(skb))
			iketcp_fault_forget(conn);
		iketcp_ike_push(conn, skb);
		return;
	}
	iketcp_esp_receive(conn, skb);
	check_faults(conn);
}

/* A message that is none has come. */
static void take_bad(struct iketcp_conn *conn, enum iketcp_stat_id stat)
{
	if (stat == IKETCP_STAT_IN_EMPTY)
		iketcp_stat_inc(conn->stats, stat);
	else
		iketcp_conn_drop(conn, stat);
	iketcp_fault_note(conn, IKETCP_FAULT_MESSAGE);
	check_faults(conn);
}

/*
 * @data, @len: bytes that lie together; @ahead: how many there are in all, with
 * those behind them.
 */
static size_t take_head(struct iketcp_conn *conn, const u8 *data, size_t len,
			size_t ahead)
{
	struct iketcp_rx *rx = &conn->rx;
	enum iketcp_frame_event event;
	size_t n;

	n = min(len, iketcp_frame_want(&rx->frame));
	n = iketcp_frame_head(&rx->frame, data, n, &event);

	switch (event) {
	case IKETCP_FRAME_MORE:
		break;
	case IKETCP_FRAME_PREFIX:
		iketcp_event_prefix(conn);
		iketcp_listen_note_prefix(conn);
		break;
	case IKETCP_FRAME_IKE:
		begin(conn, true, ahead - n);
		break;
	case IKETCP_FRAME_ESP:
		begin(conn, false, ahead - n);
		break;
	case IKETCP_FRAME_KEEPALIVE:
		iketcp_stat_inc(conn->stats, IKETCP_STAT_IN_KEEPALIVE);
		break;
	case IKETCP_FRAME_EMPTY:
		take_bad(conn, IKETCP_STAT_IN_EMPTY);
		break;
	case IKETCP_FRAME_SHORT:
		take_bad(conn, IKETCP_STAT_IN_SHORT);
		break;
	case IKETCP_FRAME_BAD_PREFIX:
		fail(conn, IKETCP_STAT_IN_BAD_PREFIX, EPROTO);
		return len;
	case IKETCP_FRAME_BAD_LENGTH:
		fail(conn, IKETCP_STAT_IN_BAD_LENGTH, EINVAL);
		return len;
	}
	return n;
}

/*
 * Room for @n more bytes of the message: at least for as many as it has, so that
 * they are not moved often. It is linear, as xfrm is fastest with that. Without
 * memory the rest is skipped.
 */
static void grow(struct iketcp_conn *conn, unsigned int n)
{
	struct iketcp_rx *rx = &conn->rx;
	unsigned int have = rx->skb->len;
	unsigned int room = min(rx->frame.len - have, max(n, have));

	if (!pskb_expand_head(rx->skb, 0, room - skb_tailroom(rx->skb),
			      GFP_ATOMIC | __GFP_NOWARN))
		return;
	iketcp_conn_drop(conn, IKETCP_STAT_IN_NO_MEM);
	kfree_skb(rx->skb);
	rx->skb = NULL;
}

/*
 * The DSCP is the connection's. A mark of congestion is the message's if it lies
 * within one segment (section 12.5, RFC 6040). TCP has put others behind a segment
 * only if they had the same mark (GRO, the backlog), unless there was disorder.
 */
static u8 tos_of(const struct iketcp_rx *rx, const struct sk_buff *segment,
		 unsigned int end)
{
	unsigned int size = skb_shinfo(segment)->gso_size ?: end;
	u8 tos = TCP_SKB_CB(segment)->ip_dsfield;

	if (INET_ECN_is_ce(tos) && rx->intact && rx->begun >= 0 &&
	    rx->begun / size == (end - 1) / size)
		return tos;
	return tos & ~INET_ECN_MASK;
}

/* @data lies at @offset of @segment. */
static size_t take_body(struct iketcp_conn *conn, const struct sk_buff *segment,
			unsigned int offset, const u8 *data, size_t len)
{
	struct iketcp_rx *rx = &conn->rx;
	size_t n;

	n = min(len, iketcp_frame_want(&rx->frame));
	if (rx->skb && skb_tailroom(rx->skb) < n)
		grow(conn, n);
	if (rx->skb)
		skb_put_data(rx->skb, data, n);
	if (iketcp_frame_body(&rx->frame, n)) {
		rx->tos = tos_of(rx, segment, offset + n);
		finish(conn);
	}
	return n;
}

/*
 * tcp_read_sock() shows us bytes @offset to @offset + @len of @segment. Return: how
 * many are done; 0 ends the turn.
 */
static int take(read_descriptor_t *desc, struct sk_buff *segment,
		unsigned int offset, size_t len)
{
	struct iketcp_conn *conn = desc->arg.data;
	struct iketcp_rx *rx = &conn->rx;
	struct skb_seq_state pieces;
	size_t done = 0;

	len = min_t(size_t, len, RUN_BYTES - rx->turn);
	rx->turn += len;
	if (!len)
		return 0;
	if (segment->skb_iif) {
		rx->iif = segment->skb_iif;
		rx->mark = segment->mark;
	}
	rx->begun = -1;
	skb_prepare_seq_read(segment, offset, offset + len, &pieces);
	while (done < len && !rx->dead) {
		const u8 *data;
		size_t n = skb_seq_read(done, &data, &pieces);

		if (unlikely(!n)) {
			fail(conn, IKETCP_STAT_IN_BAD_LENGTH, EINVAL);
			break;
		}
		/* A piece may go on behind what we are shown. */
		n = min(n, len - done);
		if (rx->frame.state == IKETCP_FRAME_IN_BODY) {
			done += take_body(conn, segment, offset + done, data,
					  n);
			continue;
		}
		if (!rx->frame.have)
			rx->begun = offset + done;
		done += take_head(conn, data, n, len - done);
	}
	skb_abort_seq_read(&pieces);
	conn->counted.in_bytes += len;
	return len;
}

/**
 * iketcp_rx_turn() - read what TCP has received, a turn of it
 * @conn: the connection; rx.deferred tells that there is more
 *
 * Nothing waits for a reader: ESP cannot, and what the daemon does not read is
 * bounded in its own queue. So TCP's receive window stays open, and a message may
 * be longer than the receive buffer.
 *
 * Context: socket lock held, in softirq or process.
 */
void iketcp_rx_turn(struct iketcp_conn *conn)
{
	read_descriptor_t desc = { .arg.data = conn, .count = 1 };
	struct tcp_sock *tp = tcp_sk(conn->sk);
	struct iketcp_rx *rx = &conn->rx;
	struct sock *sk = conn->sk;

	/* Behind our own FIN the peer's closes it before its last data is shown. */
	if (sk->sk_state == TCP_SYN_SENT ||
	    (sk->sk_state == TCP_CLOSE && !rx->deferred &&
	     skb_queue_empty(&sk->sk_receive_queue))) {
		rx->deferred = false;
		return;
	}
	/* TCP merges what waits in its queues, whatever the marks. */
	rx->intact = !rx->deferred && rx->ooopack == tp->rcv_ooopack;
	rx->deferred = false;

	/*
	 * Urgent data is part of the stream (RFC 6093); tcp_read_sock() would
	 * stop in front of it for ever.
	 */
	WRITE_ONCE(tp->urg_data, 0);

	/* xfrm wants BH off; we come from process context, too. */
	rx->turn = 0;
	local_bh_disable();
	rcu_read_lock();
	tcp_read_sock(sk, &desc, take);
	rcu_read_unlock();
	local_bh_enable();
	rx->deferred = rx->turn == RUN_BYTES &&
		       !skb_queue_empty(&sk->sk_receive_queue);

	if (RB_EMPTY_ROOT(&tp->out_of_order_queue))
		rx->ooopack = tp->rcv_ooopack;
}

/**
 * iketcp_rx_set_timeout() - give the prefix a time limit from now on
 * @conn: the connection; nothing happens when its prefix is there
 * @seconds: 0..3600, 0 for no limit
 *
 * Context: process, socket lock held.
 */
void iketcp_rx_set_timeout(struct iketcp_conn *conn, unsigned int seconds)
{
	struct iketcp_rx *rx = &conn->rx;

	sock_owned_by_me(conn->sk);

	rx->timeout = seconds;
	rx->expires = jiffies + seconds * HZ;
	if (rx->frame.state == IKETCP_FRAME_IN_PREFIX && seconds)
		mod_delayed_work(system_wq, &rx->deadline, seconds * HZ);
}

/**
 * iketcp_rx_is_fresh() - has nothing come that would be the prefix?
 * @conn: a responder's connection
 *
 * Context: socket lock held.
 */
bool iketcp_rx_is_fresh(const struct iketcp_conn *conn)
{
	const struct iketcp_rx *rx = &conn->rx;

	sock_owned_by_me(conn->sk);

	return rx->frame.state == IKETCP_FRAME_IN_PREFIX && !rx->frame.have &&
	       !rx->dead;
}

/**
 * iketcp_rx_skip_prefix() - our side sends the prefix, the peer does not
 * @conn: a connection that is fresh
 *
 * Context: socket lock held.
 */
void iketcp_rx_skip_prefix(struct iketcp_conn *conn)
{
	sock_owned_by_me(conn->sk);

	iketcp_frame_init(&conn->rx.frame, false);
}

/**
 * iketcp_rx_ready() - TCP has received something
 * @conn: the connection
 *
 * In a softirq that has interrupted a user of the FPU, the CPU's fast ciphers
 * leave a packet to a worker (cryptd). The socket's next segments may be read on
 * another CPU meanwhile, decrypted at once, and overtake it by more than the
 * replay window. So nothing is read then: the runner does it. It is quicker, too.
 *
 * Context: socket lock held, in softirq or process.
 */
void iketcp_rx_ready(struct iketcp_conn *conn)
{
	if (IS_ENABLED(CONFIG_CRYPTO_SIMD) && !may_use_simd()) {
		conn->rx.deferred = true;
		iketcp_tx_call_runner(conn);
		return;
	}
	iketcp_rx_turn(conn);
	if (conn->rx.deferred)
		iketcp_tx_call_runner(conn);
}

/**
 * iketcp_rx_catch_up() - read what was left to the runner
 * @conn: the connection
 *
 * The runner, and whoever must not miss it until the runner comes.
 *
 * Context: process, socket lock held.
 */
void iketcp_rx_catch_up(struct iketcp_conn *conn)
{
	sock_owned_by_me(conn->sk);

	while (conn->rx.deferred) {
		iketcp_rx_turn(conn);
		cond_resched();
	}
}

/**
 * iketcp_rx_start() - read what is there, and wait for the rest
 * @conn: a connection whose socket has just been taken
 *
 * The peer may have sent already, and nobody would wake us for it. If the
 * prefix is not whole then, it has a time limit from here on.
 *
 * Context: process, socket lock held.
 */
void iketcp_rx_start(struct iketcp_conn *conn)
{
	sock_owned_by_me(conn->sk);

	iketcp_rx_turn(conn);
	iketcp_rx_catch_up(conn);
	iketcp_rx_set_timeout(conn, conn->rx.timeout);
}

/**
 * iketcp_rx_stop() - end the time limit
 * @conn: a connection being detached
 *
 * Context: process, socket lock not held (the work takes it).
 */
void iketcp_rx_stop(struct iketcp_conn *conn)
{
	cancel_delayed_work_sync(&conn->rx.deadline);
}

/**
 * iketcp_rx_purge() - discard a partially received message (section 6)
 * @conn: a connection being detached
 *
 * Context: socket lock held.
 */
void iketcp_rx_purge(struct iketcp_conn *conn)
{
	struct iketcp_rx *rx = &conn->rx;

	/* One that was skipped has its counter already. */
	if (!rx->dead && rx->skb)
		iketcp_conn_drop(conn, IKETCP_STAT_IN_PARTIAL);
	kfree_skb(rx->skb);
	rx->skb = NULL;
	rx->dead = true;
}
