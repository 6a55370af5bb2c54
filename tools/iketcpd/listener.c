// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: where peers come in. The kernel keeps away who does not send the
 * prefix; what accept() gives stands for UDP from the peer's port to the daemon's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../iketcp/address.h"
#include "../iketcp/carrier.h"
#include "connection.h"
#include "listener.h"
#include "log.h"
#include "server.h"

#define BACKLOG		512

/**
 * struct listener - one
 * @server: its socket
 * @next: another
 * @at: where
 * @wanted: while it is configured: it stays
 */
struct listener {
	struct server server;
	struct listener *next;
	struct endpoint at;
	bool wanted;
};

static struct listener *listeners;
static struct responder_config settings;

/* Owner of all that was accepted; what it points to does not matter. */
static char accepted;

/* Return: whether one more from there is welcome. */
static bool has_room(const struct endpoint *remote)
{
	char text[ENDPOINT_MAX];

	endpoint_text(remote, text, sizeof(text));
	if (connection_count(&accepted, NULL) >= settings.max_connections) {
		log_peer("%s: not accepted: there are %u connections (max-connections)", text,
			 settings.max_connections);
		return false;
	}
	if (connection_count(&accepted, &remote->address) >= settings.max_per_address) {
		log_peer("%s: not accepted: its address has %u connections (max-per-address)",
			 text, settings.max_per_address);
		return false;
	}
	return true;
}

static void ready(struct source *source, unsigned int events)
{
	struct connection *connection;
	struct endpoint local, remote;
	char text[PAIR_MAX];
	int fd;

	(void)events;
	fd = server_accept(container_of(source, struct server, source), "accept");
	if (fd < 0)
		return;
	carrier_ends(fd, &local, &remote);
	/* Gone already. */
	if (!remote.address.family || !has_room(&remote)) {
		close(fd);
		return;
	}
	if (carrier_bypass(fd, local.address.family) < 0)
		log_peer("policies of a connection: %s", strerror(errno));
	connection = connection_create(fd, &settings.tuning, false);
	if (!connection) {
		log_peer("connection: %s", strerror(errno));
		return;
	}
	connection->owner = &accepted;
	connection->udp_local = connection->local;
	connection->udp_local.port = settings.udp_port;
	connection->udp_peer = connection->remote;
	if (connection_bridge(connection) < 0) {
		connection_close(connection, errno == ENOTCONN ? "it is gone already" :
				 strerror(errno));
		return;
	}
	log_peer("%s: accepted", connection_text(connection, text, sizeof(text)));
	connection_probe(connection);
}

static int open_one(const struct endpoint *at)
{
	struct listener *listener;
	struct sockaddr_storage name;
	socklen_t len = connection_name(at, &name);
	char text[ENDPOINT_MAX];
	int fd;

	endpoint_text(at, text, sizeof(text));
	fd = connection_open(at->address.family, &settings.tuning);
	if (fd < 0) {
		complain("listen %s: %s", text, strerror(errno));
		return -1;
	}
	if (bind(fd, (struct sockaddr *)&name, len) < 0 || listen(fd, BACKLOG) < 0 ||
	    carrier_attach(fd, IKETCP_ULP) < 0 ||
	    carrier_set(fd, IKETCP_OPT_ACCEPT_PREFIX, 1) < 0) {
		complain("listen %s: %s", text, strerror(errno));
		close(fd);
		return -1;
	}
	listener = must_have(calloc(1, sizeof(*listener)));
	listener->server.source = (struct source){ .fd = fd, .ready = ready };
	listener->at = *at;
	listener->wanted = true;
	if (loop_add(&listener->server.source, EPOLLIN) < 0) {
		complain("listen %s: %s", text, strerror(errno));
		close(fd);
		free(listener);
		return -1;
	}
	listener->next = listeners;
	listeners = listener;
	complain("%s: listening", text);
	return 0;
}

static void close_unwanted(void)
{
	struct listener **at = &listeners, *listener;
	char text[ENDPOINT_MAX];

	while (*at) {
		listener = *at;
		if (listener->wanted) {
			at = &listener->next;
			continue;
		}
		*at = listener->next;
		server_remove(&listener->server);
		complain("%s: no longer listening",
			 endpoint_text(&listener->at, text, sizeof(text)));
		free(listener);
	}
}

static struct listener *find(const struct endpoint *at)
{
	struct listener *listener;

	for (listener = listeners; listener; listener = listener->next) {
		if (endpoint_same(&listener->at, at))
			return listener;
	}
	return NULL;
}

/**
 * listener_configure() - listens where it is said, and only there
 * @config: says it
 *
 * Connections that are there stay, unless the daemon's port is another one now.
 *
 * Return: -1 if something failed, which was said; the rest is done.
 */
int listener_configure(const struct responder_config *config)
{
	struct listener *listener;
	int result = 0;
	size_t i;

	if (settings.udp_port && config->udp_port != settings.udp_port)
		connection_close_owned(&accepted, "udp-port has changed");
	settings = *config;
	settings.listen = NULL;
	for (listener = listeners; listener; listener = listener->next)
		listener->wanted = false;
	for (i = 0; i < config->n_listen; i++) {
		listener = find(&config->listen[i]);
		if (listener)
			listener->wanted = true;
	}
	/* First, as it may be in the way: one address and all of them. */
	close_unwanted();
	for (i = 0; i < config->n_listen; i++) {
		if (!find(&config->listen[i]) && open_one(&config->listen[i]) < 0)
			result = -1;
	}
	if (!config->n_listen)
		connection_close_owned(&accepted, "[responder] is gone");
	return result;
}

void listener_close_all(void)
{
	struct listener *listener;

	for (listener = listeners; listener; listener = listener->next)
		listener->wanted = false;
	close_unwanted();
	connection_close_owned(&accepted, "iketcpd ends");
}

/**
 * listener_status() - a line for each
 * @file: where
 */
void listener_status(FILE *file)
{
	const struct listener *listener;
	char text[ENDPOINT_MAX];

	for (listener = listeners; listener; listener = listener->next)
		fprintf(file, "listener %s%s\n",
			endpoint_text(&listener->at, text, sizeof(text)),
			listener->server.pause.at ? " paused" : "");
	if (listeners)
		fprintf(file, "accepted %u of %u\n", connection_count(&accepted, NULL),
			settings.max_connections);
}
