/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every program of the socket suite uses: connections over the three
 * address families, frames built by hand, counters, and a runner that gives
 * each test a process and a network namespace of its own.
 */
#ifndef SOCK_H
#define SOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
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
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cmocka.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

/* The draft's numbers, written down again here so as to share nothing. */
#define PREFIX		"IKETCP"
#define PREFIX_LEN	6
#define LEN_LEN		2
#define MARKER_LEN	4
#define FRAME_MAX	65535
#define BODY_MAX	(FRAME_MAX - LEN_LEN)
#define BODY_MIN	(MARKER_LEN + 1)

/* Emulated machines are slow: wait long for what must come, ... */
#define WAIT_MS		10000
/* ... and only a little for what must not. */
#define QUIET_MS	60

enum family { V4, V6, MAPPED, NR_FAMILIES };
enum mode { ESPINTCP, RESPONDER, ORIGINATOR, NR_MODES };

/**
 * struct env - the variant that a test runs in
 * @family: what the connection runs over; MAPPED: our end is an AF_INET6
 *	socket with IPv4-mapped addresses, the peer's is AF_INET
 * @mode: which of the protocol's names and roles our end has
 * @ulp: the name that goes with @mode
 */
struct env {
	enum family family;
	enum mode mode;
	const char *ulp;
};

/* Sets of variants: one bit for each (family, mode). */
#define VARIANT(f, m)	(1u << ((f) * NR_MODES + (m)))
#define ONE		VARIANT(V4, ESPINTCP)
#define FAMILIES	(VARIANT(V4, ESPINTCP) | VARIANT(V6, ESPINTCP) | \
			 VARIANT(MAPPED, ESPINTCP))
#define RESPONDERS	(VARIANT(V4, RESPONDER) | VARIANT(V6, RESPONDER) | \
			 VARIANT(MAPPED, RESPONDER))
#define ORIGINATORS	(VARIANT(V4, ORIGINATOR) | VARIANT(V6, ORIGINATOR) | \
			 VARIANT(MAPPED, ORIGINATOR))
#define MODES		(VARIANT(V4, ESPINTCP) | VARIANT(V4, RESPONDER) | \
			 VARIANT(V4, ORIGINATOR))
#define MAPPED_MODES	(VARIANT(MAPPED, ESPINTCP) | \
			 VARIANT(MAPPED, RESPONDER) | \
			 VARIANT(MAPPED, ORIGINATOR))
/* Every family and every mode at least once. */
#define SOME		(VARIANT(V4, ESPINTCP) | VARIANT(V6, RESPONDER) | \
			 VARIANT(MAPPED, ORIGINATOR))
#define ALL		(FAMILIES | RESPONDERS | ORIGINATORS)

/**
 * struct test - one test
 * @name: its name
 * @fn: its function
 * @variants: the variants that it runs in
 * @seconds: after so many it is taken to hang; 0: a default
 */
struct test {
	const char *name;
	void (*fn)(const struct env *e);
	unsigned int variants;
	unsigned int seconds;
};

#define TEST(fn, variants)		{ #fn, fn, variants, 0 }
#define TEST_SECONDS(fn, variants, s)	{ #fn, fn, variants, s }

int sock_main(const char *group, const struct test *tests, size_t count,
	      int argc, char **argv);

#define SOCK_MAIN(group, tests)						\
	int main(int argc, char **argv)					\
	{								\
		return sock_main(group, tests, ARRAY_LEN(tests),	\
				 argc, argv);				\
	}

/*
 * Where the test is: the helpers below say it when they fail, and the
 * watchdog when it bites.
 */
extern const char *at_file;
extern int at_line;

#define AT()		((void)(at_file = __FILE__, at_line = __LINE__))

__attribute__((format(printf, 1, 2), noreturn))
void die_(const char *fmt, ...);
#define die(...)	(AT(), die_(__VA_ARGS__))

/* A call that must work; its value. */
#define need(expr) ({							\
	AT();								\
	errno = 0;							\
	long need_rc_ = (long)(expr);					\
	if (need_rc_ < 0)						\
		die_("%s: %s", #expr, strerror(errno));			\
	need_rc_;							\
})

/* A call that must fail, with one of the errors given; the error. */
#define refused(expr, ...) ({						\
	AT();								\
	errno = 0;							\
	long refused_rc_ = (long)(expr);				\
	refused_(refused_rc_, errno, #expr,				\
		 (const int[]){ __VA_ARGS__, 0 });			\
})
int refused_(long rc, int err, const char *what, const int *errors);

/* A condition that must hold; the rest of the arguments is a message. */
#define check(cond, ...) do {						\
	AT();								\
	if (!(cond))							\
		die_("not true: " #cond "; " __VA_ARGS__);		\
} while (0)

#define check_eq(a, b) do {						\
	long check_a_ = (long)(a), check_b_ = (long)(b);		\
	AT();								\
	if (check_a_ != check_b_)					\
		die_("%s is %ld, not %s (%ld)", #a, check_a_,		\
		     #b, check_b_);					\
} while (0)

/*
 * Sockets
 */
struct tuning {
	int us_rcvbuf, us_sndbuf, peer_rcvbuf, peer_sndbuf;
};

enum end { US, PEER };

int attach_len(int fd, const char *name, socklen_t len);
int attach(int fd, const char *name);

int sock_new(const struct env *e, enum end end, const struct tuning *t);
int sock_bind(const struct env *e, enum end end, int fd, uint16_t port);
uint16_t sock_port(int fd);
uint16_t sock_peer_port(int fd);
int sock_connect(const struct env *e, enum end end, int fd, uint16_t port);
int sock_listen(const struct env *e, enum end end, const struct tuning *t,
		int backlog, uint16_t *port);
int sock_accept(int listener);

/* A plain TCP connection; @server says which end accepted it. */
void pair_open(const struct env *e, enum end server, const struct tuning *t,
	       int *us, int *peer);
/* One with the protocol attached to our end, the prefix past. */
void ready(const struct env *e, int *us, int *peer);
void ready_tuned(const struct env *e, const struct tuning *t,
		 int *us, int *peer);

/* A port whose connections stay in SYN_SENT until the hole is opened. */
struct hole {
	int listener, filler;
	uint16_t port;
};
void hole_open(const struct env *e, struct hole *h);
/* Let the next connection through and return the peer's end of it. */
int hole_let_through(struct hole *h);
void hole_close(struct hole *h);

void nonblock(int fd, bool on);
void nodelay(int fd);
void timeout_set(int fd, int opt, int ms);
void reset_close(int fd);
void msleep(unsigned int ms);
uint64_t now_ms(void);
int revents(int fd, int events, int timeout_ms);
void sysctl_write(const char *path, const char *value);
int loopback_up(void);
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Bytes. Threads use only the functions that return -1 and leave the
 * judgement to the test's own thread.
 */
int put_all(int fd, const void *buf, size_t len);
int get_all(int fd, void *buf, size_t len);

void ike_fill(uint8_t *body, size_t len, uint32_t seed);
size_t frame_put(uint8_t *out, const void *body, size_t len);
size_t frame_ike(uint8_t *out, size_t len, uint32_t seed);

#define peer_put(...)		(AT(), peer_put_(__VA_ARGS__))
#define peer_put_ike(...)	(AT(), peer_put_ike_(__VA_ARGS__))
#define peer_expect(...)	(AT(), peer_expect_(__VA_ARGS__))
#define peer_expect_ike(...)	(AT(), peer_expect_ike_(__VA_ARGS__))
#define peer_expect_eof(...)	(AT(), peer_expect_eof_(__VA_ARGS__))
#define peer_expect_reset(...)	(AT(), peer_expect_reset_(__VA_ARGS__))
#define peer_expect_end(...)	(AT(), peer_expect_end_(__VA_ARGS__))
#define us_put_ike(...)		(AT(), us_put_ike_(__VA_ARGS__))
#define us_expect_ike(...)	(AT(), us_expect_ike_(__VA_ARGS__))
#define us_expect_eof(...)	(AT(), us_expect_eof_(__VA_ARGS__))
#define us_expect_error(fd, ...) \
	(AT(), us_expect_error_(fd, (const int[]){ __VA_ARGS__, 0 }))
#define quiet(...)		(AT(), quiet_(__VA_ARGS__))

void peer_put_(int fd, const void *buf, size_t len);
void peer_put_ike_(int fd, size_t len, uint32_t seed);
void peer_expect_(int fd, const void *buf, size_t len);
void peer_expect_ike_(int fd, size_t len, uint32_t seed);
/* The peer sees the end of the stream; a reset; either. */
void peer_expect_eof_(int fd);
void peer_expect_reset_(int fd);
void peer_expect_end_(int fd);
void us_put_ike_(int fd, size_t len, uint32_t seed);
/* poll() says readable and read() gives this very message. */
void us_expect_ike_(int fd, size_t len, uint32_t seed);
void us_expect_eof_(int fd);
void us_expect_error_(int fd, const int *errors);
/* Nothing becomes readable, for a little while. */
void quiet_(int fd);

/*
 * Counters: the names in /proc/net/iketcp_stat, in one place.
 */
#define STATS(X)							\
	X(InIke) X(InEsp) X(InKeepalive) X(InShort) X(InEmpty)		\
	X(InBadPrefix) X(InPrefixTimeout) X(InBadLength)		\
	X(InUnknownSpi) X(InBadAuth)					\
	X(InCorruptMessage) X(InCorruptSpi) X(InCorruptAuth)		\
	X(InIkeFull) X(InNoDevice) X(InNoMem) X(InTooLong) X(InPartial)	\
	X(OutIke) X(OutEsp) X(OutNoConn) X(OutMoved) X(OutFallback)	\
	X(OutFull) X(OutDelay) X(OutClosed) X(OutNoMem) X(OutKeepalive)	\
	X(OutTooLong) X(OutCrypto) X(OutLoop) X(OutGap)			\
	X(ListenDrop) X(Attach) X(Detach)

enum counter {
#define X(name) name,
	STATS(X)
#undef X
	NR_STATS
};

struct stats {
	unsigned long v[NR_STATS];
};

void stats_take(struct stats *s);
#define stat_expect(...)	(AT(), stat_expect_(__VA_ARGS__))
/* @which has grown by exactly @delta since @before, in the end. */
void stat_expect_(const struct stats *before, enum counter which,
		  unsigned long delta);
unsigned long xfrm_stat(const char *name);
#define xfrm_stat_expect(...)	(AT(), xfrm_stat_expect_(__VA_ARGS__))
void xfrm_stat_expect_(const char *name, unsigned long value);

#endif /* SOCK_H */
