// SPDX-License-Identifier: GPL-2.0
/* What the workers do. See runner.h. */
#include "runner.h"

#include <fcntl.h>

/* Everything that a connection may answer when it is broken, or full. */
static void excused(const char *what)
{
	switch (errno) {
	case EAGAIN:
	case EBADF:
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case ECONNREFUSED:
	case EADDRNOTAVAIL:
	case EINTR:
	case ENOBUFS:
		return;
	}
	die("%s: %s", what, strerror(errno));
}

void drain(int fd)
{
	static __thread uint8_t buf[2048];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

void drain_all(void)
{
	for (int n = 0; n < 2; n++)
		for (int end = 0; end < 2; end++)
			drain(traffic.udp[n][end]);
}

/* A packet that only passes this CPU, so that it frees what others left to it. */
void nudge(int n)
{
	(void)udp_send(traffic.w, traffic.udp[n][A], A, "", 1);
	sleep_us(200);
}

static void esp(int n, int from)
{
	static __thread uint8_t data[1400];
	int i;

	for (i = 0; i < 3; i++)
		(void)udp_send(traffic.w, traffic.udp[n][from], !from, data,
			       random_below(random_below(8) ? 100 : 1400));
	/* Of all that have the port, the last one gets them. */
	for (i = 0; i < 8; i++)
		if (recv(traffic.udp[1][!from], data, sizeof(data),
			 MSG_DONTWAIT) < 0)
			break;
}

void esp_a(int n)
{
	esp(n, A);
}

void esp_b(int n)
{
	esp(n, B);
}

static void write_ike(int end)
{
	size_t len = 8 + random_below(random_below(16) ? 300 : 20000);

	if (ike_write(traffic.c.fd[end], len, random_below(1 << 30),
		      MSG_DONTWAIT) < 0)
		excused("write");
}

void write_a(int n)
{
	(void)n;
	write_ike(A);
}

void write_b(int n)
{
	(void)n;
	write_ike(B);
}

/* What comes is whole. */
static void read_ike(int end)
{
	static __thread uint8_t got[BODY_MAX];
	ssize_t n = recv(traffic.c.fd[end], got, sizeof(got), MSG_DONTWAIT);

	if (n < 0)
		excused("read");
	else if (n)
		check(ike_is(got, n), "a wrong message of %zd bytes", n);
}

void read_a(int n)
{
	(void)n;
	read_ike(A);
}

void read_b(int n)
{
	(void)n;
	read_ike(B);
}

/* UDP of the daemons, whoever carries it. */
static void talk(int from)
{
	static __thread uint8_t got[BODY_MAX];
	const struct world *w = traffic.w;
	size_t len = 8 + random_below(random_below(16) ? 300 : 20000);
	ssize_t n;

	for (int i = random_below(3); i >= 0; i--)
		if (daemon_send(w, from, len, random_below(1 << 30)) < 0)
			excused("send");
	for (int i = 0; i < 8; i++) {
		n = recv(w->daemon[!from], got, sizeof(got), MSG_DONTWAIT);
		if (n < 0)
			break;
		check(ike_is(got, n), "a wrong datagram of %zd bytes", n);
	}
}

void talk_a(int n)
{
	(void)n;
	talk(A);
}

void talk_b(int n)
{
	(void)n;
	talk(B);
}

/* A stream inside: its segments keep their sender charged while they wait. */
void inner_tcp(int n)
{
	static __thread uint8_t data[4000];
	int fd, i, flags;

	(void)n;
	fd = socket(traffic.w->v6 ? AF_INET6 : AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (connect_to(traffic.w, fd, B, TCP_PORT) && errno != EINPROGRESS)
		excused("connect");
	for (i = 0; i < 10 && !stopping(); i++) {
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			sleep_us(50);
	}
	reset_close(fd);
	flags = fcntl(traffic.inner, F_GETFL);
	if (flags >= 0)
		while ((fd = accept(traffic.inner, NULL, NULL)) >= 0)
			reset_close(fd);
}

/* A bit of everything, on both CPUs. */
void mixed(int n)
{
	static job_fn *const some[] = {
		esp_a, esp_b, esp_a, esp_b, write_a, write_b, read_a, read_b,
		talk_a, talk_b,
	};
	int except = traffic.w->bridged ? 0 : 2;

	some[random_below(ARRAY_LEN(some) - except)](n);
}

void traffic_open(struct world *w)
{
	int n, end;

	traffic.w = w;
	for (n = 0; n < 2; n++)
		for (end = 0; end < 2; end++)
			traffic.udp[n][end] = udp_open(w, end);
	traffic.inner = ns_socket(w, B, SOCK_STREAM | SOCK_NONBLOCK);
	need(bind_to(w, traffic.inner, B, TCP_PORT));
	need(listen(traffic.inner, 64));
	traffic.c.fd[A] = -1;
	traffic.c.fd[B] = -1;
	sas_do(w, SA_NEW, NULL, NULL);
}

void traffic_close(void)
{
	int n, end;

	conn_reset(&traffic.c);
	for (n = 0; n < 2; n++)
		for (end = 0; end < 2; end++)
			need(close(traffic.udp[n][end]));
	need(close(traffic.inner));
}

void open_moved(struct world *w)
{
	conn_open(w, &traffic.c);
	sas_do(w, SA_UPDATE, &traffic.c, NULL);
	if (w->bridged)
		bridges_up(w, &traffic.c);
}
