/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two network namespaces joined by a pair of devices, for the self-test.
 */
#ifndef TOOL_TOWN_H
#define TOOL_TOWN_H

#include "parse.h"

/**
 * struct town - two hosts
 * @ns: their network namespaces
 * @at: their addresses; the ports are the user's to set
 */
struct town {
	int ns[2];
	struct endpoint at[2];
};

/* All return -1 with errno. */
int town_build(struct town *town);
int town_connect(struct town *town);
int town_enter(const struct town *town, int host);

#endif
