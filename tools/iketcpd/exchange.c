// SPDX-License-Identifier: GPL-2.0
/*
 * IKE requests that have not been answered yet. A daemon sends the very same
 * bytes again when there is no answer; that is how a retransmission is known,
 * also of one fragment among others.
 */
#include <stdlib.h>
#include <string.h>

#include "../iketcp/address.h"
#include "exchange.h"
#include "log.h"

/* Offsets in an IKE header, marker included. */
#define AT_SPI		4
#define AT_VERSION	21
#define AT_TYPE		22
#define AT_FLAGS	23
#define AT_ID		24

#define VERSION_2	2
#define FLAG_RESPONSE	0x20

static bool is_ike(const unsigned char *bytes, size_t len)
{
	static const unsigned char marker[IKETCP_MARKER_LEN];

	return len >= IKE_HEADER_LEN && !memcmp(bytes, marker, sizeof(marker)) &&
	       bytes[AT_VERSION] >> 4 == VERSION_2;
}

static bool belongs(const struct exchange *exchange, const struct endpoint *local,
		    const unsigned char *bytes)
{
	return exchange->age && endpoint_same(&exchange->local, local) &&
	       !memcmp(exchange->spi, bytes + AT_SPI, sizeof(exchange->spi)) &&
	       exchange->type == bytes[AT_TYPE] &&
	       !memcmp(exchange->id, bytes + AT_ID, sizeof(exchange->id));
}

static struct exchange *find(struct exchanges *exchanges, const struct endpoint *local,
			     const unsigned char *bytes)
{
	size_t i;

	for (i = 0; i < EXCHANGES_MAX; i++) {
		if (belongs(&exchanges->list[i], local, bytes))
			return &exchanges->list[i];
	}
	return NULL;
}

/* In the place of the oldest. */
static struct exchange *add(struct exchanges *exchanges, const struct endpoint *local,
			    const unsigned char *bytes)
{
	struct exchange *exchange = exchanges->list;
	size_t i;

	for (i = 1; i < EXCHANGES_MAX; i++) {
		if (exchanges->list[i].age < exchange->age)
			exchange = &exchanges->list[i];
	}
	exchange_forget(exchange);
	exchange->local = *local;
	memcpy(exchange->spi, bytes + AT_SPI, sizeof(exchange->spi));
	exchange->type = bytes[AT_TYPE];
	memcpy(exchange->id, bytes + AT_ID, sizeof(exchange->id));
	return exchange;
}

/* FNV-1a: nobody but the daemon itself sends these. */
static unsigned long long sum_of(const unsigned char *bytes, size_t len)
{
	unsigned long long sum = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	return sum;
}

/**
 * exchange_sent() - the daemon has sent a datagram by UDP
 * @exchanges: with this peer
 * @local: from there
 * @bytes: its payload
 * @len: of @bytes
 * @whole: it is all here
 *
 * Return: the exchange, if it was a request.
 */
struct exchange *exchange_sent(struct exchanges *exchanges, const struct endpoint *local,
			       const unsigned char *bytes, size_t len, bool whole)
{
	struct exchange *exchange;
	struct message *message;
	unsigned long long sum;
	unsigned int i;

	if (!is_ike(bytes, len) || bytes[AT_FLAGS] & FLAG_RESPONSE)
		return NULL;
	exchange = find(exchanges, local, bytes);
	if (!exchange)
		exchange = add(exchanges, local, bytes);
	exchange->age = ++exchanges->age;
	sum = sum_of(bytes, len);
	for (i = 0; i < exchange->n_messages; i++) {
		message = &exchange->messages[i];
		if (message->sum == sum && message->len == len) {
			message->times++;
			return exchange;
		}
	}
	if (exchange->n_messages == MESSAGES_MAX)
		return exchange;
	message = &exchange->messages[exchange->n_messages++];
	message->len = len;
	message->sum = sum;
	message->times = 1;
	if (whole) {
		message->bytes = must_have(malloc(len));
		memcpy(message->bytes, bytes, len);
	}
	return exchange;
}

/* How often the request was sent: as often as that of its messages that was most. */
unsigned int exchange_times(const struct exchange *exchange)
{
	unsigned int i, times = 0;

	for (i = 0; i < exchange->n_messages; i++) {
		if (exchange->messages[i].times > times)
			times = exchange->messages[i].times;
	}
	return times;
}

/**
 * exchange_answered() - the peer has sent a datagram by UDP
 * @exchanges: with this peer
 * @local: to there
 * @bytes: its payload
 * @len: of @bytes
 *
 * Return: whether it answers a request, which is forgotten.
 */
bool exchange_answered(struct exchanges *exchanges, const struct endpoint *local,
		       const unsigned char *bytes, size_t len)
{
	struct exchange *exchange;

	if (!is_ike(bytes, len) || !(bytes[AT_FLAGS] & FLAG_RESPONSE))
		return false;
	exchange = find(exchanges, local, bytes);
	if (!exchange)
		return false;
	exchange_forget(exchange);
	return true;
}

/* Frees what is in it. */
void exchange_forget(struct exchange *exchange)
{
	unsigned int i;

	for (i = 0; i < exchange->n_messages; i++)
		free(exchange->messages[i].bytes);
	memset(exchange, 0, sizeof(*exchange));
}

void exchange_forget_all(struct exchanges *exchanges)
{
	size_t i;

	for (i = 0; i < EXCHANGES_MAX; i++)
		exchange_forget(&exchanges->list[i]);
}
