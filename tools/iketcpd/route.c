// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of addresses and routes. What has changed does not matter: when it is
 * quiet again, who is concerned looks for himself.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "route.h"

/* Changes come in groups: an address, its routes, the default route. */
#define QUIET	200

static struct source source;
static struct timer timer;
static void (*tell)(void);

static void due(struct timer *unused)
{
	(void)unused;
	tell();
}

static void ready(struct source *from, unsigned int events)
{
	char buf[8192];
	ssize_t len;

	(void)events;
	/* ENOBUFS: there were more than fit. All the more reason. */
	do {
		len = recv(from->fd, buf, sizeof(buf), MSG_DONTWAIT);
	} while (len > 0 || (len < 0 && errno == ENOBUFS));
	timer_set(&timer, QUIET);
}

/**
 * route_watch() - tells of changes from now on
 * @changed: called after each
 *
 * Return: -1 with errno.
 */
int route_watch(void (*changed)(void))
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	int fd, error;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	tell = changed;
	timer.due = due;
	source = (struct source){ .fd = fd, .ready = ready };
	if (!bind(fd, (struct sockaddr *)&groups, sizeof(groups)) &&
	    !loop_add(&source, EPOLLIN))
		return 0;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
