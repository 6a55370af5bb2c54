/* SPDX-License-Identifier: GPL-2.0 */
/* Which messages to drop because they have waited too long. */
#ifndef IKETCP_DELAY_H
#define IKETCP_DELAY_H

#include <linux/types.h>

/**
 * struct iketcp_delay - what is known of a queue's delay
 * @above: every message since @until less an interval has waited too long
 * @until: when that is reason enough to drop one
 * @dropping: messages are being dropped
 * @count: dropped since that began
 * @last_count: @count when it began
 * @next: when the next one is due
 *
 * Times are those of iketcp_delay_now(). All zeros is a queue without delay.
 */
struct iketcp_delay {
	bool above;
	bool dropping;
	u32 until;
	u32 count;
	u32 last_count;
	u32 next;
};

u32 iketcp_delay_now(void);
void iketcp_delay_calm(struct iketcp_delay *delay);
bool iketcp_delay_drop(struct iketcp_delay *delay, u32 now, u32 waited,
		       u32 target);

#endif
