/* SPDX-License-Identifier: GPL-2.0 */
/* The upper-layer protocols: how a TCP socket becomes a connection of ours. */
#ifndef IKETCP_ULP_H
#define IKETCP_ULP_H

struct iketcp_conn;
struct proto_ops;
struct sock;

struct iketcp_conn *iketcp_ulp_attach_child(struct sock *sk,
					    const struct proto_ops *ops);

int iketcp_ulp_setup(void);
void iketcp_ulp_teardown(void);

#endif
