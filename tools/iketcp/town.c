// SPDX-License-Identifier: GPL-2.0
/*
 * Two network namespaces joined by a pair of devices, for the self-test. They
 * go with the process; nothing outside of them is touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "address.h"
#include "netlink.h"
#include "tool.h"
#include "town.h"

/* For documentation (RFC 5737), and of a namespace of its own. */
static const char *const addresses[] = { "192.0.2.1", "192.0.2.2" };
#define NETWORK_BITS	24
#define DEVICE		"iketcp"

/* A device here and its other end in namespace @other. */
static int add_devices(int other)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlattr *info, *data, *peer;
	struct nlmsghdr *nlh;

	nlh = netlink_request(buf, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, DEVICE);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, DEVICE);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (unsigned int)other);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return netlink_ask_once(NETLINK_ROUTE, nlh);
}

static int set_up(const char *device, const struct address *address)
{
	char buf[256] __attribute__((aligned(8)));
	unsigned int index = if_nametoindex(device);
	struct ifaddrmsg *addr;
	struct ifinfomsg *link;
	struct nlmsghdr *nlh;

	if (!index)
		return -1;
	if (address) {
		nlh = netlink_request(buf, RTM_NEWADDR,
				      NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
		addr = mnl_nlmsg_put_extra_header(nlh, sizeof(*addr));
		addr->ifa_family = AF_INET;
		addr->ifa_prefixlen = NETWORK_BITS;
		addr->ifa_index = index;
		mnl_attr_put(nlh, IFA_LOCAL, 4, address->bytes);
		mnl_attr_put(nlh, IFA_ADDRESS, 4, address->bytes);
		if (netlink_ask_once(NETLINK_ROUTE, nlh) < 0)
			return -1;
	}
	nlh = netlink_request(buf, RTM_NEWLINK, NLM_F_ACK);
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_index = (int)index;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	return netlink_ask_once(NETLINK_ROUTE, nlh);
}

/**
 * town_enter() - this process is in that namespace from now on
 * @town: from town_build()
 * @host: 0 or 1
 */
int town_enter(const struct town *town, int host)
{
	return setns(town->ns[host], CLONE_NEWNET);
}

/**
 * town_build() - the namespaces; this process is in host 1 then
 * @town: set
 */
int town_build(struct town *town)
{
	int host;

	memset(town, 0, sizeof(*town));
	for (host = 0; host < 2; host++) {
		if (unshare(CLONE_NEWNET) < 0)
			return -1;
		town->ns[host] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (town->ns[host] < 0)
			return -1;
		address_parse(addresses[host], &town->at[host].address);
	}
	return 0;
}

/**
 * town_connect() - the devices and addresses
 * @town: from town_build()
 */
int town_connect(struct town *town)
{
	int host;

	if (town_enter(town, 1) < 0 || add_devices(town->ns[0]) < 0)
		return -1;
	for (host = 0; host < 2; host++) {
		if (town_enter(town, host) < 0 || set_up("lo", NULL) < 0 ||
		    set_up(DEVICE, &town->at[host].address) < 0)
			return -1;
	}
	return 0;
}
