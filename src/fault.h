/* SPDX-License-Identifier: GPL-2.0 */
/* Signs that a stream is corrupt: messages that are nobody's, one by one. */
#ifndef IKETCP_FAULT_H
#define IKETCP_FAULT_H

#include "conn.h"
#include "stat.h"

void iketcp_fault_note(struct iketcp_conn *conn, enum iketcp_fault fault);
void iketcp_fault_forget(struct iketcp_conn *conn);
enum iketcp_stat_id iketcp_fault_judge(const struct iketcp_conn *conn);
bool iketcp_fault_is_ike(const struct sk_buff *skb);

/**
 * iketcp_fault_any() - was there one since the last good message?
 * @conn: a connection
 */
static inline bool iketcp_fault_any(const struct iketcp_conn *conn)
{
	return READ_ONCE(conn->faults.any);
}

#endif
