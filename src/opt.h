/* SPDX-License-Identifier: GPL-2.0 */
/* Socket options: level SOL_IKETCP of include/iketcp.h. */
#ifndef IKETCP_OPT_H
#define IKETCP_OPT_H

#include <linux/sockptr.h>

struct sock;

int iketcp_opt_set(struct sock *sk, int optname, sockptr_t optval,
		   unsigned int optlen);
int iketcp_opt_get(struct sock *sk, int optname, char __user *optval,
		   int __user *optlen);

#endif
