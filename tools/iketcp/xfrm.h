/* SPDX-License-Identifier: GPL-2.0 */
/*
 * States and policies for the self-test.
 */
#ifndef TOOL_XFRM_H
#define TOOL_XFRM_H

#include "parse.h"

/* All return -1 with errno. */
int xfrm_add_state(const struct endpoint *src, const struct endpoint *dst,
		   unsigned int spi, const char *cipher);
int xfrm_add_policy(const struct endpoint *src, const struct endpoint *dst, int dir);

#endif
