// SPDX-License-Identifier: GPL-2.0
/* Events: the generic netlink family's group, and the tracepoints. */
#include "sock.h"
#include "../../include/iketcp.h"

#include <sched.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#define TRACING	"/sys/kernel/tracing"

struct event {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[1024];
};

/* Return: the attribute's payload, or NULL. */
static const void *attr_of(const void *attrs, int left, int type, int *len)
{
	const struct nlattr *a = attrs;

	while (left >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN &&
	       a->nla_len <= left) {
		int step = NLA_ALIGN(a->nla_len);

		if ((a->nla_type & NLA_TYPE_MASK) == type) {
			*len = a->nla_len - NLA_HDRLEN;
			return (const char *)a + NLA_HDRLEN;
		}
		left -= step;
		a = (const void *)((const char *)a + step);
	}
	return NULL;
}

static const void *attr(const struct event *ev, int type, int want)
{
	int len = 0;
	const void *p = attr_of(ev->attrs, ev->nlh.nlmsg_len - NLMSG_HDRLEN -
				GENL_HDRLEN, type, &len);

	check(!p || want < 0 || len == want, "attribute %d has %d bytes", type,
	      len);
	return p;
}

/* A socket that has asked for the family; in @group the group's number. */
static int netlink(uint32_t *group)
{
	struct {
		struct nlmsghdr nlh;
		struct genlmsghdr genl;
		struct nlattr a;
		char name[8];
	} ask = {
		.nlh = { sizeof(ask) - 1, GENL_ID_CTRL, NLM_F_REQUEST, 1, 0 },
		.genl = { CTRL_CMD_GETFAMILY, 1, 0 },
		.a = { NLA_HDRLEN + 7, CTRL_ATTR_FAMILY_NAME },
		.name = IKETCP_GENL_NAME,
	};
	int fd = need(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
	const void *groups, *first, *p;
	struct event ev;
	int n, len, sub;

	check(!run("modprobe iketcp"), "modprobe");
	ask.nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN + 8;
	need(send(fd, &ask, ask.nlh.nlmsg_len, 0));
	n = need(recv(fd, &ev, sizeof(ev), 0));
	check_eq(ev.nlh.nlmsg_type, GENL_ID_CTRL);
	n -= NLMSG_HDRLEN + GENL_HDRLEN;
	groups = attr_of(ev.attrs, n, CTRL_ATTR_MCAST_GROUPS, &len);
	check(groups, "no groups");
	first = attr_of(groups, len, 1, &sub);
	check(first, "no group");
	p = attr_of(first, sub, CTRL_ATTR_MCAST_GRP_NAME, &len);
	check(p && !strcmp(p, IKETCP_GENL_EVENTS), "another group");
	p = attr_of(first, sub, CTRL_ATTR_MCAST_GRP_ID, &len);
	check(p, "no number");
	memcpy(group, p, sizeof(*group));
	return fd;
}

static int joined(void)
{
	uint32_t group;
	int fd = netlink(&group);

	need(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			sizeof(group)));
	return fd;
}

/* The next event is @cmd, of our socket @us. */
static struct event expect(int fd, int cmd, const struct env *e, int us)
{
	int size = e->family == V6 ? 16 : 4;
	struct event ev = { 0 };
	uint16_t port;
	const void *p;

	if (!(revents(fd, POLLIN, WAIT_MS) & POLLIN))
		die("no event came, not %d", cmd);
	need(recv(fd, &ev, sizeof(ev), 0));
	check_eq(ev.genl.cmd, cmd);
	check(attr(&ev, IKETCP_ATTR_ROLE, 1), "no role");
	if (us < 0)
		return ev;
	p = attr(&ev, IKETCP_ATTR_FAMILY, 2);
	check(p, "no family");
	check_eq(*(const uint16_t *)p, e->family == V6 ? AF_INET6 : AF_INET);
	check(attr(&ev, IKETCP_ATTR_LOCAL, size), "no local address");
	check(attr(&ev, IKETCP_ATTR_REMOTE, size), "no remote address");
	p = attr(&ev, IKETCP_ATTR_LPORT, 2);
	check(p, "no local port");
	memcpy(&port, p, 2);
	check_eq(ntohs(port), sock_port(us));
	p = attr(&ev, IKETCP_ATTR_RPORT, 2);
	check(p, "no remote port");
	memcpy(&port, p, 2);
	check_eq(ntohs(port), sock_peer_port(us));
	return ev;
}

static void life(const struct env *e)
{
	static const uint8_t tiny[] = { 0, 4, 1, 2 };
	int fd = joined(), us, peer;
	struct event ev;
	const char *p;

	ready(e, &us, &peer);
	/* An originator has no addresses yet. */
	expect(fd, IKETCP_EVENT_ATTACH, e, e->mode == ORIGINATOR ? -1 : us);
	if (e->mode != ESPINTCP)
		expect(fd, IKETCP_EVENT_PREFIX, e, us);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	peer_put(peer, tiny, sizeof(tiny));
	ev = expect(fd, IKETCP_EVENT_DROP, e, us);
	p = attr(&ev, IKETCP_ATTR_REASON, -1);
	check(p && !strcmp(p, "InShort"), "the reason is %s", p ?: "missing");
	need(close(us));
	ev = expect(fd, IKETCP_EVENT_CLOSE, e, -1);
	check(!attr(&ev, IKETCP_ATTR_ERROR, 4), "an error");
	peer_expect_eof(peer);
	need(close(peer));
	check_eq(revents(fd, POLLIN, QUIET_MS), 0);
	need(close(fd));
}

/* A reset of ours is told with its error, and once. */
static void reset(const struct env *e)
{
	int fd = joined(), us, peer;
	struct event ev;
	const void *p;

	ready(e, &us, &peer);
	expect(fd, IKETCP_EVENT_ATTACH, e, e->mode == ORIGINATOR ? -1 : us);
	if (e->mode != ESPINTCP)
		expect(fd, IKETCP_EVENT_PREFIX, e, us);
	peer_put(peer, "\0\1", 2);
	ev = expect(fd, IKETCP_EVENT_CLOSE, e, -1);
	p = attr(&ev, IKETCP_ATTR_ERROR, 4);
	check(p, "no error");
	check_eq(*(const uint32_t *)p, EINVAL);
	need(close(us));
	need(close(peer));
	check_eq(revents(fd, POLLIN, QUIET_MS), 0);
	need(close(fd));
}

/* Connections are nobody's business in other namespaces, nor every user's. */
static void not_for_all(const struct env *e)
{
	int fd = joined(), us, peer, other;
	uint32_t group;

	other = netlink(&group);
	need(seteuid(65534));
	refused(setsockopt(other, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			   sizeof(group)), EPERM);
	need(seteuid(0));
	need(unshare(CLONE_NEWNET));
	need(loopback_up());
	ready(e, &us, &peer);
	need(close(us));
	need(close(peer));
	check_eq(revents(fd, POLLIN, QUIET_MS), 0);
	need(close(other));
	need(close(fd));
}

/* Who does not read loses events, and nothing else happens. */
static void slow_listener(const struct env *e)
{
	static const uint8_t tiny[] = { 0, 4, 1, 2 };
	int fd = joined(), us, peer, n, small = 1;
	char buf[2048];

	need(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	/* So many in a row would end the connection. */
	sysctl_write("/proc/sys/net/iketcp/bad_message_max", "0");
	ready(e, &us, &peer);
	for (n = 0; n < 500; n++)
		peer_put(peer, tiny, sizeof(tiny));
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0)
		;
	check_eq(errno, ENOBUFS);
	need(close(us));
	need(close(peer));
	need(close(fd));
}

static void traced(const struct env *e)
{
	static const char *const names[] = {
		"iketcp_attach", "iketcp_prefix", "iketcp_in", "iketcp_out",
		"iketcp_drop", "iketcp_close", "reason=InShort"
	};
	static const uint8_t tiny[] = { 0, 4, 1, 2 };
	int us, peer, rc;
	size_t i;

	check(!run("modprobe iketcp"), "modprobe");
	if (access(TRACING "/events", F_OK))
		check(!run("mount -t tracefs tracefs " TRACING), "no tracefs");
	sysctl_write(TRACING "/events/iketcp/enable", "1");
	ready(e, &us, &peer);
	peer_put(peer, tiny, sizeof(tiny));
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	need(close(us));
	need(close(peer));
	sysctl_write(TRACING "/events/iketcp/enable", "0");
	for (i = 0; i < ARRAY_LEN(names); i++) {
		rc = run("grep -q %s " TRACING "/trace", names[i]);
		check(!rc, "no %s", names[i]);
	}
}

static const struct test tests[] = {
	TEST(life, ALL),
	TEST(reset, MODES),
	TEST(not_for_all, ONE),
	TEST(slow_listener, MODES),
	TEST(traced, VARIANT(V4, RESPONDER)),
};

SOCK_MAIN("event", tests)
