// SPDX-License-Identifier: GPL-2.0
/*
 * Which places of the module were reached, in whatever context: tests/mutate/cover
 * adds this file to a copy of the module. The compiler puts a call to
 * __sanitizer_cov_trace_pc() at the beginning of each stretch of code without a
 * branch; this is the module's own, instead of the kernel's (KCOV), which only
 * looks at system calls and knows nothing of softirqs and workers.
 *
 * /sys/module/iketcp/parameters/cover: each read gives the next addresses that
 * were called from, a line each; nothing at the end. A write begins again.
 */
#include <linux/kcov.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

/* The module's code is near, in front of this or behind. */
#define REACH	(256 * 1024)

static u8 hit[2 * REACH];
static unsigned int cursor;

void __sanitizer_cov_trace_pc(void);

static unsigned long base(void)
{
	return (unsigned long)__sanitizer_cov_trace_pc - REACH;
}

notrace __no_sanitize_address
__attribute__((no_sanitize_coverage, no_sanitize_undefined))
void __sanitizer_cov_trace_pc(void)
{
	unsigned long at = (unsigned long)__builtin_return_address(0) -
			   ((unsigned long)__sanitizer_cov_trace_pc - REACH);

	if (at < 2 * REACH)
		hit[at] = 1;
}

static int show(char *buf, const struct kernel_param *param)
{
	int len = 0;

	for (; cursor < ARRAY_SIZE(hit) && len < PAGE_SIZE - 20; cursor++)
		if (hit[cursor])
			len += sprintf(buf + len, "%lx\n", base() + cursor);
	return len;
}

static int begin(const char *value, const struct kernel_param *param)
{
	cursor = 0;
	return 0;
}

static const struct kernel_param_ops ops = { .set = begin, .get = show };
module_param_cb(cover, &ops, NULL, 0600);
