// SPDX-License-Identifier: GPL-2.0
/*
 * All connections, and all states carried over TCP, of the network namespace.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/xfrm.h>

#include "dump.h"
#include "netlink.h"
#include "tool.h"

/* What is dumped may change meanwhile; then the dump is begun again. */
#define TRIES		5
/* All states of TCP, also those that have no socket. */
#define ALL_STATES	0xffffffffU

/* Doubled when it is full: at 0 and at powers of two. */
static void *grow(void *of, size_t n, size_t size)
{
	if (n & (n - 1))
		return of;
	return must_have(reallocarray(of, n ? 2 * n : 1, size));
}

static int add_conn(const struct nlmsghdr *nlh, void *data)
{
	struct conns *conns = data;
	struct conn conn;

	switch (parse_conn(nlh, &conn)) {
	case 1:
		conns->of = grow(conns->of, conns->n, sizeof(conn));
		conns->of[conns->n++] = conn;
		return MNL_CB_OK;
	case 0:
		return MNL_CB_OK;
	default:
		return MNL_CB_ERROR;
	}
}

static int add_sa(const struct nlmsghdr *nlh, void *data)
{
	struct sas *sas = data;
	struct sa sa;

	switch (parse_sa(nlh, &sa)) {
	case 1:
		sas->of = grow(sas->of, sas->n, sizeof(sa));
		sas->of[sas->n++] = sa;
		return MNL_CB_OK;
	case 0:
		return MNL_CB_OK;
	default:
		return MNL_CB_ERROR;
	}
}

static int dump_family(struct mnl_socket *sock, struct conns *conns, int family)
{
	char buf[256] __attribute__((aligned(8)));
	struct inet_diag_req_v2 *what;
	size_t before = conns->n;
	struct nlmsghdr *nlh;
	int tries, result;

	nlh = netlink_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	what = mnl_nlmsg_put_extra_header(nlh, sizeof(*what));
	what->sdiag_family = (unsigned char)family;
	what->sdiag_protocol = IPPROTO_TCP;
	/* Only with this the kernel tells of ULPs, too. */
	what->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	what->idiag_states = ALL_STATES;
	for (tries = 0; tries < TRIES; tries++) {
		conns->n = before;
		result = netlink_ask(sock, nlh, add_conn, conns);
		if (!result || errno != ESTALE)
			break;
	}
	return result;
}

/**
 * dump_conns() - all sockets with one of our ULPs
 * @conns: set; the caller frees @conns->of
 *
 * IPv4 in an IPv6 socket is AF_INET6 for the kernel, and IPv4 in @conns.
 *
 * Return: 0, or -1 with errno.
 */
int dump_conns(struct conns *conns)
{
	struct mnl_socket *sock = netlink_open(NETLINK_SOCK_DIAG);
	int result, error;

	memset(conns, 0, sizeof(*conns));
	if (!sock)
		return -1;
	result = dump_family(sock, conns, AF_INET);
	if (!result)
		result = dump_family(sock, conns, AF_INET6);
	error = errno;
	mnl_socket_close(sock);
	errno = error;
	return result;
}

/**
 * dump_sas() - all states that are carried over TCP
 * @sas: set; the caller frees @sas->of
 *
 * Return: 0, or -1 with errno.
 */
int dump_sas(struct sas *sas)
{
	struct mnl_socket *sock = netlink_open(NETLINK_XFRM);
	char buf[64] __attribute__((aligned(8)));
	int tries, result = -1, error;
	struct nlmsghdr *nlh;

	memset(sas, 0, sizeof(*sas));
	if (!sock)
		return -1;
	nlh = netlink_request(buf, XFRM_MSG_GETSA, NLM_F_DUMP);
	for (tries = 0; tries < TRIES; tries++) {
		sas->n = 0;
		result = netlink_ask(sock, nlh, add_sa, sas);
		if (!result || errno != ESTALE)
			break;
	}
	error = errno;
	mnl_socket_close(sock);
	errno = error;
	return result;
}
