/* SPDX-License-Identifier: GPL-2.0 */
/* The socket calls of a connection: what replaces TCP's own. */
#ifndef IKETCP_SOCK_H
#define IKETCP_SOCK_H

#include <linux/types.h>

struct iketcp_conn;
struct proto_ops;
struct sock;

int iketcp_sock_take(struct iketcp_conn *conn, const struct proto_ops *ops);
const struct proto_ops *iketcp_sock_ops(const struct sock *sk);
bool iketcp_sock_is_ours(const struct sock *sk);

void iketcp_sock_setup(void);

#endif
