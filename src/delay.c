// SPDX-License-Identifier: GPL-2.0
/*
 * Which messages to drop because they have waited too long: CoDel (RFC 8289).
 *
 * A queue that is only bounded in bytes fills and stays full: each packet waits
 * as long as the whole queue takes, and when one is dropped the sender, who is a
 * full queue away, learns of it late. CoDel looks at how long messages have waited.
 * A burst may wait; if for an interval none waited less than the target, one is
 * dropped, and the next ones at shorter and shorter intervals, until the senders
 * have slowed down.
 */
#include <linux/kernel.h>
#include <linux/ktime.h>

#include "delay.h"

/*
 * Microseconds. The RFC's values: a round trip of inner connections, and a
 * twentieth of it.
 */
#define INTERVAL	(100 * USEC_PER_MSEC)
#define TARGET		(5 * USEC_PER_MSEC)

/* A rate of drops that was right so shortly ago is still about right. */
#define REMEMBERED	(16 * INTERVAL)

static bool is_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

/* Return: when the drop after the one at @time is due. */
static u32 next_drop(const struct iketcp_delay *delay, u32 time)
{
	return time + (INTERVAL << 8) / int_sqrt(delay->count << 16);
}

/**
 * iketcp_delay_now() - the clock for waiting messages
 *
 * Return: microseconds, about; they wrap.
 */
u32 iketcp_delay_now(void)
{
	return ktime_get_ns() >> 10;
}

/* Have messages waited too long for a whole interval? */
static bool is_too_long(struct iketcp_delay *delay, u32 now, u32 waited,
			u32 target)
{
	if (waited < max_t(u32, target, TARGET)) {
		delay->above = false;
		return false;
	}
	if (!delay->above) {
		delay->above = true;
		delay->until = now + INTERVAL;
	}
	return !is_before(now, delay->until);
}

/**
 * iketcp_delay_calm() - the queue is empty: nothing has stood in it
 * @delay: what is known of the messages before
 *
 * Context: the caller guards @delay.
 */
void iketcp_delay_calm(struct iketcp_delay *delay)
{
	delay->above = false;
	delay->dropping = false;
}

/**
 * iketcp_delay_drop() - shall the message that is next be dropped?
 * @delay: what is known of those before it
 * @now: the time
 * @waited: how long it has waited, microseconds
 * @target: how long messages may wait, if that is longer than 5 ms
 *
 * To be asked for each message that could be, in order.
 *
 * Context: the caller guards @delay.
 */
bool iketcp_delay_drop(struct iketcp_delay *delay, u32 now, u32 waited,
		       u32 target)
{
	u32 since_last;

	if (!is_too_long(delay, now, waited, target)) {
		delay->dropping = false;
		return false;
	}

	if (delay->dropping) {
		if (is_before(now, delay->next))
			return false;
		delay->count = min(delay->count + 1, U16_MAX);
		delay->next = next_drop(delay, delay->next);
		return true;
	}

	since_last = delay->count - delay->last_count;
	if (since_last > 1 && is_before(now, delay->next + REMEMBERED))
		delay->count = since_last;
	else
		delay->count = 1;
	delay->last_count = delay->count;
	delay->dropping = true;
	delay->next = next_drop(delay, now);
	return true;
}
