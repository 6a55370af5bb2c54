// SPDX-License-Identifier: GPL-2.0
/*
 * Random socket calls from several threads on the same sockets, while ESP
 * states name these sockets and traffic goes through them.
 *
 * usage: call [-s SEED] [-t SECONDS] [-n CALLS] [-w WORKERS] [-g GENERATION] [-v]
 *
 *   -s  where the numbers begin (default 1)
 *   -t  end after so many seconds (default 20)
 *   -n  end after so many calls (default: no limit)
 *   -w  processes at a time (default 2)
 *   -g  this generation only
 *   -v  say how often each call was made and how often it worked
 *
 * A process ("generation") has a network namespace of its own, listeners,
 * states in both directions for all pairs of a few ports, policies that send
 * UDP through them, and four threads. Each thread makes random calls on a table
 * of descriptors that all share: sockets in every state of TCP, with one of the
 * ULPs or without. What a thread calls, with which arguments, follows from
 * seed, generation and thread; how the threads meet does not.
 *
 * What must hold: each call returns (a signal comes to one that waits; one that
 * does not return then is said to hang); no error is one of the kernel's own
 * (512 and above); when all is closed each attached socket was detached; when
 * all processes have ended nothing holds the module. For the rest the kernel's
 * checkers look.
 *
 * The last line is a summary. Exits with 1 when something was wrong.
 */
#include "mutate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/errqueue.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS		4
#define SLOTS		40
#define CALLS		1500	/* of a thread in a generation, at most */
#define MILLISECONDS	4000	/* of calls in a generation, about */

/* Listeners, and where connections come from. A state for each pair. */
#define PORTS		3
#define SERVER		5000
#define CLIENT		5010
/* Nothing is accepted here: who connects stays in SYN_SENT. */
#define HOLE		5020
#define POLICY		7000
#define STATES		(PORTS * PORTS * 2)

#define WAIT_MS		50	/* then a signal comes; the next one later */
#define HANG_MS		20000	/* then it hangs */
#define ERESTARTSYS	512	/* the first of the kernel's own errors */
#define NR_TCP_STATES	13

#define SOL_TCP_LEVEL	IPPROTO_TCP

/*
 * struct thread - one that makes calls
 * @number: ...
 * @handle: ...
 * @tid: the kernel's number
 * @rng: what it does follows from it
 * @op: what it does now
 * @since: when that began, ms; 0: between two
 * @looked_at: the @since that look() saw last
 * @signals: that were sent since then
 * @fd: that slot() gave last
 * @nl: for states
 * @diag: for SOCK_DESTROY
 * @pipe: ...
 * @pair: of UNIX sockets, for descriptors
 * @epoll: ...
 * @ring: ...
 * @ring_pipe: what the ring splices from, the end that is read; -1: nothing yet
 * @buf: ...
 */
struct thread {
	int number;
	pthread_t handle;
	pid_t tid;
	struct rng rng;
	atomic_int op;
	_Atomic uint64_t since;
	uint64_t looked_at;
	unsigned int signals;
	int fd;
	int nl, diag, pipe[2], pair[2], epoll, ring_pipe;
	struct io_uring ring;
	bool has_ring;
	uint8_t *buf;
};

#define NR_OPS_MAX	64

/* struct result - in memory that all processes see */
struct result {
	_Atomic uint64_t calls, generations, attached, esp_in, esp_out, ike_in;
	_Atomic uint64_t made[NR_OPS_MAX], worked[NR_OPS_MAX];
	_Atomic uint64_t tried_in[NR_TCP_STATES], attached_in[NR_TCP_STATES];
	_Atomic uint64_t failures;
};

static uint64_t seed = 1, limit_seconds = 20, limit_calls;
static unsigned int workers = 2;
static int only = -1;
static bool verbose;

static struct result *result;
static unsigned int generation;
static struct thread threads[THREADS];
static struct sa sas[2][STATES];
static atomic_int slots[SLOTS];
static int listeners[2][PORTS], udp[2], file, sockmap;
static atomic_bool stop;
static bool in_fork;

#define BUF		(1 << 17)
#define FILE_LEN	(1 << 18)

__attribute__((format(printf, 1, 2)))
static void fail(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDOUT_FILENO,
		"WRONG: generation %u: %s\nagain: call -s %llu -g %u\n",
		generation, text, (unsigned long long)seed, generation);
	result->failures++;
}

/* One that is open, most likely. */
static int slot(struct thread *t)
{
	uint32_t at = rng_below(&t->rng, SLOTS);
	int i, fd = -1;

	for (i = 0; i < SLOTS && fd < 0; i++)
		fd = slots[(at + i) % SLOTS];
	t->fd = rng_percent(&t->rng, 2) ? -1 : fd;
	return t->fd;
}

/* A new descriptor takes the place of one that there was. */
static long keep(struct thread *t, int fd)
{
	int old;

	if (fd < 0)
		return fd;
	old = atomic_exchange(&slots[rng_below(&t->rng, SLOTS)], fd);
	if (old >= 0)
		close(old);
	return fd;
}

static int any_family(struct thread *t)
{
	return rng_below(&t->rng, NR_FAMILIES);
}

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static const struct sa *any_sa(struct thread *t)
{
	return &sas[rng_below(&t->rng, 2)][rng_below(&t->rng, STATES)];
}

/*
 * Bytes: what the peer of a connection may send, what a daemon may write, and
 * neither.
 */
static size_t some_frames(struct thread *t, uint8_t *p)
{
	struct rng *r = &t->rng;
	uint32_t i, n = rng_in(r, 1, 10), len;
	uint8_t data[100];
	size_t at = 0;

	for (i = 0; i < n; i++) {
		uint8_t *body = p + at + LEN_LEN;

		switch (rng_below(r, 6)) {
		case 0:
			len = 1;
			*body = 0xff;
			break;
		case 1:
			len = rng_below(r, 5);
			rng_fill(r, body, len);
			break;
		case 2:
			len = rng_in(r, 5, 100);
			rng_fill(r, body, len);
			break;
		case 3:
		case 4:
			len = rng_in(r, 5, rng_percent(r, 90) ? 200 : 9000);
			rng_fill(r, body, len);
			memset(body, 0, MARKER_LEN);
			break;
		default:
			len = rng_below(r, sizeof(data));
			rng_fill(r, data, len);
			len = esp_make(body, any_sa(t), rng_next(r), data, len);
		}
		put16(p + at, LEN_LEN + len);
		at += LEN_LEN + len;
	}
	return at;
}

static size_t some_bytes(struct thread *t, uint8_t *p)
{
	struct rng *r = &t->rng;
	size_t len;

	switch (rng_below(r, 30)) {
	case 0:
		memcpy(p, PREFIX, PREFIX_LEN);
		return PREFIX_LEN;
	case 1:
		memcpy(p, PREFIX, PREFIX_LEN);
		return PREFIX_LEN + some_frames(t, p + PREFIX_LEN);
	case 2:
		len = rng_percent(r, 90) ? rng_below(r, 2000) :
					   rng_below(r, 70000);
		rng_fill(r, p, len);
		return len;
	case 3:
		put16(p, rng_below(r, 2));
		return LEN_LEN;
	case 4:
		*p = 0xff;
		return 1;
	case 5:
	case 6:
		/* What one write() takes. */
		len = rng_in(r, 5, rng_percent(r, 90) ? 300 : BODY_MAX + 2);
		rng_fill(r, p, len);
		memset(p, 0, MARKER_LEN);
		return len;
	case 8:
		/* Part of a message. */
		len = some_frames(t, p);
		return len - rng_below(r, len);
	default:
		return some_frames(t, p);
	}
}

static int some_flags(struct thread *t, bool sending)
{
	static const int out[] = {
		MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_EOR, MSG_OOB,
		MSG_DONTROUTE, MSG_CONFIRM, MSG_ZEROCOPY, MSG_FASTOPEN,
		0x10, 0x40000, 1 << 30, 1 << 27,
	};
	static const int in[] = {
		MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB,
		MSG_ERRQUEUE, MSG_CMSG_CLOEXEC, MSG_WAITFORONE, MSG_CTRUNC,
	};
	int n = rng_below(&t->rng, 3), flags = 0;

	/* Not to wait is what keeps it going. */
	if (rng_percent(&t->rng, 70))
		flags |= MSG_DONTWAIT;
	while (n--)
		flags |= sending ? out[rng_below(&t->rng, ARRAY_LEN(out))] :
				   in[rng_below(&t->rng, ARRAY_LEN(in))];
	if (rng_percent(&t->rng, 2))
		flags = rng_next(&t->rng);
	return flags;
}

/*
 * The calls. Each returns what the kernel said.
 */
static long op_socket(struct thread *t)
{
	int fd = socket(rng_percent(&t->rng, 50) ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_CLOEXEC |
			(rng_percent(&t->rng, 50) ? SOCK_NONBLOCK : 0), 0);

	if (fd >= 0)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return keep(t, fd);
}

static long op_bind(struct thread *t)
{
	struct sockaddr_storage ss;
	uint32_t n = rng_below(&t->rng, 3);
	uint16_t port = rng_below(&t->rng, PORTS);
	socklen_t len;

	len = loopback(any_family(t), n == 0 ? 0 : n == 1 ? CLIENT + port :
							    SERVER + port, &ss);
	return bind(slot(t), (void *)&ss, len);
}

static long op_listen(struct thread *t)
{
	return listen(slot(t), rng_below(&t->rng, 4));
}

static uint16_t some_port(struct thread *t)
{
	return rng_percent(&t->rng, 20) ? HOLE :
	       rng_percent(&t->rng, 10) ? 1 : /* refused */
	       SERVER + rng_below(&t->rng, PORTS);
}

static long op_connect(struct thread *t)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(any_family(t), some_port(t), &ss);

	return connect(slot(t), (void *)&ss, len);
}

static long op_connect_unspec(struct thread *t)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };

	return connect(slot(t), (void *)&ss, sizeof(struct sockaddr_in));
}

static long op_accept(struct thread *t)
{
	int fd = rng_percent(&t->rng, 50) ? slot(t) :
		 listeners[rng_below(&t->rng, 2)][rng_below(&t->rng, PORTS)];

	return keep(t, accept4(fd, NULL, NULL, SOCK_CLOEXEC |
			       (rng_percent(&t->rng, 50) ? SOCK_NONBLOCK : 0)));
}

static long do_attach(struct thread *t, int fd)
{
	static const char *const names[] = {
		"iketcp", "iketcp", "iketcp", "espintcp", "espintcp",
		"espintcp", "tls", "nonsense", "",
	};
	const char *name = names[rng_below(&t->rng, ARRAY_LEN(names))];
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	long rc;

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	rc = setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, strlen(name));
	/* Another thread may have come in between: it is about the numbers. */
	if (info.tcpi_state < NR_TCP_STATES && strlen(name) >= 6) {
		result->tried_in[info.tcpi_state]++;
		result->attached_in[info.tcpi_state] += !rc;
	}
	return rc;
}

static long op_attach(struct thread *t)
{
	return do_attach(t, slot(t));
}

/* A connection, both of whose ends anybody may have. */
static long op_pair(struct thread *t)
{
	bool v6 = rng_percent(&t->rng, 50), before = rng_percent(&t->rng, 30);
	int a = rng_below(&t->rng, PORTS), fd, us;
	struct sockaddr_storage ss;
	socklen_t len;

	fd = socket(v6 ? AF_INET6 : AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (rng_percent(&t->rng, 80)) {
		len = loopback(v6 ? V6 : V4,
			       CLIENT + rng_below(&t->rng, PORTS), &ss);
		bind(fd, (void *)&ss, len);
	}
	if (before)
		setsockopt(fd, IPPROTO_TCP, TCP_ULP, "iketcp", 6);
	len = loopback(v6 ? V6 : V4, SERVER + a, &ss);
	if (connect(fd, (void *)&ss, len) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	us = accept4(listeners[v6][a], NULL, NULL,
		     SOCK_CLOEXEC |
		     (rng_percent(&t->rng, 50) ? SOCK_NONBLOCK : 0));
	if (us >= 0 && rng_percent(&t->rng, 60))
		do_attach(t, us);
	if (!before && rng_percent(&t->rng, 50))
		do_attach(t, fd);
	else if (!before)
		send(fd, PREFIX, PREFIX_LEN, MSG_DONTWAIT | MSG_NOSIGNAL);
	keep(t, us);
	return keep(t, fd);
}

static long op_send(struct thread *t)
{
	size_t len = some_bytes(t, t->buf);

	return send(slot(t), t->buf, len, some_flags(t, true));
}

static long op_write(struct thread *t)
{
	size_t len = some_bytes(t, t->buf);

	return write(slot(t), t->buf, len);
}

static long op_sendto(struct thread *t)
{
	size_t len = some_bytes(t, t->buf);
	struct sockaddr_storage ss;
	socklen_t alen = loopback(any_family(t), some_port(t), &ss);

	return sendto(slot(t), t->buf, len, some_flags(t, true), (void *)&ss,
		      alen);
}

static void some_msg(struct thread *t, struct msghdr *msg, struct iovec *iov,
		     uint32_t vectors, size_t len)
{
	size_t at = 0, n;
	uint32_t i;

	memset(msg, 0, sizeof(*msg));
	msg->msg_iov = iov;
	for (i = 0; i < vectors; i++) {
		n = i == vectors - 1 ? len - at : rng_below(&t->rng, len - at);
		iov[i].iov_base = t->buf + at;
		iov[i].iov_len = n;
		at += n;
	}
	msg->msg_iovlen = vectors;
	/* Memory that is not there. */
	if (rng_percent(&t->rng, 5))
		iov[rng_below(&t->rng, vectors)].iov_base = (void *)4096;
}

static long op_sendmsg(struct thread *t)
{
	uint8_t control[CMSG_SPACE(8)] = { 0 };
	struct cmsghdr *c = (void *)control;
	struct iovec iov[8];
	struct msghdr msg;

	some_msg(t, &msg, iov, rng_in(&t->rng, 1, 8), some_bytes(t, t->buf));
	if (rng_percent(&t->rng, 20)) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = rng_below(&t->rng, 64);
		c->cmsg_len = CMSG_LEN(rng_below(&t->rng, 9));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(slot(t), &msg, some_flags(t, true));
}

static long op_sendmmsg(struct thread *t)
{
	struct mmsghdr msg[8];
	struct iovec iov[8][2];
	size_t len = some_bytes(t, t->buf);
	uint32_t i, n = rng_in(&t->rng, 1, 8);

	memset(msg, 0, sizeof(msg));
	for (i = 0; i < n; i++)
		some_msg(t, &msg[i].msg_hdr, iov[i], rng_in(&t->rng, 1, 2),
			 len);
	return sendmmsg(slot(t), msg, n, some_flags(t, true));
}

static long op_sendfile(struct thread *t)
{
	off_t at = rng_below(&t->rng, FILE_LEN);

	return sendfile(slot(t), file, &at, rng_below(&t->rng, 70000));
}

static void fill_pipe(struct thread *t, int fd)
{
	struct iovec iov = { .iov_base = t->buf };
	loff_t at = rng_below(&t->rng, FILE_LEN);

	switch (rng_below(&t->rng, 3)) {
	case 0:
		splice(file, &at, fd, NULL, rng_below(&t->rng, 65536),
		       SPLICE_F_NONBLOCK);
		break;
	case 1:
		iov.iov_len = some_bytes(t, t->buf);
		vmsplice(fd, &iov, 1, SPLICE_F_NONBLOCK);
		break;
	default:
		if (write(fd, t->buf, some_bytes(t, t->buf)) < 0)
			return;
	}
}

static long op_splice_out(struct thread *t)
{
	fill_pipe(t, t->pipe[1]);
	return splice(t->pipe[0], NULL, slot(t), NULL,
		      rng_below(&t->rng, 70000),
		      rng_below(&t->rng, 8) | SPLICE_F_NONBLOCK);
}

static long op_splice_in(struct thread *t)
{
	long rc = splice(slot(t), NULL, t->pipe[1], NULL,
			 rng_below(&t->rng, 70000),
			 rng_below(&t->rng, 8) | SPLICE_F_NONBLOCK);
	int err = errno;

	while (read(t->pipe[0], t->buf, BUF) > 0)
		;
	errno = err;
	return rc;
}

static long op_recv(struct thread *t)
{
	return recv(slot(t), t->buf, rng_percent(&t->rng, 70) ? BUF :
		    rng_below(&t->rng, 100), some_flags(t, false));
}

static long op_read(struct thread *t)
{
	return read(slot(t), t->buf, BUF);
}

static long op_recvmsg(struct thread *t)
{
	uint8_t control[512];
	struct sockaddr_storage ss;
	struct iovec iov[4];
	struct msghdr msg;

	some_msg(t, &msg, iov, rng_in(&t->rng, 1, 4), BUF);
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	msg.msg_name = &ss;
	msg.msg_namelen = sizeof(ss);
	return recvmsg(slot(t), &msg, some_flags(t, false));
}

/*
 * It never waits for a second message: interrupted then, on any socket of Linux, it
 * leaves its -ERESTARTSYS in the socket for the next call (do_recvmmsg()).
 */
static long op_recvmmsg(struct thread *t)
{
	struct timespec ts = { .tv_nsec = 10000000 };
	struct mmsghdr msg[8];
	struct iovec iov[8][2];
	int i;

	memset(msg, 0, sizeof(msg));
	for (i = 0; i < 8; i++)
		some_msg(t, &msg[i].msg_hdr, iov[i], 2, BUF);
	return recvmmsg(slot(t), msg, 8,
			some_flags(t, false) | MSG_WAITFORONE, &ts);
}

static long op_poll(struct thread *t)
{
	struct pollfd p[4];
	int i;

	for (i = 0; i < 4; i++) {
		p[i].fd = slot(t);
		p[i].events = rng_next(&t->rng);
	}
	return poll(p, 4, rng_below(&t->rng, 20));
}

static long op_select(struct thread *t)
{
	struct timeval tv = { .tv_usec = rng_below(&t->rng, 20000) };
	fd_set in, out, except;
	int fd = slot(t);

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	if (fd >= 0 && fd < FD_SETSIZE) {
		FD_SET(fd, &in);
		FD_SET(fd, &out);
		FD_SET(fd, &except);
	}
	return select(FD_SETSIZE, &in, &out, &except, &tv);
}

static long op_epoll(struct thread *t)
{
	struct epoll_event ev[4] = {
		{ .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP }
	};

	if (rng_percent(&t->rng, 50))
		ev[0].events = rng_next(&t->rng) & ~EPOLLWAKEUP;
	epoll_ctl(t->epoll, rng_in(&t->rng, EPOLL_CTL_ADD, EPOLL_CTL_MOD),
		  slot(t), ev);
	return epoll_wait(t->epoll, ev, 4, rng_below(&t->rng, 20));
}

static long op_shutdown(struct thread *t)
{
	return shutdown(slot(t), rng_below(&t->rng, 4));
}

struct option {
	int level, name;
};

static const struct option known[] = {
	{ SOL_SOCKET, SO_KEEPALIVE }, { SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_REUSEPORT }, { SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVBUF }, { SOL_SOCKET, SO_SNDBUFFORCE },
	{ SOL_SOCKET, SO_RCVBUFFORCE }, { SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_LINGER }, { SOL_SOCKET, SO_OOBINLINE },
	{ SOL_SOCKET, SO_PRIORITY }, { SOL_SOCKET, SO_MARK },
	{ SOL_SOCKET, SO_ZEROCOPY }, { SOL_SOCKET, SO_TIMESTAMP },
	{ SOL_SOCKET, SO_TIMESTAMPING }, { SOL_SOCKET, SO_PEEK_OFF },
	{ SOL_SOCKET, SO_RCVTIMEO }, { SOL_SOCKET, SO_SNDTIMEO },
	{ SOL_SOCKET, SO_BUSY_POLL }, { SOL_SOCKET, SO_ERROR },
	{ SOL_SOCKET, SO_MAX_PACING_RATE }, { SOL_SOCKET, SO_TXTIME },
	{ SOL_SOCKET, SO_COOKIE }, { SOL_SOCKET, SO_MEMINFO },
	{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_CORK },
	{ IPPROTO_TCP, TCP_MAXSEG }, { IPPROTO_TCP, TCP_SYNCNT },
	{ IPPROTO_TCP, TCP_LINGER2 }, { IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP }, { IPPROTO_TCP, TCP_QUICKACK },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT }, { IPPROTO_TCP, TCP_REPAIR },
	{ IPPROTO_TCP, TCP_REPAIR_QUEUE }, { IPPROTO_TCP, TCP_QUEUE_SEQ },
	{ IPPROTO_TCP, TCP_REPAIR_OPTIONS }, { IPPROTO_TCP, TCP_FASTOPEN },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT }, { IPPROTO_TCP, TCP_SAVE_SYN },
	{ IPPROTO_TCP, TCP_REPAIR_WINDOW }, { IPPROTO_TCP, TCP_INFO },
	{ IPPROTO_TCP, TCP_ULP }, { IPPROTO_TCP, TCP_INQ },
	{ IPPROTO_TCP, TCP_TX_DELAY }, { IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE },
	{ IPPROTO_IP, IP_TOS }, { IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_RECVERR }, { IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IP, IP_OPTIONS }, { IPPROTO_IP, IP_TRANSPARENT },
	{ IPPROTO_IPV6, IPV6_V6ONLY }, { IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_RECVERR }, { IPPROTO_IPV6, IPV6_ADDRFORM },
	{ IPPROTO_IPV6, IPV6_RTHDR }, { IPPROTO_IPV6, IPV6_UNICAST_HOPS },
};

static struct option some_option(struct thread *t)
{
	static const int levels[] = {
		SOL_SOCKET, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6,
		IPPROTO_UDP, IPPROTO_RAW,
	};

	if (rng_percent(&t->rng, 70))
		return known[rng_below(&t->rng, ARRAY_LEN(known))];
	return (struct option){
		levels[rng_below(&t->rng, ARRAY_LEN(levels))],
		rng_below(&t->rng, 80)
	};
}

static long op_getsockopt(struct thread *t)
{
	struct option o = some_option(t);
	socklen_t len = rng_percent(&t->rng, 80) ? rng_below(&t->rng, 256) :
						   rng_next(&t->rng);
	uint8_t value[256];

	rng_fill(&t->rng, value, sizeof(value));
	/* The kernel writes no more than it has, which is less. */
	if (len > sizeof(value) && (int)len > 0)
		len = sizeof(value);
	return getsockopt(slot(t), o.level, o.name, value, &len);
}

static long op_setsockopt(struct thread *t)
{
	struct option o = some_option(t);
	uint8_t value[256] = { 0 };
	socklen_t len = sizeof(int);
	int number;

	switch (rng_below(&t->rng, 4)) {
	case 0:
		rng_fill(&t->rng, value, sizeof(value));
		len = rng_below(&t->rng, sizeof(value));
		break;
	case 1:
		/* Times and the like. */
		number = rng_below(&t->rng, 2);
		memcpy(value, &number, sizeof(number));
		len = 16;
		break;
	default:
		number = rng_percent(&t->rng, 70) ? rng_below(&t->rng, 3) :
						    rng_below(&t->rng, 100000);
		memcpy(value, &number, sizeof(number));
	}
	/* At bytes a second what is closed would be there for hours. */
	if (o.level == SOL_SOCKET && o.name == SO_MAX_PACING_RATE)
		value[2] |= 0x10;
	return setsockopt(slot(t), o.level, o.name, value, len);
}

/* A policy of the socket's own: let pass, or block. */
static long op_policy(struct thread *t)
{
	struct xfrm_userpolicy_info info = { 0 };
	bool v6 = rng_percent(&t->rng, 50);

	info.sel.family = v6 ? AF_INET6 : AF_INET;
	info.dir = rng_below(&t->rng, 3);
	info.action = rng_percent(&t->rng, 92) ? XFRM_POLICY_ALLOW :
						 XFRM_POLICY_BLOCK;
	return setsockopt(slot(t), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			  v6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY, &info,
			  rng_percent(&t->rng, 90) ? sizeof(info) : 8);
}

static long op_md5(struct thread *t)
{
	struct tcp_md5sig sig = { .tcpm_keylen = rng_below(&t->rng, 81) };

	loopback(any_family(t), 0, (void *)&sig.tcpm_addr);
	rng_fill(&t->rng, sig.tcpm_key, sizeof(sig.tcpm_key));
	return setsockopt(slot(t), IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig));
}

/* Checkpoint and restore: all its steps, with luck on the same socket. */
static long op_repair(struct thread *t)
{
	int fd = slot(t), value = 1, queue = rng_below(&t->rng, 3);
	struct tcp_repair_window window;
	socklen_t len = sizeof(window);
	uint32_t seq = rng_next(&t->rng);
	long rc;

	rc = setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &value, sizeof(value));
	if (rng_percent(&t->rng, 30))
		do_attach(t, fd);
	set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	if (rng_percent(&t->rng, 30))
		setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, sizeof(seq));
	if (!getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &len))
		setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, len);
	if (rng_percent(&t->rng, 80))
		set(fd, IPPROTO_TCP, TCP_REPAIR, -rng_below(&t->rng, 2));
	return rc;
}

static long op_ioctl(struct thread *t)
{
	static const unsigned long requests[] = {
		SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, FIONBIO, FIOASYNC,
		SIOCSPGRP, FIOSETOWN, SIOCGPGRP, FIOGETOWN, SIOCGSTAMP,
		SIOCGSTAMPNS, SIOCGIFFLAGS, SIOCGIFCONF, 0x89f0, 0x5401,
	};
	unsigned long request = requests[rng_below(&t->rng,
						   ARRAY_LEN(requests))];
	long value[16] = { rng_below(&t->rng, 2) };

	return ioctl(slot(t), request, value);
}

static long op_name(struct thread *t)
{
	struct sockaddr_storage ss;
	socklen_t len = rng_below(&t->rng, sizeof(ss));

	return rng_percent(&t->rng, 50) ?
	       getsockname(slot(t), (void *)&ss, &len) :
	       getpeername(slot(t), (void *)&ss, &len);
}

static long op_zerocopy(struct thread *t)
{
	uint8_t control[256];
	struct msghdr msg = {
		.msg_control = control, .msg_controllen = sizeof(control)
	};
	size_t len = some_bytes(t, t->buf);
	int fd = slot(t);
	long rc;

	set(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	rc = send(fd, t->buf, len, MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL);
	recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	return rc;
}

/*
 * A pipe of its own for each: a splice that waits for room in a socket keeps its
 * pipe locked, and who touches that pipe then (to close its other end, even)
 * sleeps where no signal wakes it.
 */
static bool fill_ring_pipe(struct thread *t)
{
	int end[2];

	if (pipe2(end, O_CLOEXEC | O_NONBLOCK))
		return false;
	fill_pipe(t, end[1]);
	close(end[1]);
	if (t->ring_pipe >= 0)
		close(t->ring_pipe);
	t->ring_pipe = end[0];
	return true;
}

static long op_uring(struct thread *t)
{
	struct __kernel_timespec ts = { .tv_nsec = 2000000 };
	struct iovec iov = { t->buf, 1000 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int fd = slot(t), rc;
	size_t len;

	if (!t->has_ring || in_fork)
		return 0;
	sqe = io_uring_get_sqe(&t->ring);
	if (!sqe)
		return 0;
	switch (rng_below(&t->rng, 11)) {
	case 0:
		len = some_bytes(t, t->buf);
		io_uring_prep_send(sqe, fd, t->buf, len, some_flags(t, true));
		break;
	case 1:
		io_uring_prep_recv(sqe, fd, t->buf, BUF, some_flags(t, false));
		break;
	case 2:
		io_uring_prep_sendmsg(sqe, fd, &msg, some_flags(t, true));
		break;
	case 3:
		io_uring_prep_recvmsg(sqe, fd, &msg, MSG_DONTWAIT);
		break;
	case 4:
		len = some_bytes(t, t->buf);
		io_uring_prep_send_zc(sqe, fd, t->buf, len, 0, 0);
		break;
	case 5:
		io_uring_prep_poll_add(sqe, fd, rng_next(&t->rng) & 0xffff);
		break;
	case 6:
		if (!fill_ring_pipe(t))
			io_uring_prep_nop(sqe);
		else
			io_uring_prep_splice(sqe, t->ring_pipe, -1, fd, -1,
					     4096, SPLICE_F_NONBLOCK);
		break;
	case 7:
		io_uring_prep_shutdown(sqe, fd, rng_below(&t->rng, 3));
		break;
	case 8:
		io_uring_prep_write(sqe, fd, t->buf, some_bytes(t, t->buf), 0);
		break;
	case 9:
		io_uring_prep_read(sqe, fd, t->buf, BUF, 0);
		break;
	default:
		io_uring_prep_cancel_fd(sqe, fd, 1 /* all */);
	}
	rc = io_uring_submit(&t->ring);
	if (rc < 0)
		return 0;
	rc = io_uring_wait_cqe_timeout(&t->ring, &cqe, &ts);
	while (!rc) {
		rc = cqe->res;
		io_uring_cqe_seen(&t->ring, cqe);
		/* -ECANCELED is what a cancelled one has to say. */
		if (rc <= -ERESTARTSYS && rc != -524)
			fail("io_uring: error %d", -rc);
		rc = io_uring_peek_cqe(&t->ring, &cqe);
	}
	return 0;
}

static long op_dup(struct thread *t)
{
	return keep(t, fcntl(slot(t), F_DUPFD_CLOEXEC, 0));
}

static long op_close(struct thread *t)
{
	int fd = atomic_exchange(&slots[rng_below(&t->rng, SLOTS)], -1);

	if (fd >= 0 && rng_percent(&t->rng, 40)) {
		struct linger l = { 1, rng_percent(&t->rng, 20) };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	}
	return close(fd);
}

static long op_fcntl(struct thread *t)
{
	int fd = slot(t);

	if (rng_percent(&t->rng, 80))
		return fcntl(fd, F_SETFL, rng_percent(&t->rng, 70) ?
					  O_NONBLOCK : 0);
	return fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
}

static long op_mmap(struct thread *t)
{
	void *p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, slot(t), 0);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, 65536);
	return 0;
}

/* On its way from one process to another a socket may be nobody's. */
static long op_pass(struct thread *t)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c)
	};
	int fd = slot(t);
	char byte;

	c.head.cmsg_level = SOL_SOCKET;
	c.head.cmsg_type = SCM_RIGHTS;
	c.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	if (sendmsg(t->pair[0], &msg, MSG_DONTWAIT) < 0)
		return -1;
	if (rng_percent(&t->rng, 20))
		return 0;
	/* Without room for it, the kernel closes what it had there. */
	iov.iov_base = &byte;
	msg.msg_controllen = rng_percent(&t->rng, 80) ? sizeof(c) : 0;
	if (recvmsg(t->pair[1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -1;
	if (msg.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    c.head.cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	return keep(t, fd);
}

/* A state moves to other ports, or goes and comes back. */
static long op_state(struct thread *t)
{
	struct sa sa = *any_sa(t);
	int rc;

	if (rng_percent(&t->rng, 60)) {
		sa.sport = CLIENT + rng_below(&t->rng, PORTS);
		sa.dport = SERVER + rng_below(&t->rng, PORTS);
		rc = sa_update(t->nl, &sa);
	} else {
		rc = sa_del(t->nl, &sa);
		sa_add(t->nl, &sa);
	}
	errno = -rc;
	return rc ? -1 : 0;
}

/* "ss -K": somebody else resets it. */
static long op_destroy(struct thread *t)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} q = {
		.head.nlmsg_len = sizeof(q),
		.head.nlmsg_type = SOCK_DESTROY,
		.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		uint8_t room[1024];
	} a;
	const struct sa *sa = any_sa(t);
	bool turn = rng_percent(&t->rng, 50);

	q.req.sdiag_family = sa->v6 ? AF_INET6 : AF_INET;
	q.req.sdiag_protocol = IPPROTO_TCP;
	q.req.idiag_states = ~0;
	q.req.id.idiag_sport = htons(turn ? sa->sport : sa->dport);
	q.req.id.idiag_dport = htons(turn ? sa->dport : sa->sport);
	if (sa->v6) {
		q.req.id.idiag_src[3] = htonl(1);
		q.req.id.idiag_dst[3] = htonl(1);
	} else {
		q.req.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
		q.req.id.idiag_dst[0] = htonl(INADDR_LOOPBACK);
	}
	q.req.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	q.req.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (send(t->diag, &q, sizeof(q), 0) < 0 ||
	    recv(t->diag, &a, sizeof(a), 0) < 0)
		return -1;
	errno = -a.err.error;
	return a.err.error ? -1 : 0;
}

static long op_sockmap(struct thread *t)
{
	uint32_t key = rng_below(&t->rng, 8);
	uint32_t value = slot(t);
	union bpf_attr attr = {
		.map_fd = sockmap,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	return syscall(SYS_bpf, rng_percent(&t->rng, 50) ?
		       BPF_MAP_UPDATE_ELEM : BPF_MAP_DELETE_ELEM, &attr,
		       sizeof(attr));
}

static long op_proc(struct thread *t)
{
	static const char *const paths[] = {
		"/proc/self/net/iketcp_stat", "/proc/self/net/tcp",
		"/proc/self/net/tcp6", "/proc/self/net/protocols",
	};
	int fd = open(paths[rng_below(&t->rng, ARRAY_LEN(paths))],
		      O_RDONLY | O_CLOEXEC);
	long rc;

	if (fd < 0)
		return -1;
	rc = read(fd, t->buf, BUF);
	close(fd);
	return rc;
}

static long op_fork(struct thread *t);

#define OP(name, weight)	{ #name, op_##name, weight }
static const struct op {
	const char *name;
	long (*call)(struct thread *t);
	unsigned int weight;
} ops[] = {
	OP(socket, 20), OP(bind, 25), OP(listen, 10), OP(connect, 40),
	OP(connect_unspec, 6), OP(accept, 20), OP(attach, 80), OP(pair, 70),
	OP(send, 90), OP(write, 40), OP(sendto, 20), OP(sendmsg, 40),
	OP(sendmmsg, 20), OP(sendfile, 15), OP(splice_out, 20),
	OP(splice_in, 15), OP(recv, 90), OP(read, 20), OP(recvmsg, 40),
	OP(recvmmsg, 20), OP(poll, 20), OP(select, 10), OP(epoll, 30),
	OP(shutdown, 12), OP(getsockopt, 40), OP(setsockopt, 70),
	OP(policy, 6), OP(md5, 3), OP(repair, 6), OP(ioctl, 30), OP(name, 10),
	OP(zerocopy, 20), OP(uring, 60), OP(dup, 20), OP(close, 40),
	OP(fcntl, 10), OP(mmap, 5), OP(pass, 15), OP(state, 40),
	OP(destroy, 5), OP(sockmap, 10), OP(proc, 5), OP(fork, 5),
};

/* What there is to know of the socket that a call was made on. */
static const char *describe(int fd, char *text, size_t room)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);
	char ulp[16] = "";
	int err = 0;

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	len = sizeof(ulp);
	getsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, &len);
	len = sizeof(err);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	snprintf(text, room, "ULP \"%.*s\", state %u, SO_ERROR %d",
		 (int)sizeof(ulp), ulp, info.tcpi_state, err);
	return text;
}

static void one_call(struct thread *t)
{
	unsigned int sum = 0, dice, i;
	uint64_t since = now_ms();
	char text[100];
	int err;
	long rc;

	for (i = 0; i < ARRAY_LEN(ops); i++)
		sum += ops[i].weight;
	dice = rng_below(&t->rng, sum);
	for (i = 0; dice >= ops[i].weight; i++)
		dice -= ops[i].weight;
	t->op = i;
	t->since = since;
	errno = 0;
	rc = ops[i].call(t);
	err = errno;
	t->since = 0;
	result->calls++;
	result->made[i]++;
	result->worked[i] += rc >= 0;
	/* 524 is ENOTSUPP, which the kernel does tell. */
	if (rc < 0 && err >= ERESTARTSYS && err != 524)
		fail("%s: error %d after %llu ms, %u signals%s; %s",
		     ops[i].name, err, (unsigned long long)(now_ms() - since),
		     t->signals, in_fork ? ", in a child" : "",
		     describe(t->fd, text, sizeof(text)));
}

static void nothing(int sig)
{
	(void)sig;
}

static void interrupt(int sig)
{
	struct sigaction act = { .sa_handler = nothing };

	/* Without SA_RESTART: what waits comes back. */
	sigaction(sig, &act, NULL);
}

/* Another process has the same sockets for a while. */
static long op_fork(struct thread *t)
{
	struct itimerval often = { { 0, 200000 }, { 0, 200000 } };
	int i, n, status;
	pid_t pid;

	if (in_fork)
		return 0;
	n = rng_below(&t->rng, 20);
	pid = fork();
	if (pid < 0)
		return pid;
	if (!pid) {
		in_fork = true;
		setitimer(ITIMER_REAL, &often, NULL);
		for (i = 0; i < n; i++)
			one_call(t);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void *caller(void *arg)
{
	struct thread *t = arg;
	unsigned int i;

	t->tid = gettid();
	for (i = 0; i < CALLS && !stop; i++)
		one_call(t);
	return NULL;
}

/* What the states are for. */
static void *traffic(void *arg)
{
	static uint8_t data[60000];
	struct rng r = rng_from(seed, generation, 99);
	struct sockaddr_storage ss;
	socklen_t len;
	int v6, i;

	(void)arg;
	while (!stop) {
		for (i = rng_below(&r, 20); i; i--) {
			v6 = rng_below(&r, 2);
			len = loopback(v6 ? V6 : V4,
				       POLICY + rng_below(&r, STATES), &ss);
			sendto(udp[v6], data, rng_percent(&r, 95) ?
			       rng_below(&r, 1400) :
			       rng_below(&r, sizeof(data)), MSG_DONTWAIT,
			       (void *)&ss, len);
		}
		usleep(rng_below(&r, 5000));
	}
	return NULL;
}

static void show(const char *what, pid_t tid)
{
	char path[64], text[2048];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n > 0) {
		text[n] = 0;
		dprintf(STDOUT_FILENO, "%s: %s\n", what, text);
	}
	if (fd >= 0)
		close(fd);
}

static void look(uint64_t now)
{
	uint64_t since;
	int i;

	for (i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		since = t->since;
		if (since != t->looked_at)
			t->signals = 0;
		t->looked_at = since;
		/* Ever more time: fork() begins again after each. */
		if (!since || now < since + (WAIT_MS << t->signals))
			continue;
		if (now < since + HANG_MS * slow()) {
			pthread_kill(t->handle, SIGUSR1);
			t->signals++;
			continue;
		}
		fail("thread %d hangs in \"%s\" since %llu ms", i,
		     ops[t->op].name, (unsigned long long)(now - since));
		show("syscall", t->tid);
		show("wchan", t->tid);
		show("stack", t->tid);
		_exit(1);
	}
}

/*
 * A generation
 */
static int need(const char *what, int rc)
{
	if (rc < 0)
		die("%s: %s", what, strerror(errno));
	return rc;
}

static int listen_at(bool v6, uint16_t port, int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(v6 ? V6 : V4, port, &ss);
	int fd;

	fd = need("socket", socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
				   SOCK_NONBLOCK, 0));
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (v6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	need("bind", bind(fd, (void *)&ss, len));
	need("listen", listen(fd, backlog));
	return fd;
}

static void states_up(struct rng *r)
{
	int nl = nl_open(), v6, i, err;

	for (v6 = 0; v6 < 2; v6++) {
		for (i = 0; i < STATES; i++) {
			struct sa *sa = &sas[v6][i];
			uint16_t a = SERVER + i / 2 % PORTS;
			uint16_t b = CLIENT + i / 2 / PORTS;

			sa->v6 = v6;
			sa->spi = 0x1000 + 0x100 * v6 + i;
			sa->sport = i & 1 ? a : b;
			sa->dport = i & 1 ? b : a;
			sa->window = i % 3 ? 32 : 0;
			sa->reqid = 1 + i;
			rng_fill(r, sa->key, sizeof(sa->key));
			err = sa_add(nl, sa) ?:
			      policy_add(nl, v6, POLICY + i, 1 + i);
			if (err)
				die("state: %s", strerror(-err));
		}
	}
	close(nl);
}

static void setup(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4,
		.value_size = 4, .max_entries = 8
	};
	struct timeval tv = { .tv_sec = 1 };
	struct rng r = rng_from(seed, generation, 0);
	struct sockaddr_storage ss;
	socklen_t len;
	int i, v6;

	interrupt(SIGUSR1);
	interrupt(SIGALRM);
	interrupt(SIGIO);
	interrupt(SIGURG);
	signal(SIGPIPE, SIG_IGN);
	namespace_new();
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_xfrm", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_policy", "0");
	sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "519");
	/* What was closed and gets no answer is soon given up. */
	sysctl_write("/proc/sys/net/ipv4/tcp_orphan_retries", "1");
	sysctl_write("/proc/sys/net/ipv4/tcp_fin_timeout", "2");
	sink_open(false);
	sink_open(true);
	states_up(&r);
	file = need("memfd", memfd_create("bytes", MFD_CLOEXEC));
	for (i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		t->number = i;
		t->rng = rng_from(seed, generation, i + 1);
		t->nl = need("netlink", nl_open());
		t->diag = need("diag", socket(AF_NETLINK, SOCK_RAW |
					      SOCK_CLOEXEC,
					      NETLINK_SOCK_DIAG));
		setsockopt(t->diag, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		need("pipe", pipe2(t->pipe, O_CLOEXEC | O_NONBLOCK));
		t->ring_pipe = -1;
		need("pair", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0,
					t->pair));
		t->epoll = need("epoll", epoll_create1(EPOLL_CLOEXEC));
		t->has_ring = !io_uring_queue_init(8, &t->ring, 0);
		t->buf = malloc(2 * BUF);
		if (!t->buf)
			die("no memory");
	}
	for (i = 0; i < FILE_LEN / 1024; i++) {
		rng_fill(&r, threads[0].buf, 1024);
		need("write", write(file, threads[0].buf, 1024));
	}
	/* Not everywhere; then the calls fail. */
	sockmap = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	for (v6 = 0; v6 < 2; v6++) {
		for (i = 0; i < PORTS; i++)
			listeners[v6][i] = listen_at(v6, SERVER + i, 16);
		listen_at(v6, HOLE, 0);
		len = loopback(v6 ? V6 : V4, HOLE, &ss);
		i = need("socket", socket(ss.ss_family, SOCK_STREAM |
					  SOCK_CLOEXEC, 0));
		need("connect", connect(i, (void *)&ss, len));
		udp[v6] = need("UDP", socket(ss.ss_family, SOCK_DGRAM |
					     SOCK_CLOEXEC, 0));
	}
	for (i = 0; i < SLOTS; i++)
		slots[i] = -1;
}

static void count(void)
{
	result->attached += counter("iketcp_stat", "Attach");
	result->esp_in += counter("iketcp_stat", "InEsp");
	result->ike_in += counter("iketcp_stat", "InIke");
	result->esp_out += counter("iketcp_stat", "OutEsp");
}

static bool all_detached(void)
{
	uint64_t end = now_ms() + 30000 * slow();

	while (counter("iketcp_stat", "Attach") !=
	       counter("iketcp_stat", "Detach")) {
		if (now_ms() > end)
			return false;
		usleep(20000);
	}
	return true;
}

static void live(void)
{
	struct rng r = rng_from(seed, generation, 98);
	bool abrupt = rng_percent(&r, 25);
	uint64_t now, end;
	pthread_t sender;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setup();
	pthread_create(&sender, NULL, traffic, NULL);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i].handle, NULL, caller, &threads[i]);
	end = now_ms() + MILLISECONDS * (slow() > 1 ? 3 : 1);
	do {
		usleep(50000);
		now = now_ms();
		look(now);
	} while (now < end);
	if (abrupt) {
		/* Everything at once, as it is: the kernel closes. */
		count();
		_exit(0);
	}
	stop = true;
	for (i = 0; i < THREADS; i++)
		while (pthread_tryjoin_np(threads[i].handle, NULL) == EBUSY) {
			usleep(10000);
			look(now_ms());
		}
	pthread_join(sender, NULL);
	for (i = 0; i < THREADS; i++) {
		if (threads[i].has_ring)
			io_uring_queue_exit(&threads[i].ring);
		close(threads[i].epoll);
		close(threads[i].pair[0]);
		close(threads[i].pair[1]);
		close(threads[i].pipe[0]);
		close(threads[i].pipe[1]);
		if (threads[i].ring_pipe >= 0)
			close(threads[i].ring_pipe);
	}
	if (sockmap >= 0)
		close(sockmap);
	for (i = 0; i < SLOTS; i++)
		if (slots[i] >= 0)
			close(slots[i]);
	if (!all_detached())
		fail("attached: %llu, detached: %llu",
		     (unsigned long long)counter("iketcp_stat", "Attach"),
		     (unsigned long long)counter("iketcp_stat", "Detach"));
	count();
	_exit(0);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: call [-s SEED] [-t SECONDS] [-n CALLS] [-w WORKERS] [-g GENERATION] [-v]\n");
	exit(2);
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:t:n:w:g:v")) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			limit_seconds = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			limit_calls = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			workers = atoi(optarg);
			break;
		case 'g':
			only = atoi(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !workers || workers > 32)
		usage();
}

static void report(uint64_t ms)
{
	static const char *const states[NR_TCP_STATES] = {
		"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1",
		"FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
		"LISTEN", "CLOSING", "NEW_SYN_RECV",
	};
	unsigned int i;

	if (verbose)
		for (i = 0; i < ARRAY_LEN(ops); i++)
			printf("# %s: %llu, %llu worked\n", ops[i].name,
			       (unsigned long long)result->made[i],
			       (unsigned long long)result->worked[i]);
	printf("attached, of tries, by state:");
	for (i = 0; i < NR_TCP_STATES; i++)
		if (result->tried_in[i])
			printf(" %s %llu/%llu", states[i],
			       (unsigned long long)result->attached_in[i],
			       (unsigned long long)result->tried_in[i]);
	printf("\ncall: %llu calls in %llu processes, %llu sockets attached, IKE in %llu, ESP out %llu, in %llu; %llu.%llu s, seed %llu: %s\n",
	       (unsigned long long)result->calls,
	       (unsigned long long)result->generations,
	       (unsigned long long)result->attached,
	       (unsigned long long)result->ike_in,
	       (unsigned long long)result->esp_out,
	       (unsigned long long)result->esp_in,
	       (unsigned long long)ms / 1000,
	       (unsigned long long)ms % 1000 / 100, (unsigned long long)seed,
	       result->failures ? "WRONG" : "all as it has to be");
}

static long refcnt(void)
{
	FILE *f = fopen("/sys/module/iketcp/refcnt", "re");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/*
 * A packet on each CPU: each frees only then what another one received for it,
 * which may hold a state (see tests/vm/guest/unload).
 */
static void poke(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9),
		.sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	int sock = need("UDP", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	int i, n = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t all, one;

	need("affinity", sched_getaffinity(0, sizeof(all), &all));
	for (i = 0; i < n; i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		if (!sched_setaffinity(0, sizeof(one), &one))
			sendto(sock, "", 1, 0, (void *)&to, sizeof(to));
	}
	sched_setaffinity(0, sizeof(all), &all);
	close(sock);
}

/*
 * Namespaces go later, and with them what is left of connections and states: a
 * socket that was closed may wait for its peer's FIN for two minutes (TCP_LINGER2).
 */
static void released(long before)
{
	uint64_t end = now_ms() + 150000 * slow();
	long now;

	while ((now = refcnt()) > before) {
		if (now_ms() > end) {
			fail("the module is held %ld times, %ld before", now,
			     before);
			return;
		}
		poke();
		usleep(50000);
	}
}

/* Reap one; a process that does not end at all is the kernel's. */
static void reap(pid_t *pids, uint64_t *begun)
{
	unsigned int i;
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0)
			break;
		for (i = 0; i < workers; i++) {
			if (pids[i] <= 0 || now_ms() < begun[i] +
			    4ull * HANG_MS * slow())
				continue;
			kill(pids[i], SIGKILL);
			sleep(5);
			if (waitpid(pids[i], &status, WNOHANG) == pids[i])
				fail("process %d did not end in time", pids[i]);
			else
				fail("process %d cannot be killed", pids[i]);
			pids[i] = 0;
			return;
		}
		usleep(20000);
	}
	for (i = 0; i < workers; i++)
		if (pids[i] == pid)
			pids[i] = 0;
	if (status)
		fail("a process ended with status %#x", status);
}

int main(int argc, char **argv)
{
	uint64_t begun[32] = { 0 }, started = now_ms();
	unsigned int i, next = 0, running = 0;
	pid_t pids[32] = { 0 };
	long held = refcnt();

	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		die("no memory");
	if (only >= 0)
		next = only;
	for (;;) {
		bool more = !result->failures &&
			    (only >= 0 ? !result->generations :
			     now_ms() - started < limit_seconds * 1000 &&
			     (!limit_calls || result->calls < limit_calls));

		for (i = 0; more && i < workers; i++) {
			if (pids[i])
				continue;
			generation = next++;
			result->generations++;
			begun[i] = now_ms();
			pids[i] = fork();
			if (!pids[i])
				live();
			if (pids[i] < 0)
				die("fork: %s", strerror(errno));
			if (only >= 0)
				break;
		}
		for (running = 0, i = 0; i < workers; i++)
			running += pids[i] > 0;
		if (!running)
			break;
		reap(pids, begun);
	}
	if (!result->failures)
		released(held);
	report(now_ms() - started);
	return !!result->failures;
}
