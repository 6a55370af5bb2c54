/* SPDX-License-Identifier: GPL-2.0 */
/* Congestion marks of the segments that a connection sends. */
#ifndef IKETCP_ECN_H
#define IKETCP_ECN_H

struct iketcp_conn;

void iketcp_ecn_take(struct iketcp_conn *conn);
void iketcp_ecn_give_back(struct iketcp_conn *conn);

#endif
