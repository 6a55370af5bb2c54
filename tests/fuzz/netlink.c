// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of what the tool reads from netlink: whatever comes, nothing is read
 * that is not there, and what is found makes sense.
 *
 * Sources: tools/iketcp/parse.c
 * Libraries: mnl
 * Options: -max_len=1024
 *
 * An input: one byte that says which parser, then messages one after the other,
 * as a socket gives them. If they are whole that parser gets each message, alone
 * in memory that is no longer than it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "must.h"
#include "tools/iketcp/parse.h"

static bool verbose;

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool is_address(const struct address *address, bool needed)
{
	static const unsigned char none[12];

	switch (address->family) {
	case AF_UNSPEC:
		return !needed && !address->bytes[0];
	case AF_INET:
		return !memcmp(address->bytes + 4, none, sizeof(none));
	default:
		return address->family == AF_INET6;
	}
}

static int try_conn(const struct nlmsghdr *nlh)
{
	struct conn conn;
	int result;

	memset(&conn, 0xa5, sizeof(conn));
	result = parse_conn(nlh, &conn);
	if (result != 1)
		return result;
	must(is_text(conn.ulp, sizeof(conn.ulp)), "the ULP's name has an end");
	must(!strcmp(conn.ulp, "iketcp") || !strcmp(conn.ulp, "espintcp"),
	     "the ULP is ours");
	must(is_address(&conn.local.address, true), "our address is one");
	must(is_address(&conn.remote.address, true), "the peer's address is one");
	must(is_address(&conn.bridge_local.address, false), "its bridge's address is one or none");
	must(conn.bridge_local.address.family == conn.bridge_peer.address.family ||
	     conn.bridge_local.address.family + conn.bridge_peer.address.family ==
	     AF_INET + AF_INET6, "both ends of the bridge are there, or none");
	if (verbose)
		fprintf(stderr, "a connection, ULP %s, role %d\n", conn.ulp,
			conn.has_info ? conn.info.role : -1);
	return 1;
}

static int try_sa(const struct nlmsghdr *nlh)
{
	struct sa sa;
	int result;

	memset(&sa, 0xa5, sizeof(sa));
	result = parse_sa(nlh, &sa);
	if (result != 1)
		return result;
	must(is_address(&sa.src.address, true), "the source is an address");
	must(is_address(&sa.dst.address, true), "the destination is an address");
	if (verbose)
		fprintf(stderr, "a state, SPI 0x%08x\n", sa.spi);
	return 1;
}

static int try_event(const struct nlmsghdr *nlh)
{
	struct event event;
	int result;

	memset(&event, 0xa5, sizeof(event));
	result = parse_event(nlh, &event);
	if (result != 1)
		return result;
	must(is_text(event.reason, sizeof(event.reason)), "the reason has an end");
	must(is_address(&event.local.address, false), "our address is one or none");
	must(is_address(&event.remote.address, false), "the peer's is one or none");
	if (verbose)
		fprintf(stderr, "event %u, reason \"%s\"\n", event.what, event.reason);
	return 1;
}

static int try_family(const struct nlmsghdr *nlh)
{
	struct family family = { .id = 0xa5a5, .group = 0xa5a5a5a5 };
	int result = parse_family(nlh, "events", &family);

	must(result, "a message about a family is one, or a bad one");
	if (result == 1) {
		must(family.group != 0xa5a5a5a5 || family.id != 0xa5a5, "it is filled in");
		if (verbose)
			fprintf(stderr, "family %u, group %u\n", family.id, family.group);
	}
	return result;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	verbose = getenv("FUZZ_VERBOSE");
	return 0;
}

/* Alone, so that not a byte can be read that is not its own. */
static void try_message(uint8_t which, const struct nlmsghdr *nlh)
{
	static int (*const tries[])(const struct nlmsghdr *nlh) = {
		try_conn, try_sa, try_event, try_family,
	};
	void *copy = malloc(nlh->nlmsg_len);
	int result;

	memcpy(copy, nlh, nlh->nlmsg_len);
	errno = 0;
	result = tries[which % 4](copy);
	must(result >= -1 && result <= 1, "the answer is one of three");
	must(result >= 0 || errno == EBADMSG, "a bad message says so");
	if (verbose && result < 1)
		fprintf(stderr, result ? "a bad message\n" : "something else\n");
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlmsghdr *nlh;
	bool changed = false;
	uint8_t which;
	void *copy;
	int len;

	if (!size)
		return 0;
	which = data[0];
	len = (int)size - 1;
	copy = malloc(size - 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	if (parse_whole(copy, size - 1, &changed)) {
		nlh = copy;
		do {
			must(mnl_nlmsg_ok(nlh, len), "what is whole is so for mnl");
			must(!(nlh->nlmsg_flags & NLM_F_DUMP_INTR), "changes are told once");
			try_message(which, nlh);
			nlh = mnl_nlmsg_next(nlh, &len);
		} while (len > 0);
	} else if (verbose) {
		fprintf(stderr, "not whole\n");
	}
	free(copy);
	return 0;
}
