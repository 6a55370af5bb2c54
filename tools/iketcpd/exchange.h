/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IKE requests that have not been answered yet.
 */
#ifndef IKETCPD_EXCHANGE_H
#define IKETCPD_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../iketcp/parse.h"

/* An IKE header, with the marker. */
#define IKE_HEADER_LEN	(IKETCP_MARKER_LEN + 28)
/* Requests at a time, of all IKE SAs with one peer. */
#define EXCHANGES_MAX	8
/* Fragments of one request. */
#define MESSAGES_MAX	16

/**
 * struct message - a datagram's payload
 * @bytes: marker and IKE message; NULL: not whole
 * @len: of @bytes
 * @sum: tells it from others, also if it is not whole
 * @times: how often it was sent
 */
struct message {
	unsigned char *bytes;
	size_t len;
	unsigned long long sum;
	unsigned int times;
};

/**
 * struct exchange - a request
 * @local: who sent it
 * @spi: the initiator's SPI, of the IKE SA
 * @type: of the exchange
 * @id: message ID
 * @messages: what it is made of
 * @n_messages: how many
 * @age: number of the newest message among those of all exchanges; 0: none
 */
struct exchange {
	struct endpoint local;
	unsigned char spi[8];
	unsigned char type;
	unsigned char id[4];
	struct message messages[MESSAGES_MAX];
	unsigned int n_messages;
	unsigned int age;
};

/**
 * struct exchanges - all with one peer
 * @list: they
 * @age: of the newest
 */
struct exchanges {
	struct exchange list[EXCHANGES_MAX];
	unsigned int age;
};

struct exchange *exchange_sent(struct exchanges *exchanges, const struct endpoint *local,
			       const unsigned char *bytes, size_t len, bool whole);
unsigned int exchange_times(const struct exchange *exchange);
bool exchange_answered(struct exchanges *exchanges, const struct endpoint *local,
		       const unsigned char *bytes, size_t len);
void exchange_forget(struct exchange *exchange);
void exchange_forget_all(struct exchanges *exchanges);

#endif
