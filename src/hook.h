/* SPDX-License-Identifier: GPL-2.0 */
/* Where packets come by just before they are transformed. */
#ifndef IKETCP_HOOK_H
#define IKETCP_HOOK_H

struct net;

void iketcp_hook_want(struct net *net);

int iketcp_hook_setup(void);
void iketcp_hook_teardown(void);

#endif
