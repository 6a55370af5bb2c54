// SPDX-License-Identifier: GPL-2.0
/*
 * load soak [seconds=60] [seed=1] [rekey=3] [event=4] [tunnels=2]
 *
 * For so long: tunnels with a transfer of TCP and datagrams each way through
 * each, IKE messages that a daemon answers, over wires with loss and delay that
 * change. Every "rekey" seconds a tunnel gets new SAs as daemons do it: inbound
 * first, then outbound, then the old ones go. Every "event" seconds something
 * happens: a connection ends (by either side, FIN or RST; sometimes when all is
 * quiet, sometimes not) and a new one takes its place with the old port or a new
 * one; the wire is cut for seconds; a daemon is stopped (SIGSTOP); a reader inside
 * stops, so that TCP inside closes its window; a peer closes the window outside.
 *
 * All the time: nothing stalls. And every few seconds all is made quiet, and all
 * packets are accounted for: what the states have sent is what the module gave to
 * TCP or says that it dropped; what it took from TCP is what the states received;
 * what it gave and what it took differ only by what was lost when connections
 * ended under traffic. xfrm finds no faults. In the end nothing is left.
 */
#include "load.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define TUNNELS_MAX	4
#define GENERATIONS	8
#define TCP_PORT	7001
#define UDP_PORT	7002
#define ODD		TUNNELS_MAX	/* connection of the odd peer */

/**
 * struct flow - a transfer one way
 * @tx: who sends, a socket
 * @rx: who receives
 * @to: for datagrams: where they go
 * @bytes: received
 * @seen: @bytes when progress was looked at
 * @since: when that had last changed, ms
 * @worst: longest time without progress, ms
 * @hold: the reader does not read
 */
struct flow {
	char name[48];
	int tx, rx;
	struct sockaddr_in to;
	volatile uint64_t bytes;
	uint64_t seen, since, worst;
	volatile bool hold;
};

/* SAs of a tunnel: both directions, at both ends. */
struct generation {
	uint32_t number;
	uint64_t born;
	bool used, out_gone;
};

struct tunnel {
	struct link link;
	pid_t daemon;
	struct generation gens[GENERATIONS];
	struct flow tcp[2], udp[2], ike;
	uint64_t ike_sent;
};

static struct tunnel tunnels[TUNNELS_MAX];
static unsigned int tunnel_count;
static struct nl *nl[2];
static int listener;
static uint32_t dice, spi_next;
static volatile bool stop, quiet;
static bool failed;
static unsigned int limit_ms;
static unsigned int rekeys, reconnects, quiet_reconnects, cuts, stops, holds,
		    windows, looks;

/* For the log. */
static const char *last_what = "start";
static uint64_t last_event, last_rekey;

/* What states had counted when they were deleted: [host][direction]. */
static uint64_t gone[2][2];
/* Messages that the odd peer has read, who is no module. */
static uint64_t odd_read;
/* Ended under traffic: from each side, messages that may be lost since. */
static unsigned int broken;
static uint64_t lost[2];

static void complain(const char *fmt, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	diag("FAILED: %s", line);
	failed = true;
}

static unsigned int roll(unsigned int sides)
{
	return (random_next(&dice) >> 8) % sides;
}

static uint8_t pattern(uint64_t at)
{
	return at * 31 + (at >> 8) * 7;
}

static void *tcp_send(void *arg)
{
	struct flow *f = arg;
	uint8_t data[16384];
	uint64_t at = 0;

	while (!stop) {
		size_t i;
		ssize_t n;

		if (quiet) {
			msleep(5);
			continue;
		}
		for (i = 0; i < sizeof(data); i++)
			data[i] = pattern(at + i);
		n = send(f->tx, data, sizeof(data), 0);
		if (n <= 0)
			break;
		at += n;
	}
	if (!stop)
		complain("%s: %s", f->name, strerror(errno));
	shutdown(f->tx, SHUT_WR);
	return NULL;
}

static void *tcp_receive(void *arg)
{
	struct flow *f = arg;
	uint8_t data[16384];
	ssize_t n, i;

	for (;;) {
		while (f->hold)
			msleep(5);
		n = recv(f->rx, data, sizeof(data), 0);
		if (n <= 0)
			break;
		for (i = 0; i < n; i++) {
			if (data[i] != pattern(f->bytes + i)) {
				complain("%s: wrong byte %llu", f->name,
					 (unsigned long long)f->bytes + i);
				return NULL;
			}
		}
		f->bytes += n;
	}
	if (!stop)
		complain("%s: end of stream, %s", f->name, strerror(errno));
	return NULL;
}

static void *udp_send(void *arg)
{
	struct flow *f = arg;
	uint8_t data[1200] = "";
	unsigned int n = 0;

	while (!stop) {
		if (!quiet)
			(void)!sendto(f->tx, data, ++n * 37 % sizeof(data), 0,
				      (struct sockaddr *)&f->to, sizeof(f->to));
		msleep(3);
	}
	return NULL;
}

static void *udp_receive(void *arg)
{
	struct flow *f = arg;
	uint8_t data[1500];
	ssize_t n;

	while (!stop) {
		n = recv(f->rx, data, sizeof(data), 0);
		if (n > 0)
			f->bytes += n;
	}
	return NULL;
}

static void start(void *(*fn)(void *), struct flow *f)
{
	pthread_t thread;

	need(-pthread_create(&thread, NULL, fn, f));
	pthread_detach(thread);
	f->since = now_ms();
}

static int udp_new(enum host host, unsigned int n)
{
	struct sockaddr_in at = address(inner(host, n), UDP_PORT);
	struct timeval half = { 0, 500000 };
	int fd = sock_new(host, SOCK_DGRAM), size = 4 << 20;

	need(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	need(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	need(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half)));
	return fd;
}

static void flows_up(unsigned int n)
{
	struct sockaddr_in from = address(inner(A, n), 0);
	struct sockaddr_in to = address(inner(B, n), TCP_PORT);
	int server = sock_listen(B, inner(B, n), TCP_PORT);
	struct tunnel *t = &tunnels[n];
	int udp[2] = { udp_new(A, n), udp_new(B, n) };
	int d;

	for (d = 0; d < 2; d++) {
		int a = sock_new(A, SOCK_STREAM), b;

		need(bind(a, (struct sockaddr *)&from, sizeof(from)));
		need(connect(a, (struct sockaddr *)&to, sizeof(to)));
		b = need(accept4(server, NULL, NULL, SOCK_CLOEXEC));
		t->tcp[d].tx = d == A ? a : b;
		t->tcp[d].rx = d == A ? b : a;
		snprintf(t->tcp[d].name, sizeof(t->tcp[d].name),
			 "tunnel %u: TCP from %c", n, "AB"[d]);
		start(tcp_receive, &t->tcp[d]);
		start(tcp_send, &t->tcp[d]);

		t->udp[d].tx = udp[d];
		t->udp[d].rx = udp[!d];
		t->udp[d].to = address(inner(!d, n), UDP_PORT);
		snprintf(t->udp[d].name, sizeof(t->udp[d].name),
			 "tunnel %u: UDP from %c", n, "AB"[d]);
		start(udp_receive, &t->udp[d]);
		start(udp_send, &t->udp[d]);
	}
	close(server);
	snprintf(t->ike.name, sizeof(t->ike.name), "tunnel %u: IKE", n);
	t->ike.since = now_ms();
}

/*
 * The daemon at B: answers each message with itself. A process, so that it can
 * be stopped; it alone has the socket.
 */
static pid_t daemon_new(int fd)
{
	int ready[2];
	uint8_t message[2048];
	ssize_t n;
	pid_t pid;
	char c;

	need(pipe2(ready, O_CLOEXEC));
	fflush(NULL);
	pid = need(fork());
	if (pid) {
		close(ready[1]);
		/* The end: it has closed all but its socket. */
		(void)!read(ready[0], &c, 1);
		close(ready[0]);
		close(fd);
		return pid;
	}
	dup2(fd, 0);
	close_range(1, ~0u, 0);
	while ((n = recv(0, message, sizeof(message), 0)) > 0)
		(void)!send(0, message, n, 0);
	for (;;)
		pause();
}

static void daemon_end(struct tunnel *t)
{
	kill(t->daemon, SIGKILL);
	waitpid(t->daemon, NULL, 0);
}

static struct sa sa_of(unsigned int n, const struct generation *g,
		       enum host from)
{
	return (struct sa){ from, n, SPI(from, g->number),
			    tunnels[n].link.port };
}

/* Make before break: whoever sends with a new one finds it at the other end. */
static void rekey(unsigned int n)
{
	struct tunnel *t = &tunnels[n];
	struct generation *g = t->gens;
	struct sa ab, ba;

	while (g->used)
		if (++g == t->gens + GENERATIONS)
			return;
	*g = (struct generation){ ++spi_next, now_ms(), true, false };
	ab = sa_of(n, g, A);
	ba = sa_of(n, g, B);
	sa_add(nl[B], &ab);
	nl_commit(nl[B]);
	sa_add(nl[A], &ba);
	nl_commit(nl[A]);
	sa_add(nl[A], &ab);
	nl_commit(nl[A]);
	sa_add(nl[B], &ba);
	nl_commit(nl[B]);
	rekeys++;
	last_rekey = now_ms();
}

static void delete_out(unsigned int n, struct generation *g)
{
	struct sa ab = sa_of(n, g, A), ba = sa_of(n, g, B);

	gone[A][A] += sa_delete(nl[A], &ab);
	gone[B][B] += sa_delete(nl[B], &ba);
	g->out_gone = true;
}

static void delete_in(unsigned int n, struct generation *g)
{
	struct sa ab = sa_of(n, g, A), ba = sa_of(n, g, B);

	gone[B][A] += sa_delete(nl[B], &ab);
	gone[A][B] += sa_delete(nl[A], &ba);
	g->used = false;
}

/*
 * Those that are not the newest go: for sending soon, for receiving when nothing
 * can be under way any more.
 */
static void retire(bool drained)
{
	uint64_t now = now_ms();
	unsigned int n, i, j;

	for (n = 0; n < tunnel_count; n++) {
		for (i = 0; i < GENERATIONS; i++) {
			struct generation *g = &tunnels[n].gens[i];
			uint64_t next = 0;

			for (j = 0; j < GENERATIONS; j++) {
				struct generation *o = &tunnels[n].gens[j];

				if (o->used && o->born > g->born &&
				    (!next || o->born < next))
					next = o->born;
			}
			if (!g->used || !next)
				continue;
			if (!g->out_gone && now > next + 1500 * slow())
				delete_out(n, g);
			if (g->out_gone &&
			    (drained || now > next + 20000 * slow()))
				delete_in(n, g);
		}
	}
}

static void move_sas(unsigned int n)
{
	struct generation *g = tunnels[n].gens;
	int at, from;

	for (; g < tunnels[n].gens + GENERATIONS; g++) {
		for (from = 0; g->used && from < 2; from++) {
			struct sa sa = sa_of(n, g, from);

			for (at = 0; at < 2; at++)
				if (at != from || !g->out_gone)
					sa_update(nl[at], &sa);
		}
	}
	nl_commit(nl[A]);
	nl_commit(nl[B]);
}

static void link_up(unsigned int n, uint16_t port)
{
	struct sockaddr_in from = address(outer(A, 0), port);
	struct tunnel *t = &tunnels[n];

	t->link.a = sock_new(A, SOCK_STREAM);
	if (port)
		need(bind(t->link.a, (struct sockaddr *)&from, sizeof(from)));
	link_open(&t->link, listener, IKETCP);
	t->daemon = daemon_new(t->link.b);
	t->ike.since = now_ms();
}

static void reconnect(unsigned int n)
{
	struct tunnel *t = &tunnels[n];
	uint16_t port = t->link.port;
	unsigned int how = roll(4);

	switch (how) {
	case 0:
		close(t->link.a);
		daemon_end(t);
		break;
	case 1:
		daemon_end(t);
		msleep(roll(100));
		close(t->link.a);
		break;
	default:
		sock_reset(t->link.a);
		msleep(roll(200));
		daemon_end(t);
		break;
	}
	msleep(roll(300));
	/* After a RST nothing is in the way of the same port. */
	if (how == 3) {
		link_up(n, port);
	} else {
		link_up(n, 0);
		move_sas(n);
	}
	reconnects++;
}

/* Both ways: there is a wire's worth of queues at each end. */
static void wire(const char *how)
{
	if (run("tc -n A qdisc replace dev wire root netem limit 20000 %s && tc -n B qdisc replace dev wire root netem limit 20000 %s",
		how, how))
		complain("tc: %s", how);
}

static void weather(void)
{
	static const char *const all[] = {
		"delay 1ms", "delay 2ms loss 1%", "delay 5ms 2ms loss 0.5%",
		"delay 3ms reorder 5% loss 0.3%", "delay 1ms duplicate 2%",
	};

	wire(all[roll(ARRAY_LEN(all))]);
}

static void add_up(const struct sa_count *c, void *arg)
{
	uint64_t *sum = arg;

	sum[c->sa.from] += c->packets;
}

static unsigned long stat_of(enum host host, const char *name)
{
	return stat_get(host, "iketcp_stat", name);
}

static unsigned long dropped(enum host host)
{
	return stat_of(host, "OutFull") + stat_of(host, "OutDelay") +
	       stat_of(host, "OutNoConn") +
	       stat_of(host, "OutClosed") + stat_of(host, "OutNoMem");
}

static unsigned long late(enum host host)
{
	return stat_get(host, "xfrm_stat", "XfrmInStateSeqError");
}

/*
 * xfrm's faults. That a message comes late is one, unless the sender has given up
 * on gaps: then one of its CPUs, emulated by a busy machine, stood still for 200
 * ms between a packet's number and its message, and may have done so with two.
 */
static void faults(enum host h)
{
	unsigned long gaps = stat_of(!h, "OutGap");
	char line[256];

	if (xfrm_faults(h, line, sizeof(line)) > late(h) ||
	    late(h) > 4 * gaps)
		complain("faults in %c:%s; %lu gaps given up", "AB"[h], line,
			 gaps);
}

/* Is it all accounted for? If not, that may be because it is not quiet yet. */
static bool balanced(char *why, size_t len, uint64_t now_lost[2])
{
	uint64_t sum[2][2];
	bool good = true;
	int h;

	for (h = 0; h < 2; h++) {
		memcpy(sum[h], gone[h], sizeof(sum[h]));
		sa_dump(nl[h], add_up, sum[h]);
	}
	*why = 0;
	for (h = 0; h < 2; h++) {
		uint64_t out = stat_of(h, "OutEsp"), drop = dropped(h);
		uint64_t in = stat_of(!h, "InEsp");
		size_t n = strlen(why);

		now_lost[h] = out - in - (h == B ? odd_read : 0);
		if (sum[h][h] == out + drop &&
		    sum[!h][h] + late(!h) == in &&
		    (broken ? now_lost[h] >= lost[h] : now_lost[h] == lost[h]))
			continue;
		good = false;
		snprintf(why + n, len - n,
			 " from %c: states sent %llu, to TCP %llu, dropped %llu; from TCP %llu, states received %llu; lost %lld, before %llu.",
			 "AB"[h], (unsigned long long)sum[h][h],
			 (unsigned long long)out, (unsigned long long)drop,
			 (unsigned long long)in,
			 (unsigned long long)sum[!h][h],
			 (long long)now_lost[h], (unsigned long long)lost[h]);
	}
	return good;
}

/*
 * Make all quiet, and account. What was lost when connections ended is known
 * afterwards, and may not become more until another one does.
 */
static void account(void)
{
	uint64_t end = now_ms() + limit_ms, now_lost[2], last[2] = { 0, 0 };
	bool good, before = false;
	char why[600];

	quiet = true;
	for (;;) {
		msleep(300 * slow());
		good = balanced(why, sizeof(why), now_lost);
		/* Twice the same: it was quiet, and nothing is under way. */
		if (good && before && !memcmp(last, now_lost, sizeof(last)))
			break;
		before = good;
		memcpy(last, now_lost, sizeof(last));
		if (now_ms() > end) {
			complain("not accounted for:%s", good ?
				 " never quiet" : why);
			break;
		}
	}
	memcpy(lost, now_lost, sizeof(lost));
	broken = 0;
	faults(A);
	faults(B);
	retire(true);
	looks++;
}

static void progress(struct flow *f, uint64_t now)
{
	if (f->bytes != f->seen) {
		f->seen = f->bytes;
		f->since = now;
	}
	if (now - f->since > f->worst)
		f->worst = now - f->since;
	if (now - f->since > limit_ms) {
		complain("%s: stalls for %u ms", f->name,
			 (unsigned int)(now - f->since));
		f->since = now;
	}
}

static void all_flows(void (*fn)(struct flow *f, uint64_t arg), uint64_t arg)
{
	unsigned int n, d;

	for (n = 0; n < tunnel_count; n++) {
		for (d = 0; d < 2; d++) {
			fn(&tunnels[n].tcp[d], arg);
			fn(&tunnels[n].udp[d], arg);
		}
		fn(&tunnels[n].ike, arg);
	}
}

static void restart(struct flow *f, uint64_t now)
{
	f->since = now;
}

static void go_on(void)
{
	quiet = false;
	all_flows(restart, now_ms());
}

/* When and after what xfrm found fault, and who let go out of order. */
static void look_for_faults(uint64_t now)
{
	static unsigned long last[4];
	unsigned long is[4];
	char line[2][256];

	is[0] = xfrm_faults(A, line[0], sizeof(line[0]));
	is[1] = xfrm_faults(B, line[1], sizeof(line[1]));
	is[2] = stat_of(A, "OutGap");
	is[3] = stat_of(B, "OutGap");
	if (memcmp(is, last, sizeof(is)))
		diag("%.2f s after \"%s\", %.2f s after rekeying: A:%s, B:%s; gaps given up %lu, %lu",
		     (now - last_event) / 1e3, last_what,
		     (now - last_rekey) / 1e3, line[0], line[1], is[2], is[3]);
	memcpy(last, is, sizeof(is));
}

/* Time passes; IKE messages go and come, and nothing may stall. */
static void watch(unsigned int ms)
{
	uint64_t end = now_ms() + ms, now;

	do {
		unsigned int n;

		for (n = 0; n < tunnel_count; n++) {
			struct tunnel *t = &tunnels[n];
			uint8_t message[100] = { [99] = 1 };

			(void)!send(t->link.a, message, sizeof(message),
				    MSG_DONTWAIT);
			while (recv(t->link.a, message, sizeof(message),
				    MSG_DONTWAIT) > 0)
				t->ike.bytes++;
		}
		msleep(50);
		now = now_ms();
		all_flows(progress, now);
		look_for_faults(now);
	} while (now < end);
}

static unsigned int seconds(void)
{
	return 1000 + roll(2000);
}

static void cut(void)
{
	wire("loss 100%");
	watch(seconds());
	weather();
	cuts++;
}

/* ESP does not need the daemon. */
static void stop_daemon(unsigned int n)
{
	struct tunnel *t = &tunnels[n];
	uint64_t before = t->udp[A].bytes;
	unsigned int tries;

	kill(t->daemon, SIGSTOP);
	watch(seconds() * slow());
	for (tries = 0; t->udp[A].bytes == before && tries < 50; tries++)
		watch(100 * slow());
	if (t->udp[A].bytes == before)
		complain("tunnel %u: no ESP while its daemon is stopped", n);
	kill(t->daemon, SIGCONT);
	restart(&t->ike, now_ms());
	stops++;
}

static void hold_reader(unsigned int n)
{
	struct flow *f = &tunnels[n].tcp[roll(2)];

	f->hold = true;
	watch(seconds());
	f->hold = false;
	restart(f, now_ms());
	holds++;
}

/* Messages in what the odd peer got: all whole, of one SA, in order. */
static uint64_t odd_parse(const uint8_t *data, size_t len, uint32_t spi)
{
	uint64_t count = 0;
	uint32_t last = 0;
	size_t at = 0;

	while (at + 10 <= len) {
		size_t n = data[at] << 8 | data[at + 1];
		uint32_t word[2];

		memcpy(word, data + at + 2, sizeof(word));
		if (ntohl(word[0]) != spi || ntohl(word[1]) <= last)
			complain("the odd peer: SPI %#x, number %u after %u",
				 ntohl(word[0]), ntohl(word[1]), last);
		last = ntohl(word[1]);
		at += n;
		count++;
	}
	if (at != len)
		complain("the odd peer: %zu bytes are %llu messages of %zu",
			 len, (unsigned long long)count, at);
	return count;
}

/*
 * A peer that is no module, and does not read for some seconds: TCP's window is
 * closed, B drops what is too much, and what it did not drop comes whole.
 */
static void close_window(void)
{
	struct sockaddr_in to = address(inner(A, ODD), UDP_PORT);
	struct link l = { .a = sock_new(A, SOCK_STREAM) };
	static uint8_t data[4 << 20];
	unsigned long full = stat_of(B, "OutFull");
	int size = 8192, udp, i;
	size_t len = 0;
	ssize_t n;
	struct sa sa;

	need(setsockopt(l.a, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	link_open(&l, listener, PLAIN);
	need(send(l.a, "IKETCP", 6, 0));
	need(attach(l.b, "iketcp"));
	sa = (struct sa){ B, ODD, SPI(B, ++spi_next), l.port };
	sa_add(nl[B], &sa);
	nl_commit(nl[B]);
	udp = udp_new(B, ODD);
	for (i = 0; i < 1000; i++)
		(void)!sendto(udp, data, 1000, 0, (struct sockaddr *)&to,
			      sizeof(to));
	watch(seconds());
	if (stat_of(B, "OutFull") == full)
		complain("the odd peer: the queue has no end");
	while (poll(&(struct pollfd){ l.a, POLLIN, 0 }, 1, 3000 * slow()) > 0) {
		n = recv(l.a, data + len, sizeof(data) - len, 0);
		if (n <= 0)
			break;
		len += n;
	}
	odd_read += odd_parse(data, len, sa.spi);
	close(udp);
	gone[B][B] += sa_delete(nl[B], &sa);
	sock_reset(l.a);
	sock_reset(l.b);
	all_flows(restart, now_ms());
	windows++;
}

static void event(void)
{
	static const char *const names[] = {
		"cut", "daemon stopped", "reader stopped", "window closed",
		"quiet reconnect", "quiet reconnect", "reconnect", "reconnect"
	};
	unsigned int n = roll(tunnel_count), what = roll(8);

	last_what = names[what];
	last_event = now_ms();
	switch (what) {
	case 0:
		cut();
		break;
	case 1:
		stop_daemon(n);
		break;
	case 2:
		hold_reader(n);
		break;
	case 3:
		close_window();
		break;
	case 4:
	case 5:
		account();
		reconnect(n);
		account();
		go_on();
		quiet_reconnects++;
		break;
	default:
		broken++;
		reconnect(n);
		break;
	}
	if (!roll(3))
		weather();
}

static void worst(struct flow *f, uint64_t tcp_or_not)
{
	(void)tcp_or_not;
	diag("%s: %llu %s received, longest pause %llu ms", f->name,
	     (unsigned long long)f->bytes, strstr(f->name, "IKE") ? "messages" :
	     "bytes", (unsigned long long)f->worst);
}

static void down(void)
{
	unsigned int n;

	quiet = true;
	stop = true;
	msleep(600 * slow());
	for (n = 0; n < tunnel_count; n++) {
		struct tunnel *t = &tunnels[n];
		int d;

		daemon_end(t);
		sock_reset(t->link.a);
		for (d = 0; d < 2; d++) {
			sock_reset(t->tcp[d].tx);
			sock_reset(t->tcp[d].rx);
			close(t->udp[d].tx);
		}
	}
	xfrm_flush(nl[A]);
	xfrm_flush(nl[B]);
	nl_close(nl[A]);
	nl_close(nl[B]);
	close(listener);
	wire("delay 0ms");
	msleep(500 * slow());
}

static bool unload(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (!run("tests/vm/guest/unload 2>/dev/null"))
			return true;
		msleep(500 * slow());
	}
	diag("%ld references", module_refs());
	return false;
}

int load_soak(int argc, char **argv)
{
	unsigned int length = option(argc, argv, "seconds", 60);
	unsigned int rekey_ms = 1000 * option(argc, argv, "rekey", 3);
	unsigned int event_ms = 1000 * option(argc, argv, "event", 4);
	unsigned int n, failures = 0;
	uint64_t began, next_rekey, next_event, next_look, next_word;
	int at;

	dice = option(argc, argv, "seed", 1) * 2654435761u ?: 1;
	tunnel_count = option(argc, argv, "tunnels", 2);
	if (tunnel_count > TUNNELS_MAX)
		die("at most %u tunnels", TUNNELS_MAX);
	/* A cut of three seconds, and TCP inside TCP that has backed off. */
	limit_ms = 20000 * slow();
	if (run("modprobe -a iketcp sch_netem"))
		die("no module");
	world_up(1);
	listener = sock_listen(B, outer(B, 0), IKE_PORT);
	for (at = 0; at < 2; at++) {
		nl[at] = nl_open(at);
		policy_in(nl[at], at);
		for (n = 0; n < tunnel_count; n++)
			policy_out(nl[at], at, n);
		nl_commit(nl[at]);
	}
	policy_out(nl[B], B, ODD);
	nl_commit(nl[B]);
	for (n = 0; n < tunnel_count; n++) {
		link_up(n, 0);
		rekey(n);
		flows_up(n);
	}
	weather();

	began = now_ms();
	next_rekey = began + rekey_ms;
	next_event = began + event_ms;
	next_look = began + 10000 * slow();
	next_word = began + 60000;
	while (now_ms() < began + 1000ull * length && failures < 5) {
		watch(200);
		retire(false);
		if (now_ms() >= next_rekey) {
			rekey(roll(tunnel_count));
			next_rekey = now_ms() + rekey_ms;
		}
		if (now_ms() >= next_event) {
			event();
			next_event = now_ms() + event_ms;
		}
		if (now_ms() >= next_look) {
			account();
			go_on();
			next_look = now_ms() + 10000 * slow();
		}
		while (now_ms() >= next_word) {
			diag("%u s: %u rekeys, %u reconnects, %u looks",
			     (unsigned int)((now_ms() - began) / 1000), rekeys,
			     reconnects, looks);
			next_word += 60000;
		}
		failures += failed;
		if (failed && failures == 1)
			ok(false, "nothing stalls, all packets are accounted for, xfrm has no faults");
		failed = false;
	}
	account();
	failures += failed;
	all_flows(worst, 0);
	diag("SOAK %u s: %u rekeys, %u reconnects (%u of them when all was quiet), %u cuts, %u stopped daemons, %u stopped readers, %u closed windows; accounted %u times",
	     (unsigned int)((now_ms() - began) / 1000), rekeys, reconnects,
	     quiet_reconnects, cuts, stops, holds, windows, looks);
	diag("from A %lu, from B %lu messages; %llu and %llu of them lost when connections ended; dropped for full queues %lu and %lu, without connection %lu and %lu",
	     stat_of(A, "OutEsp"), stat_of(B, "OutEsp"),
	     (unsigned long long)lost[A], (unsigned long long)lost[B],
	     stat_of(A, "OutFull"), stat_of(B, "OutFull"),
	     stat_of(A, "OutNoConn"), stat_of(B, "OutNoConn"));
	ok(!failures, "%u s: nothing stalls, all packets are accounted for, xfrm has no faults",
	   length);
	down();
	ok(stat_of(A, "Attach") == stat_of(A, "Detach") &&
	   stat_of(B, "Attach") == stat_of(B, "Detach"), "all were detached");
	ok(sockets_in_use(A, "inuse") == 0 && sockets_in_use(B, "inuse") == 0,
	   "no socket is left");
	world_down();
	ok(unload(), "the module can be unloaded: nothing is left");
	return done_testing();
}
