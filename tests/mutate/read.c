// SPDX-License-Identifier: GPL-2.0
/* The daemon's side of the connections: it reads, in several ways. */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BATCH		64	/* messages that one recvmmsg() takes */

static int poller;

enum read { READ, NOTHING, ENDED };

static void took(struct conn *c, const uint8_t *buf, uint32_t len,
		 uint32_t whole)
{
	const struct range *want;

	if (c->style == LATE) {
		/* Some were dropped: go on to the one that it is. */
		for (; c->got < c->want.ike; c->got++) {
			want = &c->ike[c->got];
			if (want->len == whole &&
			    !memcmp(c->data + want->at, buf, len)) {
				c->got++;
				return;
			}
		}
		fail(c, "an IKE message of %u bytes that is not among those sent",
		     whole);
		return;
	}
	if (c->got >= c->want.ike) {
		fail(c, "one IKE message more than the %llu that were sent",
		     (unsigned long long)c->want.ike);
		return;
	}
	want = &c->ike[c->got++];
	if (want->len != whole || memcmp(c->data + want->at, buf, len))
		fail(c, "IKE message %u: not what was sent (%u bytes, %u sent)",
		     c->got, whole, want->len);
}

static enum read read_end(struct conn *c, ssize_t n)
{
	if (!n)
		return ENDED;
	if (errno == EAGAIN || errno == EINTR)
		return NOTHING;
	if (c->err)
		fail(c, "a second error: %s, then %s", strerror(c->err),
		     strerror(errno));
	c->err = errno;
	return READ;
}

static enum read read_many(struct conn *c)
{
	static __thread uint8_t *buf;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	int i, n;

	if (!buf)
		buf = malloc(BATCH * FRAME_MAX);
	memset(msg, 0, sizeof(msg));
	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = buf + i * FRAME_MAX;
		iov[i].iov_len = FRAME_MAX;
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(c->us, msg, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return read_end(c, n);
	for (i = 0; i < n; i++) {
		if (!msg[i].msg_len)
			return ENDED;
		took(c, iov[i].iov_base, msg[i].msg_len, msg[i].msg_len);
	}
	return READ;
}

static enum read read_one(struct conn *c, struct rng *r)
{
	static __thread uint8_t buf[FRAME_MAX], peeked[FRAME_MAX];
	static const int harmless[] = { 0, 0, MSG_WAITALL, MSG_CMSG_CLOEXEC };
	int flags = MSG_DONTWAIT | harmless[rng_below(r, ARRAY_LEN(harmless))];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool whole = rng_percent(r, 50);
	ssize_t n, seen = -1;
	int next;

	if (c->style == PEEK) {
		seen = recv(c->us, peeked, sizeof(peeked), flags | MSG_PEEK);
		if (seen <= 0)
			return read_end(c, seen);
	} else if (c->style == EXACT) {
		if (ioctl(c->us, FIONREAD, &next))
			fail(c, "FIONREAD: %s", strerror(errno));
		if (next)
			iov.iov_len = next;
	} else if (c->style == SHORT) {
		iov.iov_len = rng_in(r, 1, 80);
	}
	n = recvmsg(c->us, &msg, flags | (whole ? MSG_TRUNC : 0));
	if (n <= 0)
		return read_end(c, n);
	if (c->style == PEEK && (n != seen || memcmp(buf, peeked, n)))
		fail(c, "not the message that was there before");
	if (!(msg.msg_flags & MSG_TRUNC)) {
		took(c, buf, n, n);
		return READ;
	}
	if (c->style != SHORT)
		fail(c, "a message that is cut off");
	if (!whole && c->got < c->want.ike) {
		/* It does not say how long the message was. */
		if (n != (ssize_t)iov.iov_len || n >= c->ike[c->got].len)
			fail(c, "cut off, and %zd bytes", n);
		took(c, buf, n, c->ike[c->got].len);
	} else {
		took(c, buf, n < (ssize_t)iov.iov_len ? n :
		     (ssize_t)iov.iov_len, n);
	}
	return READ;
}

/* After an error there is nothing but the end. */
static enum read read_some(struct conn *c, struct rng *r)
{
	enum read got;
	int err = c->err;

	got = c->style == DRAIN ? read_many(c) : read_one(c, r);
	if (err && got == NOTHING) {
		fail(c, "after %s: %s, not the end", strerror(err),
		     strerror(errno));
		return ENDED;
	}
	return got;
}

static void is_over(struct conn *c)
{
	int want = c->want.bad_prefix ? EPROTO : c->want.bad_length ? EINVAL :
		   c->end == FIN ? 0 : ECONNRESET;

	if (is_persistent(c)) {
		fail(c, "it has ended: %s", strerror(c->err));
	} else if (!is_loose(c) && c->err != want) {
		/* The peer's own end may come first. */
		if (!is_dead(c) || (c->err && c->err != ECONNRESET))
			fail(c, "ends with \"%s\", not \"%s\"",
			     strerror(c->err), strerror(want));
	}
	if (c->style != LATE && !is_loose(c) && c->got != c->want.ike)
		fail(c, "%u IKE messages came, %llu were sent", c->got,
		     (unsigned long long)c->want.ike);
	atomic_store(&c->done, true);
}

static void *reader(void *unused)
{
	struct rng r = rng_from(seed, worker, 0);
	struct epoll_event ev[16];
	int i, n, turns;

	(void)unused;
	for (;;) {
		n = epoll_wait(poller, ev, ARRAY_LEN(ev), -1);
		for (i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			enum read got = READ;

			pthread_mutex_lock(&c->lock);
			for (turns = 0; got == READ && turns < 200; turns++)
				got = read_some(c, &r);
			if (got == ENDED) {
				epoll_ctl(poller, EPOLL_CTL_DEL, c->us, NULL);
				is_over(c);
			} else if (is_persistent(c) && c->got == c->want.ike) {
				atomic_store(&c->done, true);
			}
			pthread_mutex_unlock(&c->lock);
		}
	}
	return NULL;
}

/* Connections that nobody reads: see that the end is there. */
void read_late(struct conn *c, struct rng *r)
{
	struct pollfd p = { .fd = c->us, .events = POLLRDHUP };
	enum read got = READ;

	if (poll(&p, 1, 30000 * slow()) != 1) {
		fail(c, "it does not end");
		return;
	}
	if (c->style == NONE)
		return;
	while (got == READ)
		got = read_some(c, r);
	if (got == NOTHING)
		fail(c, "it has ended, but not for recv()");
	is_over(c);
}

void reader_start(void)
{
	pthread_t thread;

	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0 || pthread_create(&thread, NULL, reader, NULL))
		die("no reader");
}

void reader_add(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };

	ev.data.ptr = c;
	if (epoll_ctl(poller, EPOLL_CTL_ADD, c->us, &ev))
		die("epoll_ctl: %s", strerror(errno));
}
