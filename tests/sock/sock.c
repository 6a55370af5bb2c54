// SPDX-License-Identifier: GPL-2.0
/* Connections, bytes and counters for the socket suite. */
#include "sock.h"

#include <limits.h>
#include <net/if.h>
#include <time.h>

const char *at_file = "?";
int at_line;

void die_(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_error("%s:%d: %s\n", at_file, at_line, text);
	_fail(at_file, at_line);
	abort();
}

int refused_(long rc, int err, const char *what, const int *errors)
{
	const int *e;

	if (rc >= 0)
		die_("%s: worked (%ld), expected %s", what, rc,
		     strerrorname_np(errors[0]));
	for (e = errors; *e; e++)
		if (*e == err)
			return err;
	die_("%s: %s, expected %s", what, strerrorname_np(err),
	     strerrorname_np(errors[0]));
}

/*
 * Sockets
 */
int attach_len(int fd, const char *name, socklen_t len)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, len);
}

int attach(int fd, const char *name)
{
	return attach_len(fd, name, strlen(name) + 1);
}

static int domain(const struct env *e, enum end end)
{
	if (e->family == V6 || (e->family == MAPPED && end == US))
		return AF_INET6;
	return AF_INET;
}

static socklen_t address(const struct env *e, enum end end, uint16_t port,
			 struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (domain(e, end) == AF_INET) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	inet_pton(AF_INET6, e->family == V6 ? "::1" : "::ffff:127.0.0.1",
		  &sin6->sin6_addr);
	return sizeof(*sin6);
}

static void tune(int fd, int rcvbuf, int sndbuf)
{
	if (rcvbuf)
		need(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf,
				sizeof(rcvbuf)));
	if (sndbuf)
		need(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf,
				sizeof(sndbuf)));
}

int sock_new(const struct env *e, enum end end, const struct tuning *t)
{
	int fd = need(socket(domain(e, end), SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (t && end == US)
		tune(fd, t->us_rcvbuf, t->us_sndbuf);
	else if (t)
		tune(fd, t->peer_rcvbuf, t->peer_sndbuf);
	return fd;
}

int sock_bind(const struct env *e, enum end end, int fd, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(e, end, port, &ss);

	return bind(fd, (struct sockaddr *)&ss, len);
}

static uint16_t port_of(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)ss)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)ss)->sin6_port);
}

uint16_t sock_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	need(getsockname(fd, (struct sockaddr *)&ss, &len));
	return port_of(&ss);
}

uint16_t sock_peer_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	need(getpeername(fd, (struct sockaddr *)&ss, &len));
	return port_of(&ss);
}

int sock_connect(const struct env *e, enum end end, int fd, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(e, end, port, &ss);

	return connect(fd, (struct sockaddr *)&ss, len);
}

int sock_listen(const struct env *e, enum end end, const struct tuning *t,
		int backlog, uint16_t *port)
{
	int fd = sock_new(e, end, t);

	need(sock_bind(e, end, fd, 0));
	need(listen(fd, backlog));
	*port = sock_port(fd);
	return fd;
}

int sock_accept(int listener)
{
	if (!(revents(listener, POLLIN, WAIT_MS) & POLLIN))
		die_("no connection came");
	return need(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

void pair_open(const struct env *e, enum end server, const struct tuning *t,
	       int *us, int *peer)
{
	enum end client = server == US ? PEER : US;
	uint16_t port;
	int l, s, c;

	l = sock_listen(e, server, t, 8, &port);
	c = sock_new(e, client, t);
	need(sock_connect(e, client, c, port));
	s = sock_accept(l);
	need(close(l));
	*us = server == US ? s : c;
	*peer = server == US ? c : s;
	nodelay(*peer);
}

void ready_tuned(const struct env *e, const struct tuning *t,
		 int *us, int *peer)
{
	uint16_t port;
	int l;

	switch (e->mode) {
	case ESPINTCP:
		pair_open(e, US, t, us, peer);
		need(attach(*us, e->ulp));
		return;
	case RESPONDER:
		pair_open(e, US, t, us, peer);
		need(attach(*us, e->ulp));
		peer_put_(*peer, PREFIX, PREFIX_LEN);
		return;
	case ORIGINATOR:
		l = sock_listen(e, PEER, t, 8, &port);
		*us = sock_new(e, US, t);
		need(attach(*us, e->ulp));
		need(sock_connect(e, US, *us, port));
		*peer = sock_accept(l);
		need(close(l));
		nodelay(*peer);
		peer_expect_(*peer, PREFIX, PREFIX_LEN);
		return;
	default:
		die_("no such mode");
	}
}

void ready(const struct env *e, int *us, int *peer)
{
	ready_tuned(e, NULL, us, peer);
}

/*
 * A listener whose queue is full drops a SYN without an answer; the client
 * tries again after a second, and after three.
 */
void hole_open(const struct env *e, struct hole *h)
{
	h->listener = sock_listen(e, PEER, NULL, 0, &h->port);
	h->filler = sock_new(e, PEER, NULL);
	need(sock_connect(e, PEER, h->filler, h->port));
}

int hole_let_through(struct hole *h)
{
	need(close(sock_accept(h->listener)));
	return sock_accept(h->listener);
}

void hole_close(struct hole *h)
{
	need(close(h->listener));
	need(close(h->filler));
}

void nonblock(int fd, bool on)
{
	int flags = need(fcntl(fd, F_GETFL));

	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	need(fcntl(fd, F_SETFL, flags));
}

void nodelay(int fd)
{
	int one = 1;

	need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
}

void timeout_set(int fd, int opt, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	need(setsockopt(fd, SOL_SOCKET, opt, &tv, sizeof(tv)));
}

void reset_close(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	need(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	need(close(fd));
}

void msleep(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

int revents(int fd, int events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int rc;

	do {
		rc = poll(&p, 1, timeout_ms);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? rc : p.revents;
}

void sysctl_write(const char *path, const char *value)
{
	int fd = need(open(path, O_WRONLY | O_CLOEXEC));

	need(write(fd, value, strlen(value)));
	need(close(fd));
}

/* By hand: in a bare user namespace an "ip" would have no capability. */
int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -1;
	rc = ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (!rc)
		rc = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return rc;
}

int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/*
 * Bytes
 */
int put_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

int get_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		int ev = revents(fd, POLLIN, WAIT_MS);
		ssize_t n;

		if (!ev) {
			errno = ETIMEDOUT;
			return -1;
		}
		n = recv(fd, p, len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return -1;
		if (!n) {
			errno = ENODATA;
			return -1;
		}
		p += n;
		len -= n;
	}
	return 0;
}

/* A marker, then the seed, then bytes that follow from seed and place. */
void ike_fill(uint8_t *body, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 12345;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		if (i < MARKER_LEN)
			body[i] = 0;
		else if (i < MARKER_LEN + 4)
			body[i] = seed >> (8 * (i - MARKER_LEN));
		else
			body[i] = x >> 24;
	}
}

size_t frame_put(uint8_t *out, const void *body, size_t len)
{
	size_t total = len + LEN_LEN;

	out[0] = total >> 8;
	out[1] = total & 0xff;
	memcpy(out + LEN_LEN, body, len);
	return total;
}

size_t frame_ike(uint8_t *out, size_t len, uint32_t seed)
{
	size_t total = len + LEN_LEN;

	out[0] = total >> 8;
	out[1] = total & 0xff;
	ike_fill(out + LEN_LEN, len, seed);
	return total;
}

static void compare(const uint8_t *got, const uint8_t *want, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (got[i] != want[i])
			die_("byte %zu of %zu is %02x, not %02x",
			     i, len, got[i], want[i]);
}

void peer_put_(int fd, const void *buf, size_t len)
{
	if (put_all(fd, buf, len))
		die_("the peer's send of %zu bytes: %s", len, strerror(errno));
}

void peer_put_ike_(int fd, size_t len, uint32_t seed)
{
	static uint8_t buf[FRAME_MAX];

	peer_put_(fd, buf, frame_ike(buf, len, seed));
}

void peer_expect_(int fd, const void *want, size_t len)
{
	uint8_t *buf = malloc(len);

	if (get_all(fd, buf, len))
		die_("the peer's read of %zu bytes: %s", len, strerror(errno));
	compare(buf, want, len);
	free(buf);
}

void peer_expect_ike_(int fd, size_t len, uint32_t seed)
{
	static uint8_t buf[FRAME_MAX];

	peer_expect_(fd, buf, frame_ike(buf, len, seed));
}

static int peer_end(int fd)
{
	char c[64];
	ssize_t n;

	if (!(revents(fd, POLLIN, WAIT_MS) & (POLLIN | POLLERR | POLLHUP)))
		die_("the peer waits in vain for the stream's end");
	n = recv(fd, c, sizeof(c), MSG_DONTWAIT);
	if (n > 0)
		die_("the peer reads %zd bytes in place of the stream's end", n);
	return n ? errno : 0;
}

void peer_expect_eof_(int fd)
{
	int err = peer_end(fd);

	if (err)
		die_("the peer sees %s in place of the stream's end",
		     strerrorname_np(err));
}

void peer_expect_reset_(int fd)
{
	int err = peer_end(fd);

	if (err != ECONNRESET)
		die_("the peer sees %s in place of a reset",
		     err ? strerrorname_np(err) : "the end of the stream");
}

void peer_expect_end_(int fd)
{
	int err = peer_end(fd);

	if (err && err != ECONNRESET && err != EPIPE)
		die_("the peer sees %s in place of a reset",
		     strerrorname_np(err));
}

void us_put_ike_(int fd, size_t len, uint32_t seed)
{
	static uint8_t buf[BODY_MAX];
	ssize_t n;

	ike_fill(buf, len, seed);
	n = send(fd, buf, len, MSG_NOSIGNAL);
	if (n < 0)
		die_("send of %zu bytes: %s", len, strerrorname_np(errno));
	if ((size_t)n != len)
		die_("send of %zu bytes returns %zd", len, n);
}

void us_expect_ike_(int fd, size_t len, uint32_t seed)
{
	static uint8_t got[FRAME_MAX + 1], want[BODY_MAX];
	int ev = revents(fd, POLLIN, WAIT_MS);
	ssize_t n;

	if (!(ev & POLLIN))
		die_("no message of %zu bytes came (poll says %#x)", len, ev);
	n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	if (n < 0)
		die_("read of a message of %zu bytes: %s (poll said %#x)",
		     len, strerrorname_np(errno), ev);
	if ((size_t)n != len)
		die_("read a message of %zd bytes, not %zu", n, len);
	ike_fill(want, len, seed);
	compare(got, want, len);
}

void us_expect_eof_(int fd)
{
	int ev = revents(fd, POLLIN, WAIT_MS);
	char c[16];
	ssize_t n;

	if (!(ev & POLLIN))
		die_("no end of stream (poll says %#x)", ev);
	n = recv(fd, c, sizeof(c), MSG_DONTWAIT);
	if (n)
		die_("read gives %zd (%s), not the end of the stream", n,
		     n < 0 ? strerrorname_np(errno) : "no error");
}

void us_expect_error_(int fd, const int *errors)
{
	int ev = revents(fd, POLLIN, WAIT_MS);
	char c[16];
	ssize_t n;

	if (!ev)
		die_("no error is waiting");
	n = recv(fd, c, sizeof(c), MSG_DONTWAIT);
	refused_(n, errno, "read", errors);
}

void quiet_(int fd)
{
	int ev = revents(fd, POLLIN, QUIET_MS);
	char c[16];
	ssize_t n;

	if (ev)
		die_("poll says %#x where nothing is to be read", ev);
	n = recv(fd, c, sizeof(c), MSG_DONTWAIT);
	if (n >= 0)
		die_("read gives %zd where nothing is to be read", n);
	if (errno != EAGAIN)
		die_("read gives %s, not EAGAIN", strerrorname_np(errno));
}

/*
 * Counters
 */
static const char *const stat_names[NR_STATS] = {
#define X(name) [name] = #name,
	STATS(X)
#undef X
};

static int counter_read(const char *path, const char *name, unsigned long *value)
{
	char line[256], word[128];
	int found = -1;
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return -1;
	while (found && fgets(line, sizeof(line), f)) {
		unsigned long v;

		if (sscanf(line, "%127s %lu", word, &v) == 2 &&
		    !strcmp(word, name)) {
			*value = v;
			found = 0;
		}
	}
	fclose(f);
	return found;
}

static unsigned long stat_get(enum counter which)
{
	unsigned long v;

	if (counter_read("/proc/net/iketcp_stat", stat_names[which], &v))
		die_("no counter %s in /proc/net/iketcp_stat",
		     stat_names[which]);
	return v;
}

void stats_take(struct stats *s)
{
	int i;

	AT();
	for (i = 0; i < NR_STATS; i++)
		if (counter_read("/proc/net/iketcp_stat", stat_names[i], &s->v[i]))
			s->v[i] = 0;
}

void stat_expect_(const struct stats *before, enum counter which,
		  unsigned long delta)
{
	uint64_t end = now_ms() + WAIT_MS;
	unsigned long got;

	do {
		got = stat_get(which) - before->v[which];
		if (got >= delta)
			break;
		msleep(5);
	} while (now_ms() < end);
	if (got != delta)
		die_("%s grew by %lu, not by %lu", stat_names[which], got,
		     delta);
}

unsigned long xfrm_stat(const char *name)
{
	unsigned long v;

	if (counter_read("/proc/net/xfrm_stat", name, &v))
		die_("no counter %s in /proc/net/xfrm_stat", name);
	return v;
}

void xfrm_stat_expect_(const char *name, unsigned long value)
{
	uint64_t end = now_ms() + WAIT_MS;
	unsigned long got;

	while ((got = xfrm_stat(name)) < value && now_ms() < end)
		msleep(5);
	if (got != value)
		die_("%s is %lu, not %lu", name, got, value);
}
