/* SPDX-License-Identifier: GPL-2.0 */
/* Messages off the queue -> few large TCP writes. */
#ifndef IKETCP_TRAIN_H
#define IKETCP_TRAIN_H

#include <linux/types.h>

struct iketcp_conn;

bool iketcp_train_refill(struct iketcp_conn *conn);
ssize_t iketcp_train_send(struct iketcp_conn *conn);
bool iketcp_train_resume(struct iketcp_conn *conn);

#endif
