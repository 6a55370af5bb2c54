/* SPDX-License-Identifier: GPL-2.0 */
/* IKE messages between the connection and the daemon: one a read, one a write. */
#ifndef IKETCP_IKE_H
#define IKETCP_IKE_H

#include <linux/types.h>

struct iketcp_conn;
struct msghdr;
struct sk_buff;
struct sock;

void iketcp_ike_init(struct iketcp_conn *conn);
bool iketcp_ike_room(const struct iketcp_conn *conn);
void iketcp_ike_push(struct iketcp_conn *conn, struct sk_buff *skb);
void iketcp_ike_redirect(struct iketcp_conn *conn);
bool iketcp_ike_ready(const struct iketcp_conn *conn);
int iketcp_ike_next_len(struct iketcp_conn *conn);
void iketcp_ike_purge(struct iketcp_conn *conn);

int iketcp_ike_recvmsg(struct sock *sk, struct msghdr *msg, size_t len,
		       int flags, int *addr_len);
int iketcp_ike_sendmsg(struct sock *sk, struct msghdr *msg, size_t len);

#endif
