// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp show": connections, listeners and the states that they carry.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "address.h"
#include "counter.h"
#include "dump.h"
#include "print.h"
#include "tool.h"

struct network {
	bool given;
	struct address address;
	unsigned int len;
};

/* What is to be shown; all that is given has to fit. */
struct filter {
	struct network src;
	struct network dst;
	unsigned int sport;
	unsigned int dport;
	unsigned int port;
	bool any_spi;
	unsigned int spi;
	/* -1: any */
	int role;
	int listening;
};

/* What the module calls the drop with that number, if it can be found out. */
static struct counters reasons;

static const char *const states[] = {
	[TCP_ESTABLISHED] = "ESTAB",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_SYN_RECV] = "SYN-RECV",
	[TCP_FIN_WAIT1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT2] = "FIN-WAIT-2",
	[TCP_TIME_WAIT] = "TIME-WAIT",
	[TCP_CLOSE] = "UNCONN",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_LAST_ACK] = "LAST-ACK",
	[TCP_LISTEN] = "LISTEN",
	[TCP_CLOSING] = "CLOSING",
};

static const char *state_name(unsigned int state)
{
	if (state < ARRAY_SIZE(states) && states[state])
		return states[state];
	return "UNKNOWN";
}

/* The module says it if it can; a listener is one in any case. */
static const char *role_of(const struct conn *conn)
{
	if (conn->has_info)
		return role_name(conn->info.role);
	return conn->state == TCP_LISTEN ? "listener" : "connection";
}

static const char *last_drop(const struct conn *conn)
{
	unsigned int n = conn->info.last_drop;

	if (!n)
		return NULL;
	return n <= reasons.n ? reasons.of[n - 1].name : "unknown";
}

static bool is_out(const struct conn *conn, const struct sa *sa)
{
	return endpoint_same(&conn->local, &sa->src) &&
	       endpoint_same(&conn->remote, &sa->dst);
}

static bool is_in(const struct conn *conn, const struct sa *sa)
{
	return endpoint_same(&conn->local, &sa->dst) &&
	       endpoint_same(&conn->remote, &sa->src);
}

static bool carries(const struct conn *conn, const struct sa *sa)
{
	return conn->state != TCP_LISTEN && (is_out(conn, sa) || is_in(conn, sa));
}

/* --- which --- */

static void parse_network(const char *text, struct network *network)
{
	char host[64], *slash;
	size_t len = strlen(text);

	if (len >= sizeof(host))
		die(TOOL_USAGE, "\"%s\" is no address", text);
	memcpy(host, text, len + 1);
	slash = strchr(host, '/');
	if (slash)
		*slash = '\0';
	if (!address_parse(host, &network->address))
		die(TOOL_USAGE, "\"%s\" is no address", text);
	network->len = (unsigned int)address_len(&network->address) * 8;
	if (slash)
		network->len = number("a prefix length", slash + 1, 0, network->len);
	network->given = true;
}

static void parse_filter(struct filter *filter, int argc, char **argv)
{
	const char *arg;
	int i;

	for (i = 0; i < argc; i++) {
		arg = argv[i];
		if (is_word(arg, "src")) {
			parse_network(next_word(argv, &i), &filter->src);
		} else if (is_word(arg, "dst")) {
			parse_network(next_word(argv, &i), &filter->dst);
		} else if (is_word(arg, "sport")) {
			filter->sport = number("a port", next_word(argv, &i), 1, 65535);
		} else if (is_word(arg, "dport")) {
			filter->dport = number("a port", next_word(argv, &i), 1, 65535);
		} else if (is_word(arg, "port")) {
			filter->port = number("a port", next_word(argv, &i), 1, 65535);
		} else if (is_word(arg, "spi")) {
			filter->spi = number("an SPI", next_word(argv, &i), 0, 0xffffffff);
			filter->any_spi = false;
		} else if (is_word(arg, "role")) {
			filter->role = role_parse(next_word(argv, &i));
			if (filter->role < 0)
				die(TOOL_USAGE,
				    "a role is plain, originator, responder or listener, not \"%s\"",
				    argv[i]);
		} else if (is_word(arg, "state")) {
			arg = next_word(argv, &i);
			if (!is_word(arg, "listen") && !is_word(arg, "connected"))
				die(TOOL_USAGE, "a state is listen or connected, not \"%s\"",
				    arg);
			filter->listening = is_word(arg, "listen");
		} else {
			unknown_word(arg);
		}
	}
}

static bool ends_wanted(const struct filter *filter, const struct endpoint *local,
			const struct endpoint *remote)
{
	if (options.family && local->address.family != options.family)
		return false;
	if (filter->src.given &&
	    !address_in(&local->address, &filter->src.address, filter->src.len))
		return false;
	if (filter->dst.given &&
	    !address_in(&remote->address, &filter->dst.address, filter->dst.len))
		return false;
	if (filter->sport && local->port != filter->sport)
		return false;
	if (filter->dport && remote->port != filter->dport)
		return false;
	return !filter->port || local->port == filter->port ||
	       remote->port == filter->port;
}

static bool conn_wanted(const struct filter *filter, const struct conn *conn,
			const struct sas *sas)
{
	bool listening = conn->state == TCP_LISTEN;
	size_t i;

	if (filter->role == IKETCP_ROLE_LISTENER ? !listening :
	    filter->role >= 0 &&
	    (!conn->has_info || conn->info.role != filter->role))
		return false;
	if (filter->listening >= 0 && filter->listening != listening)
		return false;
	if (!ends_wanted(filter, &conn->local, &conn->remote))
		return false;
	if (filter->any_spi)
		return true;
	for (i = 0; i < sas->n; i++) {
		if (sas->of[i].spi == filter->spi && carries(conn, &sas->of[i]))
			return true;
	}
	return false;
}

/* A state that no connection carries: from here or to here, who knows. */
static bool lost_sa_wanted(const struct filter *filter, const struct sa *sa)
{
	if (filter->role >= 0 || filter->listening >= 0)
		return false;
	if (!filter->any_spi && sa->spi != filter->spi)
		return false;
	return ends_wanted(filter, &sa->src, &sa->dst) ||
	       ends_wanted(filter, &sa->dst, &sa->src);
}

static bool is_lost(const struct sa *sa, const struct conns *conns)
{
	size_t i;

	for (i = 0; i < conns->n; i++) {
		if (carries(&conns->of[i], sa))
			return false;
	}
	return true;
}

/* --- as text --- */

static void print_sa(const struct sa *sa)
{
	printf("spi 0x%08x mode %s reqid %u bytes %llu packets %llu", sa->spi,
	       mode_name(sa->mode), sa->reqid, sa->bytes, sa->packets);
	if (sa->replay)
		printf(" replay %u", sa->replay);
	if (sa->failed)
		printf(" failed %u", sa->failed);
}

static void print_listener_info(const struct iketcp_info *info)
{
	if (info->flags & IKETCP_INFO_F_FILTER)
		fputs(" accept-prefix", stdout);
	printf(" waiting %u ready %u", info->waiting, info->ready);
}

static void print_info(const struct conn *conn)
{
	const struct iketcp_info *info = &conn->info;

	if (info->role == IKETCP_ROLE_RESPONDER && !(info->flags & IKETCP_INFO_F_PREFIX))
		print_color(COLOR_BAD, " no-prefix-yet");
	if (info->flags & IKETCP_INFO_F_DEAD)
		print_color(COLOR_BAD, " dead");
	if (info->flags & IKETCP_INFO_F_CLOSED)
		print_color(COLOR_BAD, " closed");
	print_break();
	printf("in  ike %llu esp %llu bytes %llu queue %u", info->in_ike,
	       info->in_esp, info->in_bytes, info->in_queue);
	print_break();
	printf("out ike %llu esp %llu bytes %llu queue-ike %u queue-esp %u",
	       info->out_ike, info->out_esp, info->out_bytes,
	       info->out_queue_ike, info->out_queue_esp);
	if (info->drops) {
		print_break();
		printf("drops %llu", info->drops);
		if (last_drop(conn))
			printf(" last %s", last_drop(conn));
	}
}

static void print_bridge(const struct conn *conn)
{
	print_break();
	fputs("bridge udp ", stdout);
	print_endpoint(&conn->bridge_local);
	fputs(" > ", stdout);
	print_endpoint(&conn->bridge_peer);
}

static void print_conn(const struct conn *conn, const struct sas *sas)
{
	size_t i;

	print_color(COLOR_HEAD, role_of(conn));
	putchar(' ');
	print_endpoint(&conn->local);
	if (conn->state != TCP_LISTEN) {
		fputs(" > ", stdout);
		print_endpoint(&conn->remote);
	}
	putchar(' ');
	print_color(conn->state == TCP_ESTABLISHED || conn->state == TCP_LISTEN ?
		    COLOR_GOOD : COLOR_BAD, state_name(conn->state));
	printf(" ulp %s uid %u inode %u", conn->ulp, conn->uid, conn->inode);
	if (conn->has_info) {
		if (conn->state == TCP_LISTEN)
			print_listener_info(&conn->info);
		else
			print_info(conn);
	}
	if (conn->bridge_local.address.family)
		print_bridge(conn);
	for (i = 0; i < sas->n; i++) {
		if (!carries(conn, &sas->of[i]))
			continue;
		print_break();
		printf("sa %s ", is_out(conn, &sas->of[i]) ? "out" : "in");
		print_sa(&sas->of[i]);
	}
	putchar('\n');
}

static void print_lost_sa(const struct sa *sa)
{
	print_color(COLOR_BAD, "no-connection");
	putchar(' ');
	print_endpoint(&sa->src);
	fputs(" > ", stdout);
	print_endpoint(&sa->dst);
	fputs(" sa ", stdout);
	print_sa(sa);
	putchar('\n');
}

/* --- as JSON --- */

static json_t *json_sa(const struct sa *sa)
{
	json_t *object = must_have(json_object());
	char spi[16];

	snprintf(spi, sizeof(spi), "0x%08x", sa->spi);
	json_add(object, "spi", json_string(spi));
	json_add(object, "mode", json_string(mode_name(sa->mode)));
	json_add(object, "reqid", json_integer(sa->reqid));
	json_add(object, "src", json_endpoint(&sa->src));
	json_add(object, "dst", json_endpoint(&sa->dst));
	json_add(object, "bytes", json_unsigned(sa->bytes));
	json_add(object, "packets", json_unsigned(sa->packets));
	json_add(object, "replay", json_integer(sa->replay));
	json_add(object, "failed", json_integer(sa->failed));
	return object;
}

static json_t *json_info(const struct conn *conn)
{
	const struct iketcp_info *info = &conn->info;
	json_t *object = must_have(json_object());
	const char *reason = last_drop(conn);

	if (conn->state == TCP_LISTEN) {
		json_add(object, "accept_prefix",
			 json_boolean(info->flags & IKETCP_INFO_F_FILTER));
		json_add(object, "waiting", json_integer(info->waiting));
		json_add(object, "ready", json_integer(info->ready));
		return object;
	}
	json_add(object, "prefix", json_boolean(info->flags & IKETCP_INFO_F_PREFIX));
	json_add(object, "dead", json_boolean(info->flags & IKETCP_INFO_F_DEAD));
	json_add(object, "closed", json_boolean(info->flags & IKETCP_INFO_F_CLOSED));
	json_add(object, "in_ike", json_unsigned(info->in_ike));
	json_add(object, "in_esp", json_unsigned(info->in_esp));
	json_add(object, "in_bytes", json_unsigned(info->in_bytes));
	json_add(object, "in_queue", json_integer(info->in_queue));
	json_add(object, "out_ike", json_unsigned(info->out_ike));
	json_add(object, "out_esp", json_unsigned(info->out_esp));
	json_add(object, "out_bytes", json_unsigned(info->out_bytes));
	json_add(object, "out_queue_ike", json_integer(info->out_queue_ike));
	json_add(object, "out_queue_esp", json_integer(info->out_queue_esp));
	json_add(object, "drops", json_unsigned(info->drops));
	json_add(object, "last_drop", reason ? json_string(reason) : json_null());
	return object;
}

static json_t *json_bridge(const struct conn *conn)
{
	json_t *object;

	if (!conn->bridge_local.address.family)
		return json_null();
	object = must_have(json_object());
	json_add(object, "local", json_endpoint(&conn->bridge_local));
	json_add(object, "peer", json_endpoint(&conn->bridge_peer));
	return object;
}

static json_t *json_conn(const struct conn *conn, const struct sas *sas)
{
	json_t *object = must_have(json_object());
	json_t *out, *in;
	size_t i;

	json_add(object, "role", conn->has_info || conn->state == TCP_LISTEN ?
				 json_string(role_of(conn)) : json_null());
	json_add(object, "local", json_endpoint(&conn->local));
	if (conn->state != TCP_LISTEN)
		json_add(object, "remote", json_endpoint(&conn->remote));
	json_add(object, "state", json_string(state_name(conn->state)));
	json_add(object, "ulp", json_string(conn->ulp));
	json_add(object, "uid", json_integer(conn->uid));
	json_add(object, "inode", json_integer(conn->inode));
	json_add(object, "info", conn->has_info ? json_info(conn) : json_null());
	if (conn->state == TCP_LISTEN)
		return object;
	json_add(object, "bridge", json_bridge(conn));
	out = must_have(json_array());
	in = must_have(json_array());
	for (i = 0; i < sas->n; i++) {
		if (carries(conn, &sas->of[i]))
			json_array_append_new(is_out(conn, &sas->of[i]) ? out : in,
					      json_sa(&sas->of[i]));
	}
	json_add(object, "sa_out", out);
	json_add(object, "sa_in", in);
	return object;
}

static void show_json(const struct filter *filter, const struct conns *conns,
		      const struct sas *sas)
{
	json_t *listeners = must_have(json_array());
	json_t *connected = must_have(json_array());
	json_t *all = must_have(json_object());
	json_t *lost = must_have(json_array());
	size_t i;

	for (i = 0; i < conns->n; i++) {
		const struct conn *conn = &conns->of[i];

		if (conn_wanted(filter, conn, sas))
			json_array_append_new(conn->state == TCP_LISTEN ?
					      listeners : connected,
					      json_conn(conn, sas));
	}
	for (i = 0; i < sas->n; i++) {
		if (is_lost(&sas->of[i], conns) && lost_sa_wanted(filter, &sas->of[i]))
			json_array_append_new(lost, json_sa(&sas->of[i]));
	}
	json_add(all, "listeners", listeners);
	json_add(all, "connections", connected);
	json_add(all, "sa_without_connection", lost);
	print_json(all);
}

static void show_text(const struct filter *filter, const struct conns *conns,
		      const struct sas *sas)
{
	size_t i;

	for (i = 0; i < conns->n; i++) {
		if (conn_wanted(filter, &conns->of[i], sas))
			print_conn(&conns->of[i], sas);
	}
	for (i = 0; i < sas->n; i++) {
		if (is_lost(&sas->of[i], conns) && lost_sa_wanted(filter, &sas->of[i]))
			print_lost_sa(&sas->of[i]);
	}
}

/* The kernel says nothing of ULPs to others, but nothing of that either. */
static bool is_admin(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &head, data) < 0)
		return true;
	return data[0].effective & (1U << CAP_NET_ADMIN);
}

int run_show(int argc, char **argv)
{
	struct filter filter = { .any_spi = true, .role = -1, .listening = -1 };
	struct conns conns;
	struct sas sas;

	parse_filter(&filter, argc, argv);
	if (dump_conns(&conns) < 0) {
		if (errno == ENOENT)
			die(TOOL_NO_SUPPORT,
			    "the kernel tells nothing of sockets: load the module tcp_diag");
		die(code_of(errno), "connections: %s", error_text(errno));
	}
	if (!conns.n && !is_admin())
		die(TOOL_NOT_ALLOWED,
		    "the kernel tells only an administrator (CAP_NET_ADMIN) what a socket carries");
	if (dump_sas(&sas) < 0)
		complain("states are not shown: %s", error_text(errno));
	counter_read(&reasons);
	if (options.json)
		show_json(&filter, &conns, &sas);
	else
		show_text(&filter, &conns, &sas);
	free(conns.of);
	free(sas.of);
	free(reasons.of);
	return TOOL_OK;
}
