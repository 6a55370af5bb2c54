// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that carry IKE and ESP: the settings that they need, and their own
 * policies, so that no other policy sends them into themselves.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/xfrm.h>

#include "address.h"
#include "carrier.h"
#include "netlink.h"

/* For C libraries whose headers lack it. */
#ifndef IPV6_XFRM_POLICY
#define IPV6_XFRM_POLICY	35
#endif
#ifndef IP_XFRM_POLICY
#define IP_XFRM_POLICY		17
#endif

/* A policy without a template lets pass; the rest of it is not looked at. */
int carrier_bypass(int fd, int family)
{
	struct xfrm_userpolicy_info policy = {
		.sel.family = (unsigned short)family,
		.action = XFRM_POLICY_ALLOW,
	};
	int level = IPPROTO_IP, name = IP_XFRM_POLICY;

	if (family == AF_INET6) {
		level = IPPROTO_IPV6;
		name = IPV6_XFRM_POLICY;
	}
	for (policy.dir = XFRM_POLICY_IN; policy.dir <= XFRM_POLICY_OUT; policy.dir++) {
		if (setsockopt(fd, level, name, &policy, sizeof(policy)) < 0)
			return -1;
	}
	return 0;
}

/**
 * carrier_open() - a TCP socket that passes all policies
 * @family: AF_INET or AF_INET6
 */
int carrier_open(int family)
{
	struct mnl_socket *sock;
	int fd, on = 1, error;

	/* Who reads such policies is in xfrm_user; this loads it. */
	sock = netlink_open(NETLINK_XFRM);
	if (!sock)
		return -1;
	mnl_socket_close(sock);

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	/* IPv4 in IPv6 sockets has no policy of its own: none of that. */
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		goto fail;
	if (carrier_bypass(fd, family) < 0)
		goto fail;
	return fd;

fail:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int set(int fd, int level, int option, unsigned int value)
{
	return value ? setsockopt(fd, level, option, &value, sizeof(value)) : 0;
}

/**
 * carrier_tune() - keepalives and the like
 * @fd: socket
 * @carrier: how it is to be
 */
int carrier_tune(int fd, const struct carrier *carrier)
{
	if (set(fd, SOL_SOCKET, SO_KEEPALIVE, carrier->idle ? 1 : 0) < 0 ||
	    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, carrier->idle) < 0 ||
	    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, carrier->interval) < 0 ||
	    set(fd, IPPROTO_TCP, TCP_KEEPCNT, carrier->count) < 0 ||
	    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, carrier->user_timeout * 1000) < 0)
		return -1;
	return 0;
}

/**
 * carrier_attach() - makes it one that carries messages
 * @fd: socket
 * @ulp: name
 */
int carrier_attach(int fd, const char *ulp)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, (socklen_t)strlen(ulp) + 1);
}

/**
 * carrier_set() - an option of the module
 * @fd: attached socket
 * @option: IKETCP_OPT_...
 * @value: value
 */
int carrier_set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_IKETCP, option, &value, sizeof(value));
}

/* Does the kernel handle the prefix? */
bool carrier_has_prefix(const struct carrier *carrier)
{
	return !strcmp(carrier->ulp, IKETCP_ULP);
}

/**
 * carrier_ends() - the two ends of a connection
 * @fd: socket
 * @local: set
 * @remote: set; nothing in it for a listener
 */
void carrier_ends(int fd, struct endpoint *local, struct endpoint *remote)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	memset(local, 0, sizeof(*local));
	memset(remote, 0, sizeof(*remote));
	if (!getsockname(fd, (struct sockaddr *)&name, &len))
		endpoint_from(local, &name);
	len = sizeof(name);
	if (!getpeername(fd, (struct sockaddr *)&name, &len))
		endpoint_from(remote, &name);
}
