// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses, as people write them and as the kernel wants them.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "tool.h"

/**
 * address_len() - the length of an address in bytes
 * @address: address
 */
int address_len(const struct address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

/**
 * address_parse() - from text
 * @text: an address of either family
 * @address: set
 *
 * Return: whether it was one.
 */
bool address_parse(const char *text, struct address *address)
{
	memset(address, 0, sizeof(*address));
	address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(address->family, text, address->bytes) == 1;
}

/**
 * address_text() - to text
 * @address: address
 * @buf: room for it
 * @size: of @buf
 */
const char *address_text(const struct address *address, char *buf, size_t size)
{
	if (!address->family ||
	    !inet_ntop(address->family, address->bytes, buf, (socklen_t)size))
		snprintf(buf, size, "*");
	return buf;
}

/**
 * address_in() - is it in a network?
 * @address: address
 * @prefix: an address of the network
 * @len: bits that count
 */
bool address_in(const struct address *address, const struct address *prefix,
		unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;
	unsigned char mask = (unsigned char)(0xff00 >> bits);

	if (address->family != prefix->family)
		return false;
	if (memcmp(address->bytes, prefix->bytes, bytes))
		return false;
	return !bits || !((address->bytes[bytes] ^ prefix->bytes[bytes]) & mask);
}

/**
 * endpoint_from() - from what getsockname() and the like give
 * @endpoint: set; IPv4 in IPv6 becomes IPv4
 * @from: address
 */
void endpoint_from(struct endpoint *endpoint, const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *in6 = (const void *)from;
	const struct sockaddr_in *in = (const void *)from;
	struct address *address = &endpoint->address;

	memset(endpoint, 0, sizeof(*endpoint));
	if (from->ss_family == AF_INET) {
		address->family = AF_INET;
		memcpy(address->bytes, &in->sin_addr, 4);
		endpoint->port = ntohs(in->sin_port);
		return;
	}
	endpoint->port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		address->family = AF_INET;
		memcpy(address->bytes, in6->sin6_addr.s6_addr + 12, 4);
	} else {
		address->family = AF_INET6;
		memcpy(address->bytes, &in6->sin6_addr, 16);
	}
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && a->address.family == b->address.family &&
	       !memcmp(a->address.bytes, b->address.bytes,
		       sizeof(a->address.bytes));
}

/**
 * endpoint_text() - ADDR:PORT or [ADDR]:PORT
 * @endpoint: address and port
 * @buf: room for it, ENDPOINT_MAX
 * @size: of @buf
 */
const char *endpoint_text(const struct endpoint *endpoint, char *buf, size_t size)
{
	const struct address *address = &endpoint->address;
	char text[INET6_ADDRSTRLEN];
	struct servent *service = NULL;
	char port[24];

	if (!options.numeric)
		service = getservbyport(htons(endpoint->port), "tcp");
	if (service)
		snprintf(port, sizeof(port), "%s", service->s_name);
	else
		snprintf(port, sizeof(port), "%u", endpoint->port);
	address_text(address, text, sizeof(text));
	snprintf(buf, size, address->family == AF_INET6 ? "[%s]:%s" : "%s:%s",
		 text, port);
	return buf;
}

/**
 * endpoint_split() - takes apart "HOST:PORT", "[HOST]:PORT", "HOST" and ":PORT"
 * @text: is changed
 * @host: set to the host, or NULL
 * @port: set to the port, or NULL
 *
 * More than one colon without brackets is an IPv6 address alone.
 *
 * Return: whether it could be one of those.
 */
bool endpoint_split(char *text, char **host, char **port)
{
	char *end, *colon = strchr(text, ':');

	*port = NULL;
	*host = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		if (end[1])
			*port = end + 2;
		*end = '\0';
		*host = text + 1;
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*port = colon + 1;
	}
	if (!**host || !strcmp(*host, "*"))
		*host = NULL;
	return (*host || *port) && (!*port || **port);
}
