// SPDX-License-Identifier: GPL-2.0
/* Namespaces, devices, addresses and the module itself go under traffic. */
#include "runner.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

/* Everything in the namespace is closed, in some order, by three threads. */
static struct traffic inside;

static void burst_and_go(int n)
{
	static uint8_t data[1400];
	int from = random_below(2), i;

	if (inside.udp[n][A] < 0) {
		sched_yield();
		return;
	}
	for (i = random_below(40); i >= 0; i--)
		(void)udp_send(inside.w, inside.udp[n][from], !from, data,
			       random_below(sizeof(data)));
	close(inside.udp[n][A]);
	close(inside.udp[n][B]);
	inside.udp[n][A] = -1;
}

static void shut(int *fd, bool reset)
{
	if (reset)
		reset_close(*fd);
	else
		need(close(*fd));
	*fd = -1;
}

static void go_at_once(struct world *inner)
{
	bool reset[2] = { random_below(2), random_below(2) };
	int n, i;

	inside.w = inner;
	conn_open(inner, &inside.c);
	sas_do(inner, SA_NEW, &inside.c, NULL);
	if (inner->bridged)
		bridges_up(inner, &inside.c);
	for (n = 0; n < 2; n++)
		for (i = 0; i < 2; i++)
			inside.udp[n][i] = udp_open(inner, i);
	/* This thread is not to hold them. */
	ns_enter(traffic.w->ns[A]);
	workers_go(burst_and_go, burst_and_go);
	for (i = 0; i < 10; i++) {
		(void)ike_write(inside.c.fd[i % 2], 500, i, MSG_DONTWAIT);
		if (inner->bridged)
			(void)daemon_send(inner, i % 2, 500, i);
	}
	moment();
	/* What registers the hooks for it may come too late. */
	if (random_below(2))
		need(limit(inside.c.fd[random_below(2)], 1400));
	for (i = 0; i < 2; i++)
		shut(&inside.c.fd[i], reset[i]);
	moment();
	/* Not world_down(): the SAs are there when it ends. */
	close(inner->listener);
	for (i = 0; inner->bridged && i < 2; i++)
		close(inner->daemon[i]);
	for (i = 0; i < (inner->two ? 2 : 1); i++) {
		close(inner->nl_xfrm[i]);
		close(inner->nl_route[i]);
		close(inner->ns[i]);
	}
	while (__atomic_load_n(&inside.udp[0][A], __ATOMIC_RELAXED) >= 0 ||
	       __atomic_load_n(&inside.udp[1][A], __ATOMIC_RELAXED) >= 0)
		sched_yield();
	workers_stop();
}

void namespace_ends(struct world *w)
{
	struct world inner;

	world_up(&inner, false, w->v6, w->alg);
	go_at_once(&inner);
}

void end_namespaces(struct world *w)
{
	struct world inner;

	world_up(&inner, true, w->v6, w->alg);
	if (w->bridged)
		daemons_up(&inner);
	go_at_once(&inner);
}

/* The wire goes, with both devices; another comes, and a new connection. */
void end_device(struct world *w)
{
	open_moved(w);
	workers_go(mixed, mixed);
	workers_warm(1);
	moment();
	veth_down(w);
	moment();
	workers_stop();
	conn_reset(&traffic.c);
	veth_up(w);
}

/* The address of an end goes and comes back, with the same connection. */
static void address(struct world *w)
{
	int who = random_below(2), i;

	open_moved(w);
	workers_go(mixed, random_below(3) ? mixed : inner_tcp);
	workers_warm(1);
	for (i = random_below(3); i >= 0; i--) {
		moment();
		errno = -address_change(w, who, false);
		check(!errno, "address: %s", strerror(errno));
		moment();
		errno = -address_change(w, who, true);
		check(!errno, "address: %s", strerror(errno));
	}
	moment();
	workers_stop();
	conn_reset(&traffic.c);
	settle(w);
}

/*
 * The module
 */
static char module[PATH_MAX];
static char modprobe[PATH_MAX];
#define MODPROBE "/proc/sys/kernel/modprobe"

/* A refused attach must not load it behind our back. */
static void modprobe_back(void)
{
	(void)file_put(MODPROBE, modprobe);
}

void module_begin(struct world *w)
{
	struct utsname name;
	int fd;

	(void)w;
	need(uname(&name));
	snprintf(module, sizeof(module), "/lib/modules/%s/extra/iketcp.ko",
		 name.release);
	check(!access(module, R_OK), "no file %s", module);
	fd = need(open(MODPROBE, O_RDONLY | O_CLOEXEC));
	need(read(fd, modprobe, sizeof(modprobe) - 1));
	close(fd);
	at_death = modprobe_back;
	check(file_put(MODPROBE, "\n"), "%s: %s", MODPROBE, strerror(errno));
}

void module_end(struct world *w)
{
	(void)w;
	modprobe_back();
	at_death = NULL;
}

static bool rmmod(void)
{
	if (!syscall(SYS_delete_module, "iketcp", O_NONBLOCK))
		return true;
	check(errno == EWOULDBLOCK || errno == EBUSY, "rmmod: %s",
	      strerror(errno));
	return false;
}

static void try_rmmod(int n)
{
	(void)n;
	check(!rmmod(), "the module was unloaded, with connections and SAs");
}

/* Connections come and go; the SAs alone have to be enough to keep it. */
static void busy(struct world *w)
{
	int i;

	workers_go(try_rmmod, esp_a);
	for (i = 0; i < 2; i++) {
		open_moved(w);
		moment();
		conn_reset(&traffic.c);
	}
	moment();
	workers_stop();
}

/* Others who want the module while it goes: they get it, or they do not. */
static void try_attach(int n)
{
	int fd = socket(traffic.w->v6 ? AF_INET6 : AF_INET,
			SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0, "socket: %s", strerror(errno));
	if (attach(fd, "iketcp"))
		check(errno == ENOENT, "attach: %s", strerror(errno));
	close(fd);
	nudge(n);
}

/* The SAs are flushed and the connection closed just before. */
void unload(struct world *w)
{
	uint64_t end = now_us() + 15000000ull * slow();
	int fd;

	open_moved(w);
	workers_go(esp_a, random_below(2) ? esp_b : mixed);
	workers_warm(1);
	moment();
	workers_stop();
	workers_go(try_attach, nudge);
	if (random_below(2)) {
		sas_flush(w);
		conn_reset(&traffic.c);
	} else {
		conn_close(&traffic.c);
		sas_flush(w);
	}
	while (!rmmod()) {
		check(now_us() < end, "rmmod: still in use: %ld",
		      file_number("/sys/module/iketcp/refcnt"));
		drain_all();
		sleep_us(1000);
	}
	workers_stop();
	fd = need(open(module, O_RDONLY | O_CLOEXEC));
	need(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	sas_do(w, SA_NEW, NULL, NULL);
}

const struct race gone_races[] = {
	{ .name = "namespace", .what = "a network namespace ends with all in it",
	  .round = namespace_ends },
	{ .name = "namespaces", .what = "two end, with the wire between them",
	  .round = end_namespaces, .divide = 4 },
	{ .name = "device", .what = "the network device is deleted",
	  .round = end_device, .two = true },
	{ .name = "address", .what = "an address goes and comes back",
	  .round = address, .two = true },
	{ .name = "rmmod", .what = "rmmod is tried while there are connections or SAs",
	  .round = busy, .begin = module_begin, .end = module_end },
	{ .name = "unload", .what = "rmmod right after close",
	  .round = unload, .begin = module_begin, .end = module_end,
	  .reorders = true },
	{ 0 }
};
