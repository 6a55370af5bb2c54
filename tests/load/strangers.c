// SPDX-License-Identifier: GPL-2.0
/*
 * load strangers [strangers=5000] [rounds=5] [window=3000] [ratio=90] [bound=16384]
 *
 * Connections that work, two SAs with a bulk transfer each way through them, and
 * beside them so many strangers: connections to a responder that say nothing, half
 * a prefix, garbage, a length and no message, or the beginning of a long one.
 * Windows of so many milliseconds without and with strangers alternate; of the
 * throughput so many percent have to be left, in the median of the rounds. A round
 * whose two windows without strangers differ by more than a fifth says something
 * about the machine only: it does not count, and there is another one, up to three
 * times as many. With less than half of what was wanted the figure is only told, and
 * a third of the throughput has to be left. Memory
 * for each stranger is at most "bound" bytes (its other end included, which is in
 * this machine, too). The time limit for the prefix clears away those who owe it.
 */
#include "load.h"

#include <pthread.h>

#define WORKING		2
#define BULK_PORT	7001

enum stranger { SILENT, HALF, GARBAGE, LENGTH, BEGINNING, NR_STRANGERS };

struct bulk {
	int from, to;
	volatile uint64_t bytes;
};

static struct bulk bulks[WORKING];
static volatile bool stop;

static void *bulk_send(void *arg)
{
	struct bulk *b = arg;
	static char data[65536];

	while (!stop && send(b->from, data, sizeof(data), 0) > 0)
		;
	return NULL;
}

static void *bulk_receive(void *arg)
{
	struct bulk *b = arg;
	static __thread char data[65536];
	ssize_t n;

	while (!stop && (n = recv(b->to, data, sizeof(data), 0)) > 0)
		b->bytes += n;
	return NULL;
}

/* Through the tunnel, from A in one, from B in the other. */
static void bulk_open(struct bulk *b, unsigned int n)
{
	struct sockaddr_in from = address(inner(A, n), 0);
	struct sockaddr_in to = address(inner(B, n), BULK_PORT);
	int listener = sock_listen(B, inner(B, n), BULK_PORT);
	int a = sock_new(A, SOCK_STREAM), accepted;
	pthread_t thread;

	need(bind(a, (struct sockaddr *)&from, sizeof(from)));
	need(connect(a, (struct sockaddr *)&to, sizeof(to)));
	accepted = need(accept(listener, NULL, NULL));
	close(listener);
	b->from = n % 2 ? accepted : a;
	b->to = n % 2 ? a : accepted;
	need(-pthread_create(&thread, NULL, bulk_send, b));
	need(-pthread_create(&thread, NULL, bulk_receive, b));
}

static void work_up(int listener, struct link *links, struct nl *nl[2])
{
	unsigned int i;
	int at, from;

	links_open(links, WORKING, listener, IKETCP);
	for (at = 0; at < 2; at++) {
		for (i = 0; i < WORKING; i++) {
			for (from = 0; from < 2; from++)
				sa_add(nl[at], &(struct sa){
					from, i, SPI(from, i), links[i].port });
			policy_out(nl[at], at, i);
		}
		policy_in(nl[at], at);
		nl_commit(nl[at]);
	}
	for (i = 0; i < WORKING; i++)
		bulk_open(&bulks[i], i);
}

/* KiB a second, of all together. */
static double throughput(unsigned int ms)
{
	uint64_t bytes = 0, began = now_ms();
	unsigned int i;

	for (i = 0; i < WORKING; i++)
		bytes -= bulks[i].bytes;
	msleep(ms);
	for (i = 0; i < WORKING; i++)
		bytes += bulks[i].bytes;
	return 1e3 / 1024 * bytes / (now_ms() - began);
}

static void speak(int fd, enum stranger kind)
{
	static const char garbage[64] = "GET / HTTP/1.1\r\n\r\n";

	switch (kind) {
	case HALF:
		need(send(fd, "IKE", 3, 0));
		break;
	case GARBAGE:
		/* It may be reset by then. */
		(void)!send(fd, garbage, sizeof(garbage), 0);
		break;
	case LENGTH:
		need(send(fd, "IKETCP\x05\xdc", 8, 0));
		break;
	case BEGINNING:
		need(send(fd, "IKETCP\xff\xff\0\0\x10\1", 12, 0));
		break;
	default:
		break;
	}
}

/* The links' A ends are strangers, their B ends have our protocol. */
static void strangers_up(struct link *links, unsigned int n, int listener)
{
	unsigned int i;

	links_open(links, n, listener, PLAIN);
	for (i = 0; i < n; i++)
		need(attach(links[i].b, "iketcp"));
	for (i = 0; i < n; i++)
		speak(links[i].a, i % NR_STRANGERS);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void rounds(struct link *links, unsigned int n, int listener,
		   unsigned int count, unsigned int window, unsigned int least)
{
	double ratio[3 * count], all[3 * count], before, with, after;
	unsigned int i, good = 0, percent;

	before = throughput(window);
	for (i = 0; i < 3 * count && good < count; i++) {
		bool counts;

		strangers_up(links, n, listener);
		msleep(300);
		with = throughput(window);
		links_reset(links, n);
		msleep(300);
		after = throughput(window);
		counts = before < 1.2 * after && after < 1.2 * before;
		all[i] = 200 * with / (before + after);
		if (counts)
			ratio[good++] = all[i];
		diag("round %u: %.0f KiB/s without, %.0f with, %.0f without: %.0f %%%s",
		     i + 1, before, with, after, all[i],
		     counts ? "" : ", does not count");
		before = after;
	}
	if (2 * good >= count) {
		percent = median(ratio, good);
	} else {
		diag("the machine is not quiet enough to measure");
		percent = median(all, i);
		least = 33;
	}
	diag("THROUGHPUT with %u strangers: %u %% of that without (median; %u of %u rounds count)",
	     n, percent, good, i);
	ok(percent >= least,
	   "%u strangers leave at least %u %% of the throughput", n, least);
}

/* How many of a kind have been reset, seen from their end. */
static unsigned int gone(const struct link *links, unsigned int n,
			 enum stranger kind)
{
	unsigned int i, count = 0;
	char c;

	for (i = kind; i < n; i += NR_STRANGERS)
		count += recv(links[i].a, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 &&
			 errno != EAGAIN;
	return count;
}

static unsigned int of_kind(unsigned int n, enum stranger kind)
{
	return (n + NR_STRANGERS - 1 - kind) / NR_STRANGERS;
}

static void deadline(struct link *links, unsigned int n, int listener)
{
	unsigned long owe = of_kind(n, SILENT) + of_kind(n, HALF), before, now;
	unsigned int limit = 3 * slow(), wrong;
	uint64_t bytes, began;
	char text[16];

	/* A namespace's, so that the others have time to come first. */
	snprintf(text, sizeof(text), "%u", limit);
	sysctl_write(B, "iketcp/prefix_timeout", text);
	before = stat_get(B, "iketcp_stat", "InPrefixTimeout");
	wrong = stat_get(B, "iketcp_stat", "InBadPrefix");
	bytes = bulks[0].bytes + bulks[1].bytes;
	strangers_up(links, n, listener);
	began = now_ms();
	do {
		msleep(100);
		now = stat_get(B, "iketcp_stat", "InPrefixTimeout") - before;
	} while (now < owe && now_ms() < began + 1000 * (limit + 30 * slow()));
	diag("%lu of %lu reset %.1f s after the last one had come, with a limit of %u s",
	     now, owe, (now_ms() - began) / 1e3, limit);
	msleep(1000);
	ok(now == owe, "the time limit clears away who owes the prefix");
	ok(stat_get(B, "iketcp_stat", "InPrefixTimeout") - before == owe,
	   "and nobody else");
	ok(gone(links, n, SILENT) == of_kind(n, SILENT) &&
	   gone(links, n, HALF) == of_kind(n, HALF), "they see a reset");
	ok(gone(links, n, GARBAGE) == of_kind(n, GARBAGE) &&
	   stat_get(B, "iketcp_stat", "InBadPrefix") - wrong ==
	   of_kind(n, GARBAGE), "garbage was reset at once");
	ok(gone(links, n, LENGTH) + gone(links, n, BEGINNING) == 0,
	   "who has sent the prefix stays: that is for the daemon");
	ok(bulks[0].bytes + bulks[1].bytes > bytes + (1 << 20),
	   "meanwhile the others have gone on");
	links_reset(links, n);
	sysctl_write(B, "iketcp/prefix_timeout", "3600");
}

static void memory(struct link *links, unsigned int n, int listener,
		   unsigned int bound)
{
	long base = memory_settled().used, with;

	strangers_up(links, n, listener);
	with = (memory_settled().used - base) * 1024 / (long)n;
	diag("MEMORY for each stranger, both ends: %ld bytes", with);
	ok(with <= (long)bound, "a stranger takes at most %u bytes", bound);
	links_reset(links, n);
}

int load_strangers(int argc, char **argv)
{
	unsigned int n = option(argc, argv, "strangers", 5000);
	struct link working[WORKING], *links = calloc(n, sizeof(*links));
	struct nl *nl[2];
	char faults[256];
	int listener;

	if (run("modprobe iketcp"))
		die("no module");
	world_up(1);
	sysctl_write(B, "iketcp/prefix_timeout", "3600");
	listener = sock_listen(B, outer(B, 0), IKE_PORT);
	nl[A] = nl_open(A);
	nl[B] = nl_open(B);
	work_up(listener, working, nl);
	msleep(1000);
	rounds(links, n, listener, option(argc, argv, "rounds", 5),
	       option(argc, argv, "window", 3000),
	       option(argc, argv, "ratio", 90));
	deadline(links, n, listener);
	stop = true;
	msleep(1000);
	memory(links, n, listener, option(argc, argv, "bound", 16384));
	ok(!xfrm_faults(A, faults, sizeof(faults)), "A has no faults%s",
	   faults);
	ok(!xfrm_faults(B, faults, sizeof(faults)), "B has no faults%s",
	   faults);
	xfrm_flush(nl[A]);
	xfrm_flush(nl[B]);
	links_reset(working, WORKING);
	world_down();
	return done_testing();
}
