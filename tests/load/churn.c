// SPDX-License-Identifier: GPL-2.0
/*
 * load churn [connections=100000] [seed=1]
 *
 * So many connections come and go, from two processes, one after the other in
 * each: attached at both ends, with and without a message, ended by either end,
 * with FIN or RST. Then nothing may be left: in slabs, of sockets, of references.
 * Before that, what attaching and closing alone take, a tenth of them at a time.
 */
#include "load.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define WORKERS		2
#define ADDRESSES	16

static void one(int listener, uint16_t port, uint32_t dice)
{
	struct sockaddr_in from = address(outer(A, dice % ADDRESSES), 0);
	struct sockaddr_in to = address(outer(B, 0), port);
	uint8_t message[40] = { [39] = 1 };
	int a, b, one = 1;

	a = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	need(setsockopt(a, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
			sizeof(one)));
	need(bind(a, (struct sockaddr *)&from, sizeof(from)));
	need(attach(a, "iketcp"));
	need(connect(a, (struct sockaddr *)&to, sizeof(to)));
	b = need(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	need(attach(b, "iketcp"));
	if (dice & 0x100)
		need(send(a, message, sizeof(message), 0));
	if (dice & 0x200)
		need(send(b, message, sizeof(message), 0));
	if ((dice & 0x300) == 0x300)
		need(recv(b, message, sizeof(message), 0));
	switch (dice >> 10 & 7) {
	case 0:
		sock_reset(a);
		close(b);
		break;
	case 1:
		sock_reset(b);
		close(a);
		break;
	case 2:
		shutdown(a, SHUT_WR);
		close(b);
		close(a);
		break;
	case 3:
	case 4:
		close(b);
		close(a);
		break;
	default:
		close(a);
		close(b);
		break;
	}
}

static void work(unsigned int worker, unsigned int n, uint32_t seed,
		 unsigned int *done)
{
	uint16_t port = IKE_PORT + worker;
	int listener = sock_listen(B, outer(B, 0), port);
	uint32_t dice = seed * 2 + worker + 1;

	enter(A);
	for (; *done < n; ++*done)
		one(listener, port, random_next(&dice));
}

/* The calls alone, with connections that are there already. */
static void rates(unsigned int n)
{
	struct link *links = calloc(n, sizeof(*links));
	int listener = sock_listen(B, outer(B, 0), IKE_PORT);
	uint64_t plain, attached, began;
	unsigned int i;

	links_open(links, n, listener, PLAIN);
	began = now_ms();
	for (i = 0; i < n; i++)
		sock_reset(links[i].b);
	plain = now_ms() - began;
	for (i = 0; i < n; i++)
		sock_reset(links[i].a);

	links_open(links, n, listener, PLAIN);
	began = now_ms();
	for (i = 0; i < n; i++)
		need(attach(links[i].b, "iketcp"));
	attached = now_ms() - began;
	began = now_ms();
	for (i = 0; i < n; i++)
		sock_reset(links[i].b);
	began = now_ms() - began;
	for (i = 0; i < n; i++)
		sock_reset(links[i].a);
	close(listener);
	free(links);
	diag("RATE %u attached in %u ms, closed in %u ms: %.0f a second, %.0f; as plain TCP closed in %u ms",
	     n, (unsigned int)attached, (unsigned int)began,
	     1e3 * n / (attached ?: 1), 1e3 * n / (began ?: 1),
	     (unsigned int)plain);
}

static bool unload(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (!run("tests/vm/guest/unload 2>/dev/null"))
			return true;
		msleep(500);
	}
	diag("%ld references", module_refs());
	return false;
}

int load_churn(int argc, char **argv)
{
	unsigned int n = option(argc, argv, "connections", 100000);
	unsigned int seed = option(argc, argv, "seed", 1);
	unsigned long attached[2], detached[2];
	unsigned int *done, w;
	struct slabs before;
	pid_t pids[WORKERS];
	bool good = true;
	uint64_t began;
	double seconds;

	if (run("modprobe iketcp"))
		die("no module");
	world_up(ADDRESSES);
	rates(n / 10 < 5000 ? n / 10 : 5000);
	world_down();
	memory_settled();
	slabs_take(&before);

	world_up(ADDRESSES);
	/* They would be gone only after a minute, or with the namespaces. */
	sysctl_write(A, "ipv4/tcp_max_tw_buckets", "262144");
	sysctl_write(B, "ipv4/tcp_max_tw_buckets", "262144");
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	began = now_ms();
	for (w = 0; w < WORKERS; w++) {
		fflush(NULL);
		pids[w] = need(fork());
		if (!pids[w]) {
			work(w, n / WORKERS, seed, &done[w]);
			_exit(0);
		}
	}
	for (w = 0; w < WORKERS; w++) {
		int status;

		need(waitpid(pids[w], &status, 0));
		good &= !status && done[w] == n / WORKERS;
	}
	seconds = (now_ms() - began) / 1e3;
	ok(good, "%u connects and closes", n);
	diag("RATE %u connections in %.1f s: %.0f a second; %.0f attached and closed a second",
	     n, seconds, n / seconds, 2 * n / seconds);
	for (w = 0; w < 2; w++) {
		attached[w] = stat_get(w, "iketcp_stat", "Attach");
		detached[w] = stat_get(w, "iketcp_stat", "Detach");
	}
	ok(attached[A] == n && attached[B] == n, "all were attached, twice");
	ok(detached[A] == n && detached[B] == n, "and all detached");
	ok(stat_get(B, "iketcp_stat", "InBadPrefix") == 0,
	   "none had a wrong prefix");
	diag("TCP: %ld in use, %ld orphans, %ld in TIME_WAIT in A",
	     sockets_in_use(A, "inuse"), sockets_in_use(A, "orphan"),
	     sockets_in_use(A, "tw"));
	ok(sockets_in_use(A, "inuse") == 0 && sockets_in_use(B, "inuse") == 0,
	   "no socket is in use");
	world_down();
	ok(slabs_same(&before, 100 + n / 50, 30 * slow()),
	   "nothing is left in slabs");
	ok(unload(), "the module can be unloaded: no reference is left");
	return done_testing();
}
