// SPDX-License-Identifier: GPL-2.0
/*
 * Peers that connections are made to: always, or when the daemon's requests to
 * them by UDP are not answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../iketcp/address.h"
#include "../iketcp/carrier.h"
#include "connection.h"
#include "exchange.h"
#include "log.h"
#include "loop.h"
#include "peer.h"
#include "watch.h"

/* Three SYNs and what they wait for: 1, 2 and 4 seconds, and an answer's way. */
#define CONNECT_TIMEOUT	10000
/* Fallback: nothing came back, so it is no better than UDP. */
#define TRIAL_TIMEOUT	30000
#define BACKOFF_FIRST	1000
#define BACKOFF_MAX	60000
/* One that did not last is not made again at once. */
#define SHORT_LIFE	1000
/* Fallback: so many in vain, and it is UDP's turn. */
#define FAILURES_MAX	3

enum state {
	PEER_UDP,		/* there is none, and none is wanted */
	PEER_WAITING,		/* until it is tried again */
	PEER_CONNECTING,
	PEER_CONNECTED,
};

/**
 * struct peer - one
 * @next: another
 * @config: what is wanted
 * @wanted: while it is configured: it stays
 * @state: of its connection
 * @connection: it, in the last two states
 * @local: the daemon's address and port
 * @timer: what is to be next in @state
 * @failures: connections in vain, one after the other
 * @remembered: TCP is known to be needed from @local, until then
 * @not_before: fallback: TCP is not tried again from @local
 * @watch: of UDP, for fallback
 * @exchanges: what it saw
 */
struct peer {
	struct peer *next;
	struct peer_config config;
	bool wanted;
	enum state state;
	struct connection *connection;
	struct endpoint local;
	struct timer timer;
	unsigned int failures;
	long long remembered;
	long long not_before;
	struct watch watch;
	struct exchanges exchanges;
};

static struct peer *peers;

static long long backoff(const struct peer *peer)
{
	long long ms = BACKOFF_FIRST;
	unsigned int i;

	if (!peer->failures)
		return 0;
	for (i = 1; i < peer->failures && ms < BACKOFF_MAX; i++)
		ms *= 2;
	return ms < BACKOFF_MAX ? ms : BACKOFF_MAX;
}

/* All that was found out. */
static void forget(struct peer *peer)
{
	peer->failures = 0;
	peer->remembered = 0;
	peer->not_before = 0;
}

static void wait_for_udp(struct peer *peer)
{
	peer->state = PEER_UDP;
	timer_cancel(&peer->timer);
	peer->not_before = loop_now() + backoff(peer);
}

/* The connection has ended, or could not be made. */
static void again(struct peer *peer, bool worked, bool lasted)
{
	long long now = loop_now(), delay;

	peer->connection = NULL;
	if (worked)
		peer->failures = 0;
	else
		peer->failures++;
	delay = backoff(peer);
	if (!delay && !lasted)
		delay = BACKOFF_FIRST;
	if (peer->config.use == USE_FALLBACK) {
		if (worked)
			peer->remembered = now + peer->config.remember * 1000LL;
		if (now >= peer->remembered || peer->failures > FAILURES_MAX) {
			complain("%s: back to UDP", peer->config.name);
			wait_for_udp(peer);
			return;
		}
	}
	peer->state = PEER_WAITING;
	timer_set(&peer->timer, delay);
}

static void closed(struct connection *connection, bool worked)
{
	struct peer *peer = connection->owner;

	if (connection->idle && peer->config.use == USE_FALLBACK) {
		peer->connection = NULL;
		wait_for_udp(peer);
		return;
	}
	again(peer, worked, loop_now() - connection->since >= SHORT_LIFE);
}

/* Ends it, and nothing comes of that. */
static void hang_up(struct peer *peer, const char *reason)
{
	struct connection *connection = peer->connection;

	timer_cancel(&peer->timer);
	peer->connection = NULL;
	peer->state = PEER_UDP;
	if (!connection)
		return;
	connection->closed = NULL;
	connection_close(connection, reason);
}

static int bridge(struct peer *peer)
{
	struct connection *connection = peer->connection;

	connection->udp_local = connection->local;
	connection->udp_local.port = peer->local.port;
	connection->udp_peer = peer->config.remote;
	connection->udp_peer.port = peer->config.udp_port;
	return connection_bridge(connection);
}

/* What the daemon has said in vain. It may say it again: that does no harm. */
static void say_again(struct peer *peer)
{
	struct exchange *exchange;
	struct message *message;
	unsigned int i, n;

	for (i = 0; i < EXCHANGES_MAX; i++) {
		exchange = &peer->exchanges.list[i];
		if (!endpoint_same(&exchange->local, &peer->local))
			continue;
		for (n = 0; n < exchange->n_messages; n++) {
			message = &exchange->messages[n];
			if (message->bytes &&
			    send(peer->connection->source.fd, message->bytes, message->len,
				 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				complain("%s: a message is lost: %s", peer->config.name,
					 strerror(errno));
		}
	}
	exchange_forget_all(&peer->exchanges);
}

static void begins(struct connection *connection)
{
	struct peer *peer = connection->owner;
	char text[PAIR_MAX];

	complain("%s: %s: connected", peer->config.name,
		 connection_text(connection, text, sizeof(text)));
	peer->state = PEER_CONNECTED;
	timer_cancel(&peer->timer);
	if (peer->config.use == USE_ALWAYS)
		return;
	if (bridge(peer) < 0) {
		connection_close(connection, strerror(errno));
		return;
	}
	say_again(peer);
	timer_set(&peer->timer, TRIAL_TIMEOUT);
}

/* A socket that is being connected. Return: -1 with errno. */
static int dial(struct peer *peer)
{
	const struct address *from = &peer->config.local;
	struct endpoint local = {};
	struct sockaddr_storage name;
	socklen_t len;
	int fd, error;

	fd = connection_open(peer->config.remote.address.family, &peer->config.tuning);
	if (fd < 0)
		return -1;
	if (peer->config.use == USE_FALLBACK)
		from = &peer->local.address;
	if (from->family) {
		local.address = *from;
		len = connection_name(&local, &name);
		if (bind(fd, (struct sockaddr *)&name, len) < 0)
			goto fail;
	}
	len = connection_name(&peer->config.remote, &name);
	if (carrier_attach(fd, IKETCP_ULP) < 0 ||
	    (connect(fd, (struct sockaddr *)&name, len) < 0 && errno != EINPROGRESS))
		goto fail;
	return fd;

fail:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void try_to_connect(struct peer *peer)
{
	int fd = dial(peer);

	if (fd >= 0)
		peer->connection = connection_create(fd, &peer->config.tuning, true);
	if (fd < 0 || !peer->connection) {
		complain("%s: cannot connect: %s", peer->config.name, strerror(errno));
		/* The daemon's address is gone: it will have another one. */
		if (errno == EADDRNOTAVAIL && peer->config.use == USE_FALLBACK)
			wait_for_udp(peer);
		else
			again(peer, false, true);
		return;
	}
	peer->state = PEER_CONNECTING;
	peer->connection->owner = peer;
	peer->connection->connected = begins;
	peer->connection->closed = closed;
	peer->connection->remote = peer->config.remote;
	if (peer->config.use == USE_ALWAYS) {
		/* From now on, so that nothing goes by UDP. */
		peer->connection->tuning.idle = 0;
		if (bridge(peer) < 0) {
			connection_close(peer->connection, strerror(errno));
			return;
		}
	}
	timer_set(&peer->timer, CONNECT_TIMEOUT);
}

static void due(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, timer);

	switch (peer->state) {
	case PEER_UDP:
		break;
	case PEER_WAITING:
		try_to_connect(peer);
		break;
	case PEER_CONNECTING:
		connection_close(peer->connection, "there was no answer");
		break;
	case PEER_CONNECTED:
		if (!connection_worked(peer->connection))
			connection_close(peer->connection, "nothing comes by it");
		break;
	}
}

static void unanswered(struct peer *peer, const struct endpoint *local, struct exchange *exchange)
{
	long long now = loop_now();
	/* What was found out from another address is about another network. */
	bool same = endpoint_same(&peer->local, local);
	bool remembered = same && now < peer->remembered;
	unsigned int times = exchange_times(exchange);

	if (peer->config.local.family &&
	    memcmp(&peer->config.local, &local->address, sizeof(local->address)))
		return;
	if (same && (peer->state != PEER_UDP || now < peer->not_before))
		return;
	if (!remembered && times <= peer->config.retransmits)
		return;
	if (remembered)
		complain("%s: TCP, as before", peer->config.name);
	else
		complain("%s: no answer by UDP to %u times the same: TCP", peer->config.name,
			 times);
	hang_up(peer, "the daemon has another address");
	if (!same)
		forget(peer);
	peer->local = *local;
	try_to_connect(peer);
}

static void answered(struct peer *peer, const struct endpoint *local)
{
	forget(peer);
	if ((peer->state == PEER_CONNECTING || peer->state == PEER_WAITING) &&
	    endpoint_same(&peer->local, local)) {
		complain("%s: an answer by UDP", peer->config.name);
		hang_up(peer, "UDP works");
	}
}

static void seen(struct watch *watch, bool was_sent, const struct endpoint *local,
		 const unsigned char *bytes, size_t len, bool whole)
{
	struct peer *peer = container_of(watch, struct peer, watch);
	struct exchange *exchange;

	if (!was_sent) {
		if (exchange_answered(&peer->exchanges, local, bytes, len))
			answered(peer, local);
		return;
	}
	exchange = exchange_sent(&peer->exchanges, local, bytes, len, whole);
	if (exchange)
		unanswered(peer, local, exchange);
}

static void begin(const struct peer_config *config)
{
	struct peer *peer = must_have(calloc(1, sizeof(*peer)));

	memcpy(&peer->config, config, sizeof(*config));
	peer->wanted = true;
	peer->timer.due = due;
	peer->local.port = config->local_port;
	peer->watch.source.fd = -1;
	peer->next = peers;
	peers = peer;
	switch (config->use) {
	case USE_NEVER:
		break;
	case USE_FALLBACK:
		peer->watch.peer = config->remote;
		peer->watch.peer.port = config->udp_port;
		peer->watch.seen = seen;
		if (watch_open(&peer->watch) < 0)
			complain("%s: cannot watch UDP: %s%s", config->name, strerror(errno),
				 errno == EPERM ? ": it takes CAP_NET_RAW" : "");
		break;
	case USE_ALWAYS:
		try_to_connect(peer);
		break;
	}
}

static void end_unwanted(const char *reason)
{
	struct peer **at = &peers, *peer;

	while (*at) {
		peer = *at;
		if (peer->wanted) {
			at = &peer->next;
			continue;
		}
		*at = peer->next;
		hang_up(peer, reason);
		watch_close(&peer->watch);
		exchange_forget_all(&peer->exchanges);
		free(peer);
	}
}

/**
 * peer_configure() - these are the peers, and no others
 * @config: has them
 *
 * A peer for which nothing has changed is left alone.
 */
void peer_configure(const struct config *config)
{
	struct peer *peer, *old;
	size_t i;

	for (peer = peers; peer; peer = peer->next) {
		peer->wanted = false;
		for (i = 0; i < config->n_peers; i++) {
			if (!memcmp(&peer->config, &config->peers[i], sizeof(peer->config)))
				peer->wanted = true;
		}
	}
	end_unwanted("its configuration has changed");
	old = peers;
	for (i = 0; i < config->n_peers; i++) {
		for (peer = old; peer; peer = peer->next) {
			if (!strcmp(peer->config.name, config->peers[i].name))
				break;
		}
		if (!peer)
			begin(&config->peers[i]);
	}
}

void peer_close_all(void)
{
	struct peer *peer;

	for (peer = peers; peer; peer = peer->next)
		peer->wanted = false;
	end_unwanted("iketcpd ends");
}

/* Is there still such an address here? Then a datagram could leave from it. */
static bool is_ours(const struct address *address)
{
	struct endpoint endpoint = { .address = *address };
	struct sockaddr_storage name;
	socklen_t len = connection_name(&endpoint, &name);
	int fd = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ours;

	if (fd < 0)
		return true;
	ours = !bind(fd, (struct sockaddr *)&name, len) || errno != EADDRNOTAVAIL;
	close(fd);
	return ours;
}

/* Would a new connection leave from another address? */
static bool would_move(const struct peer *peer)
{
	const struct connection *connection = peer->connection;
	struct endpoint local, remote;
	struct sockaddr_storage name;
	socklen_t len = connection_name(&peer->config.remote, &name);
	bool move = false;
	int fd;

	fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (!connect(fd, (struct sockaddr *)&name, len)) {
		carrier_ends(fd, &local, &remote);
		move = memcmp(&local.address, &connection->local.address, sizeof(local.address));
	}
	close(fd);
	return move;
}

/**
 * peer_routes_changed() - addresses or routes of this host are others now
 *
 * A connection whose address is gone will never end by itself in good time. That
 * it was needed is forgotten with it: where we are now, UDP may pass.
 */
void peer_routes_changed(void)
{
	struct peer *peer;
	bool always;

	for (peer = peers; peer; peer = peer->next) {
		always = peer->config.use == USE_ALWAYS;
		if (peer->state == PEER_WAITING && always) {
			timer_set(&peer->timer, 0);
			continue;
		}
		if (!peer->connection)
			continue;
		if (is_ours(&peer->connection->local.address) &&
		    (!always || peer->config.local.family || !would_move(peer)))
			continue;
		hang_up(peer, "our address is another one");
		forget(peer);
		if (always)
			try_to_connect(peer);
	}
}

/**
 * peer_status() - a line for each
 * @file: where
 */
void peer_status(FILE *file)
{
	static const char *const uses[] = {
		[USE_NEVER] = "never", [USE_FALLBACK] = "fallback", [USE_ALWAYS] = "always",
	};
	static const char *const states[] = {
		[PEER_UDP] = "udp", [PEER_WAITING] = "waiting",
		[PEER_CONNECTING] = "connecting", [PEER_CONNECTED] = "connected",
	};
	const struct peer *peer;
	char text[ENDPOINT_MAX];
	long long left;

	for (peer = peers; peer; peer = peer->next) {
		left = peer->remembered - loop_now();
		fprintf(file, "peer %s %s tcp %s %s failures %u remembered %lld\n",
			peer->config.name,
			endpoint_text(&peer->config.remote, text, sizeof(text)),
			uses[peer->config.use], states[peer->state], peer->failures,
			left > 0 ? left / 1000 : 0);
	}
}
