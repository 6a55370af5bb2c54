// SPDX-License-Identifier: GPL-2.0
/*
 * usage: work bulk  A B ADDRESS MEGABYTES [tls]
 *        work small A B ADDRESS THOUSANDS
 *        work ask   A B ADDRESS COUNT [tls]
 *
 * Moves data from network namespace A to ADDRESS in B and prints one line: what the
 * time was that it took and how much of it the CPU was busy (ns), bytes, packets,
 * and for "ask" the median round trip (ns).
 *
 *   bulk   one TCP stream, in writes of 64 KiB
 *   small  UDP packets of 64 bytes, headers included; 256 under way at most
 *   ask    one byte each way over TCP, one after the other
 *
 * "tls" is the kernel's TLS with AES-GCM. Before the measured part some of the same
 * work is done to warm up.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum {
	PORT = 5200,
	CHUNK = 1 << 16,
	PAYLOAD = 64 - 28,
	/* Packets under way, and after how many the receiver says so. */
	WINDOW = 256,
	CREDIT = 64,
};

static char buffer[CHUNK];
static struct sockaddr_in address = { .sin_family = AF_INET };

static void enter(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "namespace %s", name);
	close(fd);
}

static void tls(int fd, bool originator)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = { .version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4))
		err(1, "TLS");
	memset(info.key, originator ? 1 : 2, sizeof(info.key));
	if (setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof(info)))
		err(1, "TLS_TX");
	memset(info.key, originator ? 2 : 1, sizeof(info.key));
	if (setsockopt(fd, SOL_TLS, TLS_RX, &info, sizeof(info)))
		err(1, "TLS_RX");
}

static int tcp(bool originator, bool with_tls, bool nodelay)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), conn, one = 1, tries;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (originator) {
		for (tries = 0; connect(fd, (void *)&address, sizeof(address)); tries++) {
			if (tries == 100)
				err(1, "connect");
			close(fd);
			fd = socket(AF_INET, SOCK_STREAM, 0);
			usleep(100000);
		}
	} else {
		if (bind(fd, (void *)&address, sizeof(address)) || listen(fd, 1))
			err(1, "bind");
		conn = accept(fd, NULL, NULL);
		if (conn < 0)
			err(1, "accept");
		close(fd);
		fd = conn;
	}
	if (nodelay)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Nothing is sent before the other end is ready. */
	if (with_tls) {
		char c = 0;

		tls(fd, originator);
		if (originator ? read(fd, &c, 1) != 1 : write(fd, &c, 1) != 1)
			err(1, "first byte");
	}
	return fd;
}

static void write_all(int fd, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, buffer, bytes < CHUNK ? bytes : CHUNK);

		if (n <= 0)
			err(1, "write");
		bytes -= n;
	}
}

static void read_all(int fd, uint64_t bytes)
{
	static char into[CHUNK];

	while (bytes) {
		ssize_t n = read(fd, into, bytes < CHUNK ? bytes : CHUNK);

		if (n <= 0)
			err(1, "read");
		bytes -= n;
	}
}

static void bulk(bool originator, uint64_t megabytes, bool with_tls)
{
	const uint64_t bytes = megabytes << 20;
	int fd = tcp(originator, with_tls, false);
	char c = 0;

	if (!originator) {
		read_all(fd, bytes / 4);
		write_all(fd, 1);
		read_all(fd, bytes);
		write_all(fd, 1);
		return;
	}
	write_all(fd, bytes / 4);
	read_all(fd, 1);
	measure_begin();
	write_all(fd, bytes);
	if (read(fd, &c, 1) != 1)
		err(1, "read");
	measure_end(bytes, 0, 0);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void ask(bool originator, uint64_t count, bool with_tls)
{
	uint64_t *took = calloc(count, sizeof(*took)), i, start;
	int fd = tcp(originator, with_tls, true);

	for (i = 0; i < count / 4; i++) {
		if (originator)
			write_all(fd, 1);
		read_all(fd, 1);
		if (!originator)
			write_all(fd, 1);
	}
	if (originator)
		measure_begin();
	for (i = 0; i < count; i++) {
		if (originator) {
			start = now();
			write_all(fd, 1);
		}
		read_all(fd, 1);
		if (originator)
			took[i] = now() - start;
		else
			write_all(fd, 1);
	}
	if (!originator)
		return;
	qsort(took, count, sizeof(*took), compare);
	measure_end(count * 2, count, took[count / 2]);
}

static void small_receive(int fd)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	uint64_t got = 0;
	ssize_t n;

	while ((n = recvfrom(fd, buffer, CHUNK, 0, (void *)&from, &length)) > 0) {
		/* A packet of one byte asks how many came. */
		if (n == 1 || ++got % CREDIT == 0)
			sendto(fd, &got, sizeof(got), 0, (void *)&from, length);
	}
}

static uint64_t small_send(int fd, uint64_t sent, uint64_t count)
{
	uint64_t got = sent, lost = 0;

	while (count || got + lost < sent) {
		for (; count && sent - got - lost < WINDOW; sent++, count--)
			if (send(fd, buffer, PAYLOAD, 0) < 0)
				err(1, "send");
		if (recv(fd, &got, sizeof(got), 0) == sizeof(got) && got + lost + CREDIT <= sent)
			continue;
		if (count && sent - got - lost < WINDOW)
			continue;
		/* No answer for a while, or the end: what is missing is lost. */
		if (send(fd, buffer, 1, 0) == 1 &&
		    recv(fd, &got, sizeof(got), 0) == sizeof(got))
			lost = count ? sent - got : lost;
		if (!count)
			break;
	}
	return got;
}

static void small(bool originator, uint64_t count)
{
	struct timeval wait = { .tv_usec = 200000 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	uint64_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (!originator) {
		if (bind(fd, (void *)&address, sizeof(address)))
			err(1, "bind");
		small_receive(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (void *)&address, sizeof(address)))
		err(1, "connect");
	usleep(200000);
	got = small_send(fd, 0, count / 4);
	measure_begin();
	got = small_send(fd, got, count) - got;
	measure_end(got * 64, got, 0);
}

static void run(bool originator, const char *work, uint64_t count, bool with_tls)
{
	if (!strcmp(work, "bulk"))
		bulk(originator, count, with_tls);
	else if (!strcmp(work, "small"))
		small(originator, count);
	else if (!strcmp(work, "ask"))
		ask(originator, count, with_tls);
	else
		errx(2, "no such work: %s", work);
}

int main(int argc, char **argv)
{
	bool with_tls = argc > 6 && !strcmp(argv[6], "tls");
	uint64_t count;
	pid_t pid;

	if (argc < 6)
		errx(2, "see the head of tests/bench/work.c");
	address.sin_port = htons(PORT);
	if (inet_pton(AF_INET, argv[4], &address.sin_addr) != 1)
		errx(2, "no address: %s", argv[4]);
	count = strtoull(argv[5], NULL, 0);
	if (!strcmp(argv[1], "small"))
		count *= 1000;
	pid = fork();
	if (!pid) {
		enter(argv[3]);
		run(false, argv[1], count, with_tls);
		return 0;
	}
	enter(argv[2]);
	run(true, argv[1], count, with_tls);
	if (!strcmp(argv[1], "small"))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
