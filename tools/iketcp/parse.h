/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netlink messages to what the tool knows of them.
 */
#ifndef TOOL_PARSE_H
#define TOOL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../include/iketcp.h"

struct nlmsghdr;

/* As long as the kernel's TCP_ULP_NAME_MAX. */
#define ULP_NAME_MAX	16
/* The name of a counter, with room. */
#define REASON_MAX	32

/**
 * struct address - an address; IPv4 in IPv6 is told as IPv4
 * @family: AF_INET or AF_INET6; AF_UNSPEC: none
 * @bytes: 4 or 16, the rest is 0
 */
struct address {
	unsigned short family;
	unsigned char bytes[16];
};

/**
 * struct endpoint - one end of a connection
 * @address: address
 * @port: port, in host byte order
 */
struct endpoint {
	struct address address;
	unsigned short port;
};

/**
 * struct conn - a connection or a listener
 * @local: our end
 * @remote: the peer's
 * @state: of TCP: TCP_ESTABLISHED, ...
 * @ifindex: the device that the socket is bound to, or 0
 * @uid: whose socket it is
 * @inode: its inode
 * @ulp: name of its ULP
 * @has_info: whether @info is there
 * @info: what the module knows
 * @bridge_local: what UDP address and port of ours it stands for; family 0: none
 * @bridge_peer: and which of the peer's
 */
struct conn {
	struct endpoint local;
	struct endpoint remote;
	unsigned char state;
	unsigned int ifindex;
	unsigned int uid;
	unsigned int inode;
	char ulp[ULP_NAME_MAX];
	bool has_info;
	struct iketcp_info info;
	struct endpoint bridge_local;
	struct endpoint bridge_peer;
};

/**
 * struct sa - an IPsec state carried over TCP
 * @src: address and encap port that it goes from
 * @dst: address and encap port that it goes to
 * @spi: SPI, in host byte order
 * @reqid: as in its policies
 * @mode: XFRM_MODE_*
 * @bytes: bytes it has carried
 * @packets: packets it has carried
 * @replay: packets dropped as repeated
 * @failed: packets whose authentication failed
 */
struct sa {
	struct endpoint src;
	struct endpoint dst;
	unsigned int spi;
	unsigned int reqid;
	unsigned char mode;
	unsigned long long bytes;
	unsigned long long packets;
	unsigned int replay;
	unsigned int failed;
};

/**
 * struct event - what happened to a connection
 * @what: IKETCP_EVENT_*, or one that this tool does not know
 * @local: our end
 * @remote: the peer's
 * @has_role: whether @role is there
 * @role: enum iketcp_role
 * @has_spi: whether @spi is there
 * @spi: SPI, in host byte order
 * @error: errno, or 0
 * @reason: name of a counter, or empty
 */
struct event {
	unsigned char what;
	struct endpoint local;
	struct endpoint remote;
	bool has_role;
	unsigned char role;
	bool has_spi;
	unsigned int spi;
	unsigned int error;
	char reason[REASON_MAX];
};

/**
 * struct family - a generic netlink family
 * @id: its number
 * @group: number of the multicast group that was looked for, or 0
 */
struct family {
	unsigned short id;
	unsigned int group;
};

bool parse_whole(void *buf, size_t len, bool *changed);

/*
 * Each takes one message, of those that parse_whole() has found to be whole, and returns 1
 * when it was one, 0 when it is of something else, and -1 with errno EBADMSG
 * when it cannot be what it says.
 */
int parse_conn(const struct nlmsghdr *nlh, struct conn *conn);
int parse_sa(const struct nlmsghdr *nlh, struct sa *sa);
int parse_event(const struct nlmsghdr *nlh, struct event *event);
int parse_family(const struct nlmsghdr *nlh, const char *group,
		 struct family *family);

#endif
