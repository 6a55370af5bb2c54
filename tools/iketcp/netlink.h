/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Questions to the kernel.
 */
#ifndef TOOL_NETLINK_H
#define TOOL_NETLINK_H

#include <libmnl/libmnl.h>

/* As much as the kernel puts into one answer of a dump. */
#define NETLINK_BUFFER	32768

/*
 * All return -1 with errno; EBADMSG: the kernel's answer makes no sense, ETIME:
 * there was none. A request lies in a buffer of NETLINK_BUFFER bytes at most.
 */
struct mnl_socket *netlink_open(int bus);
int netlink_ask(struct mnl_socket *sock, struct nlmsghdr *request, mnl_cb_t each,
		void *data);
int netlink_ask_once(int bus, struct nlmsghdr *request);
int netlink_listen(struct mnl_socket *sock, mnl_cb_t each, void *data);
struct nlmsghdr *netlink_request(void *buf, unsigned short type,
				 unsigned short flags);

#endif
