// SPDX-License-Identifier: GPL-2.0
/* SAs go, come again and move under traffic. */
#include "runner.h"

#include <sched.h>

static void begin(struct world *w)
{
	open_moved(w);
}

/* A connection serves for some rounds only. */
static void renew(struct world *w)
{
	if (random_below(10))
		return;
	conn_reset(&traffic.c);
	open_moved(w);
}

static void add(struct world *w, const struct limits *limits)
{
	sas_do(w, SA_NEW, &traffic.c, limits);
}

static void go(void)
{
	workers_go(esp_a, random_below(3) ? esp_a : inner_tcp);
	workers_warm(random_below(3));
	moment();
}

void renew_sas(struct world *w)
{
	int i;

	renew(w);
	go();
	for (i = 0; i < 2; i++) {
		sas_do(w, SA_DELETE, NULL, NULL);
		moment();
		add(w, NULL);
		moment();
	}
	workers_stop();
}

void flush_sas(struct world *w)
{
	renew(w);
	workers_go(mixed, mixed);
	workers_warm(random_below(3));
	moment();
	sas_flush(w);
	moment();
	add(w, NULL);
	moment();
	workers_stop();
}

/* The limits pass in mid-burst, for both CPUs at once. */
void expire_sas(struct world *w)
{
	struct limits limits = { 0 };
	uint64_t end;

	renew(w);
	sas_flush(w);
	if (random_below(2)) {
		limits.soft_packets = 1 + random_below(10);
		limits.hard_packets = 1 + random_below(20);
	} else {
		limits.soft_bytes = 1 + random_below(5000);
		limits.hard_bytes = 1 + random_below(10000);
	}
	add(w, &limits);
	workers_go(esp_a, random_below(3) ? esp_a : inner_tcp);
	/* It goes by itself; the one that nobody sends through does not. */
	end = now_us() + 20000000ull * slow();
	while (sa_do(w, 0, A, SA_UPDATE, traffic.c.port[A], PORT, &limits) !=
	       -ESRCH) {
		check(now_us() < end, "the SA does not expire");
		sched_yield();
	}
	workers_stop();
	sas_flush(w);
	add(w, NULL);
}

/* To and fro between two connections, one of which goes. */
static void update(struct world *w)
{
	struct conn other;
	int i;

	conn_open(w, &other);
	workers_go(esp_a, random_below(2) ? esp_a : mixed);
	workers_warm(random_below(3));
	for (i = random_below(4); i >= 0; i--) {
		moment();
		sas_do(w, SA_UPDATE, i % 2 ? &traffic.c : &other, NULL);
	}
	moment();
	workers_stop();
	conn_reset(&traffic.c);
	traffic.c = other;
}

const struct race state_races[] = {
	{ .name = "sa-delete", .what = "SAs are deleted and made again",
	  .begin = begin, .round = renew_sas, .reorders = true, .alg = "gcm" },
	{ .name = "sa-flush", .what = "all SAs are flushed",
	  .begin = begin, .round = flush_sas, .reorders = true },
	{ .name = "sa-expire", .what = "SAs pass their limits",
	  .begin = begin, .round = expire_sas, .reorders = true },
	{ .name = "sa-update", .what = "SAs move to another connection's ports",
	  .begin = begin, .round = update, .reorders = true, .alg = "cbc" },
	{ 0 }
};
