/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connection: what the module keeps for a socket that has one of its ULPs.
 *
 * Life: iketcp_conn_create() by the ULP's init, iketcp_conn_detach() by the
 * socket's close. In between the socket owns one reference, and everything
 * that runs on behalf of the socket (callbacks, system calls, the runner) may
 * use it without one. SAs hold references of their own to the memory, never
 * to the socket or its namespace: after detach they find tx.closed.
 *
 * Lock order, outer first: socket lock, sas_lock (path.c), iketcp_sa.lock,
 * iketcp_tx.lock; socket lock, ike.queue.lock; socket lock of a listener's
 * connection, iketcp_listener.lock; users_lock (bridge.c), socket lock,
 * table_lock (bridge.c).
 */
#ifndef IKETCP_CONN_H
#define IKETCP_CONN_H

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include "delay.h"
#include "event.h"
#include "frame.h"
#include "../include/iketcp.h"
#include "stat.h"

struct iketcp_bridge_entry;
struct iketcp_listener;
struct proto;
struct proto_ops;

/**
 * struct iketcp_rx - the stream reader; everything under the socket lock
 * @frame: where in the stream we stand
 * @skb: the message being put together; NULL while one is skipped
 * @ike: @skb is an IKE message
 * @dead: the stream is corrupt: what still comes is thrown away
 * @deferred: TCP has data that waits for process context
 * @turn: bytes read in this turn
 * @iif: interface by which a segment came last; TCP forgets it for segments
 *	 that it merges when memory is short
 * @mark: that segment's mark
 * @begun: where in the segment being read the message begins, or -1 if it began
 *	   before
 * @tos: of the message: DSCP, and CE if it came in one segment with that mark
 * @intact: no segments that came apart can be one by now
 * @ooopack: segments that had come out of order when last all of them had been
 *	     read
 * @timeout: seconds that a responder waits for the prefix, 0: for ever
 * @expires: when that is over, in jiffies
 * @deadline: resets the connection of a responder that has no prefix by then;
 *	      process context, takes the socket lock
 */
struct iketcp_rx {
	struct iketcp_frame frame;
	struct sk_buff *skb;
	bool ike;
	bool dead;
	bool deferred;
	unsigned int turn;
	int iif;
	u32 mark;
	int begun;
	u8 tos;
	bool intact;
	u32 ooopack;
	unsigned int timeout;
	unsigned long expires;
	struct delayed_work deadline;
};

/* what may mean that a stream is corrupt, if there are many in a row */
enum iketcp_fault {
	IKETCP_FAULT_MESSAGE,	/* neither IKE nor ESP nor a keepalive */
	IKETCP_FAULT_SPI,	/* ESP with an unknown SPI */
	IKETCP_FAULT_AUTH,	/* ESP whose authentication failed */
	IKETCP_FAULT_COUNT,
};

/**
 * struct iketcp_faults - faults since the last good message
 * @any: there are some
 * @run: how many of each kind
 * @unknown_since: jiffies of the first one with an unknown SPI
 */
struct iketcp_faults {
	bool any;
	atomic_t run[IKETCP_FAULT_COUNT];
	unsigned long unknown_since;
};

/**
 * struct iketcp_ike - IKE messages that the daemon has not read yet
 * @queue: the messages, marker included; @queue.lock guards this struct
 * @bytes: sum of their truesize, at most the socket's receive buffer (plus
 *	   one message); not charged to the socket, as that would close the
 *	   TCP window for ESP when a daemon does not read
 */
struct iketcp_ike {
	struct sk_buff_head queue;
	unsigned int bytes;
};

/**
 * struct iketcp_tx - the one ordered queue of outgoing messages
 * @lock: guards the fields up to @sending; taken with BH off
 * @queue: messages that nobody has taken yet to give them to TCP
 * @esp_bytes: ESP bytes in @queue and @sending
 * @ike_bytes: IKE bytes in @queue and @sending
 * @ike_count: IKE messages there
 * @closed: no message is taken any more; never goes back
 * @stopped: @hold, @soon and @work are not started any more; never goes back
 * @starved: a writer or poller waits for @ike_bytes to shrink
 * @held: @hold is under way
 * @last: when an ESP message came last: iketcp_delay_now()
 * @gaps: mean time between them, times GAP_WEIGHT (queue.c)
 * @heard: messages that the peer's had been by then
 * @sending: messages being given to TCP; under the socket lock
 * @delay: how long ESP messages wait in @queue; likewise
 * @esp_max: bytes that @esp_bytes may reach; written under the socket lock
 * @paused: TCP has enough to send; likewise
 * @running: TCP is being called; under the socket lock
 * @abort: socket error with which to reset the connection, or 0; under the
 *	   socket lock
 * @reason: the last @abort; likewise
 * @ended: the end has been told; likewise
 * @hold: ends the time that messages wait for others
 * @soon: gives TCP what waits, in softirq
 * @work: the runner: process context, takes the socket lock
 */
struct iketcp_tx {
	spinlock_t lock;
	struct list_head queue;
	unsigned int esp_bytes;
	unsigned int ike_bytes;
	unsigned int ike_count;
	bool closed;
	bool stopped;
	bool starved;
	bool held;
	u32 last;
	u32 gaps;
	u32 heard;

	struct list_head sending;
	struct iketcp_delay delay;
	unsigned int esp_max;
	bool paused;
	bool running;
	int abort;
	int reason;
	bool ended;
	struct hrtimer hold;
	struct tasklet_struct soon;
	struct delayed_work work;
};

/**
 * struct iketcp_ecn - what keeps segments from being ECN-capable; under the
 *		       socket lock
 * @stock: the table by which TCP would call IP
 * @ops: a copy with a call of ours, which is the socket's table until detach
 */
struct iketcp_ecn {
	const struct inet_connection_sock_af_ops *stock;
	struct inet_connection_sock_af_ops ops;
};

/**
 * struct iketcp_counted - what went over a connection
 * @in_ike: see struct iketcp_info for all of them
 * @in_esp: written under the socket lock, as all but the last two; who reads
 *	    them without may see one torn on 32-bit machines
 * @in_bytes: likewise
 * @out_ike: likewise
 * @out_esp: likewise
 * @out_bytes: likewise
 * @drops: in any context
 * @last_drop: likewise; the last one that was written wins
 */
struct iketcp_counted {
	u64 in_ike;
	u64 in_esp;
	u64 in_bytes;
	u64 out_ike;
	u64 out_esp;
	u64 out_bytes;
	atomic_long_t drops;
	u16 last_drop;
};

/**
 * struct iketcp_conn - a connection
 * @role: who handles the prefix; first: see iketcp_conn_role_of()
 * @ref: one of the socket until detach, one of each place where an SA remembers
 *	 it, one of each ESP message that xfrm has not judged yet
 * @rcu: frees the memory when look-ups by socket are over
 * @sk: the socket; not held: whoever uses it runs on its behalf
 * @stats: counters of the namespace, held
 * @max_message: bytes that an ESP message shall have at most, its length field
 *		 included; written by iketcp_limit_set()
 * @family: of the addresses once established: AF_INET or AF_INET6
 * @saddr: local address once established
 * @daddr: remote address once established
 * @sport: local port once established, network order
 * @dport: remote port once established
 * @prot: the socket's own, restored at detach
 * @ops: likewise
 * @data_ready: likewise
 * @write_space: likewise
 * @state_change: likewise
 * @rx: receive
 * @faults: signs of corruption
 * @ike: the daemon's queue
 * @tx: send
 * @ecn: congestion marks
 * @counted: what went over it
 * @bridge: the UDP addresses and ports that it stands for, or NULL (bridge.c)
 * @bridge_user: counted among those that have had one; likewise
 * @listener: who accepted it, held; or NULL
 * @parked: in one of the listener's lists until accept() returns it; guarded by
 *	    iketcp_listener.lock, as is the next one
 * @parked_ready: which of them
 */
struct iketcp_conn {
	enum iketcp_role role;
	refcount_t ref;
	struct rcu_head rcu;
	struct sock *sk;
	struct iketcp_stats *stats;
	unsigned int max_message;
	unsigned short family;
	xfrm_address_t saddr;
	xfrm_address_t daddr;
	__be16 sport;
	__be16 dport;

	struct proto *prot;
	const struct proto_ops *ops;
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);

	struct iketcp_rx rx;
	struct iketcp_faults faults;
	struct iketcp_ike ike;
	struct iketcp_tx tx;
	struct iketcp_ecn ecn;
	struct iketcp_counted counted;

	struct iketcp_bridge_entry __rcu *bridge;
	bool bridge_user;

	struct iketcp_listener *listener;
	struct list_head parked;
	bool parked_ready;
};

/**
 * iketcp_conn_of() - the connection of a socket that has our proto
 * @sk: the socket; the caller runs on its behalf, or holds it in RCU
 *
 * Return: the connection, no reference; NULL for an RCU reader that comes
 * after detach.
 */
static inline struct iketcp_conn *iketcp_conn_of(const struct sock *sk)
{
	return rcu_dereference_raw(inet_csk(sk)->icsk_ulp_data);
}

/*
 * What is behind a socket's icsk_ulp_data? Connections and listeners begin with
 * their role.
 */
static inline enum iketcp_role iketcp_conn_role_of(const void *ulp_data)
{
	return *(const enum iketcp_role *)ulp_data;
}

static inline unsigned short iketcp_sock_family(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 && !ipv6_addr_v4mapped(&sk->sk_v6_daddr))
		return AF_INET6;
#endif
	return AF_INET;
}

/*
 * A message is dropped, which the caller counts, too. It is of the SA with that
 * SPI, or 0; the connection is held, but its socket may be gone. Any context.
 */
static inline void iketcp_conn_note_drop(struct net *net,
					 struct iketcp_conn *conn,
					 enum iketcp_stat_id reason, __be32 spi)
{
	atomic_long_inc(&conn->counted.drops);
	WRITE_ONCE(conn->counted.last_drop, reason + 1);
	iketcp_event_drop(net, conn, reason, spi);
}

/* The same, counted and told. Context: socket lock held. */
static inline void iketcp_conn_drop(struct iketcp_conn *conn,
				    enum iketcp_stat_id reason)
{
	iketcp_stat_inc(conn->stats, reason);
	iketcp_conn_note_drop(sock_net(conn->sk), conn, reason, 0);
}

struct iketcp_conn *iketcp_conn_create(struct sock *sk, enum iketcp_role role);
bool iketcp_conn_get(struct iketcp_conn *conn);
void iketcp_conn_put(struct iketcp_conn *conn);
void iketcp_conn_note_ends(struct iketcp_conn *conn);

#endif
