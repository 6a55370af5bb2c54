// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp monitor": what happens to connections, as it happens.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <linux/genetlink.h>

#include "netlink.h"
#include "parse.h"
#include "print.h"
#include "tool.h"

static const char *const names[] = {
	[IKETCP_EVENT_ATTACH] = "attach",
	[IKETCP_EVENT_PREFIX] = "prefix",
	[IKETCP_EVENT_CLOSE] = "close",
	[IKETCP_EVENT_PATH] = "path",
	[IKETCP_EVENT_DROP] = "drop",
};

static volatile sig_atomic_t ended;

struct watch {
	struct family family;
	/* bits of IKETCP_EVENT_*; 0: all */
	unsigned int wanted;
	bool stamp;
};

static const char *event_name(unsigned int what)
{
	if (what < ARRAY_SIZE(names) && names[what])
		return names[what];
	return "unknown";
}

static void time_text(char *buf, size_t size)
{
	struct timeval now;
	struct tm parts;
	size_t len;

	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &parts);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(buf + len, size - len, ".%06ld", (long)now.tv_usec);
}

static void print_event(const struct event *event, const char *stamp)
{
	char head[16];

	if (stamp)
		printf("%s ", stamp);
	snprintf(head, sizeof(head), "%-6s", event_name(event->what));
	print_color(event->what == IKETCP_EVENT_DROP ? COLOR_BAD : COLOR_HEAD, head);
	putchar(' ');
	/* There are none yet while a socket is not connected. */
	if (event->local.address.family) {
		print_endpoint(&event->local);
		fputs(" > ", stdout);
		print_endpoint(&event->remote);
	}
	if (event->has_role)
		printf(" %s", role_name(event->role));
	if (event->has_spi)
		printf(" spi 0x%08x", event->spi);
	if (event->reason[0])
		printf(" reason %s", event->reason);
	if (event->error)
		printf(" error \"%s\"", strerror((int)event->error));
	putchar('\n');
}

static void print_event_json(const struct event *event, const char *stamp)
{
	json_t *object = must_have(json_object());
	char spi[16];

	if (stamp)
		json_add(object, "time", json_string(stamp));
	json_add(object, "event", json_string(event_name(event->what)));
	if (event->local.address.family) {
		json_add(object, "local", json_endpoint(&event->local));
		json_add(object, "remote", json_endpoint(&event->remote));
	}
	if (event->has_role)
		json_add(object, "role", json_string(role_name(event->role)));
	if (event->has_spi) {
		snprintf(spi, sizeof(spi), "0x%08x", event->spi);
		json_add(object, "spi", json_string(spi));
	}
	if (event->reason[0])
		json_add(object, "reason", json_string(event->reason));
	if (event->error)
		json_add(object, "error", json_integer(event->error));
	print_json(object);
}

static int take_event(const struct nlmsghdr *nlh, void *data)
{
	const struct watch *watch = data;
	struct event event;
	char stamp[64];

	/* Others may share the socket's buffer, the controller for one. */
	if (nlh->nlmsg_type != watch->family.id)
		return MNL_CB_OK;
	if (parse_event(nlh, &event) < 0) {
		complain("an event that makes no sense");
		return MNL_CB_OK;
	}
	if (watch->wanted &&
	    (event.what >= ARRAY_SIZE(names) || !(watch->wanted & 1U << event.what)))
		return MNL_CB_OK;
	if (options.family && event.local.address.family &&
	    event.local.address.family != options.family)
		return MNL_CB_OK;
	if (watch->stamp)
		time_text(stamp, sizeof(stamp));
	if (options.json)
		print_event_json(&event, watch->stamp ? stamp : NULL);
	else
		print_event(&event, watch->stamp ? stamp : NULL);
	return ferror(stdout) ? MNL_CB_STOP : MNL_CB_OK;
}

static int take_family(const struct nlmsghdr *nlh, void *data)
{
	return parse_family(nlh, IKETCP_GENL_EVENTS, data) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int find_family(struct mnl_socket *sock, struct family *family)
{
	char buf[128] __attribute__((aligned(8)));
	struct genlmsghdr *head;
	struct nlmsghdr *nlh;

	nlh = netlink_request(buf, GENL_ID_CTRL, NLM_F_ACK);
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->cmd = CTRL_CMD_GETFAMILY;
	head->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, IKETCP_GENL_NAME);
	return netlink_ask(sock, nlh, take_family, family);
}

static void join(struct mnl_socket *sock, struct family *family)
{
	memset(family, 0, sizeof(*family));
	if (find_family(sock, family) < 0) {
		if (errno == ENOENT)
			die(TOOL_NO_SUPPORT,
			    "the kernel tells no events: the module iketcp is not loaded, or too old");
		die(code_of(errno), "events: %s", error_text(errno));
	}
	if (!family->group)
		die(TOOL_NO_SUPPORT, "this module has no events");
	if (mnl_socket_setsockopt(sock, NETLINK_ADD_MEMBERSHIP, &family->group,
				  sizeof(family->group)) < 0)
		die(code_of(errno), "events: %s%s", error_text(errno),
		    errno == EPERM ? " (an administrator may: CAP_NET_ADMIN)" : "");
}

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int run_monitor(int argc, char **argv)
{
	const struct sigaction on_end = { .sa_handler = end };
	struct watch watch = {};
	struct mnl_socket *sock;
	size_t k;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "-t") || !strcmp(argv[i], "--timestamp")) {
			watch.stamp = true;
			continue;
		}
		for (k = 1; k < ARRAY_SIZE(names); k++) {
			if (!strcmp(names[k], argv[i]))
				break;
		}
		if (k == ARRAY_SIZE(names))
			unknown_word(argv[i]);
		watch.wanted |= 1U << k;
	}

	sock = netlink_open(NETLINK_GENERIC);
	if (!sock)
		die(code_of(errno), "generic netlink: %s", strerror(errno));
	join(sock, &watch.family);
	sigaction(SIGINT, &on_end, NULL);
	sigaction(SIGTERM, &on_end, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!ended && !ferror(stdout)) {
		if (netlink_listen(sock, take_event, &watch) == 0)
			continue;
		switch (errno) {
		case EINTR:
		case ETIME:
			break;
		case ENOBUFS:
			complain("events were lost: too many at once");
			break;
		default:
			die(TOOL_FAILED, "events: %s", error_text(errno));
		}
	}
	mnl_socket_close(sock);
	return TOOL_OK;
}
