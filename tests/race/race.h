/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of this folder use: a world of one or two network
 * namespaces, SAs and devices by netlink, connections, packets. No library and
 * no other program: thousands of rounds in an emulated machine have to be quick.
 */
#ifndef RACE_H
#define RACE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

#define PORT		4500	/* where B listens */
#define UDP_PORT	7777	/* inner datagrams */
#define TCP_PORT	7780	/* inner streams */
#define MARKER_LEN	4
#define BODY_MAX	65533

enum { A, B };

/**
 * struct world - where it happens: A and B, in one namespace or in two
 * @two: each has a namespace of its own, with a veth pair between them; else
 *	 both addresses are the loopback device's
 * @v6: what the addresses are
 * @ns: the namespaces, as file descriptors
 * @nl_xfrm: netlink sockets in them
 * @nl_route: likewise
 * @addr: the addresses; inner packets have the same (transport mode)
 * @alg: cipher of the SAs: "gcm", "cbc", "null", or "auth": null with an ICV
 * @listener: B's
 * @bridged: SAs are in UDP, from PORT to PORT, as for daemons that know UDP only
 * @daemon: then the UDP sockets of these
 */
struct world {
	bool two, v6;
	int ns[2];
	int nl_xfrm[2];
	int nl_route[2];
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} addr[2];
	const char *alg;
	int listener;
	bool bridged;
	int daemon[2];
};

/**
 * struct conn - a connection between A and B, both ends ours
 * @fd: the ends
 * @port: their ports
 */
struct conn {
	int fd[2];
	uint16_t port[2];
};

/* What goes wrong in a test ends the program: with a line that says where. */
extern const char *what_now;
extern long round_now;
/* What is to be set back even then. */
extern void (*at_death)(void);
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);

#define need(expr) ({							\
	long need_rc_ = (long)(expr);					\
	if (need_rc_ < 0)						\
		die("%s:%d: %s: %s", __FILE__, __LINE__, #expr,		\
		    strerror(errno));					\
	need_rc_;							\
})

#define check(cond, ...) do {						\
	if (!(cond))							\
		die(__VA_ARGS__);					\
} while (0)

uint64_t now_us(void);
void sleep_us(unsigned int us);
void spin_us(unsigned int us);
/* How many times slower than usual the machine is: IKETCP_SLOW. */
int slow(void);
/* Everybody has random numbers of his own, from the seed. */
extern __thread uint64_t random_state;
void random_seed(uint64_t seed, uint64_t who);
uint32_t random_below(uint32_t n);

bool file_put(const char *path, const char *text);
long file_number(const char *path);

/* Namespaces */
int ns_new(void);
int ns_here(void);
void ns_enter(int ns);
void world_up(struct world *w, bool two, bool v6, const char *alg);
void world_down(struct world *w);
void daemons_up(struct world *w);
void veth_up(struct world *w);
void veth_down(struct world *w);
void settle(struct world *w);
int address_change(struct world *w, int who, bool add);
int ns_socket(const struct world *w, int who, int type);

/* States and policies: from @from to the other; 0 or -errno. */
enum sa_op { SA_NEW, SA_UPDATE, SA_DELETE };

/**
 * struct limits - when an SA expires; 0: never
 */
struct limits {
	uint64_t soft_packets, hard_packets, soft_bytes, hard_bytes;
	uint64_t hard_seconds;
};

uint32_t sa_spi(int from);
int sa_do(struct world *w, int in, int from, enum sa_op op, uint16_t sport,
	  uint16_t dport, const struct limits *limits);
/* Both SAs in all namespaces. */
void sas_do(struct world *w, enum sa_op op, const struct conn *c,
	    const struct limits *limits);
int sa_flush(struct world *w, int in);
void sas_flush(struct world *w);
void policies_up(struct world *w);

/* Connections */
int attach(int fd, const char *ulp);
int connect_to(const struct world *w, int fd, int to, uint16_t port);
int bind_to(const struct world *w, int fd, int who, uint16_t port);
uint16_t port_of(int fd);
void conn_open(struct world *w, struct conn *c);
void conn_close(struct conn *c);
void conn_reset(struct conn *c);
void reset_close(int fd);
void timeouts(int fd, int ms);

/*
 * @who's end stands for UDP between @port at both ends; 0: for nothing. 0 or -errno.
 */
int bridge(const struct world *w, int fd, int who, uint16_t port);
void bridges_up(const struct world *w, const struct conn *c);
/* The longest message that a connection's SAs make. */
int limit(int fd, int bytes);

/* Messages: @seed makes their bytes. */
void ike_fill(uint8_t *body, size_t len, uint32_t seed);
bool ike_is(const uint8_t *body, size_t len);
uint32_t ike_seed(const uint8_t *body);
ssize_t ike_write(int fd, size_t len, uint32_t seed, int flags);
void ike_expect(int fd, size_t len, uint32_t seed);
size_t frame_ike(uint8_t *out, size_t len, uint32_t seed);
/* By UDP, from @from's daemon to the other. */
ssize_t daemon_send(const struct world *w, int from, size_t len, uint32_t seed);

/* Inner packets */
int udp_open(struct world *w, int who);
int udp_send(const struct world *w, int fd, int to, const void *data,
	     size_t len);

/*
 * A new connection carries IKE and ESP both ways; in a bridged world also in the place
 * of UDP.
 */
void clean_works(struct world *w);

unsigned long stat_of(const char *name);

#endif
