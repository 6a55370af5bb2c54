/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sees the IKE datagrams that go to and come from a peer by UDP.
 */
#ifndef IKETCPD_WATCH_H
#define IKETCPD_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

#include "../iketcp/parse.h"

/**
 * struct watch - of one peer
 * @source: packet socket
 * @peer: its address and UDP port
 * @seen: called for each datagram: @sent or received; @local: our end; @bytes,
 *	  @len: the payload; @whole: all of it
 */
struct watch {
	struct source source;
	struct endpoint peer;
	void (*seen)(struct watch *watch, bool sent, const struct endpoint *local,
		     const unsigned char *bytes, size_t len, bool whole);
};

int watch_open(struct watch *watch);
void watch_close(struct watch *watch);

#endif
