/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The event loop: files that are ready and timers that are due.
 */
#ifndef IKETCPD_LOOP_H
#define IKETCPD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>

/* The struct of @type that has @pointer as its @member. */
#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - offsetof(type, member)))

/**
 * struct source - a file that is waited for
 * @fd: file
 * @ready: called with what is there (EPOLLIN, ...); may remove any source
 */
struct source {
	int fd;
	void (*ready)(struct source *source, unsigned int events);
};

/**
 * struct timer - something to be done later, once
 * @next: the next to be due
 * @at: when, by loop_now(); 0: not set
 * @due: called then; may set it again
 */
struct timer {
	struct timer *next;
	long long at;
	void (*due)(struct timer *timer);
};

void loop_init(void);
int loop_add(struct source *source, unsigned int events);
void loop_change(struct source *source, unsigned int events);
void loop_remove(struct source *source);
void timer_set(struct timer *timer, long long ms);
void timer_cancel(struct timer *timer);
long long loop_now(void);
void loop_run(const bool *end);

#endif
