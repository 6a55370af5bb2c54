// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of iketcpd's configuration: whatever it says, it is taken or refused, and
 * what is taken makes sense and, written down, is taken again as the same.
 *
 * Sources: tools/iketcpd/config.c
 * Options: -max_len=1024
 *
 * An input: the file.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "must.h"
#include "tools/iketcpd/config.h"
/* What it needs of others; not what is tested. */
#include "tools/iketcp/address.c"

#define WRITTEN_MAX	65536
/* The most that it reads, and more. */
#define LONG		(1024 * 1024 + 1)

struct options options = { .numeric = true };
static bool verbose;

void complain(const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

void *must_have(void *memory)
{
	must(memory, "there is memory");
	return memory;
}

static void must_be_address(const struct address *address)
{
	static const unsigned char none[12];

	must(address->family == AF_INET6 ||
	     (address->family == AF_INET && !memcmp(address->bytes + 4, none, sizeof(none))),
	     "an address is one");
}

static void must_be_tuned(const struct tuning *tuning)
{
	must(tuning->idle <= 7 * 24 * 3600, "idle is no longer than a week");
	must(tuning->keepalive <= 32767, "the kernel takes keepalive");
	must(tuning->interval >= 1 && tuning->interval <= 32767, "the kernel takes the interval");
	must(tuning->count >= 1 && tuning->count <= 127, "the kernel takes the count");
}

static void must_make_sense(const struct config *config)
{
	const struct responder_config *responder = &config->responder;
	const struct peer_config *peer;
	size_t i, j;

	must(responder->n_listen || config->n_peers, "something is to be done");
	must(responder->udp_port, "the port is one");
	must(responder->max_connections && responder->max_per_address, "limits let some in");
	must_be_tuned(&responder->tuning);
	for (i = 0; i < responder->n_listen; i++) {
		must_be_address(&responder->listen[i].address);
		must(responder->listen[i].port, "listen: the port is one");
		for (j = 0; j < i; j++)
			must(!endpoint_same(&responder->listen[i], &responder->listen[j]),
			     "nothing is listened to twice");
	}
	for (i = 0; i < config->n_peers; i++) {
		peer = &config->peers[i];
		must(memchr(peer->name, '\0', sizeof(peer->name)), "a name has an end");
		must(*peer->name, "a peer has a name");
		for (j = 0; peer->name[j]; j++)
			must(isgraph((unsigned char)peer->name[j]), "a name is one word");
		must_be_address(&peer->remote.address);
		must(peer->remote.port && peer->udp_port && peer->local_port, "ports are some");
		if (peer->local.family)
			must(peer->local.family == peer->remote.address.family,
			     "both addresses are of one family");
		must(peer->use <= USE_ALWAYS, "the use is one");
		must(peer->retransmits >= 1 && peer->retransmits <= 20, "it is tried more than once");
		must(peer->remember <= 7 * 24 * 3600, "nothing is remembered for more than a week");
		must_be_tuned(&peer->tuning);
		for (j = 0; j < i; j++) {
			must(strcmp(config->peers[j].name, peer->name), "names are different");
			must(memcmp(&config->peers[j].remote.address, &peer->remote.address,
				    sizeof(peer->remote.address)), "so are addresses");
		}
	}
}

static void write_tuning(FILE *file, const struct tuning *tuning)
{
	fprintf(file, "idle = %u\nkeepalive = %u:%u:%u\n", tuning->idle, tuning->keepalive,
		tuning->interval, tuning->count);
}

static void write_down(FILE *file, const struct config *config)
{
	static const char *const uses[] = { "never", "fallback", "always" };
	const struct responder_config *responder = &config->responder;
	const struct peer_config *peer;
	char text[ENDPOINT_MAX];
	size_t i;

	if (responder->n_listen) {
		fprintf(file, "[responder]\nudp-port = %u\nmax-connections = %u\n"
			"max-per-address=%u\n", responder->udp_port, responder->max_connections,
			responder->max_per_address);
		write_tuning(file, &responder->tuning);
	}
	for (i = 0; i < responder->n_listen; i++)
		fprintf(file, "listen=%s\n",
			endpoint_text(&responder->listen[i], text, sizeof(text)));
	for (i = 0; i < config->n_peers; i++) {
		peer = &config->peers[i];
		fprintf(file, "[peer %s]\naddress = %s\nudp-port = %u\nlocal-port = %u\n"
			"tcp = %s\nretransmits = %u\nremember = %u\n", peer->name,
			endpoint_text(&peer->remote, text, sizeof(text)), peer->udp_port,
			peer->local_port, uses[peer->use], peer->retransmits, peer->remember);
		if (peer->local.family)
			fprintf(file, "local = %s\n",
				address_text(&peer->local, text, sizeof(text)));
		write_tuning(file, &peer->tuning);
	}
}

static void must_be_taken_again(const struct config *config)
{
	struct responder_config was = config->responder, is;
	static char text[WRITTEN_MAX];
	struct config_error error;
	struct config again;
	FILE *file = fmemopen(text, sizeof(text), "w");

	must(file, "there is memory to write to");
	write_down(file, config);
	must(ftell(file) < (long)sizeof(text) - 1, "it is not too long to be written");
	fclose(file);
	must(!config_parse(&again, text, strlen(text), &error), "what is written down is taken");
	must(again.responder.n_listen == config->responder.n_listen &&
	     again.n_peers == config->n_peers, "it is as much");
	must(!again.n_peers || !memcmp(again.peers, config->peers,
				       again.n_peers * sizeof(*again.peers)),
	     "the peers are the same");
	if (again.responder.n_listen) {
		must(!memcmp(again.responder.listen, config->responder.listen,
			     again.responder.n_listen * sizeof(*again.responder.listen)),
		     "it is listened in the same places");
		is = again.responder;
		is.listen = NULL;
		was.listen = NULL;
		must(!memcmp(&is, &was, sizeof(is)), "the responder is the same");
	}
	config_free(&again);
}

/* A file with @len bytes of @text. */
static int read_file(const char *text, size_t len)
{
	int fd = memfd_create("config", 0), result;
	struct config config;
	char path[64];

	must(fd >= 0 && write(fd, text, len) == (ssize_t)len, "there is a file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = config_read(&config, path);
	if (!result)
		config_free(&config);
	close(fd);
	return result;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file itself may be bad, too. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char good[] = "[responder]\nlisten = 10.2.0.1\n";
	struct config config;
	char *spaces;

	(void)argc;
	(void)argv;
	verbose = getenv("FUZZ_VERBOSE");
	must(config_read(&config, "/none") < 0, "a file that is not there is refused");
	must(config_read(&config, "/") < 0, "so is a directory");
	must(!read_file(good, strlen(good)), "a good file is taken");
	must(read_file("", 0) < 0, "an empty one is not");
	must(read_file("nonsense", 8) < 0, "nor is nonsense");
	spaces = must_have(malloc(LONG));
	memset(spaces, '\n', LONG);
	memcpy(spaces, good, strlen(good));
	must(read_file(spaces, LONG) < 0, "nor one that is too long");
	free(spaces);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error error;
	struct config config;
	unsigned int lines = 1;
	char *text;
	size_t i;

	/* No NUL behind it, and not a byte more than there is. */
	text = must_have(malloc(size ? size : 1));
	memcpy(text, data, size);
	memset(&config, 0xa5, sizeof(config));
	memset(&error, 0xa5, sizeof(error));
	if (config_parse(&config, text, size, &error) < 0) {
		for (i = 0; i < size; i++)
			lines += text[i] == '\n';
		must(!config.responder.listen && !config.peers, "nothing is left to be freed");
		must(memchr(error.reason, '\0', sizeof(error.reason)) && *error.reason,
		     "it is said why");
		for (i = 0; error.reason[i]; i++)
			must(isprint((unsigned char)error.reason[i]), "in words that can be shown");
		must(error.line <= lines, "the line is one of the file's");
		if (verbose)
			fprintf(stderr, "line %u: %s\n", error.line, error.reason);
	} else {
		if (verbose)
			fprintf(stderr, "%zu listeners, %zu peers\n", config.responder.n_listen,
				config.n_peers);
		must_make_sense(&config);
		must_be_taken_again(&config);
		config_free(&config);
	}
	free(text);
	return 0;
}
