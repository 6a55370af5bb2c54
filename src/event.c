// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to connections, told as it happens: to who has joined the
 * multicast group of our generic netlink family (include/iketcp.h), and to
 * tracepoints. Where nobody listens it costs a test.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/genetlink.h>

#include "conn.h"
#include "event.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Room for all attributes; the longest name of a counter included. */
#define EVENT_ROOM	256

static const struct genl_multicast_group groups[] = {
	{ .name = IKETCP_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = IKETCP_GENL_NAME,
	.version = IKETCP_GENL_VERSION,
	.maxattr = IKETCP_ATTR_MAX,
	.netnsok = true,
	.module = THIS_MODULE,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* Before connect() there are none. */
static int put_addresses(struct sk_buff *skb, const struct iketcp_conn *conn)
{
	int err;

	if (!conn->dport)
		return 0;
	err = nla_put_u16(skb, IKETCP_ATTR_FAMILY, conn->family) ?:
	      nla_put_be16(skb, IKETCP_ATTR_LPORT, conn->sport) ?:
	      nla_put_be16(skb, IKETCP_ATTR_RPORT, conn->dport);
	if (err)
		return err;
	if (conn->family == AF_INET6)
		return nla_put_in6_addr(skb, IKETCP_ATTR_LOCAL,
					&conn->saddr.in6) ?:
		       nla_put_in6_addr(skb, IKETCP_ATTR_REMOTE,
					&conn->daddr.in6);
	return nla_put_in_addr(skb, IKETCP_ATTR_LOCAL, conn->saddr.a4) ?:
	       nla_put_in_addr(skb, IKETCP_ATTR_REMOTE, conn->daddr.a4);
}

/*
 * Return: a message with what every event has, to be sent with tell(); NULL when
 * there is no memory, which listeners are told, or nobody listens.
 */
static struct sk_buff *begin(struct net *net, const struct iketcp_conn *conn,
			     u8 event, void **header)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&family, net, 0))
		return NULL;
	skb = genlmsg_new(EVENT_ROOM, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		genl_set_err(&family, net, 0, 0, -ENOBUFS);
		return NULL;
	}
	*header = genlmsg_put(skb, 0, 0, &family, 0, event);
	if (*header && !put_addresses(skb, conn) &&
	    !nla_put_u8(skb, IKETCP_ATTR_ROLE, conn->role))
		return skb;
	nlmsg_free(skb);
	return NULL;
}

static void tell(struct net *net, struct sk_buff *skb, void *header)
{
	genlmsg_end(skb, header);
	genlmsg_multicast_netns(&family, net, skb, 0, 0, GFP_ATOMIC);
}

/**
 * iketcp_event_attach() - a socket got one of our ULPs
 * @conn: its connection
 *
 * Context: socket lock held.
 */
void iketcp_event_attach(const struct iketcp_conn *conn)
{
	struct net *net = sock_net(conn->sk);
	struct sk_buff *skb;
	void *header;

	trace_iketcp_attach(conn);
	skb = begin(net, conn, IKETCP_EVENT_ATTACH, &header);
	if (skb)
		tell(net, skb, header);
}

/**
 * iketcp_event_prefix() - the prefix has come, or is on its way
 * @conn: the connection
 *
 * Context: socket lock held.
 */
void iketcp_event_prefix(const struct iketcp_conn *conn)
{
	struct net *net = sock_net(conn->sk);
	struct sk_buff *skb;
	void *header;

	trace_iketcp_prefix(conn);
	skb = begin(net, conn, IKETCP_EVENT_PREFIX, &header);
	if (skb)
		tell(net, skb, header);
}

/**
 * iketcp_event_close() - a connection has ended
 * @conn: the connection
 *
 * Context: socket lock held.
 */
void iketcp_event_close(const struct iketcp_conn *conn)
{
	struct net *net = sock_net(conn->sk);
	struct sk_buff *skb;
	void *header;

	trace_iketcp_close(conn);
	skb = begin(net, conn, IKETCP_EVENT_CLOSE, &header);
	if (!skb)
		return;
	if (conn->tx.reason &&
	    nla_put_u32(skb, IKETCP_ATTR_ERROR, conn->tx.reason))
		nlmsg_free(skb);
	else
		tell(net, skb, header);
}

/**
 * iketcp_event_path() - an SA's packets leave by another connection now
 * @net: the SA's namespace
 * @conn: the new one, held; its socket may be gone
 * @spi: the SA's
 *
 * Context: any but hard interrupt.
 */
void iketcp_event_path(struct net *net, const struct iketcp_conn *conn,
		       __be32 spi)
{
	struct sk_buff *skb;
	void *header;

	trace_iketcp_path(conn, spi);
	skb = begin(net, conn, IKETCP_EVENT_PATH, &header);
	if (!skb)
		return;
	if (nla_put_be32(skb, IKETCP_ATTR_SPI, spi))
		nlmsg_free(skb);
	else
		tell(net, skb, header);
}

/**
 * iketcp_event_drop() - a message of the connection was dropped
 * @net: the namespace
 * @conn: the connection, held; its socket may be gone
 * @reason: the counter
 * @spi: the SA's, or 0
 *
 * Context: any but hard interrupt.
 */
void iketcp_event_drop(struct net *net, const struct iketcp_conn *conn,
		       enum iketcp_stat_id reason, __be32 spi)
{
	struct sk_buff *skb;
	void *header;

	trace_iketcp_drop(conn, reason);
	skb = begin(net, conn, IKETCP_EVENT_DROP, &header);
	if (!skb)
		return;
	if (nla_put_string(skb, IKETCP_ATTR_REASON, iketcp_stat_name(reason)) ||
	    (spi && nla_put_be32(skb, IKETCP_ATTR_SPI, spi)))
		nlmsg_free(skb);
	else
		tell(net, skb, header);
}

/**
 * iketcp_event_setup() - register the family
 *
 * Context: process, module init.
 * Return: 0 or an error.
 */
int __init iketcp_event_setup(void)
{
	return genl_register_family(&family);
}

/**
 * iketcp_event_teardown() - take it back
 *
 * Context: process, module exit; no connection is left.
 */
void iketcp_event_teardown(void)
{
	genl_unregister_family(&family);
}
