/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every part of the load program uses: two network namespaces joined by
 * veth, connections between them, states by netlink, counters, memory, and
 * results in TAP.
 */
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Results
 */
__attribute__((format(printf, 2, 3)))
bool ok(bool good, const char *fmt, ...);
__attribute__((format(printf, 1, 2)))
void diag(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn))
void die(const char *fmt, ...);
int done_testing(void);

/* A call that must work; its value. */
#define need(expr) ({							\
	errno = 0;							\
	long need_rc_ = (long)(expr);					\
	if (need_rc_ < 0)						\
		die("%s:%d: %s: %s", __FILE__, __LINE__, #expr,		\
		    strerror(errno));					\
	need_rc_;							\
})

uint64_t now_ms(void);
void msleep(unsigned int ms);
/* As a number given on the command line, or by default. */
unsigned int option(int argc, char **argv, const char *name, unsigned int def);
const char *option_text(int argc, char **argv, const char *name,
			const char *def);
/* Time limits are so many times as long: IKETCP_SLOW. */
unsigned int slow(void);
uint32_t random_next(uint32_t *state);

/*
 * The network: A and B, and what they have inside their tunnels.
 */
enum host { A, B };

#define IKE_PORT	4500
#define MANY_FILES	1000000

void world_up(unsigned int a_addresses);
void world_down(void);
void enter(enum host host);
void leave(void);
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sysctl_write(enum host host, const char *name, const char *value);
/* An outer address: n counts A's from 0. */
struct in_addr outer(enum host host, unsigned int n);
/* The address inside the tunnel of connection n. */
struct in_addr inner(enum host host, unsigned int n);

int sock_new(enum host host, int type);
struct sockaddr_in address(struct in_addr addr, uint16_t port);
int sock_listen(enum host host, struct in_addr addr, uint16_t port);
uint16_t sock_port(int fd);
void sock_reset(int fd);
int attach(int fd, const char *ulp);
void bypass(int fd);

/**
 * struct link - a connection between A and B
 * @a: A's socket, which connected
 * @b: B's
 * @port: A's port
 */
struct link {
	int a, b;
	uint16_t port;
};

/* What the sockets get: see link_open(). */
enum kind { PLAIN, IKETCP, ESPINTCP, STOCK };

extern const char *const kind_names[];

/* "kind" as the benchmark names them: iketcp, espintcp for the kernel's own, or tcp. */
enum kind option_kind(int argc, char **argv);

/* From a new socket to a connection, its prefix past. */
void link_open(struct link *l, int listener, enum kind kind);
void links_open(struct link *l, unsigned int n, int listener, enum kind kind);
void links_reset(struct link *l, unsigned int n);

/*
 * States and policies.
 */
struct mnl_socket;

/**
 * struct nl - a socket of NETLINK_XFRM, and messages to be sent by it
 */
struct nl {
	struct mnl_socket *sock;
	unsigned int seq;
	size_t used;
	struct nlmsghdr *last;
	char buf[32768];
};

/**
 * struct sa - a state
 * @from: A or B
 * @n: which connection; also its reqid
 * @spi: host order
 * @port: A's port
 */
struct sa {
	enum host from;
	unsigned int n;
	uint32_t spi;
	uint16_t port;
};

/**
 * struct sa_count - what a state has counted
 * @sa: whose; the port is not known
 * @packets: packets
 */
struct sa_count {
	struct sa sa;
	uint64_t packets;
};

struct nl *nl_open(enum host host);
void nl_close(struct nl *nl);
void sa_add(struct nl *nl, const struct sa *sa);
void sa_update(struct nl *nl, const struct sa *sa);
/* What it had counted. */
uint64_t sa_delete(struct nl *nl, const struct sa *sa);
void policy_out(struct nl *nl, enum host host, unsigned int n);
void policy_in(struct nl *nl, enum host host);
void xfrm_flush(struct nl *nl);
/* Everything that was asked for above is done afterwards. */
void nl_commit(struct nl *nl);
void sa_dump(struct nl *nl, void (*fn)(const struct sa_count *c, void *arg),
	     void *arg);

#define SPI(from, n)	(((from) == A ? 0x10000000u : 0x20000000u) + (n))

/*
 * Counters and memory.
 */
/* A counter of /proc/net/FILE, 0 where it is not. */
unsigned long stat_get(enum host host, const char *file, const char *name);
/* Of all that begin with "Xfrm", into a line; how many packets. */
unsigned long xfrm_faults(enum host host, char *line, size_t len);
/* Bytes of all packets' queues, and the numbers of sockets. */
long sockets_in_use(enum host host, const char *what);
long module_refs(void);

/**
 * struct memory - the machine's memory in KiB
 * @used: all of it but the page cache
 * @slab: of that: small objects of the kernel
 */
struct memory {
	long used, slab;
};

/* After giving back all that is kept for later. */
struct memory memory_settled(void);

#define MAX_SLABS	512

struct slabs {
	unsigned int n;
	struct {
		char name[40];
		long objects;
	} of[MAX_SLABS];
};

void slabs_take(struct slabs *s);
/* No cache has grown by more than @most objects, in the end. */
bool slabs_same(const struct slabs *before, long most, unsigned int seconds);

int load_many(int argc, char **argv);
int load_churn(int argc, char **argv);
int load_strangers(int argc, char **argv);
int load_soak(int argc, char **argv);
int load_tunnels(int argc, char **argv);
int load_connect(int argc, char **argv);

#endif
