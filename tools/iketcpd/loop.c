// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop: files that are ready and timers that are due. Files are taken
 * one at a time, so that one that was removed is never called any more.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

static int poller = -1;
static struct timer *timers;

void loop_init(void)
{
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		die(TOOL_FAILED, "epoll: %s", strerror(errno));
}

/**
 * loop_add() - waits for a file from now on
 * @source: all is set
 * @events: EPOLLIN and the like
 *
 * Return: -1 with errno if that is not possible.
 */
int loop_add(struct source *source, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(poller, EPOLL_CTL_ADD, source->fd, &event);
}

/**
 * loop_change() - waits for something else
 * @source: was added
 * @events: EPOLLIN and the like
 */
void loop_change(struct source *source, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(poller, EPOLL_CTL_MOD, source->fd, &event) < 0)
		die(TOOL_FAILED, "epoll: %s", strerror(errno));
}

/**
 * loop_remove() - waits no more, and closes the file
 * @source: was added
 */
void loop_remove(struct source *source)
{
	epoll_ctl(poller, EPOLL_CTL_DEL, source->fd, NULL);
	close(source->fd);
	source->fd = -1;
}

/**
 * timer_set() - sets a timer, or sets it anew
 * @timer: its @due is set
 * @ms: milliseconds from now
 */
void timer_set(struct timer *timer, long long ms)
{
	struct timer **at = &timers;

	timer_cancel(timer);
	timer->at = loop_now() + ms;
	while (*at && (*at)->at <= timer->at)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

/**
 * timer_cancel() - it is not due any more
 * @timer: set or not
 */
void timer_cancel(struct timer *timer)
{
	struct timer **at;

	if (!timer->at)
		return;
	for (at = &timers; *at != timer; at = &(*at)->next)
		;
	*at = timer->next;
	timer->at = 0;
}

/* Return: milliseconds. */
long long loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_time(void)
{
	long long left;

	if (!timers)
		return -1;
	left = timers->at - loop_now();
	if (left < 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

/**
 * loop_run() - runs until it is to end
 * @end: set by what is called
 */
void loop_run(const bool *end)
{
	struct epoll_event event;
	struct source *source;
	struct timer *timer;
	int n;

	while (!*end) {
		n = epoll_wait(poller, &event, 1, wait_time());
		if (n < 0 && errno != EINTR)
			die(TOOL_FAILED, "epoll: %s", strerror(errno));
		if (n > 0) {
			source = event.data.ptr;
			source->ready(source, event.events);
		}
		timer = timers;
		if (timer && timer->at <= loop_now()) {
			timer_cancel(timer);
			timer->due(timer);
		}
	}
}
