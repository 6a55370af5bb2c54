/* SPDX-License-Identifier: GPL-2.0 */
/* What happens to connections, told as it happens: netlink and tracepoints. */
#ifndef IKETCP_EVENT_H
#define IKETCP_EVENT_H

#include <linux/types.h>

#include "stat.h"

struct iketcp_conn;
struct net;

void iketcp_event_attach(const struct iketcp_conn *conn);
void iketcp_event_prefix(const struct iketcp_conn *conn);
void iketcp_event_close(const struct iketcp_conn *conn);
void iketcp_event_path(struct net *net, const struct iketcp_conn *conn,
		       __be32 spi);
void iketcp_event_drop(struct net *net, const struct iketcp_conn *conn,
		       enum iketcp_stat_id reason, __be32 spi);

int iketcp_event_setup(void);
void iketcp_event_teardown(void);

#endif
