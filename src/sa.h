/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An SA whose packets are carried over TCP: what the module keeps for an
 * xfrm_state with encap type espintcp; or espinudp, for which there may be a
 * bridge.
 */
#ifndef IKETCP_SA_H
#define IKETCP_SA_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/xfrm.h>

#include "stat.h"

struct iketcp_conn;
struct iketcp_msg;

/*
 * How many connections of its peer an SA remembers. Those that have closed are
 * forgotten, and more than an old one and a new one are rare.
 */
#define IKETCP_SA_VIA	4

/**
 * struct iketcp_sa - an SA's own part
 * @type: what x->type points to: the way from the state to this struct
 * @plain: the type that other states have, put back at the end
 * @stock: the kernel's own type
 * @x: the state whose part this is
 * @udp: its encap type is espinudp: without a bridge it is the stock code's
 * @stats: counters of the namespace, held
 * @node: in the table of SAs (path.c)
 * @heard: the connection by which the last valid message came, held; may be
 *	   closed; NULL before. Written under the table's lock
 * @doubt: not all that @heard is for is settled: see path.c; likewise
 * @asked: jiffies when it was tried last; likewise
 * @req_size: size in bytes of a request (struct esp_request, esp_out.c)
 * @spare: a request kept for the next packet; taken and put by xchg()
 * @lock: guards the fields below; BH off; iketcp_tx.lock nests in it
 * @frag: where the messages' bytes are cut from; no page when idle
 * @cut: when that was last done, jiffies
 * @conn: the connection that carries this SA, held; may be closed; or NULL
 * @sport: local port of the state when @conn was chosen: as long as that does
 *	   not change, neither does the choice
 * @dport: remote port, likewise
 * @bridge: the newest bridge that there was when @conn was chosen: a newer one
 *	    of the same pair is the daemon's word. @udp only, as is @era
 * @era: iketcp_bridge_era() when @next was last brought up to date
 * @via: connections by which the peer's valid messages came, the last one
 *	 first, held; those behind the first are used when it closes. Written
 *	 under the table's lock and @lock, read under either
 * @next: the sequence number (high half included) that may go out next
 * @started: @next is known; before the first packet it is a guess
 * @working: messages whose encryption has begun and not ended
 * @held: messages that came before their turn, by sequence number
 * @bytes: of the messages in @working and @held
 * @gap: gives up on numbers that do not come
 * @idle: gives the page back when nothing is cut from it any more
 */
struct iketcp_sa {
	struct xfrm_type type;
	const struct xfrm_type *plain;
	const struct xfrm_type *stock;
	struct xfrm_state *x;
	bool udp;
	struct iketcp_stats *stats;
	struct hlist_node node;
	struct iketcp_conn *heard;
	bool doubt;
	unsigned long asked;
	unsigned int req_size;
	void *spare;

	spinlock_t lock;
	struct page_frag frag;
	unsigned long cut;
	struct iketcp_conn *conn;
	__be16 sport;
	__be16 dport;
	u64 bridge;
	unsigned int era;
	struct iketcp_conn *via[IKETCP_SA_VIA];
	u64 next;
	bool started;
	struct list_head working;
	struct list_head held;
	unsigned int bytes;
	struct delayed_work gap;
	struct delayed_work idle;
};

/**
 * iketcp_sa_of() - an SA's own part
 * @x: a state with encap type espintcp or espinudp, made by our init_state
 */
static inline struct iketcp_sa *iketcp_sa_of(const struct xfrm_state *x)
{
	return container_of(x->type, struct iketcp_sa, type);
}

bool iketcp_sa_is_of(const struct xfrm_state *x);
int iketcp_sa_create(struct xfrm_state *x, const struct xfrm_type *plain,
		     const struct xfrm_type *stock);
enum iketcp_stat_id iketcp_sa_start(struct iketcp_sa *sa,
				    const struct xfrm_state *x, int dif,
				    const struct iketcp_conn *sender,
				    struct iketcp_msg *msg, unsigned int len,
				    bool *foreign);
bool iketcp_sa_is_bridged(struct iketcp_sa *sa, const struct xfrm_state *x,
			  u64 seq);
void iketcp_sa_submit(struct iketcp_sa *sa, struct iketcp_msg *msg);
void iketcp_sa_move(struct iketcp_sa *sa, struct iketcp_conn *conn);
void iketcp_sa_skip(struct iketcp_sa *sa, u64 seq);

#endif
