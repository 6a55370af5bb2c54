/* SPDX-License-Identifier: GPL-2.0 */
/* Send: the runner, who gives TCP what waits. */
#ifndef IKETCP_TX_H
#define IKETCP_TX_H

struct iketcp_conn;
struct iketcp_tx;

int iketcp_tx_init(struct iketcp_conn *conn);
int iketcp_tx_begin(struct iketcp_conn *conn);
void iketcp_tx_kick_locked(struct iketcp_tx *tx);
void iketcp_tx_kick(struct iketcp_conn *conn);
void iketcp_tx_call_runner(struct iketcp_conn *conn);
void iketcp_tx_flush_runner(struct iketcp_conn *conn);
void iketcp_tx_abort(struct iketcp_conn *conn, int err);

void iketcp_tx_close(struct iketcp_conn *conn);
void iketcp_tx_stop(struct iketcp_conn *conn);
void iketcp_tx_drain(struct iketcp_conn *conn);
void iketcp_tx_purge(struct iketcp_conn *conn);

int iketcp_tx_setup(void);
void iketcp_tx_teardown(void);

#endif
