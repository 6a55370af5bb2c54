// SPDX-License-Identifier: GPL-2.0
/* Differences between kernels that are more than a line. See compat.h. */
#include <linux/netfilter.h>
#include <net/netfilter/nf_conntrack.h>

#include "compat.h"

#ifdef IKETCP_HAVE_SPLICE_PAGES
/**
 * iketcp_compat_send_pages() - give TCP pages to send, without a copy
 * @sk: the socket
 * @piece: where the bytes are; the pages have references of ours
 * @n: how many pieces
 * @len: bytes in all of them
 * @flags: MSG_*
 *
 * Context: process or softirq, socket lock held.
 * Return: bytes taken, or an error when none were.
 */
ssize_t iketcp_compat_send_pages(struct sock *sk, struct bio_vec *piece,
				 unsigned int n, size_t len, int flags)
{
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, piece, n, len);
	return tcp_sendmsg_locked(sk, &msg, len);
}
#else
ssize_t iketcp_compat_send_pages(struct sock *sk, struct bio_vec *piece,
				 unsigned int n, size_t len, int flags)
{
	ssize_t total = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		int more = i + 1 < n ? MSG_MORE | MSG_SENDPAGE_NOTLAST : 0;
		ssize_t sent;

		sent = do_tcp_sendpages(sk, piece[i].bv_page,
					piece[i].bv_offset, piece[i].bv_len,
					flags | more);
		if (sent < 0)
			return total ?: sent;
		total += sent;
		if (sent < piece[i].bv_len)
			break;
	}
	return total;
}
#endif

/**
 * iketcp_compat_accept() - take a child from TCP's accept queue
 * @sk: a listening socket
 *
 * Context: process, socket lock not held.
 * Return: the child with a reference for the caller; NULL when there is none, or
 * the socket does not listen any more.
 */
struct sock *iketcp_compat_accept(struct sock *sk)
{
#ifdef IKETCP_HAVE_ACCEPT_ARG
	struct proto_accept_arg arg = { .flags = O_NONBLOCK, .kern = true };

	return inet_csk_accept(sk, &arg);
#else
	int err;

	return inet_csk_accept(sk, O_NONBLOCK, &err, true);
#endif
}

/**
 * iketcp_compat_ct_confirm() - let connection tracking remember a packet's flow
 * @skb: a packet that leaves the stack without having been through all of it
 *
 * Without it the flow's first answer would be the beginning of another flow.
 *
 * Context: RCU read side.
 */
void iketcp_compat_ct_confirm(struct sk_buff *skb)
{
#if defined(IKETCP_HAVE_CT_CONFIRM) && IS_ENABLED(CONFIG_NF_CONNTRACK)
	const struct nf_ct_hook *hook = rcu_dereference(nf_ct_hook);
	enum ip_conntrack_info info;
	struct nf_conn *ct;

	ct = nf_ct_get(skb, &info);
	if (hook && ct && !nf_ct_is_confirmed(ct))
		hook->confirm(skb);
#endif
}
