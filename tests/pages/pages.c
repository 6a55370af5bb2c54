// SPDX-License-Identifier: GPL-2.0
/*
 * Sends the pages of a file, in every way that does without a copy, over a TCP
 * connection whose other end gets the ULP "iketcp". See tests/scenario/pages.
 *
 * usage: pages record NS ADDRESS FILE BYTES
 *		waits on port 4500 in NS for one connection and writes what
 *		comes to FILE, BYTES of it at least, until a message ends
 *	  pages send FROM-NS TO-NS ADDRESS FILE HOW before|after
 *		listens on ADDRESS in TO-NS, connects from FROM-NS, sends FILE;
 *		the ULP is attached before or after everything has arrived.
 *		Ends when all is acknowledged and attached; the connection
 *		lives until standard input ends.
 *
 * HOW: sendfile, splice, tee, vmsplice, zerocopy (MSG_ZEROCOPY), uring
 * (io_uring, SEND_ZC from a fixed buffer).
 *
 * NS is the name of a network namespace. Exits with 1 and one line when
 * something fails.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../include/iketcp.h"

/* more than the file, so that all of it can wait for the ULP */
#define RCVBUF		(4 << 20)
#define PIPE		(1 << 20)
#define WAIT_MS		30000

/* struct file - what is sent: its pages, by descriptor and mapped */
struct file {
	int fd;
	char *map;
	size_t size;
};

static void enter(const char *ns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "namespace %s", ns);
	close(fd);
}

static socklen_t address_of(const char *text, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(IKETCP_PORT);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		errx(1, "no address: %s", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(IKETCP_PORT);
	return sizeof(*in6);
}

static int listener(const char *ns, const char *address)
{
	struct sockaddr_storage at;
	socklen_t len = address_of(address, &at);
	int size = RCVBUF, yes = 1, sock;

	enter(ns);
	sock = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(sock, (void *)&at, len) || listen(sock, 1))
		err(1, "listen on %s", address);
	return sock;
}

/* Length fields count themselves; the prefix comes first. */
static bool ends_with_message(const unsigned char *data, size_t size)
{
	size_t at = IKETCP_PREFIX_LEN;

	while (at + IKETCP_LENGTH_LEN <= size)
		at += data[at] << 8 | data[at + 1];
	return at == size;
}

static void record(const char *ns, const char *address, const char *name,
		   size_t want)
{
	unsigned char *data = malloc(want + (1 << 20));
	int sock, conn, file;
	struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
	size_t size = 0;
	ssize_t n;

	sock = listener(ns, address);
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		err(1, "SO_RCVTIMEO");
	conn = accept(sock, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	while (size < want || !ends_with_message(data, size)) {
		/* Byte by byte at the end, to stop behind a message. */
		n = read(conn, data + size, size < want ? want - size : 1);
		if (n <= 0)
			err(1, "read: %zd after %zu bytes", n, size);
		size += n;
	}
	file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		err(1, "%s", name);
}

static void send_file(int sock, const struct file *file)
{
	off_t at = 0;

	while (at < (off_t)file->size)
		if (sendfile(sock, file->fd, &at, file->size - at) <= 0)
			err(1, "sendfile");
}

static void make_pipe(int fd[2])
{
	if (pipe2(fd, O_CLOEXEC) || fcntl(fd[1], F_SETPIPE_SZ, PIPE) < 0)
		err(1, "pipe");
}

static void pipe_to_socket(int pipe, int sock, size_t size)
{
	while (size) {
		ssize_t n = splice(pipe, NULL, sock, NULL, size,
				   SPLICE_F_MOVE);

		if (n <= 0)
			err(1, "splice to the socket");
		size -= n;
	}
}

static void file_to_pipe(const struct file *file, int pipe)
{
	loff_t at = 0;

	while (at < (loff_t)file->size)
		if (splice(file->fd, &at, pipe, NULL, file->size - at,
			   SPLICE_F_MOVE) <= 0)
			err(1, "splice from the file");
}

static void send_splice(int sock, const struct file *file)
{
	int fd[2];

	make_pipe(fd);
	file_to_pipe(file, fd[1]);
	pipe_to_socket(fd[0], sock, file->size);
}

/* The other branch of the tee keeps its references to the pages. */
static void send_tee(int sock, const struct file *file)
{
	int from[2], other[2];

	make_pipe(from);
	make_pipe(other);
	file_to_pipe(file, from[1]);
	if (tee(from[0], other[1], file->size, 0) != (ssize_t)file->size)
		err(1, "tee");
	pipe_to_socket(from[0], sock, file->size);
}

static void send_vmsplice(int sock, const struct file *file)
{
	struct iovec iov = { file->map, file->size };
	int fd[2];

	make_pipe(fd);
	if (vmsplice(fd[1], &iov, 1, 0) != (ssize_t)file->size)
		err(1, "vmsplice");
	pipe_to_socket(fd[0], sock, file->size);
}

static void send_zerocopy(int sock, const struct file *file)
{
	size_t at = 0;
	int yes = 1;

	if (setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof(yes)))
		err(1, "SO_ZEROCOPY");
	while (at < file->size) {
		ssize_t n = send(sock, file->map + at, file->size - at,
				 MSG_ZEROCOPY);

		if (n <= 0)
			err(1, "send(MSG_ZEROCOPY)");
		at += n;
	}
}

static void send_uring(int sock, const struct file *file)
{
	struct iovec iov = { file->map, file->size };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	size_t at = 0;
	int e;

	e = io_uring_queue_init(8, &ring, 0);
	if (!e)
		e = io_uring_register_buffers(&ring, &iov, 1);
	if (e)
		errx(1, "io_uring: %s", strerror(-e));
	while (at < file->size) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		bool more;

		io_uring_prep_send_zc_fixed(sqe, sock, file->map + at,
					    file->size - at, 0, 0, 0);
		io_uring_submit(&ring);
		/* What was sent; then, that the pages are free again. */
		do {
			e = io_uring_wait_cqe(&ring, &cqe);
			if (e)
				errx(1, "io_uring: %s", strerror(-e));
			more = cqe->flags & IORING_CQE_F_MORE;
			if (!(cqe->flags & IORING_CQE_F_NOTIF)) {
				if (cqe->res <= 0)
					errx(1, "SEND_ZC: %s",
					     strerror(-cqe->res));
				at += cqe->res;
			}
			io_uring_cqe_seen(&ring, cqe);
		} while (more);
	}
}

static const struct {
	const char *name;
	void (*send)(int sock, const struct file *file);
} ways[] = {
	{ "sendfile", send_file },
	{ "splice", send_splice },
	{ "tee", send_tee },
	{ "vmsplice", send_vmsplice },
	{ "zerocopy", send_zerocopy },
	{ "uring", send_uring },
};

static void attach(int sock)
{
	if (setsockopt(sock, IPPROTO_TCP, TCP_ULP, IKETCP_ULP,
		       sizeof(IKETCP_ULP)))
		err(1, "TCP_ULP");
}

/* Until the ioctl() says so many bytes. */
static void await(int sock, unsigned long what, int wanted, const char *name)
{
	int ms, n = -1;

	for (ms = 0; ms < WAIT_MS; ms += 5) {
		if (ioctl(sock, what, &n))
			err(1, "%s", name);
		if (n == wanted)
			return;
		usleep(5000);
	}
	errx(1, "%s is %d, not %d", name, n, wanted);
}

static void map(const char *name, struct file *file)
{
	struct stat st;

	file->fd = open(name, O_RDWR | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st))
		err(1, "%s", name);
	file->size = st.st_size;
	/* Fixed buffers have to be writable. */
	file->map = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 file->fd, 0);
	if (file->map == MAP_FAILED)
		err(1, "mmap");
}

static void send_pages(char *argv[])
{
	bool before = !strcmp(argv[5], "before");
	struct sockaddr_storage to;
	int listening, sock, conn;
	struct file file;
	socklen_t len;
	size_t i;
	char end;

	map(argv[3], &file);
	listening = listener(argv[1], argv[2]);
	enter(argv[0]);
	len = address_of(argv[2], &to);
	sock = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (void *)&to, len))
		err(1, "connect");
	conn = accept(listening, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	close(listening);

	if (before)
		attach(conn);
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i].name, argv[4]))
			break;
	if (i == sizeof(ways) / sizeof(*ways))
		errx(1, "no way to send: %s", argv[4]);
	ways[i].send(sock, &file);
	await(sock, SIOCOUTQ, 0, "SIOCOUTQ");
	if (!before) {
		await(conn, SIOCINQ, file.size, "SIOCINQ");
		attach(conn);
	}
	puts("sent");
	fflush(stdout);
	(void)!read(0, &end, 1);
}

int main(int argc, char *argv[])
{
	if (argc == 6 && !strcmp(argv[1], "record"))
		record(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 0));
	else if (argc == 8 && !strcmp(argv[1], "send"))
		send_pages(argv + 2);
	else
		errx(2, "wrong words; see the head of tests/pages/pages.c");
	return 0;
}
