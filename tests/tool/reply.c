// SPDX-License-Identifier: GPL-2.0
/*
 * Linked with the tool, this takes the kernel's place: what the tool reads from
 * netlink are files that tests/tool/messages.py has written. The environment
 * says which:
 *
 *	TOOL_DIR	where they are
 *	TOOL_CONNS4, TOOL_CONNS6, TOOL_SAS, TOOL_FAMILY, TOOL_EVENTS
 *			their names; without one: "empty", for events none
 *
 * After the events the tool gets a signal that ends it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/sock_diag.h>
#include <linux/xfrm.h>

/* What was asked last; a file is given once. */
static struct {
	const char *name;
	unsigned int seq;
} asked;

static void ask(const struct nlmsghdr *nlh)
{
	const unsigned char *payload = mnl_nlmsg_get_payload(nlh);

	asked.seq = nlh->nlmsg_seq;
	switch (nlh->nlmsg_type) {
	case SOCK_DIAG_BY_FAMILY:
		asked.name = payload[0] == AF_INET ? "TOOL_CONNS4" : "TOOL_CONNS6";
		break;
	case XFRM_MSG_GETSA:
		asked.name = "TOOL_SAS";
		break;
	default:
		asked.name = "TOOL_FAMILY";
	}
}

ssize_t mnl_socket_sendto(const struct mnl_socket *sock, const void *buf, size_t len)
{
	(void)sock;
	ask(buf);
	return (ssize_t)len;
}

int mnl_socket_setsockopt(const struct mnl_socket *sock, int type, void *buf, socklen_t len)
{
	(void)sock;
	(void)type;
	(void)buf;
	(void)len;
	return 0;
}

/* The numbers that answers repeat, as far as the messages are whole. */
static void number(void *buf, int len, const struct mnl_socket *sock)
{
	struct nlmsghdr *nlh = buf;

	for (; mnl_nlmsg_ok(nlh, len) && (int)nlh->nlmsg_len > 0; nlh = mnl_nlmsg_next(nlh, &len)) {
		nlh->nlmsg_seq = asked.seq;
		nlh->nlmsg_pid = mnl_socket_get_portid(sock);
	}
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *sock, void *buf, size_t size)
{
	const char *name = getenv(asked.name), *dir = getenv("TOOL_DIR");
	char path[4096];
	size_t len;
	FILE *file;

	if (!asked.seq) {
		/* It waits for more. */
		raise(SIGTERM);
		errno = EAGAIN;
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name ? name : "empty");
	file = fopen(path, "r");
	if (!file)
		return -1;
	len = fread(buf, 1, size, file);
	fclose(file);
	number(buf, (int)len, sock);
	if (!strcmp(asked.name, "TOOL_FAMILY"))
		asked.name = "TOOL_EVENTS";
	else
		asked.seq = 0;
	return (ssize_t)len;
}
