/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A race: rounds of something that happens while two workers, each on a CPU of
 * its own, make traffic.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "race.h"

/**
 * struct race - one kind of race
 * @name: its name
 * @what: what happens under traffic
 * @round: one round: makes what it needs, and leaves nothing
 * @begin: before the first round, or NULL
 * @end: after the last one, or NULL
 * @two: the world has two namespaces and a wire between them
 * @bridged: the SAs are in UDP, and connections have a bridge for them (mixed()
 *	     has the daemons' UDP, too)
 * @alg: cipher of the SAs; NULL: "null", which is the quickest
 * @reorders: what is on its way may overtake or be overtaken, as its SA is made
 *	      anew or moves to another connection: sequence errors are right
 * @starves: memory, or a cipher's queue, is short
 * @strangers: some who come speak something else
 * @divide: that many times fewer rounds, as one takes long and more happens in it
 */
struct race {
	const char *name;
	const char *what;
	void (*round)(struct world *w);
	void (*begin)(struct world *w);
	void (*end)(struct world *w);
	bool two;
	bool bridged;
	const char *alg;
	bool reorders;
	bool starves;
	bool strangers;
	int divide;
};

/**
 * struct traffic - what the workers have to do with
 * @w: the world
 * @c: the connection; an end that is closed meanwhile is no error
 * @udp: for each worker, a socket at A and one at B
 * @inner: listens at B for inner TCP
 */
struct traffic {
	struct world *w;
	struct conn c;
	int udp[2][2];
	int inner;
};

extern struct traffic traffic;
/* The namespace that the program was started in. */
extern int outside;

/*
 * A job is a few packets, and is repeated until workers_stop(). Each worker gets
 * one; NULL is none. @n is the worker's number, 0 or 1.
 */
typedef void job_fn(int n);

void workers_go(job_fn *one, job_fn *other);
void workers_stop(void);
/* Wait until the workers have done so many jobs since workers_go(). */
void workers_warm(unsigned int jobs);
bool stopping(void);

/* A random moment: short ones are more likely. */
void moment(void);

job_fn nudge, esp_a, esp_b, write_a, write_b, read_a, read_b, talk_a, talk_b,
       inner_tcp, mixed;

/* traffic.c: a connection with both SAs moved to it; and all of it reset. */
void open_moved(struct world *w);
void traffic_open(struct world *w);
void traffic_close(void);
void drain(int fd);
/* What waits in the inner sockets holds the SAs it came through. */
void drain_all(void);
/* gone.c: a namespace ends with all in it. */
void namespace_ends(struct world *w);

/* Rounds that bridge.c has, too. */
void renew_sas(struct world *w);
void flush_sas(struct world *w);
void expire_sas(struct world *w);
void end_device(struct world *w);
void end_namespaces(struct world *w);
void unload(struct world *w);
void module_begin(struct world *w);
void module_end(struct world *w);
void async_ends(struct world *w);

extern const struct race conn_races[], state_races[], gone_races[],
	strain_races[], bridge_races[], listen_races[];

#endif
