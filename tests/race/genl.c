// SPDX-License-Identifier: GPL-2.0
/* The module's events: its generic netlink family and multicast group. */
#include "nomem.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <iketcp.h>

struct message {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[4096];
};

/* Return: the attribute's content in what follows @at; it has to be there. */
static const void *find(const void *at, size_t len, int type, size_t *found)
{
	const struct nlattr *nla = at;

	while (len >= NLA_HDRLEN && nla->nla_len >= NLA_HDRLEN &&
	       nla->nla_len <= len) {
		size_t step = NLA_ALIGN(nla->nla_len);

		if ((nla->nla_type & NLA_TYPE_MASK) == type) {
			*found = nla->nla_len - NLA_HDRLEN;
			return (const char *)nla + NLA_HDRLEN;
		}
		len -= step < len ? step : len;
		nla = (const void *)((const char *)nla + step);
	}
	die("netlink: no attribute %d", type);
}

int events_open(void)
{
	struct message m = {
		.nlh = { .nlmsg_type = GENL_ID_CTRL,
			 .nlmsg_flags = NLM_F_REQUEST },
		.genl = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
	};
	struct nlattr name = {
		.nla_len = NLA_HDRLEN + sizeof(IKETCP_GENL_NAME),
		.nla_type = CTRL_ATTR_FAMILY_NAME,
	};
	const void *at;
	uint32_t group;
	size_t len;
	ssize_t n;
	int fd;

	memcpy(m.attrs, &name, sizeof(name));
	memcpy(m.attrs + NLA_HDRLEN, IKETCP_GENL_NAME, sizeof(IKETCP_GENL_NAME));
	m.nlh.nlmsg_len = offsetof(struct message, attrs) +
			  NLA_ALIGN(name.nla_len);
	fd = need(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
	need(send(fd, &m, m.nlh.nlmsg_len, 0));
	n = need(recv(fd, &m, sizeof(m), 0));
	check(n > (ssize_t)offsetof(struct message, attrs) &&
	      m.nlh.nlmsg_type == GENL_ID_CTRL, "no family \"%s\"",
	      IKETCP_GENL_NAME);
	at = find(m.attrs, n - offsetof(struct message, attrs),
		  CTRL_ATTR_MCAST_GROUPS, &len);
	/* The first one, and the only. */
	at = find(at, len, 1, &len);
	at = find(at, len, CTRL_ATTR_MCAST_GRP_ID, &len);
	memcpy(&group, at, sizeof(group));
	need(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group)));
	return fd;
}
