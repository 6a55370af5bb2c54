/* SPDX-License-Identifier: GPL-2.0 */
/* The longest message that ESP packets shall make: it bounds the inner MTU. */
#ifndef IKETCP_LIMIT_H
#define IKETCP_LIMIT_H

/* bytes with the length field: no limit but that field's */
#define IKETCP_LIMIT_NONE	0xffff

/* The least: IPv6 packets of 1280 bytes fit, whatever the cipher. */
#define IKETCP_LIMIT_MIN	1400

struct dst_entry;
struct iketcp_conn;

void iketcp_limit_set(struct iketcp_conn *conn, unsigned int max);
void iketcp_limit_apply(struct dst_entry *dst);

#endif
