/* SPDX-License-Identifier: GPL-2.0 */
/* Send: one ordered, byte-bounded queue of messages -> few large TCP writes. */
#ifndef IKETCP_TX_H
#define IKETCP_TX_H

#include <linux/types.h>

#include "stat.h"

struct iketcp_conn;
struct iketcp_msg;

int iketcp_tx_init(struct iketcp_conn *conn);
int iketcp_tx_begin(struct iketcp_conn *conn);
void iketcp_tx_kick(struct iketcp_conn *conn);
void iketcp_tx_call_runner(struct iketcp_conn *conn);
void iketcp_tx_flush_runner(struct iketcp_conn *conn);
bool iketcp_tx_resume(struct iketcp_conn *conn);
void iketcp_tx_abort(struct iketcp_conn *conn, int err);

bool iketcp_tx_esp_room(const struct iketcp_conn *conn, unsigned int ahead);
bool iketcp_tx_esp_waits(const struct iketcp_conn *conn);
bool iketcp_tx_push_esp(struct iketcp_conn *conn, struct iketcp_msg *msg);

bool iketcp_tx_ike_room(struct iketcp_conn *conn, unsigned int len);
bool iketcp_tx_push_ike(struct iketcp_conn *conn, struct iketcp_msg *msg);
enum iketcp_stat_id iketcp_tx_offer_ike(struct iketcp_conn *conn,
					struct iketcp_msg *msg);
bool iketcp_tx_writable(struct iketcp_conn *conn);

void iketcp_tx_close(struct iketcp_conn *conn);
void iketcp_tx_stop(struct iketcp_conn *conn);
void iketcp_tx_drain(struct iketcp_conn *conn);
void iketcp_tx_purge(struct iketcp_conn *conn);

int iketcp_tx_setup(void);
void iketcp_tx_teardown(void);

#endif
