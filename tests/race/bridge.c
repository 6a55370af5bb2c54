// SPDX-License-Identifier: GPL-2.0
/*
 * Connections in the place of UDP, and limits of messages: they begin, change and end
 * under traffic, of the daemons (UDP) and of SAs in UDP, both ways.
 */
#include "runner.h"

static bool either(void)
{
	return random_below(2);
}

/* It may have ended. */
static void may_bridge(struct world *w, int fd, int who, uint16_t port)
{
	int err = bridge(w, fd, who, port);

	check(!err || err == -ENOTCONN, "bridge: %s", strerror(-err));
}

/* A connection, and perhaps @other, which stands for the daemons, too. */
static void open_some(struct world *w, struct conn *other)
{
	*other = (struct conn){ .fd = { -1, -1 } };
	open_moved(w);
	if (either()) {
		conn_open(w, other);
		bridges_up(w, other);
	}
}

/* Up to two connections, each of whose ends stands for the daemons, or not. */
static void set(struct world *w)
{
	static const uint16_t ports[] = { PORT, PORT, PORT, PORT + 1, 0 };
	struct conn other;
	int i, end;

	open_some(w, &other);
	workers_go(mixed, either() ? mixed : talk_a);
	workers_warm(random_below(2));
	for (i = random_below(6); i >= 0; i--) {
		moment();
		end = either();
		may_bridge(w, other.fd[A] >= 0 && either() ? other.fd[end] :
							     traffic.c.fd[end],
			   end, ports[random_below(ARRAY_LEN(ports))]);
	}
	moment();
	workers_stop();
	conn_reset(&other);
	conn_reset(&traffic.c);
}

static void shut(int *fd)
{
	if (either())
		reset_close(*fd);
	else
		need(close(*fd));
	*fd = -1;
}

/* An end goes; the other may get its bridge anew meanwhile. UDP is left, or a second. */
static void end(struct world *w)
{
	struct conn other;
	int end = either();

	open_some(w, &other);
	workers_go(mixed, either() ? esp_a : talk_b);
	workers_warm(random_below(2));
	moment();
	if (either())
		shut(&traffic.c.fd[end]);
	else
		need(shutdown(traffic.c.fd[end], either() ? SHUT_WR : SHUT_RDWR));
	moment();
	may_bridge(w, traffic.c.fd[!end], !end, either() ? PORT : 0);
	moment();
	conn_reset(&traffic.c);
	moment();
	workers_stop();
	conn_reset(&other);
}

/* The limit goes down and up while packets of every size pass. */
static void limits(struct world *w)
{
	static const int bytes[] = { 1400, 1500, 9000, 65535 };
	int i;

	if (!random_below(8)) {
		end_namespaces(w);
		return;
	}
	open_moved(w);
	workers_go(either() ? esp_a : mixed, either() ? inner_tcp : esp_a);
	workers_warm(random_below(2));
	for (i = random_below(6); i >= 0; i--) {
		moment();
		need(limit(traffic.c.fd[either()],
			   bytes[random_below(ARRAY_LEN(bytes))]));
	}
	moment();
	if (either())
		conn_reset(&traffic.c);
	workers_stop();
	conn_reset(&traffic.c);
}

const struct race bridge_races[] = {
	{ .name = "bridge-set", .what = "bridges are set, changed and given up",
	  .round = set, .two = true, .bridged = true, .reorders = true },
	{ .name = "bridge-end", .what = "connections with a bridge end",
	  .round = end, .two = true, .bridged = true, .reorders = true },
	{ .name = "bridge-sa", .what = "SAs of bridges are flushed",
	  .begin = open_moved, .round = flush_sas, .two = true, .bridged = true,
	  .reorders = true, .alg = "gcm" },
	{ .name = "bridge-expire", .what = "SAs of bridges pass their limits",
	  .begin = open_moved, .round = expire_sas, .two = true,
	  .bridged = true, .reorders = true },
	{ .name = "bridge-device", .what = "the device under bridges is deleted",
	  .round = end_device, .two = true, .bridged = true, .reorders = true },
	{ .name = "bridge-namespaces", .what = "two end, with bridges between them",
	  .round = end_namespaces, .two = true, .bridged = true,
	  .reorders = true, .divide = 4 },
	{ .name = "bridge-unload", .what = "rmmod right after bridges close",
	  .round = unload, .begin = module_begin, .end = module_end,
	  .bridged = true, .two = true, .reorders = true, .divide = 4 },
	{ .name = "bridge-pcrypt", .what = "ciphers (pcrypt) complete after bridges close",
	  .round = async_ends, .two = true, .bridged = true, .reorders = true,
	  .starves = true, .alg = "gcm" },
	{ .name = "limit", .what = "the limit of messages changes",
	  .round = limits, .reorders = true, .alg = "gcm" },
	{ 0 }
};
