// SPDX-License-Identifier: GPL-2.0
/*
 * A listening socket in the event loop. It stays ready as long as somebody waits, so
 * it is left alone for a while when there are no more files.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "server.h"

/* When there are no more files: others may close theirs. */
#define PAUSE		1000

static void go_on(struct timer *timer)
{
	struct server *server = container_of(timer, struct server, pause);

	loop_change(&server->source, EPOLLIN);
}

/**
 * server_accept() - takes one who waits
 * @server: is ready
 * @what: the error is about
 *
 * Return: the file, which does not block; or -1, and what the matter is was said.
 */
int server_accept(struct server *server, const char *what)
{
	int fd = accept4(server->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	/* What has gone meanwhile is nobody's concern. */
	if (fd >= 0 || errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return fd;
	log_peer("%s: %s", what, strerror(errno));
	loop_change(&server->source, 0);
	server->pause.due = go_on;
	timer_set(&server->pause, PAUSE);
	return -1;
}

/**
 * server_remove() - it is not waited for any more, and closed
 * @server: in the loop
 */
void server_remove(struct server *server)
{
	timer_cancel(&server->pause);
	loop_remove(&server->source);
}
