/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters, one for each thing that can happen to a message, per network
 * namespace, shown in /proc/net/iketcp_stat in the form of xfrm_stat.
 */
#ifndef IKETCP_STAT_H
#define IKETCP_STAT_H

#include <linux/percpu.h>
#include <linux/refcount.h>
#include <net/net_namespace.h>

/*
 * The one list of counters: C name, the name users see. What each means stands
 * beside it, and in Documentation/admin.md what to do about it.
 */
#define IKETCP_STATS(X)							\
	/* whole IKE messages put in the daemon's queue */		\
	X(IN_IKE,	"InIke")					\
	/* whole ESP messages handed to xfrm */				\
	X(IN_ESP,	"InEsp")					\
	/* NAT keepalives (one byte 0xff), ignored: section 10 */	\
	X(IN_KEEPALIVE,	"InKeepalive")					\
	/* messages with a length and nothing else, ignored */		\
	X(IN_EMPTY,	"InEmpty")					\
	/* messages of 1 to 4 bytes that are no keepalive, dropped */	\
	X(IN_SHORT,	"InShort")					\
	/* streams that did not begin with IKETCP: connection reset */	\
	X(IN_BAD_PREFIX, "InBadPrefix")					\
	/* streams whose prefix did not come in time: connection reset */ \
	X(IN_PREFIX_TIMEOUT, "InPrefixTimeout")				\
	/* streams with a length of 0 or 1: connection reset */		\
	X(IN_BAD_LENGTH, "InBadLength")					\
	/* ESP messages with an unknown SPI */				\
	X(IN_UNKNOWN_SPI, "InUnknownSpi")				\
	/* ESP messages whose authentication failed */			\
	X(IN_BAD_AUTH,	"InBadAuth")					\
	/* streams with too many messages that are none: reset */	\
	X(IN_CORRUPT_MESSAGE, "InCorruptMessage")			\
	/* streams with too many unknown SPIs: connection reset */	\
	X(IN_CORRUPT_SPI, "InCorruptSpi")				\
	/* streams with too many failed authentications: reset */	\
	X(IN_CORRUPT_AUTH, "InCorruptAuth")				\
	/* IKE messages that found the daemon's queue full, dropped */	\
	X(IN_IKE_FULL,	"InIkeFull")					\
	/* messages whose ingress device has gone, dropped */		\
	X(IN_NO_DEVICE,	"InNoDevice")					\
	/* messages for which there was no memory, dropped */		\
	X(IN_NO_MEM,	"InNoMem")					\
	/* IKE messages of a bridge too long for a datagram, dropped */	\
	X(IN_TOO_LONG,	"InTooLong")					\
	/* messages cut off by the end of their connection */		\
	X(IN_PARTIAL,	"InPartial")					\
	/* whole IKE messages given to TCP */				\
	X(OUT_IKE,	"OutIke")					\
	/* whole ESP messages given to TCP */				\
	X(OUT_ESP,	"OutEsp")					\
	/* packets of several segments that were taken whole */		\
	X(OUT_GSO,	"OutGso")					\
	/* packets whose SA has no connection, dropped */		\
	X(OUT_NO_CONN,	"OutNoConn")					\
	/* times an SA's packets followed its peer to a connection */	\
	X(OUT_MOVED,	"OutMoved")					\
	/* times they went back to an older one, as theirs closed */	\
	X(OUT_FALLBACK,	"OutFallback")					\
	/* packets that found their connection's queue full, dropped */	\
	X(OUT_FULL,	"OutFull")					\
	/* ESP messages that waited too long while more came, dropped */ \
	X(OUT_DELAY,	"OutDelay")					\
	/* messages queued on a connection that closed, dropped */	\
	X(OUT_CLOSED,	"OutClosed")					\
	/* packets for which there was no memory, dropped */		\
	X(OUT_NO_MEM,	"OutNoMem")					\
	/* NAT keepalives of a bridge's daemon, not sent: section 10 */	\
	X(OUT_KEEPALIVE, "OutKeepalive")				\
	/* packets too long for the 16-bit length, dropped */		\
	X(OUT_TOO_LONG,	"OutTooLong")					\
	/* packets that the cipher refused, dropped */			\
	X(OUT_CRYPTO,	"OutCrypto")					\
	/* packets of a connection sent into itself, dropped */		\
	X(OUT_LOOP,	"OutLoop")					\
	/* times the order of an SA waited in vain for a packet */	\
	X(OUT_GAP,	"OutGap")					\
	/* connections of a listener closed before accept() had them */ \
	X(LISTEN_DROP,	"ListenDrop")					\
	/* sockets that got one of our ULPs */				\
	X(ATTACH,	"Attach")					\
	/* sockets that lost it again */				\
	X(DETACH,	"Detach")

enum iketcp_stat_id {
#define X(id, name) IKETCP_STAT_##id,
	IKETCP_STATS(X)
#undef X
	IKETCP_STAT_COUNT
};

struct iketcp_counts {
	unsigned long of[IKETCP_STAT_COUNT];
};

/**
 * struct iketcp_stats - the counters of a network namespace
 * @ref: held by the namespace, by each connection and each SA: crypto that
 *	 completes late may count when its namespace is gone already
 * @net: the namespace; NULL from before its end on. Written before there are others
 *	 and by the namespace's pre-exit, read under RCU
 * @count: the counters of each CPU
 */
struct iketcp_stats {
	refcount_t ref;
	struct net __rcu *net;
	struct iketcp_counts __percpu *count;
};

struct iketcp_stats *iketcp_stats_get(const struct net *net);
void iketcp_stats_put(struct iketcp_stats *stats);
const char *iketcp_stat_name(enum iketcp_stat_id id);

/* Any context. */
static inline void iketcp_stat_inc(struct iketcp_stats *stats,
				   enum iketcp_stat_id id)
{
	this_cpu_inc(stats->count->of[id]);
}

int iketcp_stat_setup(void);
void iketcp_stat_teardown(void);

#endif
