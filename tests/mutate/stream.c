// SPDX-License-Identifier: GPL-2.0
/*
 * Many connections at once whose streams are damaged, and a second reader of
 * these streams that says what the module has to make of each.
 *
 * usage: stream [-s SEED] [-n MESSAGES] [-t SECONDS] [-w WORKERS] [-c CONNECTIONS]
 *		 [-k KEEPALIVES] [-r WORKER:ROUND] [-v]
 *
 *   -s  where the numbers begin (default 1)
 *   -n  end after so many messages (default 100000)
 *   -t  end after so many seconds (default: no limit)
 *   -w  processes, each in a network namespace of its own (default 2)
 *   -c  connections that are new in each round (default 24)
 *   -k  keepalives in a row at most (default 200)
 *   -r  this round of this worker only (the connections that live on are new then)
 *   -v  say what each connection is
 *
 * A worker goes on in rounds. In each, connections are made (IPv4, IPv6,
 * IPv4-mapped; "espintcp" and "iketcp" as responder), and a stream for each:
 * prefix, NAT keepalives, IKE, ESP that an SA knows or does not. Most streams
 * are mutated; some are left alone, and four connections live through all
 * rounds. What is written to each socket, and in which pieces, follows from
 * seed, worker and round alone. What becomes of it in TCP does not.
 *
 * plan.c makes the streams, read.c reads what the module makes of them, and
 * judge() (judge.c) reads the bytes that are really sent, all at once and by the
 * standard's words. From it are known, for mutated streams, too: the IKE
 * messages that a daemon gets, byte by byte; how it ends for the daemon; every
 * counter of the module; what the SA counts and what xfrm refuses, by reason.
 * Only of connections that are reset or closed in mid-stream one does not know
 * how far they came: their numbers are upper bounds.
 *
 * The last line is a summary. Exits with 1 and says what was wrong, with the
 * command that repeats it, when something was.
 */
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILURES_MAX	10

/* A daemon's queue that is never full, and one that is soon. */
#define RCVBUF_ENOUGH	(64 << 20)
#define RCVBUF_LITTLE	4608

static const char *const style_names[NR_STYLES] = {
	"drain", "one", "peek", "short", "exact", "late", "none"
};

static const char *const end_names[NR_ENDS] = {
	"fin", "reset", "reset at once", "closed by us"
};

/* struct result - what a worker has done, in memory that all see */
struct result {
	struct tally tally;
	uint64_t connections, rounds, pieces, bytes, failures, no_memory;
};

uint64_t seed = 1;
unsigned int worker, keepalives_max = 200;

static uint64_t limit_messages = 100000, limit_seconds;
static unsigned int workers = 2, fresh = 24;
static int only_worker = -1, only_round = -1;
static bool verbose;

static struct result *results, *result;
static unsigned int turn;
static uint64_t started;
static int nl, listener[NR_FAMILIES];
static struct conn conns[CONNS_MAX];

static void describe(const struct conn *c, char *to, size_t room)
{
	snprintf(to, room, "connection %d (%s, %s, %s%s, read: %s, %s)",
		 c->index, family_names[c->family], c->ulp,
		 c->clean ? "clean" : "mutated:", c->mutations,
		 style_names[c->style], is_persistent(c) ? "lives on" :
		 end_names[c->end]);
}

void fail(const struct conn *c, const char *fmt, ...)
{
	char text[256], who[192] = "";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c)
		describe(c, who, sizeof(who));
	printf("WRONG: worker %u, round %u%s%s: %s\n", worker, turn,
	       c ? ", " : "", who, text);
	printf("again: stream -s %llu -c %u -k %u -r %u:%u\n",
	       (unsigned long long)seed, fresh, keepalives_max, worker, turn);
	fflush(stdout);
	if (__atomic_add_fetch(&result->failures, 1, __ATOMIC_RELAXED) >=
	    FAILURES_MAX)
		_exit(1);
}

/*
 * Sockets
 */
static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt %d %d: %s", level, option, strerror(errno));
}

static void listen_all(void)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int i, fd;

	for (i = 0; i < NR_FAMILIES; i++) {
		len = loopback(i, 0, &ss);
		fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || bind(fd, (void *)&ss, len) || listen(fd, 8))
			die("listen: %s", strerror(errno));
		listener[i] = fd;
	}
}

static void open_conn(struct conn *c)
{
	struct timeval tv = { .tv_sec = 20 * slow() };
	struct sockaddr_storage ss;
	socklen_t len;

	/* The peer of a mapped address is an IPv4 socket. */
	len = loopback(c->family == V6 ? V6 : V4,
		       port_of(listener[c->family], false), &ss);
	c->peer = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->peer < 0 || connect(c->peer, (void *)&ss, len))
		die("connect: %s", strerror(errno));
	c->us = accept4(listener[c->family], NULL, NULL,
			SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->us < 0)
		die("accept: %s", strerror(errno));
	set(c->peer, IPPROTO_TCP, TCP_NODELAY, 1);
	setsockopt(c->peer, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	set(c->us, SOL_SOCKET, SO_RCVBUFFORCE,
	    c->style == LATE || c->style == NONE ? RCVBUF_LITTLE :
						   RCVBUF_ENOUGH);
	c->sa.sport = port_of(c->peer, false);
	c->sa.dport = port_of(c->us, false);
	if (sa_add(nl, &c->sa))
		die("no SA");
	result->connections++;
}

static void attach(struct conn *c)
{
	if (setsockopt(c->us, IPPROTO_TCP, TCP_ULP, c->ulp, strlen(c->ulp))) {
		fail(c, "attach: %s", strerror(errno));
		c->lost = true;
	}
	c->attached = true;
	if (c->style != LATE && c->style != NONE)
		reader_add(c);
}

static void reset(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void settle(struct conn *c)
{
	uint64_t end = now_ms() + 20000 * slow();
	struct pollfd p = { .fd = c->peer };
	int left;

	/* What was reset keeps the number that it had. */
	while (!ioctl(c->peer, TIOCOUTQ, &left) && left &&
	       !(is_dead(c) && poll(&p, 1, 0) == 1)) {
		if (now_ms() > end) {
			fail(c, "%d bytes are not acknowledged", left);
			return;
		}
		usleep(200);
	}
}

static void finish(struct conn *c)
{
	if (is_persistent(c))
		return;
	switch (c->end) {
	case FIN:
		shutdown(c->peer, SHUT_WR);
		break;
	case RESET:
		settle(c);
		/* fall through */
	case RESET_NOW:
		reset(c->peer);
		c->peer = -1;
		break;
	default:
		close(c->us);
		c->us = -1;
		atomic_store(&c->done, true);
	}
}

/* What is there to send at @at. */
static void write_piece(struct conn *c, const uint8_t *at,
			const struct piece *p)
{
	struct iovec iov[8];
	uint32_t left = p->len, done = 0;
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;
	int i;

	for (i = 0; i < p->vectors && left; i++) {
		iov[i].iov_base = (void *)(at + done);
		iov[i].iov_len = i == p->vectors - 1 ? left :
				 1 + left / (p->vectors - i + 1);
		if (iov[i].iov_len > left)
			iov[i].iov_len = left;
		done += iov[i].iov_len;
		left -= iov[i].iov_len;
	}
	msg.msg_iovlen = i;
	n = sendmsg(c->peer, &msg, MSG_NOSIGNAL | p->flags);
	/* Only a signal or the time limit makes it less. */
	if (n == (ssize_t)p->len)
		return;
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		if (!is_dead(c) && !is_loose(c))
			fail(c, "the connection is gone: %s", strerror(errno));
		c->lost = true;
		return;
	}
	if (is_dead(c) || is_loose(c)) {
		/* Cut off in the middle of a call. */
		c->lost = true;
		return;
	}
	fail(c, "%zd of %u bytes written: %s", n, p->len,
	     n < 0 ? strerror(errno) : "it is stuck");
	c->lost = true;
}

/* The next step of a connection. Return: there is one more. */
static bool step(struct conn *c, uint32_t *at)
{
	if (!c->attached && c->attach_at == c->next)
		attach(c);
	if (c->next < c->pieces) {
		const struct piece *p = &c->piece[c->next];

		if (!c->lost) {
			write_piece(c, c->data + *at, p);
			result->bytes += p->len;
			result->pieces++;
		}
		*at += p->len;
		c->next++;
		return true;
	}
	finish(c);
	if (!c->attached)
		attach(c);
	return false;
}

/*
 * A round
 */
#define COUNTERS(X)							\
	X(in_ike, "iketcp_stat", "InIke")				\
	X(in_full, "iketcp_stat", "InIkeFull")				\
	X(in_esp, "iketcp_stat", "InEsp")				\
	X(in_keepalive, "iketcp_stat", "InKeepalive")			\
	X(in_empty, "iketcp_stat", "InEmpty")				\
	X(in_short, "iketcp_stat", "InShort")				\
	X(in_bad_prefix, "iketcp_stat", "InBadPrefix")			\
	X(in_timeout, "iketcp_stat", "InPrefixTimeout")			\
	X(in_bad_length, "iketcp_stat", "InBadLength")			\
	X(in_no_device, "iketcp_stat", "InNoDevice")			\
	X(in_no_mem, "iketcp_stat", "InNoMem")				\
	X(in_partial, "iketcp_stat", "InPartial")			\
	X(attach, "iketcp_stat", "Attach")				\
	X(detach, "iketcp_stat", "Detach")				\
	X(header, "xfrm_stat", "XfrmInHdrError")			\
	X(unknown, "xfrm_stat", "XfrmInNoStates")			\
	X(replayed, "xfrm_stat", "XfrmInStateSeqError")			\
	X(forged, "xfrm_stat", "XfrmInStateProtoError")			\
	X(mismatch, "xfrm_stat", "XfrmInStateMismatch")			\
	X(error, "xfrm_stat", "XfrmInError")				\
	X(buffer, "xfrm_stat", "XfrmInBufferError")			\
	X(invalid, "xfrm_stat", "XfrmInStateInvalid")			\
	X(mode, "xfrm_stat", "XfrmInStateModeError")

struct counters {
#define X(name, file, text) uint64_t name;
	COUNTERS(X)
#undef X
};

static void counters_read(struct counters *c)
{
#define X(name, file, text) c->name = counter(file, text);
	COUNTERS(X)
#undef X
}

static void add(struct tally *to, const struct tally *from)
{
	const uint64_t *f = (const uint64_t *)from;
	uint64_t *t = (uint64_t *)to;
	size_t i;

	for (i = 0; i < TALLY_WORDS; i++)
		t[i] += f[i];
}

static void compare(const char *what, uint64_t got, uint64_t exact,
		    uint64_t loose)
{
	if (got >= exact && got <= exact + loose)
		return;
	fail(NULL, "%s: %llu, not %llu%s%.0llu", what, (unsigned long long)got,
	     (unsigned long long)exact, loose ? " and up to " : "",
	     (unsigned long long)loose);
}

/*
 * When xfrm has decided on the last message at the latest. A cipher that finds the
 * CPU's vector registers in use leaves its work to another thread: then that is
 * a little later than the module's part.
 */
static uint64_t decided_by(void)
{
	return now_ms() + 5000 * slow();
}

static void counters_since(struct counters *d, const struct counters *was)
{
	counters_read(d);
#define X(name, file, text) d->name -= was->name;
	COUNTERS(X)
#undef X
}

static void check_counters(const struct counters *was, const struct tally *exact,
			   const struct tally *loose, uint64_t loose_conns,
			   uint64_t made)
{
	uint64_t end = decided_by();
	struct counters d;

	for (;;) {
		counters_since(&d, was);
		if (d.replayed + d.forged >= exact->replayed + exact->forged ||
		    d.in_no_mem || now_ms() >= end)
			break;
		usleep(1000);
	}
	compare("Attach", d.attach, made, 0);
	compare("InPrefixTimeout", d.in_timeout, 0, 0);
	compare("InNoDevice", d.in_no_device, 0, 0);
	compare("InBadPrefix", d.in_bad_prefix, exact->bad_prefix,
		loose->bad_prefix);
	compare("InBadLength", d.in_bad_length, exact->bad_length,
		loose->bad_length);
	compare("InPartial", d.in_partial, exact->partial, loose_conns);
	compare("InKeepalive", d.in_keepalive, exact->keepalive,
		loose->keepalive);
	compare("InEmpty", d.in_empty, exact->empty, loose->empty);
	compare("InShort", d.in_short, exact->shorter, loose->shorter);
	compare("InIke + InIkeFull + InEsp + InNoMem",
		d.in_ike + d.in_full + d.in_esp + d.in_no_mem,
		exact->ike + exact->esp, loose->ike + loose->esp);
	compare("xfrm's other errors",
		d.mismatch + d.error + d.buffer + d.invalid + d.mode, 0, 0);
	if (d.in_no_mem) {
		/* That may happen, and then who knows what it was. */
		result->no_memory += d.in_no_mem;
		return;
	}
	compare("InIke + InIkeFull", d.in_ike + d.in_full, exact->ike,
		loose->ike);
	compare("InEsp", d.in_esp, exact->esp, loose->esp);
	compare("XfrmInHdrError", d.header, exact->header, loose->header);
	compare("XfrmInNoStates", d.unknown, exact->unknown, loose->unknown);
	compare("XfrmInStateSeqError", d.replayed, exact->replayed,
		loose->replayed);
	compare("XfrmInStateProtoError", d.forged, exact->forged,
		loose->forged);
}

static void wait_done(struct conn *c)
{
	uint64_t end = now_ms() + 30000 * slow();

	while (!atomic_load(&c->done)) {
		if (now_ms() > end) {
			fail(c, "it does not end: %u of %llu IKE messages came",
			     c->got, (unsigned long long)c->want.ike);
			/* The reading thread may still have it. */
			_exit(1);
		}
		usleep(500);
	}
}

static void check_sa(struct conn *c, uint64_t before)
{
	bool whole = !is_loose(c) && !result->no_memory;
	uint64_t end = decided_by();
	uint64_t packets;
	int err;

	for (;;) {
		err = sa_packets(nl, &c->sa, &packets);
		if (err) {
			fail(c, "the SA: %s", strerror(-err));
			return;
		}
		packets -= before;
		if (!whole || packets >= c->want.good || now_ms() >= end)
			break;
		usleep(1000);
	}
	if (packets > c->want.good || (whole && packets < c->want.good))
		fail(c, "the SA let in %llu packets, not %llu",
		     (unsigned long long)packets,
		     (unsigned long long)c->want.good);
}

static void one_round(void)
{
	uint64_t before[PERSISTENT], loose_conns = 0, made = 0;
	struct tally exact = { 0 }, loose = { 0 };
	uint32_t at[CONNS_MAX] = { 0 };
	unsigned int total = PERSISTENT + fresh, active, i;
	unsigned int order[CONNS_MAX];
	struct counters was;
	struct rng r, own;

	counters_read(&was);
	r = rng_from(seed, worker, turn + 1);
	for (i = 0; i < total; i++) {
		struct conn *c = &conns[i];
		char text[192];

		/* So that the others do not depend on what went before. */
		own = rng_from(rng_next(&r), i, 0);
		plan(c, &own);
		if (!c->attached) {
			open_conn(c);
			made++;
		}
		if (is_persistent(c) && sa_packets(nl, &c->sa, &before[i]))
			before[i] = 0;
		if (verbose) {
			describe(c, text, sizeof(text));
			printf("# %s: %u bytes, %u pieces, attach at %u\n",
			       text, c->len, c->pieces, c->attach_at);
		}
		order[i] = i;
	}
	for (active = total; active;) {
		i = rng_below(&r, active);
		if (!step(&conns[order[i]], &at[order[i]]))
			order[i] = order[--active];
	}
	for (i = 0; i < total; i++) {
		struct conn *c = &conns[i];

		if (c->end == CLOSE && !is_persistent(c))
			;
		else if (c->style == LATE || c->style == NONE)
			read_late(c, &r);
		else
			wait_done(c);
		check_sa(c, is_persistent(c) ? before[i] : 0);
		add(is_loose(c) ? &loose : &exact, &c->want);
		loose_conns += is_loose(c);
		if (is_persistent(c))
			continue;
		if (c->us >= 0)
			close(c->us);
		if (c->peer >= 0)
			close(c->peer);
		sa_del(nl, &c->sa);
		c->attached = false;
	}
	/* What has begun is counted as cut off when it is closed. */
	check_counters(&was, &exact, &loose, loose_conns, made);
	add(&result->tally, &exact);
	add(&result->tally, &loose);
	result->rounds++;
}

static void stuck(int sig)
{
	char text[64];
	int n;

	(void)sig;
	n = snprintf(text, sizeof(text), "WRONG: worker %u, round %u: hangs\n",
		     worker, turn);
	if (write(STDOUT_FILENO, text, n) < 0)
		_exit(2);
	_exit(1);
}

static bool is_enough(void)
{
	if (only_round >= 0)
		return result->rounds;
	if (limit_seconds && now_ms() - started >= limit_seconds * 1000)
		return true;
	return result->tally.messages >= limit_messages / workers + 1;
}

static void work(void)
{
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, stuck);
	namespace_new();
	sysctl_write("/proc/sys/net/iketcp/prefix_timeout", "0");
	sink_open(false);
	sink_open(true);
	nl = nl_open();
	listen_all();
	for (i = 0; i < PERSISTENT + fresh; i++) {
		struct conn *c = &conns[i];

		c->index = i;
		c->data = malloc(DATA_MAX);
		c->frame = malloc(FRAMES_MAX * sizeof(*c->frame));
		c->ike = malloc(FRAMES_MAX * sizeof(*c->ike));
		if (!c->data || !c->frame || !c->ike)
			die("no memory");
		pthread_mutex_init(&c->lock, NULL);
	}
	reader_start();
	for (turn = only_round >= 0 ? only_round : 0; !is_enough(); turn++) {
		alarm(240 * slow());
		one_round();
		if (result->failures)
			break;
	}
	alarm(60 * slow());
	for (i = 0; i < PERSISTENT; i++) {
		close(conns[i].us);
		close(conns[i].peer);
	}
	sa_flush(nl);
	if (counter("iketcp_stat", "Attach") !=
	    counter("iketcp_stat", "Detach"))
		fail(NULL, "not every connection was detached");
}

static void usage(void)
{
	fprintf(stderr,
		"usage: stream [-s SEED] [-n MESSAGES] [-t SECONDS] [-w WORKERS]\n"
		"              [-c CONNECTIONS] [-k KEEPALIVES] [-r WORKER:ROUND] [-v]\n");
	exit(2);
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:n:t:w:c:k:r:v")) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			limit_messages = strtoull(optarg, NULL, 0);
			break;
		case 't':
			limit_seconds = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			workers = atoi(optarg);
			break;
		case 'c':
			fresh = atoi(optarg);
			break;
		case 'k':
			keepalives_max = atoi(optarg);
			break;
		case 'r':
			if (sscanf(optarg, "%d:%d", &only_worker,
				   &only_round) != 2)
				usage();
			break;
		case 'v':
			verbose = true;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !workers || workers > 64 || !keepalives_max ||
	    fresh > CONNS_MAX - PERSISTENT)
		usage();
}

static int report(int status)
{
	struct result all = { 0 };
	const struct tally *t = &all.tally;
	unsigned int i;
	uint64_t ms = now_ms() - started;

	for (i = 0; i < workers; i++) {
		add(&all.tally, &results[i].tally);
		all.connections += results[i].connections;
		all.rounds += results[i].rounds;
		all.pieces += results[i].pieces;
		all.bytes += results[i].bytes;
		all.failures += results[i].failures;
		all.no_memory += results[i].no_memory;
	}
	printf("IKE %llu, ESP %llu (let in %llu, replayed %llu, forged %llu, unknown %llu, too short %llu), ",
	       (unsigned long long)t->ike, (unsigned long long)t->esp,
	       (unsigned long long)t->good, (unsigned long long)t->replayed,
	       (unsigned long long)t->forged, (unsigned long long)t->unknown,
	       (unsigned long long)t->header);
	printf("keepalives %llu, empty %llu, short %llu; bad prefix %llu, bad length %llu, cut off %llu\n",
	       (unsigned long long)t->keepalive, (unsigned long long)t->empty,
	       (unsigned long long)t->shorter,
	       (unsigned long long)t->bad_prefix,
	       (unsigned long long)t->bad_length,
	       (unsigned long long)t->partial);
	if (all.no_memory)
		printf("no memory for %llu messages\n",
		       (unsigned long long)all.no_memory);
	printf("stream: %llu messages in %llu bytes and %llu writes, %llu connections, %llu rounds, %llu.%llu s, seed %llu: %s\n",
	       (unsigned long long)t->messages, (unsigned long long)all.bytes,
	       (unsigned long long)all.pieces,
	       (unsigned long long)all.connections,
	       (unsigned long long)all.rounds, (unsigned long long)ms / 1000,
	       (unsigned long long)ms % 1000 / 100, (unsigned long long)seed,
	       status || all.failures ? "WRONG" : "all as it has to be");
	return status || all.failures;
}

/* A line a minute. */
static void progress(void)
{
	static uint64_t said;
	uint64_t minutes = (now_ms() - started) / 60000, messages = 0;
	unsigned int i;

	if (minutes == said)
		return;
	said = minutes;
	for (i = 0; i < workers; i++)
		messages += results[i].tally.messages;
	printf("# %llu messages after %llu minutes\n",
	       (unsigned long long)messages, (unsigned long long)minutes);
}

int main(int argc, char **argv)
{
	int status, failed = 0;
	unsigned int i;
	pid_t pid;

	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	results = mmap(NULL, workers * sizeof(*results),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	if (results == MAP_FAILED)
		die("no memory");
	started = now_ms();
	for (i = 0; i < workers; i++) {
		if (only_worker >= 0 && only_worker != (int)i)
			continue;
		pid = fork();
		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid) {
			worker = i;
			result = &results[i];
			work();
			_exit(0);
		}
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid)
			failed |= status;
		else
			usleep(50000);
		progress();
	}
	return report(failed);
}
