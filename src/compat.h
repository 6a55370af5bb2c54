/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels, all of them, as features: Kbuild looks for each
 * in the kernel's headers and defines IKETCP_HAVE_<FEATURE>. No version numbers
 * here or anywhere: distributions move features between versions.
 */
#ifndef IKETCP_COMPAT_H
#define IKETCP_COMPAT_H

#include <linux/bvec.h>
#include <linux/crypto.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

/* The kernel's own ESP code can carry ESP over TCP. */
#define IKETCP_STOCK_ESPINTCP	IS_ENABLED(CONFIG_INET_ESPINTCP)

/* MSG_SPLICE_PAGES took the place of do_tcp_sendpages(). */
ssize_t iketcp_compat_send_pages(struct sock *sk, struct bio_vec *piece,
				 unsigned int n, size_t len, int flags);

/* proto.ioctl() writes its result itself, or returns it in an int *. */
#ifdef IKETCP_HAVE_KERNEL_IOCTL_ARG
#define IKETCP_COMPAT_IOCTL(fn, cmd)					\
	static int fn(struct sock *sk, int cmd, int *arg)
#define IKETCP_COMPAT_IOCTL_RESULT(value)	(*arg = (value), 0)
#else
#define IKETCP_COMPAT_IOCTL(fn, cmd)					\
	static int fn(struct sock *sk, int cmd, unsigned long arg)
#define IKETCP_COMPAT_IOCTL_RESULT(value)				\
	put_user(value, (int __user *)arg)
#endif
#define IKETCP_COMPAT_IOCTL_PASS(prot, cmd)	((prot)->ioctl(sk, cmd, arg))

/* accept() has its arguments in a struct, or one by one. */
#ifdef IKETCP_HAVE_ACCEPT_ARG
#define IKETCP_COMPAT_ACCEPT(fn)					\
	static int fn(struct socket *sock, struct socket *newsock,	\
		      struct proto_accept_arg *arg)
#define IKETCP_COMPAT_ACCEPT_FLAGS		(arg->flags)
#define IKETCP_COMPAT_ACCEPT_EMPTY(empty)	(arg->is_empty = (empty))
#else
#define IKETCP_COMPAT_ACCEPT(fn)					\
	static int fn(struct socket *sock, struct socket *newsock,	\
		      int flags, bool kern)
#define IKETCP_COMPAT_ACCEPT_FLAGS		(flags)
#define IKETCP_COMPAT_ACCEPT_EMPTY(empty)	((void)(empty))
#endif

struct sock *iketcp_compat_accept(struct sock *sk);

void iketcp_compat_ct_confirm(struct sk_buff *skb);

/* A cipher's completion gets the caller's data, or the request. */
#ifdef IKETCP_HAVE_CRYPTO_DONE_DATA
#define IKETCP_COMPAT_CRYPTO_DONE(fn, data, err)			\
	void fn(void *data, int err)
#define IKETCP_COMPAT_CRYPTO_DATA(data)		(data)
#else
#define IKETCP_COMPAT_CRYPTO_DONE(fn, data, err)			\
	void fn(struct crypto_async_request *data, int err)
#define IKETCP_COMPAT_CRYPTO_DATA(data)		((data)->data)
#endif

#ifdef IKETCP_HAVE_SENDPAGE
static inline int iketcp_no_sendpage_locked(struct sock *sk, struct page *page,
					    int offset, size_t size, int flags)
{
	return -EOPNOTSUPP;
}

static inline ssize_t iketcp_no_sendpage(struct socket *sock, struct page *page,
					 int offset, size_t size, int flags)
{
	return -EOPNOTSUPP;
}
#endif

/* The number of entries is told, or there is an empty one at the end. */
static inline struct ctl_table_header *
iketcp_compat_register_sysctl(struct net *net, const char *path,
			      struct ctl_table *table, size_t n)
{
#ifdef IKETCP_HAVE_SYSCTL_SZ
	return register_net_sysctl_sz(net, path, table, n);
#else
	return register_net_sysctl(net, path, table);
#endif
}

/* sendfile() and splice() to a socket: a call of its own, or a flag. */
static inline void iketcp_compat_no_sendpage(struct proto *prot,
					     struct proto_ops *ops)
{
#ifdef IKETCP_HAVE_SENDPAGE
	prot->sendpage = iketcp_no_sendpage_locked;
	ops->sendpage = iketcp_no_sendpage;
	ops->sendpage_locked = iketcp_no_sendpage_locked;
#endif
#ifdef IKETCP_HAVE_SPLICE_EOF
	prot->splice_eof = NULL;
	ops->splice_eof = NULL;
#endif
}

/*
 * What TCP copies goes to a page of the socket's. The process's would not do: it may
 * be about to write to that when a softirq sends. Kernels that know no such choice
 * look at sk_allocation.
 */
static inline void iketcp_compat_own_frag(struct sock *sk)
{
#ifdef IKETCP_HAVE_TASK_FRAG
	sk->sk_use_task_frag = false;
#endif
}

#endif
