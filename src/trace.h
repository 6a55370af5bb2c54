/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: /sys/kernel/tracing/events/iketcp. A connection is known by its
 * address in the kernel, as elsewhere in the network's traces.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iketcp

#if !defined(IKETCP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IKETCP_TRACE_H

#include <linux/tracepoint.h>

#include "conn.h"

/* The counters' names, for who reads the raw numbers, too. */
#define X(id, name) TRACE_DEFINE_ENUM(IKETCP_STAT_##id);
IKETCP_STATS(X)
#undef X

#ifndef IKETCP_TRACE_REASONS
#define IKETCP_TRACE_REASON(id, name) , { IKETCP_STAT_##id, name }
#define IKETCP_TRACE_REASONS \
	{ IKETCP_STAT_COUNT, "none" } IKETCP_STATS(IKETCP_TRACE_REASON)
#endif

DECLARE_EVENT_CLASS(iketcp_conn,
	TP_PROTO(const struct iketcp_conn *conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(const void *, conn)
		__field(const void *, sk)
		__field(u8, role)
		__field(u16, sport)
		__field(u16, dport)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->sk = conn->sk;
		__entry->role = conn->role;
		__entry->sport = ntohs(conn->sport);
		__entry->dport = ntohs(conn->dport);
		__entry->error = conn->tx.reason;
	),
	TP_printk("conn=%p sk=%p role=%u sport=%u dport=%u error=%d",
		  __entry->conn, __entry->sk, __entry->role, __entry->sport,
		  __entry->dport, __entry->error)
);

DEFINE_EVENT(iketcp_conn, iketcp_attach,
	TP_PROTO(const struct iketcp_conn *conn),
	TP_ARGS(conn)
);

DEFINE_EVENT(iketcp_conn, iketcp_prefix,
	TP_PROTO(const struct iketcp_conn *conn),
	TP_ARGS(conn)
);

DEFINE_EVENT(iketcp_conn, iketcp_close,
	TP_PROTO(const struct iketcp_conn *conn),
	TP_ARGS(conn)
);

/* A whole message: queued for the daemon or for xfrm, or taken by TCP. */
DECLARE_EVENT_CLASS(iketcp_message,
	TP_PROTO(const struct iketcp_conn *conn, bool ike, unsigned int len),
	TP_ARGS(conn, ike, len),
	TP_STRUCT__entry(
		__field(const void *, conn)
		__field(bool, ike)
		__field(unsigned int, len)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->ike = ike;
		__entry->len = len;
	),
	TP_printk("conn=%p %s len=%u", __entry->conn,
		  __entry->ike ? "IKE" : "ESP", __entry->len)
);

DEFINE_EVENT(iketcp_message, iketcp_in,
	TP_PROTO(const struct iketcp_conn *conn, bool ike, unsigned int len),
	TP_ARGS(conn, ike, len)
);

DEFINE_EVENT(iketcp_message, iketcp_out,
	TP_PROTO(const struct iketcp_conn *conn, bool ike, unsigned int len),
	TP_ARGS(conn, ike, len)
);

TRACE_EVENT(iketcp_drop,
	TP_PROTO(const struct iketcp_conn *conn, int reason),
	TP_ARGS(conn, reason),
	TP_STRUCT__entry(
		__field(const void *, conn)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->reason = reason;
	),
	TP_printk("conn=%p reason=%s", __entry->conn,
		  __print_symbolic(__entry->reason, IKETCP_TRACE_REASONS))
);

TRACE_EVENT(iketcp_path,
	TP_PROTO(const struct iketcp_conn *conn, __be32 spi),
	TP_ARGS(conn, spi),
	TP_STRUCT__entry(
		__field(const void *, conn)
		__field(u32, spi)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->spi = ntohl(spi);
	),
	TP_printk("conn=%p spi=0x%08x", __entry->conn, __entry->spi)
);

#endif

/* This file, for <trace/define_trace.h>, which is somewhere else. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
