// SPDX-License-Identifier: GPL-2.0
/*
 * An SA's own part: its connection, and the order of its messages.
 *
 * xfrm numbers packets under a lock and then calls output without one, so two
 * CPUs may come with their packets in the other order, and ciphers may finish
 * in any order. The stream keeps the order in which messages are written, and
 * the receiver has a replay window of 1 (section 13): a message that overtakes
 * another is a lost packet. So messages leave here by sequence number.
 */
#include <linux/slab.h>

#include "bridge.h"
#include "conn.h"
#include "hook.h"
#include "msg.h"
#include "path.h"
#include "queue.h"
#include "sa.h"
#include "esp.h"
#include "verdict.h"

/*
 * How long a message waits for numbers before its own that have not come here
 * yet. They are under way on another CPU; a number that xfrm gave out and
 * dropped itself (rare) costs this once. What is being encrypted is waited for
 * however long it takes.
 */
#define GAP_WAIT	(HZ / 5)

/* A larger step is somebody setting the counter, not another CPU. */
#define GAP_MAX		4096

/*
 * The same for an SA's first packet. Where its counter starts is set after
 * init_state (an SA that was moved here goes on where it was), so all that is
 * known is that as many packets can be under way as there are CPUs.
 */
#define GAP_MAX_FIRST	16

/*
 * How long an SA keeps its page without using it. Gateways have many SAs, few of
 * which are busy.
 */
#define PAGE_IDLE	(2 * HZ)

/* Queue a message on the SA's connection, or drop it: its turn has come. */
static void deliver(struct iketcp_sa *sa, struct iketcp_msg *msg)
{
	struct net *net;

	lockdep_assert_held(&sa->lock);

	/* A place holder: nothing came of that packet. */
	if (!msg->page) {
		iketcp_msg_free(msg);
		return;
	}
	if (!sa->conn || !iketcp_queue_push_esp(sa->conn, msg)) {
		iketcp_stat_inc(sa->stats, IKETCP_STAT_OUT_CLOSED);
		/* Crypto may complete when the namespace is gone: who listened, too. */
		rcu_read_lock();
		net = rcu_dereference(sa->stats->net);
		if (net && sa->conn)
			iketcp_conn_note_drop(net, sa->conn,
					      IKETCP_STAT_OUT_CLOSED,
					      sa->x->id.spi);
		rcu_read_unlock();
		iketcp_msg_free(msg);
	}
}

/* Let go what follows without a gap, or with @all everything. */
static void release_held(struct iketcp_sa *sa, bool all)
{
	struct iketcp_msg *msg, *next;

	lockdep_assert_held(&sa->lock);

	list_for_each_entry_safe(msg, next, &sa->held, list) {
		if (!all && msg->seq != sa->next)
			break;
		list_del(&msg->list);
		sa->bytes -= msg->len;
		sa->next = msg->seq + 1;
		deliver(sa, msg);
	}
	/* A gap of its own, with a time of its own. */
	if (!list_empty(&sa->held))
		mod_delayed_work(system_wq, &sa->gap, GAP_WAIT);
}

/* Is a number before the first held one still being encrypted? */
static bool is_working_on_gap(const struct iketcp_sa *sa)
{
	const struct iketcp_msg *first, *msg;

	lockdep_assert_held(&sa->lock);

	first = list_first_entry(&sa->held, struct iketcp_msg, list);
	list_for_each_entry(msg, &sa->working, list)
		if (msg->seq < first->seq)
			return true;
	return false;
}

static void give_up_gap(struct work_struct *work)
{
	struct iketcp_sa *sa = container_of(to_delayed_work(work),
					    struct iketcp_sa, gap);

	spin_lock_bh(&sa->lock);
	if (list_empty(&sa->held)) {
		/* The gap has closed. */
	} else if (is_working_on_gap(sa)) {
		mod_delayed_work(system_wq, &sa->gap, GAP_WAIT);
	} else {
		iketcp_stat_inc(sa->stats, IKETCP_STAT_OUT_GAP);
		release_held(sa, true);
	}
	spin_unlock_bh(&sa->lock);
}

static void hold(struct iketcp_sa *sa, struct iketcp_msg *msg)
{
	struct iketcp_msg *before;

	lockdep_assert_held(&sa->lock);

	if (list_empty(&sa->held))
		mod_delayed_work(system_wq, &sa->gap, GAP_WAIT);

	/* Almost always the newest is the last. */
	list_for_each_entry_reverse(before, &sa->held, list)
		if (before->seq < msg->seq)
			break;
	list_add(&msg->list, &before->list);
	sa->bytes += msg->len;
}

/**
 * iketcp_sa_submit() - a message is ready: send it when its turn comes
 * @sa: the SA
 * @msg: the message with its sequence number; taken. Without a page it only
 *	 says that nothing will come of that number.
 *
 * Context: any but hard interrupt.
 */
void iketcp_sa_submit(struct iketcp_sa *sa, struct iketcp_msg *msg)
{
	u64 gap_max;

	spin_lock_bh(&sa->lock);
	if (!list_empty(&msg->list)) {
		list_del_init(&msg->list);
		sa->bytes -= msg->len;
	}
	gap_max = sa->started ? GAP_MAX : GAP_MAX_FIRST;
	WRITE_ONCE(sa->started, true);
	if (likely(msg->seq == sa->next)) {
		sa->next++;
		deliver(sa, msg);
		if (unlikely(!list_empty(&sa->held)))
			release_held(sa, false);
	} else if (msg->seq < sa->next) {
		/* Given up, or the counter was set back: the peer decides. */
		if (sa->next - msg->seq > GAP_MAX)
			sa->next = msg->seq + 1;
		deliver(sa, msg);
	} else if (msg->seq - sa->next <= gap_max) {
		hold(sa, msg);
	} else {
		release_held(sa, true);
		sa->next = msg->seq + 1;
		deliver(sa, msg);
	}
	spin_unlock_bh(&sa->lock);
}

/**
 * iketcp_sa_skip() - nothing will come of a sequence number
 * @sa: the SA
 * @seq: the number of a packet for which there was not even a message
 *
 * Context: any but hard interrupt.
 */
void iketcp_sa_skip(struct iketcp_sa *sa, u64 seq)
{
	spin_lock_bh(&sa->lock);
	if (seq == sa->next) {
		sa->next++;
		release_held(sa, false);
	}
	spin_unlock_bh(&sa->lock);
}

static void give_page_back(struct work_struct *work)
{
	struct iketcp_sa *sa = container_of(to_delayed_work(work),
					    struct iketcp_sa, idle);
	unsigned long end;

	spin_lock_bh(&sa->lock);
	end = sa->cut + PAGE_IDLE;
	if (!sa->frag.page) {
		/* None came, or it has gone already. */
	} else if (time_before(jiffies, end)) {
		queue_delayed_work(system_wq, &sa->idle, end - jiffies);
	} else {
		put_page(sa->frag.page);
		sa->frag.page = NULL;
	}
	spin_unlock_bh(&sa->lock);
}

/*
 * Room for a message. What comes while others wait is laid behind them, so that
 * TCP can merge them: large pages are of use then, and only then.
 */
static bool cut(struct iketcp_sa *sa, struct iketcp_msg *msg, unsigned int len)
{
	bool had_page = sa->frag.page;
	bool busy;

	lockdep_assert_held(&sa->lock);

	busy = sa->bytes || iketcp_queue_esp_waits(sa->conn);
	if (!iketcp_msg_room(msg, &sa->frag, len, busy, GFP_ATOMIC))
		return false;
	sa->cut = jiffies;
	if (!had_page && sa->frag.page)
		queue_delayed_work(system_wq, &sa->idle, PAGE_IDLE);
	return true;
}

/* Does a connection take what the SA sends? */
static bool is_usable(const struct iketcp_sa *sa,
		      const struct iketcp_conn *conn)
{
	return !READ_ONCE(conn->tx.closed) &&
	       (!sa->udp || rcu_access_pointer(conn->bridge));
}

/* Has the daemon said nothing new since sa->conn was chosen? */
static bool is_current(const struct iketcp_sa *sa, const struct xfrm_state *x)
{
	lockdep_assert_held(&sa->lock);

	return sa->sport == READ_ONCE(x->encap->encap_sport) &&
	       sa->dport == READ_ONCE(x->encap->encap_dport);
}

/* Is sa->conn still the SA's connection? */
static bool fits(const struct iketcp_sa *sa, const struct xfrm_state *x)
{
	lockdep_assert_held(&sa->lock);

	return sa->conn && is_usable(sa, sa->conn) && is_current(sa, x) &&
	       (!sa->udp || sa->bridge == iketcp_bridge_last());
}

/* Takes over the caller's reference to @conn. */
static void set_conn(struct iketcp_sa *sa, struct iketcp_conn *conn)
{
	struct iketcp_conn *old = sa->conn;

	lockdep_assert_held(&sa->lock);

	WRITE_ONCE(sa->conn, conn);
	if (old)
		iketcp_conn_put(old);
}

/*
 * The newest open connection by which the peer's valid messages came.
 *
 * Return: it, with a reference; or NULL.
 */
static struct iketcp_conn *find_heard(struct iketcp_sa *sa)
{
	unsigned int i;

	lockdep_assert_held(&sa->lock);

	for (i = 0; i < IKETCP_SA_VIA && sa->via[i]; i++) {
		struct iketcp_conn *conn = sa->via[i];

		if (is_usable(sa, conn) && iketcp_conn_get(conn)) {
			iketcp_stat_inc(sa->stats, IKETCP_STAT_OUT_FALLBACK);
			return conn;
		}
	}
	return NULL;
}

/*
 * Make sa->conn the state's connection. Called and left with sa->lock held,
 * but let go for the look-up.
 *
 * Ports that are new are the daemon's word: first of all the connection that
 * has them. Else the newest one by which the peer was heard. Else the one with
 * the state's ports; but not if the peer was last heard elsewhere: who has its
 * old address and port since then may be somebody else.
 */
static void find_conn(struct iketcp_sa *sa, const struct xfrm_state *x,
		      int dif, bool *foreign)
{
	__be16 sport = READ_ONCE(x->encap->encap_sport);
	__be16 dport = READ_ONCE(x->encap->encap_dport);
	struct iketcp_conn *conn = NULL;
	bool told;

	lockdep_assert_held(&sa->lock);

	told = sport != sa->sport || dport != sa->dport;
	if (!told)
		conn = find_heard(sa);
	if (!conn && (told || !sa->via[0] ||
		      iketcp_path_is_configured(sa->via[0], x))) {
		spin_unlock_bh(&sa->lock);
		conn = iketcp_path_find(x, dif, foreign);
		spin_lock_bh(&sa->lock);
		/* Another packet of ours, or one of the peer's, was faster. */
		if (fits(sa, x)) {
			if (conn)
				iketcp_conn_put(conn);
			return;
		}
	}
	if (!conn && told && !*foreign)
		conn = find_heard(sa);
	set_conn(sa, conn);
	sa->sport = sport;
	sa->dport = dport;
}

/*
 * The packet with this number, and those that follow, come here in order; what was
 * before it is not known.
 */
static void begin_at(struct iketcp_sa *sa, u64 seq)
{
	unsigned int era = iketcp_bridge_era();

	lockdep_assert_held(&sa->lock);

	if (sa->era == era)
		return;
	release_held(sa, true);
	sa->next = seq;
	WRITE_ONCE(sa->started, true);
	sa->era = era;
}

/*
 * Make sa->conn the connection that stands for the state's pair, or NULL: UDP.
 *
 * A bridge that is new is the daemon's word, as new ports are. Else it is the
 * connection there was, then the newest one by which the peer was heard, then the
 * newest bridge.
 */
static void find_bridge(struct iketcp_sa *sa, const struct xfrm_state *x)
{
	u64 last = iketcp_bridge_last(), id = 0;
	struct iketcp_bridge_ends ends;
	struct iketcp_conn *conn;
	bool told;

	lockdep_assert_held(&sa->lock);

	if (!sa->conn && sa->bridge == last && is_current(sa, x))
		return;
	iketcp_bridge_ends_of(x, &ends);
	conn = iketcp_bridge_find(xs_net(sa->x), &ends, &id);
	told = id > sa->bridge || !is_current(sa, x);
	sa->bridge = max(last, id);
	sa->sport = ends.local_port;
	sa->dport = ends.peer_port;
	if (!told) {
		struct iketcp_conn *old = sa->conn;

		old = old && is_usable(sa, old) && iketcp_conn_get(old) ?
		      old : find_heard(sa);
		if (old && conn)
			iketcp_conn_put(conn);
		conn = old ?: conn;
	}
	set_conn(sa, conn);
}

/* The stock code gets a packet: no other one waits for it. */
static void pass(struct iketcp_sa *sa, u64 seq)
{
	lockdep_assert_held(&sa->lock);

	if (seq >= sa->next || sa->next - seq > GAP_MAX) {
		sa->next = seq + 1;
		/* Nobody is there to take them. */
		release_held(sa, true);
	}
}

/**
 * iketcp_sa_is_bridged() - does a connection carry a packet of a UDP state?
 * @sa: the SA
 * @x: its state
 * @seq: the packet's number
 *
 * Return: probably: iketcp_sa_start() decides; or no, its number is noted and the
 * stock code shall have it.
 *
 * Context: any but hard interrupt.
 */
bool iketcp_sa_is_bridged(struct iketcp_sa *sa, const struct xfrm_state *x,
			  u64 seq)
{
	bool bridged;

	if (READ_ONCE(sa->conn))
		return true;
	rcu_read_lock();
	spin_lock_bh(&sa->lock);
	begin_at(sa, seq);
	find_bridge(sa, x);
	bridged = sa->conn;
	if (!bridged)
		pass(sa, seq);
	spin_unlock_bh(&sa->lock);
	rcu_read_unlock();
	return bridged;
}

/**
 * iketcp_sa_move() - the peer of an SA was heard on a connection
 * @sa: the outbound SA; its state is held
 * @conn: the connection; the SA takes references of its own
 *
 * From now on the SA's packets go there.
 *
 * Context: any but hard interrupt; the lock of the table of SAs is held.
 */
void iketcp_sa_move(struct iketcp_sa *sa, struct iketcp_conn *conn)
{
	const struct xfrm_state *x = sa->x;
	struct iketcp_conn *via[IKETCP_SA_VIA] = { conn };
	unsigned int i, n = 1;
	bool moved = false;

	spin_lock_bh(&sa->lock);
	iketcp_conn_get(conn);
	for (i = 0; i < IKETCP_SA_VIA && sa->via[i]; i++) {
		struct iketcp_conn *old = sa->via[i];

		if (old == conn || n == IKETCP_SA_VIA ||
		    READ_ONCE(old->tx.closed))
			iketcp_conn_put(old);
		else
			via[n++] = old;
	}
	memcpy(sa->via, via, sizeof(via));

	if (sa->conn != conn) {
		if (sa->conn || !iketcp_path_is_configured(conn, x))
			moved = true;
		iketcp_conn_get(conn);
		set_conn(sa, conn);
	}
	sa->sport = READ_ONCE(x->encap->encap_sport);
	sa->dport = READ_ONCE(x->encap->encap_dport);
	sa->bridge = iketcp_bridge_last();
	spin_unlock_bh(&sa->lock);

	if (moved) {
		iketcp_stat_inc(sa->stats, IKETCP_STAT_OUT_MOVED);
		iketcp_event_path(xs_net(sa->x), conn, x->id.spi);
	}
}

/**
 * iketcp_sa_start() - find the way and room for a packet
 * @sa: the SA
 * @x: its state
 * @dif: interface that the packet leaves by
 * @sender: the connection whose segment the packet is, or NULL. Its own
 *	    segments (of a policy that catches the carrier, too) must not go
 *	    into a connection: that would never end.
 * @msg: the packet's message; if all is well it gets a page and @len, and
 *	 belongs to iketcp_sa_submit() in the end
 * @len: bytes wanted
 * @foreign: set when the packet is the stock code's: the state's socket is not
 *	     ours, or it is a UDP state without a bridge
 *
 * Context: RCU read side; any but hard interrupt.
 * Return: IKETCP_STAT_COUNT: @msg has room and a connection waits for it; else
 * the counter of what is missing.
 */
enum iketcp_stat_id iketcp_sa_start(struct iketcp_sa *sa,
				    const struct xfrm_state *x, int dif,
				    const struct iketcp_conn *sender,
				    struct iketcp_msg *msg, unsigned int len,
				    bool *foreign)
{
	enum iketcp_stat_id reason = IKETCP_STAT_COUNT;

	*foreign = false;
	spin_lock_bh(&sa->lock);
	if (sa->udp)
		begin_at(sa, msg->seq);
	if (unlikely(!fits(sa, x))) {
		if (sa->udp)
			find_bridge(sa, x);
		else
			find_conn(sa, x, dif, foreign);
	}
	if (unlikely(sa->udp && !sa->conn)) {
		*foreign = true;
		pass(sa, msg->seq);
	}

	if (!sa->conn)
		reason = IKETCP_STAT_OUT_NO_CONN;
	else if (sa->conn == sender)
		reason = IKETCP_STAT_OUT_LOOP;
	else if (!msg->follows &&
		 !iketcp_queue_esp_room(sa->conn, sa->bytes))
		reason = IKETCP_STAT_OUT_FULL;
	else if (!cut(sa, msg, len))
		reason = IKETCP_STAT_OUT_NO_MEM;
	if (reason == IKETCP_STAT_COUNT) {
		list_add_tail(&msg->list, &sa->working);
		sa->bytes += msg->len;
	} else if (sa->conn) {
		iketcp_conn_note_drop(xs_net(sa->x), sa->conn, reason,
				      x->id.spi);
	}
	spin_unlock_bh(&sa->lock);
	return reason;
}

/*
 * The state's end. x->type is set back, as the caller puts the module that
 * x->type names after we return.
 *
 * Context: process; nobody else has the state.
 */
static void destroy(struct xfrm_state *x)
{
	struct iketcp_sa *sa = iketcp_sa_of(x);
	unsigned int i;

	iketcp_path_remove(sa);
	cancel_delayed_work_sync(&sa->gap);
	cancel_delayed_work_sync(&sa->idle);
	iketcp_msg_free_list(&sa->held);
	if (sa->conn)
		iketcp_conn_put(sa->conn);
	for (i = 0; i < IKETCP_SA_VIA && sa->via[i]; i++)
		iketcp_conn_put(sa->via[i]);
	if (sa->heard)
		iketcp_conn_put(sa->heard);
	if (sa->frag.page)
		put_page(sa->frag.page);
	kfree(sa->spare);
	iketcp_stats_put(sa->stats);

	x->type = sa->plain;
	sa->stock->destructor(x);
	kfree(sa);
}

/**
 * iketcp_sa_is_of() - is there an SA of ours for a state?
 * @x: the state, held
 *
 * Context: any.
 */
bool iketcp_sa_is_of(const struct xfrm_state *x)
{
	return x->type->destructor == destroy;
}

/**
 * iketcp_sa_create() - make a state one that is carried over TCP
 * @x: the state, initialised by the stock type
 * @plain: the type it has now
 * @stock: the kernel's own type
 *
 * x->type becomes the SA's own, which is how its part is found again: without
 * a look-up, for each packet.
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int iketcp_sa_create(struct xfrm_state *x, const struct xfrm_type *plain,
		     const struct xfrm_type *stock)
{
	struct iketcp_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL);

	if (!sa)
		return -ENOMEM;

	sa->plain = plain;
	sa->stock = stock;
	sa->type = *plain;
	sa->type.destructor = destroy;
	sa->type.input = iketcp_verdict_input;
	sa->type.output = iketcp_esp_output;
	sa->x = x;
	sa->udp = x->encap->encap_type == UDP_ENCAP_ESPINUDP;
	if (sa->udp)
		sa->type.output = iketcp_esp_output_udp;
	sa->stats = iketcp_stats_get(xs_net(x));
	spin_lock_init(&sa->lock);
	INIT_LIST_HEAD(&sa->working);
	INIT_LIST_HEAD(&sa->held);
	INIT_DELAYED_WORK(&sa->gap, give_up_gap);
	INIT_DELAYED_WORK(&sa->idle, give_page_back);
	/* A clone (migration) goes on where its original was. */
	sa->next = 1;
	if (x->replay_esn)
		sa->next += (u64)x->replay_esn->oseq_hi << 32 |
			    x->replay_esn->oseq;
	else
		sa->next += x->replay.oseq;
	sa->req_size = iketcp_esp_request_size(x->data);

	x->type = &sa->type;
	iketcp_path_add(sa);
	iketcp_hook_want(xs_net(x));
	return 0;
}
