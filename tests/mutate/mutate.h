/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both mutators use: numbers that follow from a seed, states with manual
 * keys, ESP messages for them, counters, and a network namespace.
 */
#ifndef MUTATE_H
#define MUTATE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../../include/iketcp.h"

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* The draft's numbers, written down again here so as to share nothing. */
#define PREFIX		"IKETCP"
#define PREFIX_LEN	6
#define LEN_LEN		2
#define MARKER_LEN	4
#define FRAME_MAX	65535
#define BODY_MAX	(FRAME_MAX - LEN_LEN)

/* An ESP message: SPI and number in front, the ICV of hmac(md5) behind. */
#define ESP_HEAD	8
#define ESP_ICV		12
/* the inner UDP datagrams go to this port */
#define SINK_PORT	9

/*
 * struct rng - numbers that follow from a seed (splitmix64)
 */
struct rng {
	uint64_t state;
};

struct rng rng_from(uint64_t seed, uint64_t a, uint64_t b);
uint64_t rng_next(struct rng *r);
/* 0..n-1; 0 for n = 0 */
uint32_t rng_below(struct rng *r, uint32_t n);
/* from..to, both included */
uint32_t rng_in(struct rng *r, uint32_t from, uint32_t to);
/* true in so many of a hundred cases */
bool rng_percent(struct rng *r, unsigned int percent);
void rng_fill(struct rng *r, void *to, size_t len);

enum family { V4, V6, MAPPED, NR_FAMILIES };
extern const char *const family_names[NR_FAMILIES];

/* The loopback address; of MAPPED, as an AF_INET6 socket says it. */
socklen_t loopback(enum family family, uint16_t port,
		   struct sockaddr_storage *to);
uint16_t port_of(int fd, bool peer);

/*
 * struct sa - an ESP state with null cipher and hmac(md5), loopback to loopback
 * @v6: its family
 * @spi: host order
 * @sport: of the connection: where it comes from
 * @dport: where it goes to
 * @window: of replay, 0..32
 * @reqid: for policies, 0: none
 * @key: of hmac(md5)
 */
struct sa {
	bool v6;
	uint32_t spi;
	uint16_t sport;
	uint16_t dport;
	uint8_t window;
	uint32_t reqid;
	uint8_t key[16];
};

/* These return 0 or a negative errno. */
int nl_open(void);
int sa_add(int nl, const struct sa *sa);
int sa_update(int nl, const struct sa *sa);
int sa_del(int nl, const struct sa *sa);
int sa_packets(int nl, const struct sa *sa, uint64_t *packets);
int sa_flush(int nl);
/* What goes to UDP port @dport goes through states with @reqid. */
int policy_add(int nl, bool v6, uint16_t dport, uint32_t reqid);
int policy_flush(int nl);

/* A valid ESP message around a UDP datagram of @len bytes of data: its length. */
size_t esp_make(uint8_t *to, const struct sa *sa, uint32_t seq,
		const void *data, size_t len);
/* What esp_make() returns for @len. */
size_t esp_size(size_t len);
/* The ICV is right. */
bool esp_authentic(const struct sa *sa, const uint8_t *esp, size_t len);

void put16(uint8_t *to, unsigned int value);
void put32(uint8_t *to, uint32_t value);
unsigned int get16(const uint8_t *from);
uint32_t get32(const uint8_t *from);

/* A namespace of its own, with its loopback device, for this process. */
void namespace_new(void);
/* Those UDP datagrams that come out of ESP are received and dropped. */
void sink_open(bool v6);
void sysctl_write(const char *path, const char *value);
/* A counter of /proc/net/FILE; 0 if it is not there. */
uint64_t counter(const char *file, const char *name);

uint64_t now_ms(void);
/* IKETCP_SLOW: time limits are so many times as long. */
unsigned int slow(void);

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);

#endif
