/* SPDX-License-Identifier: GPL-2.0 */
/* A listening socket in the event loop. */
#ifndef IKETCPD_SERVER_H
#define IKETCPD_SERVER_H

#include "loop.h"

/**
 * struct server - one
 * @source: the socket, which does not block
 * @pause: set while nothing is accepted
 */
struct server {
	struct source source;
	struct timer pause;
};

int server_accept(struct server *server, const char *what);
void server_remove(struct server *server);

#endif
