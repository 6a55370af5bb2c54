/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of "stream": see stream.c. */
#ifndef STREAM_H
#define STREAM_H

#include "mutate.h"

#include <pthread.h>
#include <stdatomic.h>

#define PERSISTENT	4	/* connections that live through all rounds */
#define CONNS_MAX	256
#define FRAMES_MAX	65536
#define PIECES_MAX	500
#define DATA_MAX	(512 << 10)

enum style {
	DRAIN,		/* many messages a call */
	ONE,		/* one recv() a message */
	PEEK,		/* each looked at before it is taken */
	SHORT,		/* buffers that are too small, now and then */
	EXACT,		/* FIONREAD says how much */
	LATE,		/* nothing before the end; the queue is small */
	NONE,		/* nothing at all */
	NR_STYLES
};

enum end {
	FIN,		/* after the last byte */
	RESET,		/* when the last byte has been acknowledged */
	RESET_NOW,	/* at once: who knows what has arrived */
	CLOSE,		/* our end, in mid-stream */
	NR_ENDS
};

/*
 * struct tally - what is in a stream
 * @messages: whole ones of all kinds
 * @ike: of these: whole IKE messages
 * @esp: ...
 * @keepalive: ...
 * @empty: ...
 * @shorter: of 1 to 4 bytes, no keepalive
 * @bad_prefix: 1: it ends here
 * @bad_length: 1: it ends here
 * @partial: 1: an IKE or ESP message has begun and does not end
 * @good: ESP messages that the SA counts
 * @header: ESP messages too short for a number
 * @unknown: ESP messages of no SA
 * @replayed: ESP messages that the replay window refuses
 * @forged: ESP messages with a wrong ICV
 */
struct tally {
	uint64_t messages;
	uint64_t ike, esp, keepalive, empty, shorter;
	uint64_t bad_prefix, bad_length, partial;
	uint64_t good, header, unknown, replayed, forged;
};

#define TALLY_WORDS	(sizeof(struct tally) / sizeof(uint64_t))

struct range {
	uint32_t at, len;
};

struct piece {
	uint32_t len;
	int flags;
	int vectors;
};

/*
 * struct conn - a connection, in this round
 * @index: its number
 * @family: ...
 * @ulp: name of the ULP
 * @clean: its stream is not mutated
 * @style: how our end reads
 * @end: how it ends
 * @mutations: names of what was done to the stream
 * @us: our socket
 * @peer: the other one
 * @attached: our socket has the ULP
 * @waits_for_prefix: so the stream begins with one
 * @sa: the SA for its ESP
 * @seq: the last number that was sent in order
 * @replay_seq: the replay window as it has to be
 * @replay_map: likewise
 * @data: the stream of this round
 * @len: its length
 * @frame: where messages began before it was mutated
 * @frames: how many
 * @piece: what is written in one call
 * @pieces: how many
 * @next: the next one
 * @attach_at: attach before this one; @pieces: behind the last one;
 *	       @pieces + 1: when the peer has closed
 * @lost: a write failed: the connection is no more
 * @want: what is in the stream
 * @ike: where the IKE messages are
 * @lock: guards what follows, and what the reading thread uses
 * @got: IKE messages read, or passed over by a late reader
 * @err: the error that was read
 * @done: everything was read
 */
struct conn {
	int index;
	enum family family;
	const char *ulp;
	bool clean;
	enum style style;
	enum end end;
	char mutations[64];

	int us, peer;
	bool attached, waits_for_prefix;
	struct sa sa;
	uint32_t seq;
	uint32_t replay_seq, replay_map;

	uint8_t *data;
	uint32_t len;
	uint32_t *frame;
	uint32_t frames;
	struct piece piece[PIECES_MAX + 2];
	uint32_t pieces, next, attach_at;
	bool lost;

	struct tally want;
	struct range *ike;

	pthread_mutex_t lock;
	uint32_t got;
	int err;
	atomic_bool done;
};

static inline bool is_persistent(const struct conn *c)
{
	return c->index < PERSISTENT;
}

static inline bool is_loose(const struct conn *c)
{
	return c->end == RESET_NOW || c->end == CLOSE;
}

static inline bool is_dead(const struct conn *c)
{
	return c->want.bad_prefix || c->want.bad_length;
}

extern uint64_t seed;
extern unsigned int worker, keepalives_max;

/* stream.c: something is not as it has to be */
__attribute__((format(printf, 2, 3)))
void fail(const struct conn *c, const char *fmt, ...);

/* plan.c: what @c is in the round that begins, and all that is sent */
void plan(struct conn *c, struct rng *r);

/* judge.c: what has to come of it */
void judge(struct conn *c);

/*
 * read.c: the thread that reads, and whom it reads from; what is read of a
 * connection in the end, if it was not before
 */
void reader_start(void);
void reader_add(struct conn *c);
void read_late(struct conn *c, struct rng *r);

#endif
