// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of nomem that are no connection's own: listeners, bridges, limits of
 * messages, events.
 */
#include "nomem.h"

#include <poll.h>

#include <iketcp.h>

#define LISTEN_PORT	4501

/* A world with daemons that know UDP only, as long as the program runs. */
static struct world *bridged(void)
{
	static struct world w;

	if (!w.bridged) {
		world_up(&w, false, false, "gcm");
		daemons_up(&w);
	}
	ns_enter(w.ns[A]);
	return &w;
}

static uint64_t deadline(void)
{
	return now_us() + 10000000ull * slow();
}

static int listening(struct world *w)
{
	int fd = ns_socket(w, B, SOCK_STREAM | SOCK_NONBLOCK);

	need(bind_to(w, fd, B, LISTEN_PORT));
	need(listen(fd, 16));
	return fd;
}

/* A stranger to all this, so that all that can fail is the listener. */
static int peer(struct world *w)
{
	int fd = ns_socket(w, A, SOCK_STREAM);

	need(connect_to(w, fd, B, LISTEN_PORT));
	timeouts(fd, 20000 * slow());
	return fd;
}

static int wait_either(int one, int other)
{
	struct pollfd p[] = {
		{ .fd = one, .events = POLLIN },
		{ .fd = other, .events = POLLIN | POLLRDHUP },
	};

	check(poll(p, ARRAY_LEN(p), 10000 * slow()) > 0,
	      "neither accepted nor closed");
	return p[0].revents ? one : other;
}

static void prefix_and_message(int from, int to)
{
	uint8_t data[500] = "IKETCP";
	size_t len = 6;

	len += frame_ike(data + 6, 300, 5);
	check(send(from, data, len, 0) == (ssize_t)len, "send: %s",
	      strerror(errno));
	timeouts(to, 20000 * slow());
	ike_expect(to, 300, 5);
}

/* What @listener has for @peer works; then all of it is closed. */
static void listened(int listener, int peer)
{
	int fd = need(accept(listener, NULL, NULL));

	prefix_and_message(peer, fd);
	reset_close(peer);
	reset_close(fd);
	need(close(listener));
}

static int listen_begins(const struct site *site, int times)
{
	int listener = listening(&world), lost = 0, rc, a;

	arm(site, times);
	while ((rc = attach(listener, "iketcp")) && errno == ENOMEM)
		lost++;
	disarm();
	check(!rc, "attach: %s", strerror(errno));
	a = peer(&world);
	wait_either(listener, listener);
	listened(listener, a);
	return lost;
}

/* A child that cannot be had is closed and counted. */
static int listen_adopts(const struct site *site, int times)
{
	unsigned long dropped = stat_of("ListenDrop");
	int listener = listening(&world), lost = 0, a;

	need(attach(listener, "iketcp"));
	arm(site, times);
	for (;;) {
		a = peer(&world);
		if (wait_either(listener, a) == listener)
			break;
		lost++;
		reset_close(a);
	}
	disarm();
	check(stat_of("ListenDrop") - dropped == (unsigned int)lost,
	      "%d were closed, %lu counted", lost,
	      stat_of("ListenDrop") - dropped);
	listened(listener, a);
	return lost;
}

static void daemons_drain(struct world *w)
{
	uint8_t byte;

	for (int i = 0; i < 2; i++)
		while (recv(w->daemon[i], &byte, 1, MSG_DONTWAIT) >= 0)
			;
}

void daemons_talk(struct world *w, uint32_t seed)
{
	for (int from = 0; from < 2; from++) {
		check(daemon_send(w, from, 400, seed) == 400, "send: %s",
		      strerror(errno));
		ike_expect(w->daemon[!from], 400, seed);
	}
}

/* It says so, and there is no bridge yet; then there is. */
static int bridge_begins(const struct site *site, int times)
{
	struct iketcp_bridge b;
	struct world *w = bridged();
	socklen_t len = sizeof(b);
	struct conn c;
	int lost = 0, err;

	daemons_drain(w);
	conn_open(w, &c);
	arm(site, times);
	while ((err = bridge(w, c.fd[A], A, PORT)) == -ENOMEM) {
		need(getsockopt(c.fd[A], SOL_IKETCP, IKETCP_OPT_BRIDGE, &b,
				&len));
		check(!b.family, "there is a bridge in spite of ENOMEM");
		lost++;
	}
	disarm();
	check(!err, "bridge: %s", strerror(-err));
	bridges_up(w, &c);
	daemons_talk(w, 1);
	conn_reset(&c);
	ns_enter(world.ns[A]);
	return lost;
}

/* IKE that comes by a bridge: a datagram, or counted. */
static int bridge_receives(const struct site *site, int times)
{
	static uint8_t got[BODY_MAX], data[70000];
	struct world *w = bridged();
	unsigned long no = stat_of("InNoMem");
	int lost = 0, came = 0, sent = 20, i;
	uint64_t end = deadline();
	size_t len = 6;
	struct conn c;
	ssize_t n;

	daemons_drain(w);
	c.fd[A] = ns_socket(w, A, SOCK_STREAM);
	need(connect_to(w, c.fd[A], B, PORT));
	c.fd[B] = need(accept(w->listener, NULL, NULL));
	need(attach(c.fd[B], "iketcp"));
	errno = -bridge(w, c.fd[B], B, PORT);
	check(!errno, "bridge: %s", strerror(errno));
	memcpy(data, "IKETCP", 6);
	for (i = 0; i < sent; i++)
		len += frame_ike(data + len, 100 + 100 * i, 100 + i);
	arm(site, times);
	check(send(c.fd[A], data, len, 0) == (ssize_t)len, "send: %s",
	      strerror(errno));
	while (came + lost < sent) {
		check(now_us() < end, "%d sent, %d lost, %d came", sent, lost,
		      came);
		n = recv(w->daemon[B], got, sizeof(got), MSG_DONTWAIT);
		if (n < 0) {
			lost = stat_of("InNoMem") - no;
			sleep_us(1000);
			continue;
		}
		check(ike_is(got, n), "a wrong datagram of %zd bytes", n);
		came++;
	}
	disarm();
	check(stat_of("InNoMem") - no == (unsigned int)lost,
	      "more were counted than lost");
	len = frame_ike(data, 5000, 999);
	check(send(c.fd[A], data, len, 0) == (ssize_t)len, "send");
	ike_expect(w->daemon[B], 5000, 999);
	conn_reset(&c);
	ns_enter(world.ns[A]);
	return lost;
}

/*
 * A datagram becomes a message, or is counted; as one too many, too, as TCP makes a
 * socket's buffer smaller when it has no memory.
 */
static int bridge_sends(const struct site *site, int times)
{
	struct world *w = bridged();
	unsigned long no = stat_of("OutNoMem"), out = stat_of("OutIke");
	unsigned long full = stat_of("OutFull");
	static uint8_t got[70000];
	int lost, sent = 20, i;
	uint64_t end = deadline();
	uint32_t last = 0;
	char prefix[6];
	struct conn c;

	c.fd[A] = ns_socket(w, A, SOCK_STREAM);
	need(attach(c.fd[A], "iketcp"));
	need(connect_to(w, c.fd[A], B, PORT));
	c.fd[B] = need(accept(w->listener, NULL, NULL));
	timeouts(c.fd[B], 20000 * slow());
	plain_get(c.fd[B], prefix, sizeof(prefix));
	errno = -bridge(w, c.fd[A], A, PORT);
	check(!errno, "bridge: %s", strerror(errno));
	arm(site, times);
	for (i = 0; i < sent; i++)
		check(daemon_send(w, A, 100 + 100 * i, 100 + i) ==
		      100 + 100 * i, "send: %s", strerror(errno));
	for (;;) {
		lost = stat_of("OutNoMem") - no;
		if (stat_of("OutIke") - out + lost + stat_of("OutFull") -
		    full == (unsigned int)sent)
			break;
		check(now_us() < end, "%d sent, %d lost, %lu went", sent, lost,
		      stat_of("OutIke") - out);
		sleep_us(1000);
	}
	full = stat_of("OutFull") - full;
	check(disarm() || !full, "too full without a reason");
	check(daemon_send(w, A, 5000, 999) == 5000, "send");
	for (i = 0; last != 999; i++) {
		size_t len;

		plain_get(c.fd[B], got, 2);
		len = (got[0] << 8 | got[1]) - 2;
		plain_get(c.fd[B], got, len);
		check(ike_is(got, len) && ike_seed(got) > last,
		      "a wrong message of %zu bytes", len);
		last = ike_seed(got);
	}
	check(i == sent - lost - (int)full + 1,
	      "%d sent, %d lost, %lu too many, %d came", sent + 1, lost, full,
	      i);
	conn_reset(&c);
	ns_enter(world.ns[A]);
	return lost;
}

static int bridge_esp(const struct site *site, int times)
{
	struct world *w = bridged();
	int lost;

	daemons_drain(w);
	lost = op_esp(w, site, times, 100, 12);
	ns_enter(world.ns[A]);
	return lost;
}

/* The SAs anew, so that bundles are, too. Return: how often there was no memory. */
static int sas_again(struct world *w, const struct conn *c)
{
	int lost = 0, from, err;

	sas_flush(w);
	for (from = 0; from < 2; from++) {
		while ((err = sa_do(w, A, from, SA_NEW, c->port[from],
				    c->port[!from], NULL)) == -ENOMEM)
			lost++;
		check(!err, "NEWSA: %s", strerror(-err));
	}
	return lost;
}

/* Without its hook, which comes with an SA, a limit does nothing. */
static int limits(const struct site *site, int times)
{
	int want = IP_PMTUDISC_DO, mtu = 0, lost = 0, fd;
	socklen_t len = sizeof(mtu);
	uint64_t end = deadline();
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(UDP_PORT),
	};
	struct world w;
	struct conn c;

	world_up(&w, false, false, "gcm");
	conn_open(&w, &c);
	need(limit(c.fd[A], 1400));
	fd = udp_open(&w, A);
	need(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &want, sizeof(want)));
	to.sin_addr = w.addr[B].v4;
	need(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	arm(site, times);
	do {
		check(now_us() < end, "no limit: the MTU is %d", mtu);
		lost += sas_again(&w, &c);
		sleep_us(2000);
		/* Its way, and with that its connection; then by the hook. */
		(void)send(fd, "", 1, 0);
		(void)send(fd, "", 1, 0);
		need(getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len));
	} while (mtu >= 1400);
	disarm();
	close(fd);
	sas_flush(&w);
	conn_reset(&c);
	world_down(&w);
	ns_enter(world.ns[A]);
	return lost;
}

/* Who listens is told that something is missing. */
static int events(const struct site *site, int times)
{
	static char buf[4096];
	int fd = events_open(), lost = 0;
	struct conn c;

	conn_open(&world, &c);
	arm(site, times);
	conn_reset(&c);
	disarm();
	for (;;) {
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
			continue;
		if (errno != ENOBUFS)
			break;
		lost++;
	}
	check(errno == EAGAIN, "recv: %s", strerror(errno));
	conn_open(&world, &c);
	check(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0,
	      "no event: %s", strerror(errno));
	conn_talk(&c, 3);
	conn_reset(&c);
	close(fd);
	return lost;
}

const struct operation later_operations[] = {
	{ "listener begins", listen_begins, false },
	{ "listener adopts", listen_adopts, false },
	{ "bridge begins", bridge_begins, false },
	{ "bridge, IKE received", bridge_receives, false },
	{ "bridge, IKE sent", bridge_sends, false },
	{ "bridge, ESP", bridge_esp, false },
	{ "limit of messages", limits, true },
	{ "events", events, false },
	{ 0 }
};
