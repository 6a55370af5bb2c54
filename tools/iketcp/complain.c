// SPDX-License-Identifier: GPL-2.0
/* What goes wrong, a line each on standard error. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool.h"

void vcomplain(const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", tool_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
}

void die(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
	exit(code);
}

void *must_have(void *memory)
{
	if (!memory)
		die(TOOL_FAILED, "no memory");
	return memory;
}
