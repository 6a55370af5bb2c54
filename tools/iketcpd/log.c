// SPDX-License-Identifier: GPL-2.0
/*
 * What is said on standard error, a line each. There it is journald's, or the
 * terminal's, which know the time.
 */
#include <stdarg.h>

#include "log.h"
#include "loop.h"

/* Peers may fill a journal with so many lines a second, and no more. */
#define LINES_A_SECOND	20

const char *tool_name = "iketcpd";

void log_peer(const char *format, ...)
{
	static unsigned int lines, left_out;
	static long long second;
	long long now = loop_now() / 1000;
	va_list args;

	if (now != second) {
		if (left_out)
			complain("%u lines were left out", left_out);
		second = now;
		lines = 0;
		left_out = 0;
	}
	if (lines++ >= LINES_A_SECOND) {
		left_out++;
		return;
	}
	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
}
