// SPDX-License-Identifier: GPL-2.0
/*
 * What became of an ESP message that was handed to xfrm: was it valid
 * (decrypted, authenticated, not a replay), and by which connection had it
 * come?
 *
 * xfrm tells nobody but the handlers of the protocol, whose callback it calls
 * once for each packet: when the packet was accepted, which is behind the last
 * replay check, or just before it is dropped. That holds whether the cipher is
 * done at once or later on another CPU. So we are such a handler, in front of
 * all others, and pass on whatever is not ours. (xfrm calls the handlers of
 * the innermost state's protocol, and IPComp or AH may be inside ESP: hence
 * all three.)
 *
 * The packet itself says by which connection it came: in a mark at the very
 * beginning of its memory, which nobody uses before the callback. That there
 * is a mark is told by the destructor, which also ends the mark where xfrm
 * frees a packet without a callback. The mark holds the connection's memory.
 */
#include <net/xfrm.h>

#include "conn.h"
#include "esp.h"
#include "fault.h"
#include "path.h"
#include "sa.h"
#include "verdict.h"

/*
 * In front of ip_vti (100) and the xfrm interfaces (10), which end the round of
 * callbacks for packets of theirs. A number must be used once only.
 */
#define PRIORITY	1000

/**
 * struct mark - where a message came from
 * @conn: the connection, held
 * @sa: the SA that decrypts it; NULL before
 * @len: its length then; 0 if it failed for want of something of ours
 */
struct mark {
	struct iketcp_conn *conn;
	struct iketcp_sa *sa;
	unsigned int len;
};

/* The destructor of a packet with a mark. */
static void drop_mark(struct sk_buff *skb)
{
	const struct mark *mark = (struct mark *)skb->head;

	iketcp_conn_put(mark->conn);
}

/* Return: the packet's mark, or NULL. */
static struct mark *mark_of(const struct sk_buff *skb)
{
	if (skb->destructor != drop_mark)
		return NULL;
	return (struct mark *)skb->head;
}

/**
 * iketcp_verdict_expect() - a message is about to be handed to xfrm
 * @conn: the connection it came by
 * @skb: the message, from iketcp_esp_skb()
 *
 * Context: socket lock held.
 */
void iketcp_verdict_expect(struct iketcp_conn *conn, struct sk_buff *skb)
{
	struct mark *mark = (struct mark *)skb->head;

	/* Every skb from __netdev_alloc_skb() has as much in front. */
	BUILD_BUG_ON(sizeof(*mark) > NET_SKB_PAD);

	if (!iketcp_conn_get(conn))
		return;
	mark->conn = conn;
	mark->sa = NULL;
	skb->destructor = drop_mark;
}

/**
 * iketcp_verdict_input() - xfrm_type.input of states carried over TCP
 * @x: the state
 * @skb: the packet; it may have come by a socket of the kernel's own espintcp,
 *	 and has no mark then
 *
 * Context: softirq, or process with BH off.
 * Return: what the stock code says.
 */
int iketcp_verdict_input(struct xfrm_state *x, struct sk_buff *skb)
{
	struct iketcp_sa *sa = iketcp_sa_of(x);
	struct mark *mark = mark_of(skb);
	int ret;

	if (mark) {
		mark->sa = sa;
		mark->len = skb->len;
		if (x->props.mode != XFRM_MODE_TUNNEL)
			iketcp_esp_forget_tos(skb);
	}
	ret = sa->stock->input(x, skb);
	if (unlikely(ret < 0 && ret != -EINPROGRESS && ret != -EBADMSG &&
		     ret != -EINVAL) && mark)
		mark->len = 0;
	return ret;
}

/*
 * xfrm has dropped it. What had no state is without a path, too. What is as
 * long as it was when its SA got it failed the cipher or is no ESP of that SA;
 * behind that xfrm drops dummy packets, and what it has no policy for.
 */
static void blame(const struct sk_buff *skb, const struct mark *mark)
{
	if (!mark->sa && skb->len < sizeof(struct ip_esp_hdr))
		iketcp_fault_note(mark->conn, IKETCP_FAULT_MESSAGE);
	else if (!mark->sa && !skb_sec_path(skb))
		iketcp_fault_note(mark->conn, IKETCP_FAULT_SPI);
	else if (mark->sa && skb->len == mark->len)
		iketcp_fault_note(mark->conn, IKETCP_FAULT_AUTH);
}

/*
 * The callback. The state is alive if all went well, as the packet holds it;
 * if not, it may be gone.
 */
static int judge(struct sk_buff *skb, int err)
{
	struct mark *mark = mark_of(skb);

	if (!mark)
		return 1;

	if (err) {
		blame(skb, mark);
	} else if (mark->sa) {
		if (iketcp_fault_any(mark->conn))
			iketcp_fault_forget(mark->conn);
		iketcp_path_heard(mark->sa, mark->conn);
	}

	skb->destructor = NULL;
	iketcp_conn_put(mark->conn);
	/* The next handler, please. */
	return 1;
}

static int pass(struct sk_buff *skb)
{
	return -EINVAL;
}

static int pass_input(struct sk_buff *skb, int nexthdr, __be32 spi,
		      int encap_type)
{
	return -EINVAL;
}

static int pass_error4(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

#define HANDLER4 {							\
	.handler = pass,						\
	.input_handler = pass_input,					\
	.cb_handler = judge,						\
	.err_handler = pass_error4,					\
	.priority = PRIORITY,						\
}

static struct xfrm4_protocol handlers4[] = { HANDLER4, HANDLER4, HANDLER4 };

#if IS_ENABLED(CONFIG_IPV6)
static int pass_error6(struct sk_buff *skb, struct inet6_skb_parm *opt,
		       u8 type, u8 code, int offset, __be32 info)
{
	return -ENOENT;
}

#define HANDLER6 {							\
	.handler = pass,						\
	.input_handler = pass_input,					\
	.cb_handler = judge,						\
	.err_handler = pass_error6,					\
	.priority = PRIORITY,						\
}

static struct xfrm6_protocol handlers6[] = { HANDLER6, HANDLER6, HANDLER6 };
#endif

static const u8 protocols[] = { IPPROTO_ESP, IPPROTO_AH, IPPROTO_COMP };

static void deregister(unsigned int n4, unsigned int n6)
{
#if IS_ENABLED(CONFIG_IPV6)
	while (n6--)
		xfrm6_protocol_deregister(&handlers6[n6], protocols[n6]);
#endif
	while (n4--)
		xfrm4_protocol_deregister(&handlers4[n4], protocols[n4]);
}

/**
 * iketcp_verdict_setup() - become a handler
 *
 * Context: process, module init.
 * Return: 0 or an error.
 */
int __init iketcp_verdict_setup(void)
{
	unsigned int n4, n6 = 0;
	int err;

	for (n4 = 0; n4 < ARRAY_SIZE(protocols); n4++) {
		err = xfrm4_protocol_register(&handlers4[n4], protocols[n4]);
		if (err)
			goto undo;
	}
#if IS_ENABLED(CONFIG_IPV6)
	for (; n6 < ARRAY_SIZE(protocols); n6++) {
		err = xfrm6_protocol_register(&handlers6[n6], protocols[n6]);
		if (err)
			goto undo;
	}
#endif
	return 0;

undo:
	deregister(n4, n6);
	return err;
}

/**
 * iketcp_verdict_teardown() - no longer be a handler
 *
 * Context: process, module exit; no packet has a mark.
 */
void iketcp_verdict_teardown(void)
{
	deregister(ARRAY_SIZE(protocols), ARRAY_SIZE(protocols));
}
