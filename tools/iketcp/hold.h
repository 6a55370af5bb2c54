/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What "listen" and "connect" share: connections that are held.
 */
#ifndef TOOL_HOLD_H
#define TOOL_HOLD_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "carrier.h"

/**
 * struct hold - what was asked for
 * @carrier: how the sockets are to be
 * @verbose: tell of each message
 * @exec: a command for each connection, or NULL
 * @signals: a signalfd; its signals are blocked
 * @mask: what the signal mask was before
 */
struct hold {
	struct carrier carrier;
	bool verbose;
	char **exec;
	int signals;
	sigset_t mask;
};

/**
 * struct held - a connection
 * @fd: socket
 * @local: our end
 * @remote: the peer's
 * @have: bytes of the prefix that are there; only if we read it
 * @until: when the rest must be there, in seconds of the monotonic clock
 * @ready: it carries messages
 */
struct held {
	int fd;
	struct endpoint local;
	struct endpoint remote;
	unsigned int have;
	long until;
	bool ready;
};

bool hold_option(struct hold *hold, char **argv, int *i);
void hold_init(struct hold *hold);
void hold_say(const char *what, const struct endpoint *local,
	      const struct endpoint *remote, const char *key, const char *value);
void hold_begin(struct hold *hold, struct held *held, const char *role);
int hold_read(struct hold *hold, struct held *held);
bool hold_signals(struct hold *hold);
long hold_now(void);
noreturn void hold_no_ulp(const char *ulp, int error);
noreturn void hold_no_socket(int error);

#endif
