// SPDX-License-Identifier: GPL-2.0
/* Connections end, in every way, and begin, under traffic. */
#include "runner.h"

#include <poll.h>
#include <pthread.h>

/* An end, or a job, by chance. */
static int either(void)
{
	return random_below(2);
}

static job_fn *esp_of(int end)
{
	return end == A ? esp_a : esp_b;
}

static job_fn *write_of(int end)
{
	return end == A ? write_a : write_b;
}

static job_fn *read_of(int end)
{
	return end == A ? read_a : read_b;
}

static void under(struct world *w, job_fn *one, job_fn *other)
{
	open_moved(w);
	workers_go(one, other);
	if (either())
		workers_warm(1);
	moment();
}

static void end_round(void)
{
	moment();
	workers_stop();
	conn_reset(&traffic.c);
}

static void shut(int *fd, bool reset)
{
	if (reset)
		reset_close(*fd);
	else
		need(close(*fd));
	*fd = -1;
}

static void rst(struct world *w)
{
	int end = either();

	under(w, mixed, either() ? inner_tcp : esp_of(either()));
	/* The number is not used again while the workers run. */
	shut(&traffic.c.fd[end], true);
	end_round();
}

static void fin(struct world *w)
{
	int end = either();

	under(w, mixed, either() ? inner_tcp : esp_of(either()));
	shut(&traffic.c.fd[end], false);
	moment();
	shut(&traffic.c.fd[!end], false);
	end_round();
}

static void half_close(struct world *w)
{
	int end = either();

	under(w, mixed, either() ? inner_tcp : esp_of(either()));
	need(shutdown(traffic.c.fd[end], SHUT_WR));
	/* One half goes on. */
	moment();
	if (either())
		shutdown(traffic.c.fd[!end], SHUT_WR);
	else
		shut(&traffic.c.fd[!end], either());
	end_round();
}

static void shut_down(struct world *w)
{
	static const int how[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
	int i;

	under(w, mixed, either() ? write_of(either()) : mixed);
	for (i = 0; i < 3; i++) {
		shutdown(traffic.c.fd[either()], how[random_below(3)]);
		moment();
	}
	end_round();
}

/* IKE and ESP come in while the socket is closed. */
static void close_receive(struct world *w)
{
	int end = either();

	under(w, write_of(!end), esp_of(!end));
	shut(&traffic.c.fd[end], either());
	end_round();
}

/* Two CPUs send through the SA whose connection is closed. */
static void close_output(struct world *w)
{
	int end = either();

	under(w, esp_of(end), random_below(4) ? esp_of(end) : inner_tcp);
	shut(&traffic.c.fd[end], either());
	end_round();
}

static void close_write(struct world *w)
{
	int end = either();

	under(w, write_of(end), either() ? write_of(end) : read_of(end));
	shut(&traffic.c.fd[end], either());
	end_round();
}

/*
 * A reader and a writer sleep in the socket; whatever ends the connection has to
 * wake them. (They have a copy of the descriptor's number: it stays open.)
 */
static int sleeper_end;
static bool is_asleep;

static void sleep_in_read(int n)
{
	uint8_t got[1000];
	ssize_t rc;

	(void)n;
	__atomic_store_n(&is_asleep, true, __ATOMIC_RELAXED);
	do {
		rc = recv(traffic.c.fd[sleeper_end], got, sizeof(got), 0);
	} while (rc > 0);
	check(!rc || errno != EAGAIN, "a reader was not woken");
	while (!stopping())
		sched_yield();
}

static void sleep_in_poll(int n)
{
	struct pollfd p = {
		.fd = traffic.c.fd[sleeper_end], .events = POLLRDHUP,
	};

	(void)n;
	__atomic_store_n(&is_asleep, true, __ATOMIC_RELAXED);
	check(poll(&p, 1, 20000 * slow()) == 1, "a poller was not woken");
	while (!stopping())
		sched_yield();
}

static void wake(struct world *w)
{
	int end = either();

	sleeper_end = end;
	is_asleep = false;
	open_moved(w);
	workers_go(either() ? sleep_in_read : sleep_in_poll,
		   either() ? esp_of(either()) : write_of(!end));
	while (!__atomic_load_n(&is_asleep, __ATOMIC_RELAXED))
		sched_yield();
	moment();
	switch (random_below(4)) {
	case 0:
		shut(&traffic.c.fd[!end], true);
		break;
	case 1:
		shut(&traffic.c.fd[!end], false);
		break;
	case 2:
		need(shutdown(traffic.c.fd[!end], SHUT_WR));
		break;
	case 3:
		shutdown(traffic.c.fd[end], SHUT_RDWR);
		break;
	}
	end_round();
}

/* What is written before the end comes, all of it. */
static void delete_arrives(struct world *w)
{
	uint8_t got[BODY_MAX];
	int end = either(), n = 1 + random_below(20), i;
	ssize_t rc;

	open_moved(w);
	workers_go(esp_of(end), esp_of(end));
	moment();
	for (i = 0; i < n; i++)
		check(ike_write(traffic.c.fd[end], 8 + random_below(1000), i,
				0) > 0, "write: %s", strerror(errno));
	if (either())
		need(shutdown(traffic.c.fd[end], SHUT_WR));
	else
		shut(&traffic.c.fd[end], false);
	for (i = 0;; i++) {
		rc = recv(traffic.c.fd[!end], got, sizeof(got), 0);
		if (rc <= 0)
			break;
		check(ike_is(got, rc) && ike_seed(got) == (uint32_t)i,
		      "a wrong message in place of %d", i);
	}
	/* A reset may follow, as ESP in the other direction finds nobody. */
	check(!rc || errno == ECONNRESET, "end of stream: %s", strerror(errno));
	check(i == n, "%d of %d messages came before the end", i, n);
	end_round();
}

/* A stream is there, in pieces, while the ULP is attached. */
static uint8_t stream[60000];
static size_t stream_len, stream_at;

static void send_pieces(int n)
{
	size_t len = 1 + random_below(random_below(2) ? 20 : 3000);
	ssize_t sent;

	(void)n;
	if (len > stream_len - stream_at)
		len = stream_len - stream_at;
	if (!len) {
		sched_yield();
		return;
	}
	sent = send(traffic.c.fd[A], stream + stream_at, len, MSG_NOSIGNAL);
	check(sent > 0, "send: %s", strerror(errno));
	stream_at += sent;
}

static void attach_data(struct world *w)
{
	int count = 1 + random_below(40), i, one = 1;
	uint8_t got[2000];
	ssize_t rc;

	stream_len = 6;
	stream_at = 0;
	memcpy(stream, "IKETCP", 6);
	for (i = 0; i < count; i++)
		stream_len += frame_ike(stream + stream_len,
					8 + random_below(1400), i);
	traffic.c.fd[A] = ns_socket(w, A, SOCK_STREAM);
	need(bind_to(w, traffic.c.fd[A], A, 0));
	need(setsockopt(traffic.c.fd[A], IPPROTO_TCP, TCP_NODELAY, &one,
			sizeof(one)));
	need(connect_to(w, traffic.c.fd[A], B, PORT));
	traffic.c.port[A] = port_of(traffic.c.fd[A]);
	traffic.c.port[B] = PORT;
	sas_do(w, SA_UPDATE, &traffic.c, NULL);
	traffic.c.fd[B] = need(accept(w->listener, NULL, NULL));
	timeouts(traffic.c.fd[B], 20000 * slow());
	workers_go(send_pieces, esp_b);
	moment();
	need(attach(traffic.c.fd[B], "iketcp"));
	for (i = 0; i < count; i++) {
		rc = recv(traffic.c.fd[B], got, sizeof(got), 0);
		check(rc > 0 && ike_is(got, rc) && ike_seed(got) == (uint32_t)i,
		      "not message %d of %d: %zd, %s", i, count, rc,
		      rc < 0 ? strerror(errno) : "other bytes");
	}
	end_round();
}

/* The originator attaches while the handshake is under way, and is closed. */
static void connect_close(struct world *w)
{
	int fd = ns_socket(w, A, SOCK_STREAM | SOCK_NONBLOCK), from;

	need(bind_to(w, fd, A, 0));
	traffic.c.fd[A] = fd;
	traffic.c.port[A] = port_of(fd);
	traffic.c.port[B] = PORT;
	sas_do(w, SA_UPDATE, &traffic.c, NULL);
	workers_go(write_a, esp_a);
	if (either())
		need(attach(fd, "iketcp"));
	check(!connect_to(w, fd, B, PORT) || errno == EINPROGRESS,
	      "connect: %s", strerror(errno));
	(void)attach(fd, "iketcp");
	moment();
	shut(&traffic.c.fd[A], either());
	moment();
	workers_stop();
	for (;;) {
		struct pollfd p = { .fd = w->listener, .events = POLLIN };

		if (poll(&p, 1, 0) < 1)
			break;
		from = accept(w->listener, NULL, NULL);
		if (from >= 0)
			reset_close(from);
	}
}

const struct race conn_races[] = {
	{ .name = "rst", .what = "an end resets", .round = rst },
	{ .name = "fin", .what = "an end closes, and then the other",
	  .round = fin },
	{ .name = "half-close", .what = "an end ends its sending",
	  .round = half_close },
	{ .name = "shutdown", .what = "both ends are shut down, in any way",
	  .round = shut_down },
	{ .name = "close-receive", .what = "the receiver closes",
	  .round = close_receive, .alg = "gcm" },
	{ .name = "close-output", .what = "the sender of ESP closes",
	  .round = close_output, .alg = "gcm" },
	{ .name = "close-write", .what = "who writes and reads closes",
	  .round = close_write },
	{ .name = "wake", .what = "a sleeping reader or poller is woken by the end",
	  .round = wake },
	{ .name = "delete", .what = "messages written before the end all come",
	  .round = delete_arrives },
	{ .name = "attach", .what = "data comes in while the ULP is attached",
	  .round = attach_data },
	{ .name = "connect-close", .what = "closed in mid-handshake",
	  .round = connect_close },
	{ 0 }
};
