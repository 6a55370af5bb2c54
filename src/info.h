/* SPDX-License-Identifier: GPL-2.0 */
/* What is known of a connection or a listener, for who asks from outside. */
#ifndef IKETCP_INFO_H
#define IKETCP_INFO_H

#include <linux/types.h>

struct iketcp_info;
struct sk_buff;
struct sock;

void iketcp_info_fill(const void *ulp_data, struct iketcp_info *info);

int iketcp_info_diag(struct sock *sk, struct sk_buff *skb);
size_t iketcp_info_diag_size(const struct sock *sk);

#endif
