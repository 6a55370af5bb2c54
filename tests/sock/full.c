// SPDX-License-Identifier: GPL-2.0
/* The peer does not read: the queue is bounded, and nothing is lost. */
#include "sock.h"
#include "../../include/iketcp.h"

#include <sys/epoll.h>

#define SIZE	1400
/* Far more than all the buffers on the way may take. */
#define LIMIT	(64 << 20)

static const struct tuning narrow = {
	.us_sndbuf = 16384, .peer_rcvbuf = 8192,
};

static int fill_size(int us, size_t size, int first)
{
	static uint8_t body[BODY_MAX];
	int i;

	for (i = first; (size_t)i * size < LIMIT; i++) {
		ssize_t n;

		ike_fill(body, size, i);
		n = send(us, body, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return i;
		if (n != (ssize_t)size)
			die_("message %d: %zd, %s", i, n,
			     strerrorname_np(errno));
	}
	die_("%d messages and no EAGAIN", i);
}

/* Fill until it stays full: what is in flight may still make room. */
static int fill(int us, size_t size)
{
	int n = fill_size(us, size, 0), more;

	for (;;) {
		msleep(50);
		more = fill_size(us, size, n);
		if (more == n)
			return n;
		n = more;
	}
}

static void nonblocking(const struct env *e)
{
	uint8_t body[SIZE] = { 0 };
	struct tuning t = narrow;
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, SIZE);
	check(n > 0, "not one message went in");
	check(n * SIZE < 4 << 20, "%d bytes went in", n * SIZE);
	check(!(revents(us, POLLOUT, QUIET_MS) & POLLOUT), "POLLOUT");
	refused(send(us, body, SIZE, MSG_DONTWAIT | MSG_NOSIGNAL), EAGAIN);
	/* Reading goes on meanwhile. */
	peer_put_ike(peer, 100, 7);
	us_expect_ike(us, 100, 7);

	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	quiet(peer);
	check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "no POLLOUT");
	us_put_ike(us, 100, 8);
	peer_expect_ike(peer, 100, 8);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
}

static void nonblocking_large(const struct env *e)
{
	struct tuning t = narrow;
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, BODY_MAX);
	check(n > 0, "not one message went in");
	check(!(revents(us, POLLOUT, QUIET_MS) & POLLOUT), "POLLOUT");
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, BODY_MAX, i);
	quiet(peer);
	check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "no POLLOUT");
	need(close(us));
	need(close(peer));
}

/* They take more than their bytes, and are counted so. */
static void nonblocking_small(const struct env *e)
{
	struct tuning t = narrow;
	struct iketcp_info info;
	socklen_t len = sizeof(info);
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, 8);
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, &info, &len));
	/* The kernel has doubled the buffer. */
	check(info.out_queue_ike, "nothing waits");
	check((int)info.out_queue_ike <= 10 * (2 * t.us_sndbuf / 1024 + 1),
	      "%u bytes wait", info.out_queue_ike);
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, 8, i);
	check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "no POLLOUT");
	us_put_ike(us, 100, 8);
	peer_expect_ike(peer, 100, 8);
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, &info, &len));
	check_eq(info.out_queue_ike, 0);
	need(close(us));
	need(close(peer));
}

static void default_buffers(const struct env *e)
{
	int us, peer, n, i;

	ready(e, &us, &peer);
	n = fill(us, SIZE);
	check(n > 0, "not one message went in");
	check(!(revents(us, POLLOUT, QUIET_MS) & POLLOUT), "POLLOUT");
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	check(revents(us, POLLOUT, WAIT_MS) & POLLOUT, "no POLLOUT");
	need(close(us));
	need(close(peer));
}

/* As a daemon does it: write until EAGAIN, then wait for the edge. */
static void edge_triggered(const struct env *e)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	struct tuning t = narrow;
	int us, peer, ep, n, i, round;

	ready_tuned(e, &t, &us, &peer);
	ep = need(epoll_create1(EPOLL_CLOEXEC));
	need(epoll_ctl(ep, EPOLL_CTL_ADD, us, &ev));
	check_eq(need(epoll_wait(ep, &ev, 1, WAIT_MS)), 1);
	for (round = 0; round < 3; round++) {
		n = fill(us, SIZE);
		while (need(epoll_wait(ep, &ev, 1, 0)))
			;
		for (i = 0; i < n; i++)
			peer_expect_ike(peer, SIZE, i);
		check_eq(need(epoll_wait(ep, &ev, 1, WAIT_MS)), 1);
		check(ev.events & EPOLLOUT, "events %#x", ev.events);
	}
	need(close(ep));
	need(close(us));
	need(close(peer));
}

static void send_timeout(const struct env *e)
{
	struct tuning t = narrow;
	uint8_t body[SIZE];
	uint64_t start;
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, SIZE);
	timeout_set(us, SO_SNDTIMEO, 300);
	ike_fill(body, SIZE, n);
	start = now_ms();
	refused(send(us, body, SIZE, MSG_NOSIGNAL), EAGAIN);
	start = now_ms() - start;
	check(start >= 290 && start < 5000, "took %d ms", (int)start);
	/* Nothing of it is on the wire. */
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	us_put_ike(us, 100, 9);
	peer_expect_ike(peer, 100, 9);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

struct writer {
	int fd, count, first, done, err;
	size_t size;
};

static void *write_blocking(void *arg)
{
	struct writer *w = arg;
	static uint8_t body[BODY_MAX];
	int i;

	for (i = 0; i < w->count; i++) {
		ike_fill(body, w->size, w->first + i);
		if (send(w->fd, body, w->size, MSG_NOSIGNAL) !=
		    (ssize_t)w->size) {
			w->err = errno;
			break;
		}
		__atomic_add_fetch(&w->done, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void blocking(const struct env *e)
{
	struct writer w = { .size = SIZE, .count = 50 };
	struct tuning t = narrow;
	pthread_t thread;
	int us, peer, i;

	ready_tuned(e, &t, &us, &peer);
	w.fd = us;
	w.first = fill(us, SIZE);
	need(-pthread_create(&thread, NULL, write_blocking, &w));
	msleep(200);
	check_eq(__atomic_load_n(&w.done, __ATOMIC_SEQ_CST), 0);
	for (i = 0; i < w.first + w.count; i++)
		peer_expect_ike(peer, SIZE, i);
	pthread_join(thread, NULL);
	check_eq(w.err, 0);
	check_eq(w.done, w.count);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

/* Large messages through small buffers, with a reader that dawdles. */
static void blocking_large(const struct env *e)
{
	struct writer w = { .size = BODY_MAX, .count = 20 };
	struct tuning t = narrow;
	pthread_t thread;
	int us, peer, i;

	ready_tuned(e, &t, &us, &peer);
	w.fd = us;
	need(-pthread_create(&thread, NULL, write_blocking, &w));
	for (i = 0; i < w.count; i++) {
		if (i % 5 == 0)
			msleep(50);
		peer_expect_ike(peer, BODY_MAX, i);
	}
	pthread_join(thread, NULL);
	check_eq(w.err, 0);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static void on_signal(int sig)
{
	(void)sig;
}

static void interrupted(const struct env *e)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct writer w = { .size = SIZE, .count = 1 };
	struct tuning t = narrow;
	pthread_t thread;
	int us, peer, n, i;

	need(sigaction(SIGUSR1, &sa, NULL));
	ready_tuned(e, &t, &us, &peer);
	n = fill(us, SIZE);
	w.fd = us;
	w.first = n;
	need(-pthread_create(&thread, NULL, write_blocking, &w));
	msleep(100);
	need(-pthread_kill(thread, SIGUSR1));
	pthread_join(thread, NULL);
	check_eq(w.err, EINTR);
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	us_put_ike(us, 100, 9);
	peer_expect_ike(peer, 100, 9);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

/* A writer that sleeps is woken by the connection's end. */
static void blocked_then_reset(const struct env *e)
{
	struct writer w = { .size = SIZE, .count = 1 };
	struct tuning t = narrow;
	pthread_t thread;
	int us, peer;

	ready_tuned(e, &t, &us, &peer);
	w.fd = us;
	w.first = fill(us, SIZE);
	need(-pthread_create(&thread, NULL, write_blocking, &w));
	msleep(100);
	reset_close(peer);
	pthread_join(thread, NULL);
	check(w.err == ECONNRESET || w.err == EPIPE, "%s",
	      strerrorname_np(w.err));
	need(close(us));

	w.err = 0;
	ready_tuned(e, &t, &us, &peer);
	w.fd = us;
	w.first = fill(us, SIZE);
	need(-pthread_create(&thread, NULL, write_blocking, &w));
	msleep(100);
	need(shutdown(us, SHUT_WR));
	pthread_join(thread, NULL);
	check(w.err == EPIPE, "%s", strerrorname_np(w.err));
	need(close(us));
	need(close(peer));
}

/* What write() took before close() comes, however slowly the peer reads. */
static void full_then_close(const struct env *e)
{
	struct tuning t = narrow;
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, SIZE);
	need(close(us));
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	peer_expect_eof(peer);
	need(close(peer));
}

static void full_then_shutdown(const struct env *e)
{
	struct tuning t = narrow;
	int us, peer, n, i;

	ready_tuned(e, &t, &us, &peer);
	n = fill(us, SIZE);
	need(shutdown(us, SHUT_WR));
	refused(send(us, "\0\0\0\0x", 5, MSG_NOSIGNAL), EPIPE);
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	peer_expect_eof(peer);
	need(close(us));
	need(close(peer));
}

static void full_then_reset_close(const struct env *e)
{
	struct tuning t = narrow;
	int us, peer;

	ready_tuned(e, &t, &us, &peer);
	fill(us, SIZE);
	reset_close(us);
	check(revents(peer, 0, WAIT_MS) & POLLHUP, "no reset");
	need(close(peer));
}

/* Both directions at once, each a firehose, one of them through our ULP. */
struct raw {
	int fd, count, rc;
};

/*
 * The sequence number of the byte that @port sends next, out of what has passed
 * the loopback device.
 */
static uint32_t next_seq(int sniffer, uint16_t port)
{
	uint8_t packet[65536];
	uint32_t seq = 0;
	ssize_t n;

	while ((n = recv(sniffer, packet, sizeof(packet), MSG_DONTWAIT)) > 0) {
		size_t head = (packet[0] & 15) * 4;
		const struct tcphdr *th = (void *)(packet + head);

		if (ntohs(th->source) == port)
			seq = ntohl(th->seq) + n - head - th->doff * 4;
	}
	return seq;
}

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < len; i += 2)
		sum += data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Somebody on the way tells @us that the peer cannot be reached. */
static void unreachable(int us, uint32_t seq)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint8_t packet[36] = { 3, 13 };	/* administratively prohibited */
	uint8_t *ip = packet + 8, *tcp = ip + 20;
	uint16_t sum, port;
	int icmp;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ip[0] = 0x45;
	ip[3] = 28;
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, &to.sin_addr, 4);
	memcpy(ip + 16, &to.sin_addr, 4);
	port = htons(sock_port(us));
	memcpy(tcp, &port, 2);
	port = htons(sock_peer_port(us));
	memcpy(tcp + 2, &port, 2);
	seq = htonl(seq);
	memcpy(tcp + 4, &seq, 4);
	sum = checksum(packet, sizeof(packet));
	memcpy(packet + 2, &sum, 2);

	icmp = need(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	need(sendto(icmp, packet, sizeof(packet), 0, (void *)&to, sizeof(to)));
	need(close(icmp));
}

/* An error that the program has not read does not cost it its messages. */
static void full_then_error_then_close(const struct env *e)
{
	int us, peer, sniffer, n, i, yes = 1;
	struct tuning t = narrow;

	ready_tuned(e, &t, &us, &peer);
	sniffer = need(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
	n = fill(us, SIZE);
	need(setsockopt(us, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes)));
	unreachable(us, next_seq(sniffer, sock_port(us)));
	check(revents(us, POLLERR, WAIT_MS) & POLLERR, "no error");
	need(close(us));
	for (i = 0; i < n; i++)
		peer_expect_ike(peer, SIZE, i);
	peer_expect_eof(peer);
	need(close(peer));
	need(close(sniffer));
}

static void *raw_write(void *arg)
{
	struct raw *r = arg;
	uint8_t buf[SIZE + LEN_LEN];
	int i;

	for (i = 0; i < r->count && !r->rc; i++)
		r->rc = put_all(r->fd, buf, frame_ike(buf, SIZE, i));
	return NULL;
}

static void *raw_read(void *arg)
{
	struct raw *r = arg;
	uint8_t buf[SIZE + LEN_LEN], want[SIZE + LEN_LEN];
	int i;

	for (i = 0; i < r->count && !r->rc; i++) {
		frame_ike(want, SIZE, i);
		r->rc = get_all(r->fd, buf, sizeof(buf));
		if (!r->rc && memcmp(buf, want, sizeof(buf)))
			r->rc = -2;
	}
	return NULL;
}

static void both_ways(const struct env *e)
{
	struct tuning t = { .us_rcvbuf = 16 << 20 };
	struct writer w = { .size = SIZE, .count = 1500 };
	struct raw in = { .count = 1500 }, out = { .count = 1500 };
	pthread_t threads[3];
	int us, peer, i;

	ready_tuned(e, &t, &us, &peer);
	w.fd = us;
	in.fd = peer;
	out.fd = peer;
	need(-pthread_create(&threads[0], NULL, write_blocking, &w));
	need(-pthread_create(&threads[1], NULL, raw_write, &in));
	need(-pthread_create(&threads[2], NULL, raw_read, &out));
	for (i = 0; i < in.count; i++)
		us_expect_ike(us, SIZE, i);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	check_eq(w.err, 0);
	check_eq(in.rc, 0);
	check_eq(out.rc, 0);
	quiet(us);
	quiet(peer);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(nonblocking, ALL),
	TEST(nonblocking_large, ALL),
	TEST(nonblocking_small, SOME),
	TEST(default_buffers, SOME),
	TEST(edge_triggered, ALL),
	TEST(send_timeout, ALL),
	TEST(blocking, ALL),
	TEST(blocking_large, ALL),
	TEST(interrupted, SOME),
	TEST(blocked_then_reset, ALL),
	TEST(full_then_close, ALL),
	TEST(full_then_error_then_close, MODES),
	TEST(full_then_shutdown, ALL),
	TEST(full_then_reset_close, SOME),
	TEST(both_ways, SOME),
};

SOCK_MAIN("full", tests)
