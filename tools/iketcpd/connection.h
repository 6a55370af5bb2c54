/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP connections that stand for UDP ones.
 */
#ifndef IKETCPD_CONNECTION_H
#define IKETCPD_CONNECTION_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "config.h"
#include "loop.h"

/* Two endpoints and what is between them. */
#define PAIR_MAX	256

/**
 * struct connection - one, with our ULP
 * @source: its socket
 * @next: another
 * @previous: what points to it
 * @local: our end
 * @remote: the peer's
 * @udp_local: the UDP address and port that it stands for
 * @udp_peer: likewise, the peer's
 * @bridged: the module knows these
 * @connecting: not connected yet
 * @idle: it ended because it was
 * @tuning: how it is treated
 * @since: when it was made, by loop_now()
 * @active: when something was last seen to have come or gone
 * @bytes: what had, then
 * @owner: who made it: a listener or a peer
 * @connected: called when it is, if it was connecting
 * @closed: called when it has ended, before it is freed; @worked: something
 *	    came by it
 */
struct connection {
	struct source source;
	struct connection *next;
	struct connection **previous;
	struct endpoint local;
	struct endpoint remote;
	struct endpoint udp_local;
	struct endpoint udp_peer;
	bool bridged;
	bool connecting;
	bool idle;
	struct tuning tuning;
	long long since;
	long long active;
	unsigned long long bytes;
	void *owner;
	void (*connected)(struct connection *connection);
	void (*closed)(struct connection *connection, bool worked);
};

socklen_t connection_name(const struct endpoint *endpoint, struct sockaddr_storage *name);
int connection_open(int family, const struct tuning *tuning);
struct connection *connection_create(int fd, const struct tuning *tuning, bool connecting);
int connection_bridge(struct connection *connection);
bool connection_worked(const struct connection *connection);
void connection_close(struct connection *connection, const char *reason);
unsigned int connection_count(const void *owner, const struct address *of);
void connection_probe(const struct connection *newest);
void connection_close_owned(const void *owner, const char *reason);
const char *connection_text(const struct connection *connection, char *buf, size_t size);
void connection_status(FILE *file);
int connection_support(void);

#endif
