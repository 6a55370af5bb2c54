/* SPDX-License-Identifier: GPL-2.0 */
/* Listeners: every connection that they accept is a responder's. */
#ifndef IKETCP_LISTEN_H
#define IKETCP_LISTEN_H

#include <linux/types.h>

struct iketcp_conn;
struct iketcp_info;
struct iketcp_listener;
struct sock;

int iketcp_listen_start(struct sock *sk);
void iketcp_listen_put(struct iketcp_listener *listener);

void iketcp_listen_note_prefix(struct iketcp_conn *conn);
void iketcp_listen_note_end(struct iketcp_conn *conn);

void iketcp_listen_set_filter(struct iketcp_listener *listener, bool filter);
bool iketcp_listen_filter(const struct iketcp_listener *listener);
void iketcp_listen_set_timeout(struct iketcp_listener *listener,
			       unsigned int seconds);
void iketcp_listen_set_max_message(struct iketcp_listener *listener,
				   unsigned int max);
unsigned int iketcp_listen_max_message(const struct iketcp_listener *listener);
unsigned int iketcp_listen_timeout(const struct iketcp_listener *listener);
void iketcp_listen_info(const struct iketcp_listener *listener,
			struct iketcp_info *info);

void iketcp_listen_setup(void);

#endif
