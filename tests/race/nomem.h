/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations that fail: what the operations of nomem are made of. */
#ifndef NOMEM_H
#define NOMEM_H

#include "race.h"

/**
 * struct site - a call of something that allocates
 * @section: of the module's file
 * @offset: where the call returns to in it
 * @name: the function, and how far in
 * @callee: what is called
 * @must: the failure is the module's to answer
 * @hits: how often it failed
 */
struct site {
	char section[32];
	unsigned long offset;
	char name[96];
	char callee[64];
	bool must;
	long hits;
};

/**
 * struct operation - something to be done without memory
 * @name: its name
 * @run: makes what it needs, arms, does it once or more, and disarms. Returns the
 *	 number of times that the thing failed as it should when there is no memory;
 *	 what else is wrong it says itself, and ends
 * @settles: makes do with less, or tries again by itself: nothing fails
 */
struct operation {
	const char *name;
	int (*run)(const struct site *site, int times);
	bool settles;
};

/* The last one has no name. */
extern const struct operation later_operations[];

/* Where operations happen: one namespace. */
extern struct world world;

/* From now on the call fails, so many times. */
void arm(const struct site *site, int times);
/* Return: how many allocations failed since arm(). */
int fired(void);
/* No longer; it returns the same. */
int disarm(void);

/* IKE both ways. */
void conn_talk(struct conn *c, uint32_t seed);
/* The same by the daemons' UDP. */
void daemons_talk(struct world *w, uint32_t seed);
/* A is a connection of ours, B a socket without ULP. */
void plain_reader(struct conn *c);
void plain_get(int fd, void *to, size_t len);
void plain_expect(int fd, size_t len, uint32_t seed);
/* The other way round. */
void plain_peer(struct conn *c);
/* @count datagrams of @len bytes from A to B. */
int op_esp(struct world *w, const struct site *site, int times, size_t len,
	   int count);

/* A socket that gets the events of the module in the thread's namespace. */
int events_open(void);

#endif
