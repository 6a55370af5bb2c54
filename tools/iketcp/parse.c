// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink messages to what the tool knows of them. Pure: no socket, no output;
 * tests/fuzz/netlink.c compiles it, too.
 *
 * Nothing is believed: each length is compared with what is read, and bytes
 * that are no attribute make the message a bad one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/inet_diag.h>
#include <linux/xfrm.h>

#include "parse.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))

/* An attribute that is wanted. */
struct rule {
	unsigned short type;
	enum mnl_attr_data_type kind;
	/* bytes of payload at least; 0: as @kind says */
	size_t len;
	/* where it is noted, if it is there */
	const struct nlattr **found;
};

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int note(const struct nlattr *attr, const struct rule *rules, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (mnl_attr_get_type(attr) != rules[i].type)
			continue;
		if (mnl_attr_validate(attr, rules[i].kind) < 0 ||
		    mnl_attr_get_payload_len(attr) < rules[i].len)
			return bad();
		*rules[i].found = attr;
	}
	return 0;
}

/**
 * parse_whole() - are there whole messages and nothing else?
 * @buf: what a socket gave; aligned as messages are
 * @len: its length
 * @changed: set to true if the kernel says that what it dumps has changed
 *	     meanwhile; mnl_cb_run() would take that for the end, so it is
 *	     taken out
 *
 * mnl_nlmsg_ok() believes lengths above INT_MAX.
 */
bool parse_whole(void *buf, size_t len, bool *changed)
{
	struct nlmsghdr *nlh = buf;
	int left = (int)len;

	while (mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= len) {
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			*changed = true;
		nlh->nlmsg_flags &= (unsigned short)~NLM_F_DUMP_INTR;
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return len && left <= 0;
}

/* Notes the attributes in @len bytes. */
static int collect(const void *data, size_t len, const struct rule *rules,
		   size_t n)
{
	const char *end = (const char *)data + len;
	const struct nlattr *attr = data;

	while (mnl_attr_ok(attr, (int)(end - (const char *)attr))) {
		if (note(attr, rules, n) < 0)
			return -1;
		attr = mnl_attr_next(attr);
	}
	/* The padding of the last one need not be there. */
	return (const char *)attr < end ? bad() : 0;
}

static int collect_nested(const struct nlattr *nest, const struct rule *rules,
			  size_t n)
{
	return collect(mnl_attr_get_payload(nest),
		       mnl_attr_get_payload_len(nest), rules, n);
}

/* Copies the fixed part of a message, and notes the attributes behind it. */
static int collect_message(const struct nlmsghdr *nlh, void *head, size_t size,
			   const struct rule *rules, size_t n)
{
	const char *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (len < size)
		return bad();
	memcpy(head, payload, size);
	return collect(payload + size, len - size, rules, n);
}

/* A string that is not too long for @size; mnl has seen its NUL. */
static int copy_string(char *to, size_t size, const struct nlattr *attr)
{
	const char *from = mnl_attr_get_str(attr);
	size_t len = strlen(from) + 1;

	if (len > size)
		return bad();
	memcpy(to, from, len);
	return 0;
}

static void set_address(struct address *address, unsigned short family,
			const void *bytes)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *from = bytes;

	memset(address, 0, sizeof(*address));
	if (family == AF_INET6 && !memcmp(from, mapped, sizeof(mapped))) {
		family = AF_INET;
		from += sizeof(mapped);
	}
	address->family = family;
	memcpy(address->bytes, from, family == AF_INET ? 4 : 16);
}

static bool is_family(unsigned short family)
{
	return family == AF_INET || family == AF_INET6;
}

static bool is_ours(const char *ulp)
{
	return !strcmp(ulp, IKETCP_ULP) || !strcmp(ulp, IKETCP_ULP_ESPINTCP);
}

static int set_bridge(struct conn *conn, const void *payload)
{
	struct iketcp_bridge bridge;

	memcpy(&bridge, payload, sizeof(bridge));
	if (!is_family(bridge.family))
		return bad();
	set_address(&conn->bridge_local.address, bridge.family, bridge.local);
	set_address(&conn->bridge_peer.address, bridge.family, bridge.peer);
	conn->bridge_local.port = ntohs(bridge.local_port);
	conn->bridge_peer.port = ntohs(bridge.peer_port);
	return 1;
}

/**
 * parse_conn() - an answer of sock_diag
 * @nlh: the message
 * @conn: set, if it is one with one of our ULPs
 */
int parse_conn(const struct nlmsghdr *nlh, struct conn *conn)
{
	const struct nlattr *ulp = NULL, *name = NULL, *info = NULL, *bridge = NULL;
	const struct rule outer[] = {
		{ INET_DIAG_ULP_INFO, MNL_TYPE_NESTED, 0, &ulp },
	};
	const struct rule inner[] = {
		{ INET_ULP_INFO_NAME, MNL_TYPE_NUL_STRING, 0, &name },
		{ IKETCP_DIAG_INFO, MNL_TYPE_UNSPEC, sizeof(conn->info), &info },
		{ IKETCP_DIAG_BRIDGE, MNL_TYPE_UNSPEC, sizeof(struct iketcp_bridge),
		  &bridge },
	};
	struct inet_diag_msg msg;

	if (collect_message(nlh, &msg, sizeof(msg), outer, ARRAY_SIZE(outer)) < 0)
		return -1;
	if (!is_family(msg.idiag_family))
		return bad();
	if (!ulp)
		return 0;
	if (collect_nested(ulp, inner, ARRAY_SIZE(inner)) < 0)
		return -1;
	if (!name)
		return 0;

	memset(conn, 0, sizeof(*conn));
	if (copy_string(conn->ulp, sizeof(conn->ulp), name) < 0)
		return -1;
	if (!is_ours(conn->ulp))
		return 0;
	set_address(&conn->local.address, msg.idiag_family, msg.id.idiag_src);
	set_address(&conn->remote.address, msg.idiag_family, msg.id.idiag_dst);
	conn->local.port = ntohs(msg.id.idiag_sport);
	conn->remote.port = ntohs(msg.id.idiag_dport);
	conn->state = msg.idiag_state;
	conn->ifindex = msg.id.idiag_if;
	conn->uid = msg.idiag_uid;
	conn->inode = msg.idiag_inode;
	if (info) {
		/* A newer module may tell more. */
		memcpy(&conn->info, mnl_attr_get_payload(info),
		       sizeof(conn->info));
		conn->has_info = true;
	}
	if (bridge)
		return set_bridge(conn, mnl_attr_get_payload(bridge));
	return 1;
}

/**
 * parse_sa() - a state of xfrm
 * @nlh: the message
 * @sa: set, if it is one that is carried over TCP
 */
int parse_sa(const struct nlmsghdr *nlh, struct sa *sa)
{
	const struct nlattr *attr = NULL;
	const struct rule rules[] = {
		{ XFRMA_ENCAP, MNL_TYPE_UNSPEC, sizeof(struct xfrm_encap_tmpl),
		  &attr },
	};
	struct xfrm_usersa_info info;
	struct xfrm_encap_tmpl encap;

	if (collect_message(nlh, &info, sizeof(info), rules, ARRAY_SIZE(rules)) < 0)
		return -1;
	if (!is_family(info.family))
		return bad();
	if (!attr)
		return 0;
	memcpy(&encap, mnl_attr_get_payload(attr), sizeof(encap));
	if (encap.encap_type != TCP_ENCAP_ESPINTCP)
		return 0;

	set_address(&sa->src.address, info.family, &info.saddr);
	set_address(&sa->dst.address, info.family, &info.id.daddr);
	sa->src.port = ntohs(encap.encap_sport);
	sa->dst.port = ntohs(encap.encap_dport);
	sa->spi = ntohl(info.id.spi);
	sa->reqid = info.reqid;
	sa->mode = info.mode;
	sa->bytes = info.curlft.bytes;
	sa->packets = info.curlft.packets;
	sa->replay = info.stats.replay;
	sa->failed = info.stats.integrity_failed;
	return 1;
}

/* The address of an event, if there is one, has to be as long as its family says. */
static int take_address(struct address *address, const struct nlattr *family,
			const struct nlattr *attr)
{
	unsigned short of, len;

	if (!attr)
		return 0;
	if (!family)
		return bad();
	of = mnl_attr_get_u16(family);
	len = mnl_attr_get_payload_len(attr);
	if (!is_family(of) || len != (of == AF_INET ? 4 : 16))
		return bad();
	set_address(address, of, mnl_attr_get_payload(attr));
	return 0;
}

/**
 * parse_event() - an event of the module
 * @nlh: the message
 * @event: set; the events of a newer module, too
 */
int parse_event(const struct nlmsghdr *nlh, struct event *event)
{
	const struct nlattr *family = NULL, *local = NULL, *remote = NULL;
	const struct nlattr *lport = NULL, *rport = NULL, *role = NULL;
	const struct nlattr *error = NULL, *reason = NULL, *spi = NULL;
	const struct rule rules[] = {
		{ IKETCP_ATTR_FAMILY, MNL_TYPE_U16, 0, &family },
		{ IKETCP_ATTR_LOCAL, MNL_TYPE_UNSPEC, 0, &local },
		{ IKETCP_ATTR_REMOTE, MNL_TYPE_UNSPEC, 0, &remote },
		{ IKETCP_ATTR_LPORT, MNL_TYPE_U16, 0, &lport },
		{ IKETCP_ATTR_RPORT, MNL_TYPE_U16, 0, &rport },
		{ IKETCP_ATTR_ROLE, MNL_TYPE_U8, 0, &role },
		{ IKETCP_ATTR_ERROR, MNL_TYPE_U32, 0, &error },
		{ IKETCP_ATTR_REASON, MNL_TYPE_NUL_STRING, 0, &reason },
		{ IKETCP_ATTR_SPI, MNL_TYPE_U32, 0, &spi },
	};
	struct genlmsghdr head;

	if (collect_message(nlh, &head, sizeof(head), rules, ARRAY_SIZE(rules)) < 0)
		return -1;
	memset(event, 0, sizeof(*event));
	event->what = head.cmd;
	if (take_address(&event->local.address, family, local) < 0 ||
	    take_address(&event->remote.address, family, remote) < 0)
		return -1;
	if (reason && copy_string(event->reason, sizeof(event->reason), reason) < 0)
		return -1;
	if (lport)
		event->local.port = ntohs(mnl_attr_get_u16(lport));
	if (rport)
		event->remote.port = ntohs(mnl_attr_get_u16(rport));
	if (role) {
		event->role = mnl_attr_get_u8(role);
		event->has_role = true;
	}
	if (error)
		event->error = mnl_attr_get_u32(error);
	if (spi) {
		event->spi = ntohl(mnl_attr_get_u32(spi));
		event->has_spi = true;
	}
	return 1;
}

/* Looks for the group @name in the list of a family's groups. */
static int find_group(const struct nlattr *groups, const char *name,
		      unsigned int *group)
{
	const struct nlattr *nest = mnl_attr_get_payload(groups);
	const char *end = (const char *)nest + mnl_attr_get_payload_len(groups);

	for (; mnl_attr_ok(nest, (int)(end - (const char *)nest));
	     nest = mnl_attr_next(nest)) {
		const struct nlattr *is = NULL, *id = NULL;
		const struct rule rules[] = {
			{ CTRL_ATTR_MCAST_GRP_NAME, MNL_TYPE_NUL_STRING, 0, &is },
			{ CTRL_ATTR_MCAST_GRP_ID, MNL_TYPE_U32, 0, &id },
		};

		if (collect_nested(nest, rules, ARRAY_SIZE(rules)) < 0)
			return -1;
		if (is && id && !strcmp(mnl_attr_get_str(is), name))
			*group = mnl_attr_get_u32(id);
	}
	return (const char *)nest < end ? bad() : 0;
}

/**
 * parse_family() - what generic netlink's controller says of a family
 * @nlh: the message
 * @group: name of the multicast group that is wanted
 * @family: set
 */
int parse_family(const struct nlmsghdr *nlh, const char *group,
		 struct family *family)
{
	const struct nlattr *id = NULL, *groups = NULL;
	const struct rule rules[] = {
		{ CTRL_ATTR_FAMILY_ID, MNL_TYPE_U16, 0, &id },
		{ CTRL_ATTR_MCAST_GROUPS, MNL_TYPE_NESTED, 0, &groups },
	};
	struct genlmsghdr head;

	if (collect_message(nlh, &head, sizeof(head), rules, ARRAY_SIZE(rules)) < 0)
		return -1;
	if (!id)
		return bad();
	family->id = mnl_attr_get_u16(id);
	family->group = 0;
	if (groups && find_group(groups, group, &family->group) < 0)
		return -1;
	return 1;
}
