// SPDX-License-Identifier: GPL-2.0
/*
 * IKE messages between the connection and the daemon: one a read, one a write,
 * the four-byte non-ESP marker included, the length field not.
 */
#include <linux/skbuff.h>
#include <net/inet_common.h>
#include <net/tcp.h>

#include "bridge.h"
#include "conn.h"
#include "ike.h"
#include "msg.h"
#include "queue.h"
#include "rx.h"
#include "trace.h"
#include "tx.h"
#include "udp.h"

/*
 * What sendmsg() accepts. MSG_MORE and MSG_EOR change nothing: a message is a
 * message. The kernel itself adds MSG_BATCH in sendmmsg() and MSG_CMSG_COMPAT
 * for 32-bit callers.
 */
#define SEND_FLAGS	(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | \
			 MSG_BATCH | MSG_CMSG_COMPAT)

void iketcp_ike_init(struct iketcp_conn *conn)
{
	skb_queue_head_init(&conn->ike.queue);
}

/**
 * iketcp_ike_room() - may another message be queued for the daemon?
 * @conn: the connection
 */
bool iketcp_ike_room(const struct iketcp_conn *conn)
{
	return READ_ONCE(conn->ike.bytes) < READ_ONCE(conn->sk->sk_rcvbuf);
}

/**
 * iketcp_ike_push() - queue a whole message and wake the daemon
 * @conn: the connection; if it is a bridge the daemon has a UDP socket
 * @skb: the message with its marker; taken
 *
 * Context: socket lock held, BH off, RCU read side.
 */
void iketcp_ike_push(struct iketcp_conn *conn, struct sk_buff *skb)
{
	const struct iketcp_bridge_entry *bridge;
	struct iketcp_ike *ike = &conn->ike;

	iketcp_stat_inc(conn->stats, IKETCP_STAT_IN_IKE);
	conn->counted.in_ike++;
	trace_iketcp_in(conn, true, skb->len);

	bridge = rcu_dereference(conn->bridge);
	if (bridge) {
		iketcp_udp_deliver(conn, &bridge->ends, skb);
		consume_skb(skb);
		return;
	}
	spin_lock_bh(&ike->queue.lock);
	__skb_queue_tail(&ike->queue, skb);
	WRITE_ONCE(ike->bytes, ike->bytes + skb->truesize);
	spin_unlock_bh(&ike->queue.lock);
	conn->data_ready(conn->sk);
}

/**
 * iketcp_ike_ready() - is there a whole message to read?
 * @conn: the connection
 */
bool iketcp_ike_ready(const struct iketcp_conn *conn)
{
	return !skb_queue_empty_lockless(&conn->ike.queue);
}

/**
 * iketcp_ike_next_len() - length of the message that the next read gives
 * @conn: the connection
 *
 * Return: its length in bytes, 0 when there is none.
 */
int iketcp_ike_next_len(struct iketcp_conn *conn)
{
	const struct sk_buff *skb;
	int len;

	spin_lock_bh(&conn->ike.queue.lock);
	skb = skb_peek(&conn->ike.queue);
	len = skb ? skb->len : 0;
	spin_unlock_bh(&conn->ike.queue.lock);
	return len;
}

/**
 * iketcp_ike_purge() - drop what the daemon did not read
 * @conn: a connection being detached
 */
void iketcp_ike_purge(struct iketcp_conn *conn)
{
	skb_queue_purge(&conn->ike.queue);
	conn->ike.bytes = 0;
}

/*
 * Take the next message, or with MSG_PEEK look at it.
 *
 * Return: the message with a reference for the caller, or NULL.
 */
static struct sk_buff *pop(struct iketcp_ike *ike, int flags)
{
	struct sk_buff *skb;

	spin_lock_bh(&ike->queue.lock);
	skb = skb_peek(&ike->queue);
	if (skb && flags & MSG_PEEK) {
		skb_get(skb);
	} else if (skb) {
		__skb_unlink(skb, &ike->queue);
		WRITE_ONCE(ike->bytes, ike->bytes - skb->truesize);
	}
	spin_unlock_bh(&ike->queue.lock);
	return skb;
}

/**
 * iketcp_ike_redirect() - a bridge begins: what waits goes to the UDP socket
 * @conn: the connection
 *
 * Context: process, socket lock held.
 */
void iketcp_ike_redirect(struct iketcp_conn *conn)
{
	const struct iketcp_bridge_entry *bridge;
	struct sk_buff *skb;

	sock_owned_by_me(conn->sk);

	local_bh_disable();
	rcu_read_lock();
	bridge = rcu_dereference(conn->bridge);
	while (bridge && (skb = pop(&conn->ike, 0))) {
		iketcp_udp_deliver(conn, &bridge->ends, skb);
		consume_skb(skb);
	}
	rcu_read_unlock();
	local_bh_enable();
}

/* No message will come any more, or none ever did. */
static bool at_end(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err) ||
	       READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN ||
	       inet_sk_state_load(sk) == TCP_CLOSE;
}

/*
 * What a reader hears then: an error once, afterwards 0. -EAGAIN: it lives, and had an
 * error that somebody else has taken, perhaps for a moment (train.c).
 */
static int end_of_stream(struct sock *sk)
{
	int err = sock_error(sk);

	if (err)
		return err;
	if (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN)
		return 0;
	return inet_sk_state_load(sk) == TCP_CLOSE ? -ENOTCONN : -EAGAIN;
}

/*
 * Wait for a message. Messages come before errors and the end of the stream:
 * a RST loses nothing that had arrived whole (section 13).
 *
 * Return: a message with a reference; NULL at the end; or an error.
 */
static struct sk_buff *wait_message(struct sock *sk, int flags)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct sk_buff *skb;

	skb = pop(&conn->ike, flags);
	if (skb)
		return skb;

	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		bool end = at_end(sk), dead = false;

		/*
		 * A FIN is noted before the data in front of it is shown to
		 * our reader, all under the socket lock: wait for that, unless
		 * it was left to the runner. If that data was none that can be
		 * read, the error comes before the end: the runner sets it.
		 */
		if (end) {
			lock_sock(sk);
			iketcp_rx_catch_up(conn);
			dead = conn->rx.dead;
			release_sock(sk);
		}
		if (dead)
			iketcp_tx_flush_runner(conn);
		skb = pop(&conn->ike, flags);
		if (skb)
			break;
		if (end) {
			int err = end_of_stream(sk);

			if (err != -EAGAIN) {
				skb = ERR_PTR(err);
				break;
			}
		}
		if (!timeo) {
			skb = ERR_PTR(-EAGAIN);
			break;
		}
		if (signal_pending(current)) {
			skb = ERR_PTR(sock_intr_errno(timeo));
			break;
		}
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return skb;
}

/**
 * iketcp_ike_recvmsg() - read one IKE message
 * @sk: the socket
 * @msg: where to; MSG_TRUNC is set when the message was longer
 * @len: bytes of room
 * @flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC (return the real length),
 *	   MSG_ERRQUEUE; others that mean nothing here are ignored
 * @addr_len: not touched, but for MSG_ERRQUEUE
 *
 * Return: bytes of the message, 0 at the end of the stream even in
 * mid-message, -EAGAIN, -EINTR, the socket's error (-EINVAL after a length of
 * 0 or 1, -EPROTO after a wrong prefix, -ECONNRESET, …), -ENOTCONN on a socket
 * that was never connected, -EOPNOTSUPP for MSG_OOB.
 */
int iketcp_ike_recvmsg(struct sock *sk, struct msghdr *msg, size_t len,
		       int flags, int *addr_len)
{
	struct sk_buff *skb;
	size_t copied;
	int err;

	if (flags & MSG_ERRQUEUE)
		return inet_recv_error(sk, msg, len, addr_len);
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;

	skb = wait_message(sk, flags);
	if (IS_ERR_OR_NULL(skb))
		return PTR_ERR(skb);

	copied = min_t(size_t, len, skb->len);
	if (copied < skb->len)
		msg->msg_flags |= MSG_TRUNC;
	err = skb_copy_datagram_msg(skb, 0, msg, copied);
	if (!err)
		err = flags & MSG_TRUNC ? skb->len : copied;
	consume_skb(skb);
	return err;
}

static bool is_connected(const struct sock *sk)
{
	return (1 << inet_sk_state_load(sk)) &
	       (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT);
}

/* The handshake is over: the socket can take messages. */
static int wait_connected(struct sock *sk, long *timeo)
{
	int err = 0;

	if (is_connected(sk))
		return 0;
	lock_sock(sk);
	if (!is_connected(sk))
		err = sk_stream_wait_connect(sk, timeo);
	release_sock(sk);
	return err;
}

/* Reserve @len bytes of the connection's allowance. */
static int wait_room(struct sock *sk, unsigned int len, long *timeo)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err;

	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		err = sock_error(sk);
		if (err)
			break;
		err = -EPIPE;
		if (sk->sk_shutdown & SEND_SHUTDOWN)
			break;
		err = 0;
		if (iketcp_queue_ike_room(conn, len))
			break;
		err = -EAGAIN;
		if (!*timeo)
			break;
		err = sock_intr_errno(*timeo);
		if (signal_pending(current))
			break;
		*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return err;
}

/* Return: a message with its length field and @len bytes from @from. */
static struct iketcp_msg *make_msg(struct msghdr *from, size_t len)
{
	struct iketcp_msg *msg;
	int err = -ENOBUFS;
	size_t head;

	msg = iketcp_msg_alloc(GFP_KERNEL);
	if (!msg)
		return ERR_PTR(err);
	if (!iketcp_msg_room(msg, NULL, IKETCP_LENGTH_LEN + len, false,
			     GFP_KERNEL))
		goto free;
	head = iketcp_frame_put_length(iketcp_msg_data(msg), len);
	err = -EFAULT;
	if (!copy_from_iter_full(iketcp_msg_data(msg) + head, len,
				 &from->msg_iter))
		goto free;
	return msg;
free:
	iketcp_msg_free(msg);
	return ERR_PTR(err);
}

static bool is_keepalive(const struct iketcp_msg *msg)
{
	return msg->len == IKETCP_LENGTH_LEN + 1 &&
	       iketcp_msg_data(msg)[IKETCP_LENGTH_LEN] == 0xff;
}

/**
 * iketcp_ike_sendmsg() - write one IKE message
 * @sk: the socket
 * @msg: from where; no control data; MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE and
 *	 MSG_EOR are allowed
 * @len: its length, marker included, 0..65533
 *
 * The message goes out whole, behind everything queued before it. A NAT
 * keepalive (one byte 0xff) is swallowed: none is sent over TCP (section 10).
 *
 * Return: @len; or -EOPNOTSUPP (flags, control data), -EMSGSIZE, -EFAULT,
 * -ENOBUFS, -EAGAIN (the allowance, SO_SNDBUF, is used up), -EINTR, -EPIPE or
 * the socket's error.
 */
int iketcp_ike_sendmsg(struct sock *sk, struct msghdr *msg, size_t len)
{
	long timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	struct iketcp_conn *conn = iketcp_conn_of(sk);
	struct iketcp_msg *im;
	int err;

	if (msg->msg_flags & ~SEND_FLAGS || msg->msg_controllen)
		return -EOPNOTSUPP;
	if (len > IKETCP_BODY_MAX)
		return -EMSGSIZE;
	if (!len)
		return 0;

	im = make_msg(msg, len);
	if (IS_ERR(im))
		return PTR_ERR(im);

	err = wait_connected(sk, &timeo);
	if (err)
		goto free;
	if (is_keepalive(im)) {
		iketcp_msg_free(im);
		return len;
	}
	err = wait_room(sk, im->len, &timeo);
	if (err)
		goto free;
	err = -EPIPE;
	if (!iketcp_queue_push_ike(conn, im))
		goto free;
	return len;
free:
	iketcp_msg_free(im);
	return sk_stream_error(sk, msg->msg_flags, err);
}
