/* SPDX-License-Identifier: GPL-2.0 */
/* IKE between a bridge and the UDP socket of a daemon. */
#ifndef IKETCP_UDP_H
#define IKETCP_UDP_H

struct iketcp_bridge_ends;
struct iketcp_conn;
struct net;
struct sk_buff;

int iketcp_udp_start(struct net *net);
void iketcp_udp_stop(struct net *net);
void iketcp_udp_deliver(struct iketcp_conn *conn,
			const struct iketcp_bridge_ends *ends,
			const struct sk_buff *from);

#endif
