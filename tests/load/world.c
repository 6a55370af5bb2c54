// SPDX-License-Identifier: GPL-2.0
/* The two hosts, and connections between them. */
#include "load.h"

#include <fcntl.h>
#include <sched.h>
#include <linux/xfrm.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static const char *const host_names[] = { "A", "B" };

const char *const kind_names[] = {
	"plain TCP", "iketcp", "espintcp", "the kernel's espintcp"
};

static int ns_fd[2];

int run(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fflush(NULL);
	return system(line);
}

/* Back to where everything is. */
void leave(void)
{
	int fd = need(open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC));

	need(setns(fd, CLONE_NEWNET));
	close(fd);
}

static void must(const char *line)
{
	if (run("%s", line))
		die("failed: %s", line);
}

/* The calling thread, and what it makes from now on. */
void enter(enum host host)
{
	need(setns(ns_fd[host], CLONE_NEWNET));
}

void sysctl_write(enum host host, const char *name, const char *value)
{
	char path[256];
	int fd;

	enter(host);
	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	need(write(fd, value, strlen(value)));
	close(fd);
}

struct in_addr outer(enum host host, unsigned int n)
{
	return (struct in_addr){ htonl(host == A ? 0x0a010001 + n :
						   0x0a010101) };
}

/* 172.16.0.0/16 is behind A, 172.17.0.0/16 behind B. */
struct in_addr inner(enum host host, unsigned int n)
{
	return (struct in_addr){ htonl((host == A ? 0xac100001 : 0xac110001) +
				       n) };
}

void world_up(unsigned int a_addresses)
{
	unsigned int i;
	int h;

	must("ip netns add A");
	must("ip netns add B");
	for (h = 0; h < 2; h++) {
		char path[32];

		snprintf(path, sizeof(path), "/run/netns/%s", host_names[h]);
		ns_fd[h] = need(open(path, O_RDONLY | O_CLOEXEC));
		/* Of what nobody here uses. */
		sysctl_write(h, "ipv6/conf/all/disable_ipv6", "1");
		sysctl_write(h, "ipv4/ip_local_port_range", "5000 65000");
	}
	must("ip -n A link add wire type veth peer name wire netns B");
	must("ip -n A -batch - <<END\n"
	     "link set lo up\n"
	     "link set wire up\n"
	     "addr add 10.1.0.1/16 dev wire\n"
	     "route add local 172.16.0.0/16 dev lo\n"
	     "END\n");
	must("ip -n B -batch - <<END\n"
	     "link set lo up\n"
	     "link set wire up\n"
	     "addr add 10.1.1.1/16 dev wire\n"
	     "route add local 172.17.0.0/16 dev lo\n"
	     "route add 172.16.0.0/16 via 10.1.0.1\n"
	     "END\n");
	must("ip -n A route add 172.17.0.0/16 via 10.1.1.1");
	for (i = 1; i < a_addresses; i++)
		run("ip -n A addr add 10.1.0.%u/16 dev wire", i + 1);
}

void world_down(void)
{
	/* So that sockets which are closed do not live on for minutes. */
	sysctl_write(A, "ipv4/tcp_orphan_retries", "1");
	sysctl_write(B, "ipv4/tcp_orphan_retries", "1");
	leave();
	close(ns_fd[A]);
	close(ns_fd[B]);
	must("ip netns del A");
	must("ip netns del B");
}

int sock_new(enum host host, int type)
{
	int one = 1, fd;

	enter(host);
	fd = need(socket(AF_INET, type | SOCK_CLOEXEC, 0));
	need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	return fd;
}

struct sockaddr_in address(struct in_addr addr, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = addr,
		.sin_port = htons(port),
	};
}

int sock_listen(enum host host, struct in_addr addr, uint16_t port)
{
	struct sockaddr_in at = address(addr, port);
	int fd = sock_new(host, SOCK_STREAM);

	sysctl_write(host, "core/somaxconn", "16384");
	need(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	need(listen(fd, 16384));
	return fd;
}

uint16_t sock_port(int fd)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	need(getsockname(fd, (struct sockaddr *)&at, &len));
	return ntohs(at.sin_port);
}

/* Closed with a RST: nothing is left of it. */
void sock_reset(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

int attach(int fd, const char *ulp)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, strlen(ulp));
}

static void receive_prefix(int fd)
{
	char prefix[6];
	ssize_t n = need(recv(fd, prefix, sizeof(prefix), MSG_WAITALL));

	if (n != 6 || memcmp(prefix, "IKETCP", 6))
		die("no prefix came");
}

/* A socket's own policy that lets its segments pass, as IKE daemons do it. */
void bypass(int fd)
{
	struct xfrm_userpolicy_info info = { .sel.family = AF_INET };
	int dir;

	for (dir = XFRM_POLICY_IN; dir <= XFRM_POLICY_OUT; dir++) {
		info.dir = dir;
		need(setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &info,
				sizeof(info)));
	}
}

enum kind option_kind(int argc, char **argv)
{
	const char *name = option_text(argc, argv, "kind", "iketcp");

	if (!strcmp(name, "iketcp"))
		return IKETCP;
	if (!strcmp(name, "espintcp"))
		return STOCK;
	if (strcmp(name, "tcp"))
		die("no kind %s", name);
	return PLAIN;
}

static void link_connect(struct link *l, enum kind kind)
{
	struct sockaddr_in to = address(outer(B, 0), IKE_PORT);

	if (kind == IKETCP)
		need(attach(l->a, "iketcp"));
	need(connect(l->a, (struct sockaddr *)&to, sizeof(to)));
	l->port = sock_port(l->a);
	if (kind == ESPINTCP || kind == STOCK)
		need(send(l->a, "IKETCP", 6, 0));
}

static void link_accept(struct link *l, int listener, enum kind kind)
{
	static const char *const ulps[] = {
		[IKETCP] = "iketcp",
		[ESPINTCP] = "espintcp",
		[STOCK] = "espintcp-stock",
	};

	l->b = need(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	if (kind == ESPINTCP || kind == STOCK) {
		receive_prefix(l->b);
		need(attach(l->a, ulps[kind]));
	}
	if (kind != PLAIN)
		need(attach(l->b, ulps[kind]));
}

/* The new socket may be bound already. */
void link_open(struct link *l, int listener, enum kind kind)
{
	link_connect(l, kind);
	link_accept(l, listener, kind);
}

void links_open(struct link *l, unsigned int n, int listener, enum kind kind)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		l[i].a = sock_new(A, SOCK_STREAM);
	for (i = 0; i < n; i++)
		link_open(&l[i], listener, kind);
}

void links_reset(struct link *l, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		sock_reset(l[i].a);
		sock_reset(l[i].b);
	}
}
