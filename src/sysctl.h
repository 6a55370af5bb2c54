/* SPDX-License-Identifier: GPL-2.0 */
/* What an administrator can set, per network namespace: net.iketcp.* */
#ifndef IKETCP_SYSCTL_H
#define IKETCP_SYSCTL_H

#include "conn.h"

struct net;

/* seconds: the most that prefix_timeout can be */
#define IKETCP_SYSCTL_PREFIX_TIMEOUT_MAX	3600

unsigned int iketcp_sysctl_prefix_timeout(const struct net *net);
unsigned int iketcp_sysctl_max_waiting(const struct net *net);
unsigned int iketcp_sysctl_max_message(const struct net *net);
unsigned int iketcp_sysctl_fault_max(const struct net *net,
				     enum iketcp_fault fault);

int iketcp_sysctl_setup(void);
void iketcp_sysctl_teardown(void);

#endif
