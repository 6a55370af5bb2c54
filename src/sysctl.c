// SPDX-License-Identifier: GPL-2.0
/* What an administrator can set, per network namespace: net.iketcp.* */
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "compat.h"
#include "limit.h"
#include "sysctl.h"

/*
 * Long enough for a handshake over a bad line, short enough that strangers do
 * not pile up.
 */
#define PREFIX_TIMEOUT		10

/*
 * A connection of a stranger is some 4 KiB; honest ones wait for a round trip,
 * so with many strangers it is the oldest that go.
 */
#define MAX_WAITING		4096
#define MAX_WAITING_MAX		1048576

/*
 * How many faults in a row are too many (fault.c). A message that is none, or
 * that was changed under way, is more than TCP lets through once in a while;
 * but it need not be the stream: one SA may have the wrong key, and others work
 * meanwhile.
 */
#define BAD_MESSAGE_MAX		32
#define UNKNOWN_SPI_MAX		100
#define BAD_AUTH_MAX		32

/**
 * struct sysctl_net - a network namespace's settings
 * @header: of the registered table; NULL in a kernel without sysctls
 * @prefix_timeout: seconds, 0 for ever
 * @max_waiting: connections without a prefix that a listener with a filter keeps
 * @max_message: bytes of an ESP message on connections to be made
 * @fault_max: faults of each kind in a row that end a connection, 0 for never
 */
struct sysctl_net {
	struct ctl_table_header *header;
	unsigned int prefix_timeout;
	unsigned int max_waiting;
	unsigned int max_message;
	unsigned int fault_max[IKETCP_FAULT_COUNT];
};

static unsigned int net_id __read_mostly;

static unsigned int prefix_timeout_max = IKETCP_SYSCTL_PREFIX_TIMEOUT_MAX;
static unsigned int max_waiting_max = MAX_WAITING_MAX;
static unsigned int max_message_min = IKETCP_LIMIT_MIN;
static unsigned int max_message_max = IKETCP_LIMIT_NONE;

#define FAULT_MAX(name, fault) {						\
	.procname = name,						\
	.data = (void *)offsetof(struct sysctl_net, fault_max[fault]),	\
	.maxlen = sizeof(unsigned int),					\
	.mode = 0644,							\
	.proc_handler = proc_douintvec,					\
}

/* @data is an offset in struct sysctl_net until a namespace gets its copy. */
static const struct ctl_table settings[] = {
	{
		.procname = "prefix_timeout",
		.data = (void *)offsetof(struct sysctl_net, prefix_timeout),
		.maxlen = sizeof(unsigned int),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra1 = SYSCTL_ZERO,
		.extra2 = &prefix_timeout_max,
	},
	{
		.procname = "max_waiting",
		.data = (void *)offsetof(struct sysctl_net, max_waiting),
		.maxlen = sizeof(unsigned int),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra1 = SYSCTL_ONE,
		.extra2 = &max_waiting_max,
	},
	{
		.procname = "max_message",
		.data = (void *)offsetof(struct sysctl_net, max_message),
		.maxlen = sizeof(unsigned int),
		.mode = 0644,
		.proc_handler = proc_douintvec_minmax,
		.extra1 = &max_message_min,
		.extra2 = &max_message_max,
	},
	FAULT_MAX("bad_message_max", IKETCP_FAULT_MESSAGE),
	FAULT_MAX("unknown_spi_max", IKETCP_FAULT_SPI),
	FAULT_MAX("bad_auth_max", IKETCP_FAULT_AUTH),
};

/**
 * iketcp_sysctl_prefix_timeout() - how long a responder waits for the prefix
 * @net: the namespace
 *
 * Return: seconds, 0..3600; 0 means for ever.
 */
unsigned int iketcp_sysctl_prefix_timeout(const struct net *net)
{
	const struct sysctl_net *sn = net_generic(net, net_id);

	return READ_ONCE(sn->prefix_timeout);
}

/**
 * iketcp_sysctl_max_waiting() - how many strangers a listener keeps
 * @net: the namespace
 *
 * Return: connections, 1..1048576.
 */
unsigned int iketcp_sysctl_max_waiting(const struct net *net)
{
	const struct sysctl_net *sn = net_generic(net, net_id);

	return READ_ONCE(sn->max_waiting);
}

/**
 * iketcp_sysctl_max_message() - how long the ESP messages of a new connection may be
 * @net: the namespace
 *
 * Return: bytes, IKETCP_LIMIT_MIN..IKETCP_LIMIT_NONE.
 */
unsigned int iketcp_sysctl_max_message(const struct net *net)
{
	const struct sysctl_net *sn = net_generic(net, net_id);

	return READ_ONCE(sn->max_message);
}

/**
 * iketcp_sysctl_fault_max() - how many faults in a row end a connection
 * @net: the namespace
 * @fault: the kind
 *
 * Return: their number; 0 means that they do not.
 */
unsigned int iketcp_sysctl_fault_max(const struct net *net,
				     enum iketcp_fault fault)
{
	const struct sysctl_net *sn = net_generic(net, net_id);

	return READ_ONCE(sn->fault_max[fault]);
}

static int __net_init sysctl_net_init(struct net *net)
{
	struct sysctl_net *sn = net_generic(net, net_id);
	struct ctl_table *table;
	unsigned int i;

	sn->prefix_timeout = PREFIX_TIMEOUT;
	sn->max_waiting = MAX_WAITING;
	sn->max_message = IKETCP_LIMIT_NONE;
	sn->fault_max[IKETCP_FAULT_MESSAGE] = BAD_MESSAGE_MAX;
	sn->fault_max[IKETCP_FAULT_SPI] = UNKNOWN_SPI_MAX;
	sn->fault_max[IKETCP_FAULT_AUTH] = BAD_AUTH_MAX;
	if (!IS_ENABLED(CONFIG_SYSCTL))
		return 0;

	/* With an empty entry at the end, for kernels that look for one. */
	table = kcalloc(ARRAY_SIZE(settings) + 1, sizeof(*table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		table[i] = settings[i];
		table[i].data = (void *)sn + (uintptr_t)settings[i].data;
	}

	sn->header = iketcp_compat_register_sysctl(net, "net/iketcp", table,
						   ARRAY_SIZE(settings));
	if (!sn->header) {
		kfree(table);
		return -ENOMEM;
	}
	return 0;
}

static void __net_exit sysctl_net_exit(struct net *net)
{
	struct sysctl_net *sn = net_generic(net, net_id);
	const struct ctl_table *table;

	if (!sn->header)
		return;
	table = sn->header->ctl_table_arg;
	unregister_net_sysctl_table(sn->header);
	kfree(table);
}

static struct pernet_operations sysctl_net_ops = {
	.init = sysctl_net_init,
	.exit = sysctl_net_exit,
	.id = &net_id,
	.size = sizeof(struct sysctl_net),
};

/**
 * iketcp_sysctl_setup() - make the settings of all namespaces
 *
 * Context: process, module init.
 * Return: 0, or -ENOMEM.
 */
int __init iketcp_sysctl_setup(void)
{
	return register_pernet_subsys(&sysctl_net_ops);
}

/**
 * iketcp_sysctl_teardown() - drop the settings of all namespaces
 *
 * Context: process, module exit; no connection is left.
 */
void iketcp_sysctl_teardown(void)
{
	unregister_pernet_subsys(&sysctl_net_ops);
}
