// SPDX-License-Identifier: GPL-2.0
/*
 * load many [connections=10000] [packets=3] [kinds=1]
 *
 * So many connections at once, with two SAs each, and over each SA so many
 * packets; with each of the protocols that the machine has. Says how much memory
 * an idle connection takes (both of its ends), beside a plain one of TCP, and one
 * of the kernel's own espintcp where there is one. That is measured first, before
 * the module is loaded, so that the SAs are the kernel's alone, too. "kinds=0"
 * tries nothing but iketcp.
 */
#include "load.h"

#include <pthread.h>

#define UDP_PORT	7000
/* Who close the kernel's own connections: each waits for milliseconds. */
#define CLOSERS		32

struct many {
	unsigned int n, packets;
	int listener;
	struct link *links;
	int udp[2];
	struct nl *nl[2];
	uint64_t *counted[2][2];	/* at which host, from which host */
};

/* KiB of memory as bytes for each connection. */
static long each(const struct many *m, long kib)
{
	return kib * 1024 / (long)m->n;
}

static bool have_ulp(const char *name)
{
	bool found = false;
	char word[64];
	FILE *f;

	/* Other namespaces do not show it. */
	leave();
	f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
	while (f && fscanf(f, "%63s", word) == 1)
		found |= !strcmp(word, name);
	if (f)
		fclose(f);
	return found;
}

/* The end of the machine's memory is one, too. */
static void per_second(const struct many *m, const char *what,
		       unsigned int each_connection, uint64_t since)
{
	uint64_t ms = now_ms() - since;

	diag("%s: %u in %.1f s, %.0f a second", what, m->n * each_connection,
	     ms / 1e3, 1e3 * m->n * each_connection / (ms ?: 1));
}

static bool messages(const struct many *m)
{
	uint8_t out[40] = { 0 }, in[64];
	unsigned int i, good = 0;

	for (i = 0; i < m->n; i++) {
		memcpy(out + 4, &i, sizeof(i));
		need(send(m->links[i].a, out, sizeof(out), 0));
	}
	for (i = 0; i < m->n; i++) {
		memcpy(out + 4, &i, sizeof(i));
		need(recv(m->links[i].b, in, sizeof(in), 0));
		good += !memcmp(in, out, sizeof(out));
	}
	return good == m->n;
}

static void states(const struct many *m)
{
	unsigned int i;
	int at, from;

	for (at = 0; at < 2; at++) {
		for (i = 0; i < m->n; i++) {
			for (from = 0; from < 2; from++)
				sa_add(m->nl[at], &(struct sa){
					from, i, SPI(from, i),
					m->links[i].port });
			policy_out(m->nl[at], at, i);
		}
		policy_in(m->nl[at], at);
		nl_commit(m->nl[at]);
	}
}

static int udp_new(enum host host)
{
	struct sockaddr_in at = address((struct in_addr){ 0 }, UDP_PORT);
	int fd = sock_new(host, SOCK_DGRAM);

	need(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

/* From the address inside, for each connection. */
static void udp_send(int fd, enum host from, unsigned int n)
{
	struct sockaddr_in to = address(inner(!from, n), UDP_PORT);
	char data[100] = "", control[CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct in_pktinfo info = { .ipi_spec_dst = inner(from, n) };

	memset(control, 0, sizeof(control));
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	need(sendmsg(fd, &msg, 0));
}

static void drain(int fd)
{
	char buf[256];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

static void traffic(const struct many *m)
{
	unsigned int i, p;

	for (p = 0; p < m->packets; p++) {
		for (i = 0; i < m->n; i++) {
			udp_send(m->udp[A], A, i);
			udp_send(m->udp[B], B, i);
			drain(m->udp[A]);
			drain(m->udp[B]);
		}
	}
}

struct counting {
	struct many *m;
	enum host at;
};

static void note(const struct sa_count *c, void *arg)
{
	struct counting *counting = arg;

	if (c->sa.n < counting->m->n)
		counting->m->counted[counting->at][c->sa.from][c->sa.n] =
			c->packets;
}

/* How many of the states have counted all packets; there are four for each. */
static unsigned int states_that_carried(struct many *m)
{
	unsigned int i, good = 0;
	int at, from;

	for (at = 0; at < 2; at++) {
		for (from = 0; from < 2; from++)
			memset(m->counted[at][from], 0, m->n * 8);
		sa_dump(m->nl[at], note, &(struct counting){ m, at });
		for (from = 0; from < 2; from++)
			for (i = 0; i < m->n; i++)
				good += m->counted[at][from][i] == m->packets;
	}
	return good;
}

static void all_carried(struct many *m, const char *name)
{
	uint64_t end = now_ms() + 20000 * slow();
	unsigned int good;
	char faults[256];

	while ((good = states_that_carried(m)) < 4 * m->n && now_ms() < end)
		msleep(200);
	ok(good == 4 * m->n, "%s: %u packets over each SA, counted at both ends",
	   name, m->packets);
	if (good != 4 * m->n)
		diag("%u of %u states did", good, 4 * m->n);
	ok(!xfrm_faults(A, faults, sizeof(faults)), "%s: A has no faults%s",
	   name, faults);
	ok(!xfrm_faults(B, faults, sizeof(faults)), "%s: B has no faults%s",
	   name, faults);
}

struct closer {
	struct link *links;
	unsigned int n;
};

static void *close_some(void *arg)
{
	struct closer *c = arg;

	links_reset(c->links, c->n);
	return NULL;
}

static void close_all(struct many *m)
{
	struct closer closers[CLOSERS];
	pthread_t threads[CLOSERS];
	unsigned int i, first;

	for (i = 0; i < CLOSERS; i++) {
		first = m->n * i / CLOSERS;
		closers[i].links = m->links + first;
		closers[i].n = m->n * (i + 1) / CLOSERS - first;
		need(-pthread_create(&threads[i], NULL, close_some,
				     &closers[i]));
	}
	for (i = 0; i < CLOSERS; i++)
		pthread_join(threads[i], NULL);
}

/**
 * struct cost - bytes for each connection, both ends together
 * @idle: nothing but the connection
 * @with_sas: with two SAs at each end, and their policies
 * @used: after traffic
 * @slab: of each that, small objects
 */
struct cost {
	long idle, with_sas, used, slab[3];
};

/* What is there now more than before. */
static long cost_of(const struct many *m, const struct memory *base, long *slab)
{
	struct memory now = memory_settled();

	*slab = each(m, now.slab - base->slab);
	return each(m, now.used - base->used);
}

static struct cost one(struct many *m, enum kind kind)
{
	const char *name = kind_names[kind];
	struct memory base;
	struct cost cost = { 0 };
	uint64_t began;

	base = memory_settled();
	began = now_ms();
	links_open(m->links, m->n, m->listener, kind);
	per_second(m, name, 1, began);
	cost.idle = cost_of(m, &base, &cost.slab[0]);
	ok(sockets_in_use(A, "inuse") >= (long)m->n,
	   "%s: %u connections at once", name, m->n);
	if (kind != PLAIN) {
		ok(messages(m), "%s: an IKE message over each", name);
		began = now_ms();
		states(m);
		per_second(m, "states and policies", 6, began);
		cost.with_sas = cost_of(m, &base, &cost.slab[1]);
		began = now_ms();
		traffic(m);
		per_second(m, "packets", 2 * m->packets, began);
		all_carried(m, name);
		cost.used = cost_of(m, &base, &cost.slab[2]);
		/*
		 * Not the pages that messages lay in, for one: 64 KiB. A little
		 * goes to caches that traffic fills, the more the fewer
		 * connections there are.
		 */
		if (kind != STOCK)
			ok(cost.used < cost.with_sas + 16384,
			   "%s: traffic leaves no memory behind", name);
		began = now_ms();
		xfrm_flush(m->nl[A]);
		xfrm_flush(m->nl[B]);
		per_second(m, "states and policies removed", 6, began);
	}
	began = now_ms();
	if (kind == STOCK)
		close_all(m);
	else
		links_reset(m->links, m->n);
	per_second(m, "sockets closed", 2, began);
	diag("MEMORY %s: bytes for each connection, both ends: %ld idle (%ld in slabs), %ld (%ld) with SAs, %ld (%ld) after traffic",
	     name, cost.idle, cost.slab[0], cost.with_sas, cost.slab[1],
	     cost.used, cost.slab[2]);
	return cost;
}

/* What is made once and kept: caches, tables, modules. */
static void warm_up(const struct many *m, enum kind kind)
{
	struct many few = *m;

	few.n = m->n < 50 ? m->n : 50;
	links_open(few.links, few.n, few.listener, kind);
	states(&few);
	traffic(&few);
	msleep(500);
	xfrm_flush(few.nl[A]);
	xfrm_flush(few.nl[B]);
	links_reset(few.links, few.n);
	memory_settled();
}

/* What of ours is not larger than theirs, and by how much. */
static void compare(const char *name, const struct cost *our,
		    const struct cost *their, const struct cost *plain)
{
	diag("MEMORY %s: %ld bytes for an idle connection more than TCP alone, the kernel's %ld",
	     name, our->idle - plain->idle, their->idle - plain->idle);
	/* Two percent: what the same thing measured twice may differ by. */
	ok(our->idle <= their->idle * 102 / 100,
	   "%s: an idle connection takes no more memory than the kernel's",
	   name);
	ok(our->with_sas <= their->with_sas * 110 / 100,
	   "%s: with its SAs at most a tenth more", name);
	ok(our->used <= their->used * 115 / 100,
	   "%s: after traffic, too, more or less", name);
}

int load_many(int argc, char **argv)
{
	bool kinds = option(argc, argv, "kinds", 1), stock;
	struct many m = {
		.n = option(argc, argv, "connections", 10000),
		.packets = option(argc, argv, "packets", 3),
	};
	struct cost plain = { 0 }, their = { 0 }, our;
	struct slabs before;
	int at;

	world_up(1);
	m.links = calloc(m.n, sizeof(*m.links));
	for (at = 0; at < 4; at++)
		m.counted[at / 2][at % 2] = calloc(m.n, 8);
	m.listener = sock_listen(B, outer(B, 0), IKE_PORT);
	for (at = 0; at < 2; at++) {
		m.nl[at] = nl_open(at);
		/* To the end: who finds nobody there is told so, by a packet. */
		m.udp[at] = udp_new(at);
	}

	stock = kinds && have_ulp("espintcp-stock");
	if (kinds) {
		/* Once in vain: what is made once is not to be counted. */
		links_open(m.links, m.n, m.listener, PLAIN);
		links_reset(m.links, m.n);
		plain = one(&m, PLAIN);
	}
	if (stock) {
		warm_up(&m, STOCK);
		their = one(&m, STOCK);
	}
	leave();
	if (run("modprobe iketcp"))
		die("no module");
	warm_up(&m, IKETCP);
	slabs_take(&before);
	our = one(&m, IKETCP);
	if (stock)
		compare("iketcp", &our, &their, &plain);
	/* Not where the name is the kernel's. */
	if (kinds && have_ulp("espintcp")) {
		our = one(&m, ESPINTCP);
		if (stock)
			compare("espintcp", &our, &their, &plain);
	}
	ok(stat_get(A, "iketcp_stat", "Attach") ==
	   stat_get(A, "iketcp_stat", "Detach") &&
	   stat_get(B, "iketcp_stat", "Attach") ==
	   stat_get(B, "iketcp_stat", "Detach"), "all were detached");
	for (at = 0; at < 2; at++) {
		nl_close(m.nl[at]);
		close(m.udp[at]);
	}
	close(m.listener);
	ok(sockets_in_use(A, "inuse") == 0 && sockets_in_use(B, "inuse") == 0,
	   "no socket is left");
	world_down();
	ok(slabs_same(&before, 200 + m.n / 20, 30 * slow()),
	   "nothing is left in slabs");
	return done_testing();
}
