/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets that carry IKE and ESP.
 */
#ifndef TOOL_CARRIER_H
#define TOOL_CARRIER_H

#include <stdbool.h>

#include "parse.h"

/* The prefix is not waited for longer: as net.iketcp.prefix_timeout. */
#define PREFIX_TIMEOUT	10

/**
 * struct carrier - how a socket is to be
 * @ulp: name of the ULP
 * @idle: seconds without a segment before TCP sends a keepalive; 0: never
 * @interval: seconds between keepalives; 0: the kernel's
 * @count: so many without an answer end it; 0: the kernel's
 * @user_timeout: seconds without an answer that end it; 0: the kernel's
 * @prefix_timeout: seconds that a responder waits for the prefix
 */
struct carrier {
	const char *ulp;
	unsigned int idle;
	unsigned int interval;
	unsigned int count;
	unsigned int user_timeout;
	unsigned int prefix_timeout;
};

/* All but the last two return -1 with errno. */
int carrier_open(int family);
int carrier_bypass(int fd, int family);
int carrier_tune(int fd, const struct carrier *carrier);
int carrier_attach(int fd, const char *ulp);
int carrier_set(int fd, int option, int value);
bool carrier_has_prefix(const struct carrier *carrier);
void carrier_ends(int fd, struct endpoint *local, struct endpoint *remote);

#endif
