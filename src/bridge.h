/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bridges: connections that stand for a pair of UDP addresses and ports, for IKE
 * daemons that know UDP only.
 */
#ifndef IKETCP_BRIDGE_H
#define IKETCP_BRIDGE_H

#include <linux/jump_label_ratelimit.h>
#include <linux/list.h>
#include <linux/sockptr.h>
#include <net/xfrm.h>

struct iketcp_bridge;
struct iketcp_conn;

/**
 * struct iketcp_bridge_ends - a pair, as it is in packets that are sent
 * @family: AF_INET or AF_INET6
 * @local: local address; IPv4: all behind it is 0
 * @peer: the peer's address, likewise
 * @local_port: local UDP port, network order
 * @peer_port: the peer's
 */
struct iketcp_bridge_ends {
	unsigned short family;
	xfrm_address_t local;
	xfrm_address_t peer;
	__be16 local_port;
	__be16 peer_port;
};

/**
 * struct iketcp_bridge_entry - what a connection stands for; does not change
 * @node: in the table
 * @rcu: frees it when look-ups are over
 * @conn: the connection: not held, it outlives look-ups
 * @net: its namespace, alive as long as the entry is in the table
 * @id: the newer, the larger; unique, from 1
 * @ends: the pair
 */
struct iketcp_bridge_entry {
	struct hlist_node node;
	struct rcu_head rcu;
	struct iketcp_conn *conn;
	struct net *net;
	u64 id;
	struct iketcp_bridge_ends ends;
};

extern struct static_key_false_deferred iketcp_bridge_key;

/* Is there a bridge in the whole system? For those that have none: no cost. */
static inline bool iketcp_bridge_any(void)
{
	return static_branch_unlikely(&iketcp_bridge_key.key);
}

u64 iketcp_bridge_last(void);
unsigned int iketcp_bridge_era(void);
struct iketcp_conn *iketcp_bridge_find(const struct net *net,
				       const struct iketcp_bridge_ends *ends,
				       u64 *id);
bool iketcp_bridge_is_configured(const struct iketcp_conn *conn,
				 const struct xfrm_state *x);
void iketcp_bridge_ends_of(const struct xfrm_state *x,
			   struct iketcp_bridge_ends *ends);

int iketcp_bridge_set(struct sock *sk, sockptr_t optval, unsigned int optlen);
int iketcp_bridge_get(const void *ulp_data, struct iketcp_bridge *bridge);
void iketcp_bridge_drop(struct iketcp_conn *conn);
void iketcp_bridge_end(struct iketcp_conn *conn, struct net *net);

int iketcp_bridge_setup(void);
void iketcp_bridge_teardown(void);

#endif
