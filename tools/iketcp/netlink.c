// SPDX-License-Identifier: GPL-2.0
/*
 * Questions to the kernel. libmnl does the work; here is what it leaves open:
 * an answer that breaks off, or does not come, must not keep us waiting.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "netlink.h"
#include "parse.h"

/* The kernel answers at once; this is for the day when it does not. */
#define ANSWER_WAIT	10

/**
 * netlink_open() - a socket
 * @bus: NETLINK_...
 */
struct mnl_socket *netlink_open(int bus)
{
	struct mnl_socket *sock = mnl_socket_open(bus);
	struct timeval wait = { .tv_sec = ANSWER_WAIT };
	int error;

	if (!sock)
		return NULL;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &wait,
		       sizeof(wait)) < 0) {
		error = errno;
		mnl_socket_close(sock);
		errno = error;
		return NULL;
	}
	return sock;
}

/**
 * netlink_request() - begins a request
 * @buf: where
 * @type: NLMSG_... of the family
 * @flags: NLM_F_..., without NLM_F_REQUEST
 */
struct nlmsghdr *netlink_request(void *buf, unsigned short type,
				 unsigned short flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

static int receive(struct mnl_socket *sock, unsigned int seq, mnl_cb_t each,
		   void *data)
{
	static char buf[NETLINK_BUFFER] __attribute__((aligned(8)));
	bool changed = false;
	ssize_t len;
	int more;

	do {
		len = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		if (len < 0) {
			if (errno == EAGAIN)
				errno = ETIME;
			return -1;
		}
		if (!parse_whole(buf, (size_t)len, &changed)) {
			errno = EBADMSG;
			return -1;
		}
		more = mnl_cb_run(buf, (size_t)len, seq,
				  seq ? mnl_socket_get_portid(sock) : 0,
				  each, data);
		/* A dump of states has their keys in it. */
		explicit_bzero(buf, (size_t)len);
	} while (more > 0);
	if (!more && changed) {
		errno = ESTALE;
		return -1;
	}
	return more;
}

/**
 * netlink_ask() - sends a request and takes the answers
 * @sock: from netlink_open()
 * @request: with NLM_F_DUMP or NLM_F_ACK: something has to be the last
 * @each: called for each message of the answer, or NULL
 * @data: for @each
 *
 * ESTALE: what was dumped has changed meanwhile; begin again.
 */
int netlink_ask(struct mnl_socket *sock, struct nlmsghdr *request, mnl_cb_t each,
		void *data)
{
	static unsigned int seq;

	if (!seq)
		seq = (unsigned int)time(NULL);
	request->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(sock, request, request->nlmsg_len) < 0)
		return -1;
	return receive(sock, seq, each, data);
}

/**
 * netlink_ask_once() - the same, with a socket for this request alone
 * @bus: NETLINK_*
 * @request: with NLM_F_ACK; nothing else is wanted of the answer
 */
int netlink_ask_once(int bus, struct nlmsghdr *request)
{
	struct mnl_socket *sock = netlink_open(bus);
	int result, error;

	if (!sock)
		return -1;
	result = netlink_ask(sock, request, NULL, NULL);
	error = errno;
	mnl_socket_close(sock);
	errno = error;
	return result;
}

/**
 * netlink_listen() - takes what comes unasked, until @each says it is enough
 * @sock: from netlink_open(), member of a group
 * @each: called for each message
 * @data: for @each
 */
int netlink_listen(struct mnl_socket *sock, mnl_cb_t each, void *data)
{
	return receive(sock, 0, each, data);
}
