// SPDX-License-Identifier: GPL-2.0
/*
 * TCP connections that stand for UDP ones. The kernel passes the messages; here
 * it is seen that they end when they are of no use any more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../iketcp/address.h"
#include "../iketcp/carrier.h"
#include "connection.h"
#include "log.h"

/* How often it is looked whether they are idle. Limits are seconds to hours. */
#define IDLE_CHECK	1000
/* Keepalives of one that may have been replaced: dead ones end in 20 seconds. */
#define PROBE_IDLE	5
#define PROBE_INTERVAL	5
#define PROBE_COUNT	3

static struct connection *connections;
static struct timer idle_timer;

static struct carrier carrier_of(const struct tuning *tuning)
{
	struct carrier carrier = {
		.ulp = IKETCP_ULP,
		.idle = tuning->keepalive,
		.interval = tuning->interval,
		.count = tuning->count,
	};

	return carrier;
}

/**
 * connection_name() - an endpoint as the kernel wants it
 * @endpoint: address and port
 * @name: set
 *
 * Return: its length.
 */
socklen_t connection_name(const struct endpoint *endpoint, struct sockaddr_storage *name)
{
	struct sockaddr_in6 *in6 = (void *)name;
	struct sockaddr_in *in = (void *)name;

	memset(name, 0, sizeof(*name));
	name->ss_family = endpoint->address.family;
	if (endpoint->address.family == AF_INET) {
		memcpy(&in->sin_addr, endpoint->address.bytes, sizeof(in->sin_addr));
		in->sin_port = htons(endpoint->port);
		return sizeof(*in);
	}
	memcpy(&in6->sin6_addr, endpoint->address.bytes, sizeof(in6->sin6_addr));
	in6->sin6_port = htons(endpoint->port);
	return sizeof(*in6);
}

/**
 * connection_open() - a socket for one, or for a listener
 * @family: AF_INET or AF_INET6
 * @tuning: how it is to be
 *
 * Return: -1 with errno.
 */
int connection_open(int family, const struct tuning *tuning)
{
	struct carrier carrier = carrier_of(tuning);
	int fd = carrier_open(family), error;

	if (fd >= 0 && carrier_tune(fd, &carrier) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

const char *connection_text(const struct connection *connection, char *buf, size_t size)
{
	char local[ENDPOINT_MAX], remote[ENDPOINT_MAX];

	endpoint_text(&connection->local, local, sizeof(local));
	endpoint_text(&connection->remote, remote, sizeof(remote));
	snprintf(buf, size, "%s > %s", local, remote);
	return buf;
}

static int info_of(const struct connection *connection, struct iketcp_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return getsockopt(connection->source.fd, SOL_IKETCP, IKETCP_OPT_INFO, info, &len);
}

static void check_idle(struct timer *timer)
{
	struct connection *connection, *next;
	long long now = loop_now();
	struct iketcp_info info;
	unsigned long long bytes;

	for (connection = connections; connection; connection = next) {
		next = connection->next;
		if (!connection->tuning.idle || connection->connecting)
			continue;
		info_of(connection, &info);
		bytes = info.in_bytes + info.out_bytes;
		if (bytes != connection->bytes) {
			connection->bytes = bytes;
			connection->active = now;
		} else if (now - connection->active >= connection->tuning.idle * 1000LL) {
			connection->idle = true;
			connection_close(connection, "idle");
			/* Who owned it may have closed others. */
			next = connections;
		}
	}
	if (connections)
		timer_set(timer, IDLE_CHECK);
}

/* The kernel has the messages: what can be read is the end. */
static void ready(struct source *source, unsigned int events)
{
	struct connection *connection = container_of(source, struct connection, source);
	char byte;
	ssize_t len;

	if (connection->connecting) {
		socklen_t size = sizeof(int);
		int error = 0;

		getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) {
			connection_close(connection, strerror(error));
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		connection->connecting = false;
		connection->active = loop_now();
		loop_change(source, EPOLLIN | EPOLLRDHUP);
		carrier_ends(source->fd, &connection->local, &connection->remote);
		if (connection->connected)
			connection->connected(connection);
		return;
	}
	len = recv(source->fd, &byte, sizeof(byte), MSG_DONTWAIT);
	if (len > 0)
		return;
	if (len < 0 && (errno == EAGAIN || errno == EINTR) && !(events & EPOLLHUP))
		return;
	connection_close(connection, len ? strerror(errno) : "the peer closed it");
}

/**
 * connection_create() - makes one of a socket
 * @fd: socket with the ULP; taken
 * @tuning: how it is treated
 * @connecting: it is to be told when it is connected
 *
 * Return: NULL with errno; then @fd is closed.
 */
struct connection *connection_create(int fd, const struct tuning *tuning, bool connecting)
{
	struct connection *connection = must_have(calloc(1, sizeof(*connection)));
	int error;

	connection->source = (struct source){ .fd = fd, .ready = ready };
	connection->tuning = *tuning;
	connection->since = loop_now();
	connection->active = connection->since;
	carrier_ends(fd, &connection->local, &connection->remote);
	connection->connecting = connecting;
	if (loop_add(&connection->source,
		     connecting ? EPOLLOUT : EPOLLIN | EPOLLRDHUP) < 0) {
		error = errno;
		close(fd);
		free(connection);
		errno = error;
		return NULL;
	}
	connection->next = connections;
	connection->previous = &connections;
	if (connections)
		connections->previous = &connection->next;
	connections = connection;
	if (!idle_timer.at) {
		idle_timer.due = check_idle;
		timer_set(&idle_timer, IDLE_CHECK);
	}
	return connection;
}

/**
 * connection_bridge() - tells the module what it stands for
 * @connection: @udp_local and @udp_peer are set
 *
 * Return: -1 with errno.
 */
int connection_bridge(struct connection *connection)
{
	const struct endpoint *local = &connection->udp_local;
	const struct endpoint *peer = &connection->udp_peer;
	struct iketcp_bridge bridge = {
		.family = local->address.family,
		.local_port = htons(local->port),
		.peer_port = htons(peer->port),
	};
	socklen_t len = sizeof(int);
	int error;

	memcpy(bridge.local, local->address.bytes, sizeof(bridge.local));
	memcpy(bridge.peer, peer->address.bytes, sizeof(bridge.peer));
	if (setsockopt(connection->source.fd, SOL_IKETCP, IKETCP_OPT_BRIDGE, &bridge,
		       sizeof(bridge)) < 0) {
		/* Refused or reset meanwhile: that is the better reason. */
		error = errno;
		if (error == ENOTCONN)
			getsockopt(connection->source.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		errno = error ? error : ENOTCONN;
		return -1;
	}
	connection->bridged = true;
	return 0;
}

/* Has anything come by it? */
bool connection_worked(const struct connection *connection)
{
	struct iketcp_info info;

	return !info_of(connection, &info) && info.in_bytes;
}

/**
 * connection_close() - the end of one
 * @connection: freed
 * @reason: to be told
 */
void connection_close(struct connection *connection, const char *reason)
{
	bool worked = connection_worked(connection);
	char text[PAIR_MAX];

	log_peer("%s: closed: %s", connection_text(connection, text, sizeof(text)), reason);
	loop_remove(&connection->source);
	*connection->previous = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->closed)
		connection->closed(connection, worked);
	free(connection);
}

/**
 * connection_count() - how many there are
 * @owner: of whom
 * @of: with peers of this address; or NULL
 */
unsigned int connection_count(const void *owner, const struct address *of)
{
	const struct connection *connection;
	unsigned int n = 0;

	for (connection = connections; connection; connection = connection->next) {
		if (connection->owner == owner &&
		    (!of || !memcmp(of, &connection->remote.address, sizeof(*of))))
			n++;
	}
	return n;
}

/**
 * connection_probe() - looks whether those that it may replace are dead
 * @newest: it
 *
 * A peer that comes again may have lost the connection without our being told.
 * Or it is another one, behind the same NAT: so they are asked.
 */
void connection_probe(const struct connection *newest)
{
	static const struct tuning probe = {
		.keepalive = PROBE_IDLE,
		.interval = PROBE_INTERVAL,
		.count = PROBE_COUNT,
	};
	struct carrier carrier = carrier_of(&probe);
	const struct connection *connection;

	for (connection = connections; connection; connection = connection->next) {
		if (connection != newest && connection->owner == newest->owner &&
		    !memcmp(&connection->remote.address, &newest->remote.address,
			    sizeof(newest->remote.address)))
			carrier_tune(connection->source.fd, &carrier);
	}
}

/**
 * connection_close_owned() - the end of somebody's connections
 * @owner: whose
 * @reason: to be told
 */
void connection_close_owned(const void *owner, const char *reason)
{
	struct connection *connection, *next;

	for (connection = connections; connection; connection = next) {
		next = connection->next;
		if (connection->owner == owner)
			connection_close(connection, reason);
	}
}

/**
 * connection_status() - a line for each
 * @file: where
 */
void connection_status(FILE *file)
{
	char tcp[PAIR_MAX], local[ENDPOINT_MAX], peer[ENDPOINT_MAX];
	const struct connection *connection;
	long long now = loop_now();
	struct iketcp_info info;

	for (connection = connections; connection; connection = connection->next) {
		info_of(connection, &info);
		endpoint_text(&connection->udp_local, local, sizeof(local));
		endpoint_text(&connection->udp_peer, peer, sizeof(peer));
		fprintf(file,
			"connection %s %s udp %s > %s age %lld idle %lld in-ike %llu in-esp %llu ",
			connection_text(connection, tcp, sizeof(tcp)),
			connection->connecting ? "connecting" :
			connection->bridged ? "bridged" : "connected",
			local, peer, (now - connection->since) / 1000,
			(now - connection->active) / 1000, info.in_ike, info.in_esp);
		fprintf(file, "out-ike %llu out-esp %llu drops %llu\n", info.out_ike,
			info.out_esp, info.drops);
	}
}

/**
 * connection_support() - does the kernel have all that is needed?
 *
 * Return: -1 if not, which was said.
 */
int connection_support(void)
{
	struct iketcp_bridge none = {};
	int fd, result = -1;

	fd = carrier_open(AF_INET);
	if (fd < 0) {
		complain("socket: %s%s", strerror(errno), errno == EPERM ?
			": it takes CAP_NET_ADMIN" : "");
		return -1;
	}
	if (carrier_attach(fd, IKETCP_ULP) < 0) {
		if (errno == ENOENT)
			complain("the kernel has no ULP \"iketcp\": see \"iketcp check\"");
		else if (errno == EPERM)
			complain("not permitted: CAP_NET_ADMIN, or allow_userns, is missing");
		else
			complain("ULP \"%s\": %s", IKETCP_ULP, strerror(errno));
	} else if (!setsockopt(fd, SOL_IKETCP, IKETCP_OPT_BRIDGE, &none, sizeof(none)) ||
		   errno == ENOTCONN) {
		/* It is not connected: that is what a module says that knows it. */
		result = 0;
	} else if (errno == ENOPROTOOPT) {
		complain("the module that is loaded is too old: it has no bridges");
	} else {
		complain("the module's bridges: %s", strerror(errno));
	}
	close(fd);
	return result;
}
