/* SPDX-License-Identifier: GPL-2.0 */
/* What became of an ESP message that was handed to xfrm. */
#ifndef IKETCP_VERDICT_H
#define IKETCP_VERDICT_H

struct iketcp_conn;
struct sk_buff;
struct xfrm_state;

void iketcp_verdict_expect(struct iketcp_conn *conn, struct sk_buff *skb);
int iketcp_verdict_input(struct xfrm_state *x, struct sk_buff *skb);

int iketcp_verdict_setup(void);
void iketcp_verdict_teardown(void);

#endif
