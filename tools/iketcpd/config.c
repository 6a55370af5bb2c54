// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration file, iketcpd.conf(5): sections, and in them a line for each
 * value. What is not understood is an error; nothing is guessed.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../iketcp/address.h"
#include "config.h"
#include "log.h"

/* More than anybody writes by hand, and little enough to be read whole. */
#define FILE_MAX	(1024 * 1024)
/* As much of the file's own text as an error shows. */
#define SHOWN_MAX	40
#define SECONDS_MAX	(7 * 24 * 3600)
/* What the kernel takes for TCP_KEEPIDLE and its relatives. */
#define KEEPALIVE_MAX	32767

static const struct tuning tuning_default = {
	.idle = 3600,
	/* NATs forget TCP after two hours or more, bad ones after minutes. */
	.keepalive = 60,
	.interval = 15,
	.count = 4,
};

struct parser {
	struct config *config;
	struct config_error *error;
	struct peer_config *peer;
	bool responder;
	bool seen_responder;
	/* of the section: for what is missing in it, and what is there twice */
	unsigned int section;
	unsigned int seen;
};

static int wrong(struct parser *parser, const char *format, ...) printf_like(2, 3);

static int wrong(struct parser *parser, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parser->error->reason, sizeof(parser->error->reason), format, args);
	va_end(args);
	return -1;
}

/* The file's own text, fit to be shown. Not for two at once. */
static const char *shown(const char *text)
{
	static char buf[SHOWN_MAX + 4];
	char *end = buf;
	size_t i;

	for (i = 0; text[i] && i < SHOWN_MAX; i++)
		*end++ = isprint((unsigned char)text[i]) ? text[i] : '?';
	snprintf(end, sizeof(buf) - i, "%s", text[i] ? "..." : "");
	return buf;
}

static int take_number(struct parser *parser, const char *key, const char *text,
		       unsigned int min, unsigned int max, unsigned int *number)
{
	unsigned long value = 0;
	size_t i;

	for (i = 0; isdigit((unsigned char)text[i]) && i < 10; i++)
		value = value * 10 + (unsigned long)(text[i] - '0');
	if (!i || text[i] || value < min || value > max)
		return wrong(parser, "%s is a number from %u to %u, not \"%s\"", key, min, max,
			     shown(text));
	*number = (unsigned int)value;
	return 0;
}

static int take_port(struct parser *parser, const char *key, const char *text,
		     unsigned short *port)
{
	unsigned int number;

	if (take_number(parser, key, text, 1, 65535, &number) < 0)
		return -1;
	*port = (unsigned short)number;
	return 0;
}

static int take_address(struct parser *parser, const char *key, const char *text,
			struct address *address)
{
	if (!address_parse(text, address))
		return wrong(parser, "%s is an IPv4 or IPv6 address, not \"%s\"", key,
			     shown(text));
	return 0;
}

/* ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT */
static int take_endpoint(struct parser *parser, const char *key, char *text,
			 struct endpoint *endpoint)
{
	char copy[ENDPOINT_MAX], *host, *port;

	snprintf(copy, sizeof(copy), "%s", text);
	if (strlen(text) >= sizeof(copy) || !endpoint_split(text, &host, &port) || !host)
		return wrong(parser, "%s is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, not \"%s\"",
			     key, shown(copy));
	if (take_address(parser, key, host, &endpoint->address) < 0)
		return -1;
	endpoint->port = IKETCP_PORT;
	return port ? take_port(parser, "a port", port, &endpoint->port) : 0;
}

static bool is_zero(const struct address *address)
{
	static const unsigned char none[16];

	return !memcmp(address->bytes, none, sizeof(none));
}

static int take_keepalive(struct parser *parser, char *text, struct tuning *tuning)
{
	unsigned int *const parts[] = {
		&tuning->keepalive, &tuning->interval, &tuning->count,
	};
	const unsigned int max[] = { KEEPALIVE_MAX, KEEPALIVE_MAX, 127 };
	char *part, *rest = text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts) && rest; i++) {
		part = strsep(&rest, ":");
		if (take_number(parser, "each part of keepalive", part, i ? 1 : 0, max[i],
				parts[i]) < 0)
			return -1;
	}
	return rest ? wrong(parser, "keepalive is IDLE[:INTERVAL[:COUNT]]") : 0;
}

static int take_use(struct parser *parser, const char *text, enum use *use)
{
	static const char *const names[] = {
		[USE_NEVER] = "never", [USE_FALLBACK] = "fallback", [USE_ALWAYS] = "always",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*use = (enum use)i;
			return 0;
		}
	}
	return wrong(parser, "tcp is never, fallback or always, not \"%s\"", shown(text));
}

static int take_listen(struct parser *parser, char *value)
{
	struct responder_config *responder = &parser->config->responder;
	struct endpoint at;
	size_t i;

	if (take_endpoint(parser, "listen", value, &at) < 0)
		return -1;
	for (i = 0; i < responder->n_listen; i++) {
		if (endpoint_same(&at, &responder->listen[i]))
			return wrong(parser, "listen: that is there already");
	}
	responder->listen = must_have(reallocarray(responder->listen, responder->n_listen + 1,
						   sizeof(at)));
	responder->listen[responder->n_listen++] = at;
	return 0;
}

/* The keys; the number of each is its bit in parser->seen. */
enum key {
	KEY_LISTEN,
	KEY_UDP_PORT,
	KEY_MAX_CONNECTIONS,
	KEY_MAX_PER_ADDRESS,
	KEY_IDLE,
	KEY_KEEPALIVE,
	KEY_ADDRESS,
	KEY_LOCAL,
	KEY_LOCAL_PORT,
	KEY_TCP,
	KEY_RETRANSMITS,
	KEY_REMEMBER,
};

#define IN_RESPONDER	0x1
#define IN_PEER		0x2

static const struct {
	const char *name;
	unsigned int where;
} keys[] = {
	[KEY_LISTEN] = { "listen", IN_RESPONDER },
	[KEY_UDP_PORT] = { "udp-port", IN_RESPONDER | IN_PEER },
	[KEY_MAX_CONNECTIONS] = { "max-connections", IN_RESPONDER },
	[KEY_MAX_PER_ADDRESS] = { "max-per-address", IN_RESPONDER },
	[KEY_IDLE] = { "idle", IN_RESPONDER | IN_PEER },
	[KEY_KEEPALIVE] = { "keepalive", IN_RESPONDER | IN_PEER },
	[KEY_ADDRESS] = { "address", IN_PEER },
	[KEY_LOCAL] = { "local", IN_PEER },
	[KEY_LOCAL_PORT] = { "local-port", IN_PEER },
	[KEY_TCP] = { "tcp", IN_PEER },
	[KEY_RETRANSMITS] = { "retransmits", IN_PEER },
	[KEY_REMEMBER] = { "remember", IN_PEER },
};

static int take_value(struct parser *parser, enum key key, char *value)
{
	struct responder_config *responder = &parser->config->responder;
	struct peer_config *peer = parser->peer;
	struct tuning *tuning = peer ? &peer->tuning : &responder->tuning;
	const char *name = keys[key].name;

	switch (key) {
	case KEY_LISTEN:
		return take_listen(parser, value);
	case KEY_UDP_PORT:
		return take_port(parser, name, value,
				 peer ? &peer->udp_port : &responder->udp_port);
	case KEY_MAX_CONNECTIONS:
		return take_number(parser, name, value, 1, 1000000, &responder->max_connections);
	case KEY_MAX_PER_ADDRESS:
		return take_number(parser, name, value, 1, 1000000, &responder->max_per_address);
	case KEY_IDLE:
		return take_number(parser, name, value, 0, SECONDS_MAX, &tuning->idle);
	case KEY_KEEPALIVE:
		return take_keepalive(parser, value, tuning);
	case KEY_ADDRESS:
		return take_endpoint(parser, name, value, &peer->remote);
	case KEY_LOCAL:
		return take_address(parser, name, value, &peer->local);
	case KEY_LOCAL_PORT:
		return take_port(parser, name, value, &peer->local_port);
	case KEY_TCP:
		return take_use(parser, value, &peer->use);
	case KEY_RETRANSMITS:
		return take_number(parser, name, value, 1, 20, &peer->retransmits);
	default: /* KEY_REMEMBER */
		return take_number(parser, name, value, 0, SECONDS_MAX, &peer->remember);
	}
}

/* What only the whole section shows. */
static int end_section(struct parser *parser)
{
	const struct config *config = parser->config;
	const struct peer_config *peer = parser->peer;
	unsigned int line = parser->error->line;
	size_t i;

	parser->error->line = parser->section;
	if (parser->responder && !config->responder.n_listen)
		return wrong(parser, "[responder] has no listen");
	if (peer) {
		if (!peer->remote.address.family)
			return wrong(parser, "[peer %s] has no address", shown(peer->name));
		if (is_zero(&peer->remote.address))
			return wrong(parser, "[peer %s] has address 0, which is nobody's",
				     shown(peer->name));
		if (peer->local.family && peer->local.family != peer->remote.address.family)
			return wrong(parser, "[peer %s]: local is of another family than address",
				     shown(peer->name));
		for (i = 0; i + 1 < config->n_peers; i++) {
			if (!memcmp(&config->peers[i].remote.address, &peer->remote.address,
				    sizeof(peer->remote.address)))
				return wrong(parser, "[peer %s] has the address of another",
					     shown(peer->name));
		}
	}
	parser->error->line = line;
	return 0;
}

static int begin_peer(struct parser *parser, const char *name)
{
	struct config *config = parser->config;
	struct peer_config *peer;
	size_t i;

	if (!*name || strlen(name) >= sizeof(peer->name))
		return wrong(parser, "the name of a peer has 1 to %d characters",
			     PEER_NAME_MAX - 1);
	for (i = 0; name[i]; i++) {
		if (!isgraph((unsigned char)name[i]))
			return wrong(parser, "the name of a peer is one word");
	}
	for (i = 0; i < config->n_peers; i++) {
		if (!strcmp(config->peers[i].name, name))
			return wrong(parser, "[peer %s] is there already", shown(name));
	}
	config->peers = must_have(reallocarray(config->peers, config->n_peers + 1,
					       sizeof(*peer)));
	peer = &config->peers[config->n_peers++];
	/* Compared with memcmp(), when it is read again. */
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->name, name, strlen(name));
	peer->udp_port = IKETCP_PORT;
	peer->local_port = IKETCP_PORT;
	peer->use = USE_FALLBACK;
	peer->retransmits = 2;
	peer->remember = 3600;
	peer->tuning = tuning_default;
	parser->peer = peer;
	return 0;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	for (len = strlen(text); len && strchr(" \t\r", text[len - 1]); len--)
		;
	text[len] = '\0';
	return text;
}

static int take_section(struct parser *parser, char *line)
{
	size_t len = strlen(line);
	char *name;

	if (end_section(parser) < 0)
		return -1;
	if (line[len - 1] != ']')
		return wrong(parser, "a section is [responder] or [peer NAME]");
	line[len - 1] = '\0';
	name = trim(line + 1);
	parser->section = parser->error->line;
	parser->seen = 0;
	parser->peer = NULL;
	parser->responder = !strcmp(name, "responder");
	if (parser->responder) {
		if (parser->seen_responder)
			return wrong(parser, "[responder] is there already");
		parser->seen_responder = true;
		return 0;
	}
	if (strncmp(name, "peer", 4) || !strchr(" \t", name[4]))
		return wrong(parser, "there is no section [%s]: [responder] or [peer NAME]",
			     shown(name));
	return begin_peer(parser, trim(name + 4));
}

static int take_line(struct parser *parser, char *line)
{
	unsigned int where;
	char *value;
	size_t i;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[')
		return take_section(parser, line);
	value = strchr(line, '=');
	if (!value)
		return wrong(parser, "neither a [section] nor KEY = VALUE: \"%s\"", shown(line));
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	where = parser->peer ? IN_PEER : parser->responder ? IN_RESPONDER : 0;
	if (!where)
		return wrong(parser, "\"%s\" before the first [section]", shown(line));
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(line, keys[i].name) || !(keys[i].where & where))
			continue;
		if (i != KEY_LISTEN && parser->seen & 1U << i)
			return wrong(parser, "%s is there already", keys[i].name);
		parser->seen |= 1U << i;
		return take_value(parser, (enum key)i, value);
	}
	return wrong(parser, "%s has no \"%s\"", parser->peer ? "a peer" : "[responder]",
		     shown(line));
}

/**
 * config_parse() - from text
 * @config: set; config_free() frees it
 * @text: text
 * @len: of @text
 * @error: set when there is one
 *
 * Return: -1 if there is an error; then nothing is to be freed.
 */
int config_parse(struct config *config, const char *text, size_t len,
		 struct config_error *error)
{
	struct parser parser = { .config = config, .error = error };
	char *copy, *line, *rest;
	int result = 0;

	memset(config, 0, sizeof(*config));
	memset(error, 0, sizeof(*error));
	config->responder.udp_port = IKETCP_PORT;
	config->responder.max_connections = 10000;
	config->responder.max_per_address = 100;
	config->responder.tuning = tuning_default;
	if (memchr(text, '\0', len))
		return wrong(&parser, "there is a NUL in it: this is no text");
	copy = must_have(strndup(text, len));
	rest = copy;
	while (!result && rest) {
		line = strsep(&rest, "\n");
		error->line++;
		result = take_line(&parser, line);
	}
	if (!result)
		result = end_section(&parser);
	if (!result && !config->responder.n_listen && !config->n_peers) {
		error->line = 0;
		result = wrong(&parser, "it has neither [responder] nor [peer NAME]");
	}
	free(copy);
	if (result < 0)
		config_free(config);
	return result;
}

/**
 * config_read() - from a file
 * @config: set; config_free() frees it
 * @path: file
 *
 * Return: -1 if there is an error, which was said; then nothing is to be freed.
 */
int config_read(struct config *config, const char *path)
{
	struct config_error error;
	size_t len = 0;
	char *text;
	FILE *file;
	int result;

	file = fopen(path, "re");
	if (!file) {
		complain("%s: %s", path, strerror(errno));
		return -1;
	}
	text = must_have(malloc(FILE_MAX));
	len = fread(text, 1, FILE_MAX, file);
	if (ferror(file) || len == FILE_MAX) {
		complain("%s: %s", path, len == FILE_MAX ? "too long" : strerror(errno));
		result = -1;
	} else {
		result = config_parse(config, text, len, &error);
		if (result < 0 && error.line)
			complain("%s:%u: %s", path, error.line, error.reason);
		else if (result < 0)
			complain("%s: %s", path, error.reason);
	}
	free(text);
	fclose(file);
	return result;
}

/**
 * config_free() - frees what config_parse() took
 * @config: it
 */
void config_free(struct config *config)
{
	free(config->responder.listen);
	free(config->peers);
	memset(config, 0, sizeof(*config));
}
