/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration file, iketcpd.conf(5).
 */
#ifndef IKETCPD_CONFIG_H
#define IKETCPD_CONFIG_H

#include <stddef.h>

#include "../iketcp/parse.h"

/* What is between the brackets of a section "peer", with the NUL. */
#define PEER_NAME_MAX	64
#define CONFIG_REASON_MAX	200

/**
 * struct tuning - how connections are treated
 * @idle: seconds without a message after which one is closed; 0: never
 * @keepalive: seconds without a segment before TCP sends a keepalive; 0: never
 * @interval: seconds between keepalives
 * @count: so many without an answer end it
 */
struct tuning {
	unsigned int idle;
	unsigned int keepalive;
	unsigned int interval;
	unsigned int count;
};

/**
 * struct responder_config - the section "responder"
 * @listen: where to listen
 * @n_listen: how many those are
 * @udp_port: the daemon's
 * @max_connections: in all
 * @max_per_address: of one peer's address
 * @tuning: for all of them
 */
struct responder_config {
	struct endpoint *listen;
	size_t n_listen;
	unsigned short udp_port;
	unsigned int max_connections;
	unsigned int max_per_address;
	struct tuning tuning;
};

/* When is there a connection to a peer? */
enum use {
	USE_NEVER,
	USE_FALLBACK,
	USE_ALWAYS,
};

/**
 * struct peer_config - a section "peer"
 * @name: its name
 * @remote: address and TCP port
 * @local: our address; its family is 0: what the routes say
 * @udp_port: the peer's UDP port, as the daemon has it
 * @local_port: the daemon's own UDP port; fallback learns it
 * @use: when
 * @retransmits: fallback: so many, without an answer, before TCP is tried
 * @remember: fallback: for so many seconds it is known that TCP was needed
 * @tuning: of the connection
 */
struct peer_config {
	char name[PEER_NAME_MAX];
	struct endpoint remote;
	struct address local;
	unsigned short udp_port;
	unsigned short local_port;
	enum use use;
	unsigned int retransmits;
	unsigned int remember;
	struct tuning tuning;
};

/**
 * struct config - all of it
 * @responder: the section
 * @peers: a section each
 * @n_peers: how many those are
 */
struct config {
	struct responder_config responder;
	struct peer_config *peers;
	size_t n_peers;
};

/**
 * struct config_error - why it cannot be taken
 * @line: of the file, from 1; 0: it is none line's
 * @reason: what is wrong
 */
struct config_error {
	unsigned int line;
	char reason[CONFIG_REASON_MAX];
};

int config_parse(struct config *config, const char *text, size_t len,
		 struct config_error *error);
int config_read(struct config *config, const char *path);
void config_free(struct config *config);

#endif
