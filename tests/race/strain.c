// SPDX-License-Identifier: GPL-2.0
/* Little memory, slow ciphers, and peers and daemons that do not read. */
#include "runner.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void size(int fd, int option, int bytes)
{
	need(setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes)));
}

/*
 * TCP of the whole machine is out of memory, and the sockets' buffers are small.
 */
#define TCP_MEM "/proc/sys/net/ipv4/tcp_mem"
static char tcp_mem[100];
static int tcp_mem_fd;

static void memory_is(const char *pages)
{
	check(pwrite(tcp_mem_fd, pages, strlen(pages), 0) > 0, "%s: %s",
	      TCP_MEM, strerror(errno));
}

static void memory_back(void)
{
	(void)!pwrite(tcp_mem_fd, tcp_mem, strlen(tcp_mem), 0);
}

/* The first namespace has it, for all. */
static void memory_begin(struct world *w)
{
	ns_enter(outside);
	tcp_mem_fd = need(open(TCP_MEM, O_RDWR | O_CLOEXEC));
	ns_enter(w->ns[A]);
	need(pread(tcp_mem_fd, tcp_mem, sizeof(tcp_mem) - 1, 0));
	at_death = memory_back;
}

static void memory_end(struct world *w)
{
	(void)w;
	memory_back();
	close(tcp_mem_fd);
	at_death = NULL;
}

static void memory(struct world *w)
{
	static const char *const little[] = { "1 1 1", "1 2 8", "2 16 64" };
	int i;

	open_moved(w);
	for (i = 0; i < 2; i++) {
		if (random_below(2))
			size(traffic.c.fd[i], SO_RCVBUF, 1);
		if (random_below(2))
			size(traffic.c.fd[i], SO_SNDBUF, 1);
	}
	memory_is(little[random_below(3)]);
	workers_go(mixed, random_below(2) ? mixed : inner_tcp);
	workers_warm(2);
	moment();
	if (random_below(2))
		memory_back();
	moment();
	workers_stop();
	memory_back();
	if (random_below(2))
		conn_close(&traffic.c);
	else
		conn_reset(&traffic.c);
}

/* The ciphers complete later, maybe when nothing is left but the SA. */
void async_ends(struct world *w)
{
	if (!random_below(3)) {
		namespace_ends(w);
		return;
	}
	open_moved(w);
	workers_go(esp_a, random_below(2) ? esp_a : esp_b);
	workers_warm(1);
	moment();
	if (random_below(2))
		sas_flush(w);
	conn_reset(&traffic.c);
	sas_flush(w);
	workers_stop();
	sas_do(w, SA_NEW, NULL, NULL);
}

/*
 * The window closes: a peer that does not read, until it does, or one of both
 * goes.
 */
static void block(int n)
{
	(void)n;
	while (!stopping()) {
		/* Wakes when there is room, or nobody to write to. */
		if (ike_write(traffic.c.fd[A], 2000, 1, 0) < 0 &&
		    errno != EAGAIN)
			break;
	}
	while (!stopping())
		sched_yield();
}

static void window(struct world *w)
{
	static uint8_t got[100000];
	struct pollfd p;
	int fd;

	fd = ns_socket(w, A, SOCK_STREAM);
	need(bind_to(w, fd, A, 0));
	size(fd, SO_SNDBUF, 5000);
	need(attach(fd, "iketcp"));
	need(connect_to(w, fd, B, PORT));
	timeouts(fd, 20000 * slow());
	traffic.c.fd[A] = fd;
	traffic.c.port[A] = port_of(fd);
	traffic.c.port[B] = PORT;
	sas_do(w, SA_UPDATE, &traffic.c, NULL);
	traffic.c.fd[B] = need(accept(w->listener, NULL, NULL));
	size(traffic.c.fd[B], SO_RCVBUF, 4000);
	workers_go(block, random_below(4) ? esp_a : inner_tcp);
	workers_warm(0);
	sleep_us(random_below(3000));
	switch (random_below(4)) {
	case 0:
		/* It reads at last, and so it goes on for a while. */
		p.fd = traffic.c.fd[B];
		p.events = POLLIN;
		for (int i = 0; i < 10; i++)
			if (poll(&p, 1, 10) == 1)
				(void)recv(p.fd, got, sizeof(got), MSG_DONTWAIT);
		shutdown(traffic.c.fd[A], SHUT_RDWR);
		break;
	case 1:
		reset_close(traffic.c.fd[B]);
		traffic.c.fd[B] = -1;
		break;
	case 2:
		shutdown(traffic.c.fd[A], SHUT_WR);
		break;
	case 3:
		shutdown(traffic.c.fd[A], SHUT_RDWR);
		break;
	}
	workers_stop();
	conn_reset(&traffic.c);
}

/*
 * A daemon that is stopped and goes on: messages are whole and in order, ESP does
 * not wait for it.
 */
static int daemon_reads(int fd)
{
	static uint8_t got[BODY_MAX];
	uint32_t last = 0;
	ssize_t n;

	/* One that waits with a time limit is interrupted by being stopped. */
	while ((n = recv(fd, got, sizeof(got), 0)) > 0 || errno == EINTR) {
		if (n < 0)
			continue;
		if (!ike_is(got, n) || ike_seed(got) <= last)
			return 2;
		last = ike_seed(got);
		if (last >= 1000)
			return 0;
	}
	return 3;
}

static void stopped(struct world *w)
{
	unsigned long full = stat_of("InIkeFull"), esp = stat_of("InEsp");
	uint32_t seed = 1;
	struct pollfd p;
	int status, i;
	uint64_t end;
	pid_t pid;

	open_moved(w);
	/* Of the queue; TCP's own window is large by now. */
	size(traffic.c.fd[A], SO_RCVBUF, 20000);
	pid = need(fork());
	if (!pid)
		_exit(daemon_reads(traffic.c.fd[A]));
	for (i = random_below(5); i >= 0; i--)
		check(ike_write(traffic.c.fd[B], 500, seed++, 0) > 0,
		      "write: %s", strerror(errno));
	moment();
	need(kill(pid, SIGSTOP));
	workers_go(esp_b, NULL);
	end = now_us() + 10000000ull * slow();
	while (stat_of("InIkeFull") == full || stat_of("InEsp") < esp + 20) {
		check(now_us() < end,
		      "a stopped reader: InIkeFull rose by %lu, InEsp by %lu",
		      stat_of("InIkeFull") - full, stat_of("InEsp") - esp);
		for (i = 0; i < 10 && seed < 1000; i++)
			check(ike_write(traffic.c.fd[B], 500, seed++, 0) > 0,
			      "write: %s", strerror(errno));
	}
	workers_stop();
	need(kill(pid, SIGCONT));
	/* One of these finds room. */
	end = now_us() + 20000000ull * slow();
	p.fd = need(syscall(SYS_pidfd_open, pid, 0));
	p.events = POLLIN;
	for (seed = 1000; poll(&p, 1, 1) == 0; seed++) {
		bool sent = ike_write(traffic.c.fd[B], 100, seed,
				      MSG_DONTWAIT) > 0;

		check(sent || errno == EAGAIN, "write: %s", strerror(errno));
		check(now_us() < end,
		      "the reader does not go on: %u written, the last %s; InIke %lu, InIkeFull %lu",
		      seed - 1000, sent ? "is on its way" : "is refused",
		      stat_of("InIke"), stat_of("InIkeFull") - full);
	}
	close(p.fd);
	need(waitpid(pid, &status, 0));
	check(!status, "the reader ended with %#x", status);
	conn_reset(&traffic.c);
}

const struct race strain_races[] = {
	{ .name = "memory", .what = "TCP has no memory",
	  .begin = memory_begin, .round = memory, .end = memory_end,
	  .starves = true },
	{ .name = "window", .what = "the window closes, and what then may come",
	  .round = window },
	{ .name = "stopped", .what = "a reader is stopped and goes on",
	  .round = stopped },
	{ .name = "pcrypt", .what = "ciphers (pcrypt) complete after close, flush, namespace",
	  .round = async_ends, .reorders = true, .starves = true, .alg = "gcm" },
	{ .name = "cryptd", .what = "ciphers (cryptd) complete after close, flush, namespace",
	  .round = async_ends, .reorders = true, .starves = true, .alg = "auth" },
	{ 0 }
};
