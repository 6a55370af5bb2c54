/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the time is between a begin and an end, and how much of it the CPU was busy.
 *
 * Time that the CPU is idle is the kernel's own account in /proc/timer_list, exact to
 * the ns. With tests/vm/run -i 0 busy time is instructions. Begin and end are marked
 * with sethostname(), for tests/bench/profile.c.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

uint64_t now(void);
void measure_begin(void);
/* Prints "TIME BUSY BYTES PACKETS MEDIAN", the first two in ns. */
void measure_end(uint64_t bytes, uint64_t packets, uint64_t median);

#endif
