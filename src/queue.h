/* SPDX-License-Identifier: GPL-2.0 */
/* Messages that wait to be sent: ordered, bounded in bytes. */
#ifndef IKETCP_QUEUE_H
#define IKETCP_QUEUE_H

#include <linux/types.h>

#include "stat.h"

struct iketcp_conn;
struct iketcp_msg;

void iketcp_queue_init(struct iketcp_conn *conn);

void iketcp_queue_set_esp_max(struct iketcp_conn *conn);
bool iketcp_queue_esp_room(const struct iketcp_conn *conn, unsigned int ahead);
bool iketcp_queue_esp_waits(const struct iketcp_conn *conn);
bool iketcp_queue_push_esp(struct iketcp_conn *conn, struct iketcp_msg *msg);

bool iketcp_queue_ike_room(struct iketcp_conn *conn, unsigned int len);
bool iketcp_queue_push_ike(struct iketcp_conn *conn, struct iketcp_msg *msg);
enum iketcp_stat_id iketcp_queue_offer_ike(struct iketcp_conn *conn,
					   struct iketcp_msg *msg);
bool iketcp_queue_writable(struct iketcp_conn *conn);

void iketcp_queue_uncharge(struct iketcp_conn *conn, unsigned int esp,
			   unsigned int ike, unsigned int count);
void iketcp_queue_drop(struct iketcp_conn *conn, struct iketcp_msg *msg,
		       enum iketcp_stat_id reason);

#endif
