// SPDX-License-Identifier: GPL-2.0
/*
 * Tells who asks how things are: a UNIX socket, on which each that connects gets
 * everything, a line each, and the end.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "connection.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "peer.h"
#include "server.h"
#include "status.h"

#define BACKLOG		4
/* Who asks and does not read is not waited for. */
#define READ_TIMEOUT	10000
#define ASKERS_MAX	8

/**
 * struct asker - somebody who asks
 * @source: the socket
 * @timer: how long he is waited for
 * @text: the answer
 * @len: of @text
 * @done: so much of it was sent
 */
struct asker {
	struct source source;
	struct timer timer;
	char *text;
	size_t len;
	size_t done;
};

static struct server server = { .source.fd = -1 };
static struct sockaddr_un where = { .sun_family = AF_UNIX };
static unsigned int askers;

static int set_path(const char *path)
{
	if (strlen(path) < sizeof(where.sun_path)) {
		memcpy(where.sun_path, path, strlen(path) + 1);
		return 0;
	}
	complain("%s: this is too long for a socket", path);
	return -1;
}

static void end(struct asker *asker)
{
	timer_cancel(&asker->timer);
	loop_remove(&asker->source);
	free(asker->text);
	free(asker);
	askers--;
}

static void late(struct timer *timer)
{
	end(container_of(timer, struct asker, timer));
}

static void answer(struct source *source, unsigned int events)
{
	struct asker *asker = container_of(source, struct asker, source);
	ssize_t len;

	(void)events;
	len = send(source->fd, asker->text + asker->done, asker->len - asker->done,
		   MSG_NOSIGNAL | MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len > 0)
		asker->done += (size_t)len;
	if (len < 0 || asker->done == asker->len)
		end(asker);
}

static void ready(struct source *source, unsigned int events)
{
	struct asker *asker;
	FILE *file;
	int fd;

	(void)events;
	fd = server_accept(container_of(source, struct server, source), "status");
	if (fd < 0)
		return;
	if (askers == ASKERS_MAX) {
		close(fd);
		return;
	}
	asker = must_have(calloc(1, sizeof(*asker)));
	asker->source = (struct source){ .fd = fd, .ready = answer };
	asker->timer.due = late;
	file = must_have(open_memstream(&asker->text, &asker->len));
	listener_status(file);
	peer_status(file);
	connection_status(file);
	if (fclose(file) || loop_add(&asker->source, EPOLLOUT) < 0) {
		close(fd);
		free(asker->text);
		free(asker);
		return;
	}
	askers++;
	timer_set(&asker->timer, READ_TIMEOUT);
}

static bool is_in_use(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool used;

	if (fd < 0)
		return false;
	used = !connect(fd, (struct sockaddr *)&where, sizeof(where));
	close(fd);
	return used;
}

/* The folder may be in /run, which is empty after each boot. */
static void make_folder(const char *path, unsigned int uid, unsigned int gid)
{
	char copy[sizeof(where.sun_path)];
	char *folder;

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (!mkdir(folder, 0755) && chown(folder, uid, gid) < 0)
		complain("%s: %s", folder, strerror(errno));
}

/**
 * status_open() - answers from now on
 * @path: of the socket
 * @uid: whose it is to be
 * @gid: likewise
 *
 * Return: -1 if not, which was said.
 */
int status_open(const char *path, unsigned int uid, unsigned int gid)
{
	int fd;

	if (set_path(path) < 0)
		return -1;
	if (is_in_use()) {
		complain("%s: another iketcpd runs", path);
		return -1;
	}
	make_folder(path, uid, gid);
	/* One that died has left it. */
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	server.source = (struct source){ .fd = fd, .ready = ready };
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&where, sizeof(where)) &&
	    !chmod(path, 0600) && !chown(path, uid, gid) && !listen(fd, BACKLOG) &&
	    !loop_add(&server.source, EPOLLIN))
		return 0;
	complain("%s: %s", path, strerror(errno));
	return -1;
}

void status_close(void)
{
	unlink(where.sun_path);
}

/**
 * status_ask() - asks one that runs, and prints what it says
 * @path: of the socket
 *
 * Return: -1 if there is none, which was said.
 */
int status_ask(const char *path)
{
	char buf[4096];
	ssize_t len;
	int fd;

	if (set_path(path) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0) {
		complain("%s: %s%s", path, strerror(errno),
			 errno == ENOENT || errno == ECONNREFUSED ?
			": does iketcpd run?" : "");
		return -1;
	}
	while ((len = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)len, stdout);
	close(fd);
	if (!len && !fflush(stdout) && !ferror(stdout))
		return 0;
	complain("%s", strerror(errno));
	return -1;
}
