/* SPDX-License-Identifier: GPL-2.0 */
/* Receive: the TCP stream -> whole messages -> xfrm or the daemon's queue. */
#ifndef IKETCP_RX_H
#define IKETCP_RX_H

struct iketcp_conn;

void iketcp_rx_init(struct iketcp_conn *conn);
void iketcp_rx_start(struct iketcp_conn *conn);
void iketcp_rx_set_timeout(struct iketcp_conn *conn, unsigned int seconds);
bool iketcp_rx_is_fresh(const struct iketcp_conn *conn);
void iketcp_rx_skip_prefix(struct iketcp_conn *conn);
void iketcp_rx_turn(struct iketcp_conn *conn);
void iketcp_rx_ready(struct iketcp_conn *conn);
void iketcp_rx_catch_up(struct iketcp_conn *conn);
void iketcp_rx_stop(struct iketcp_conn *conn);
void iketcp_rx_purge(struct iketcp_conn *conn);

#endif
