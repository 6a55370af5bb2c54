/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses, as people write them and as the kernel wants them.
 */
#ifndef TOOL_ADDRESS_H
#define TOOL_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "parse.h"

/* "[ADDR]:PORT" with room for the name of a service */
#define ENDPOINT_MAX	100

int address_len(const struct address *address);
bool address_parse(const char *text, struct address *address);
const char *address_text(const struct address *address, char *buf, size_t size);
bool address_in(const struct address *address, const struct address *prefix,
		unsigned int len);
void endpoint_from(struct endpoint *endpoint, const struct sockaddr_storage *from);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);
const char *endpoint_text(const struct endpoint *endpoint, char *buf, size_t size);
bool endpoint_split(char *text, char **host, char **port);

#endif
