// SPDX-License-Identifier: GPL-2.0
/* Counters per network namespace, and the file that shows them. */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/slab.h>
#include <net/netns/generic.h>

#include "stat.h"

#define PROC_NAME "iketcp_stat"

/**
 * struct iketcp_net - what the module keeps for a network namespace
 * @stats: the counters, one reference of which is the namespace's
 */
struct iketcp_net {
	struct iketcp_stats *stats;
};

static unsigned int net_id __read_mostly;

static const char * const names[IKETCP_STAT_COUNT] = {
#define X(id, name) [IKETCP_STAT_##id] = name,
	IKETCP_STATS(X)
#undef X
};

/** iketcp_stat_name() - what users call a counter */
const char *iketcp_stat_name(enum iketcp_stat_id id)
{
	return names[id];
}

static struct iketcp_stats *stats_create(void)
{
	struct iketcp_stats *stats;

	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return NULL;
	refcount_set(&stats->ref, 1);
	stats->count = alloc_percpu(struct iketcp_counts);
	if (!stats->count) {
		kfree(stats);
		return NULL;
	}
	return stats;
}

/**
 * iketcp_stats_get() - take a reference to a namespace's counters
 * @net: the namespace, alive for the length of the call
 *
 * Return: the counters, to be given back with iketcp_stats_put().
 */
struct iketcp_stats *iketcp_stats_get(const struct net *net)
{
	const struct iketcp_net *in = net_generic(net, net_id);

	refcount_inc(&in->stats->ref);
	return in->stats;
}

/**
 * iketcp_stats_put() - give a reference back
 * @stats: from iketcp_stats_get()
 *
 * Context: any but hard interrupt.
 */
void iketcp_stats_put(struct iketcp_stats *stats)
{
	if (!refcount_dec_and_test(&stats->ref))
		return;
	free_percpu(stats->count);
	kfree(stats);
}

static int stat_show(struct seq_file *seq, void *v)
{
	const struct iketcp_net *in;
	unsigned int i;
	int cpu;

	in = net_generic(seq_file_single_net(seq), net_id);
	for (i = 0; i < IKETCP_STAT_COUNT; i++) {
		const struct iketcp_counts *count;
		unsigned long sum = 0;

		for_each_possible_cpu(cpu) {
			count = per_cpu_ptr(in->stats->count, cpu);
			sum += READ_ONCE(count->of[i]);
		}
		seq_printf(seq, "%-24s\t%lu\n", names[i], sum);
	}
	return 0;
}

static int __net_init stat_net_init(struct net *net)
{
	struct iketcp_net *in = net_generic(net, net_id);

	in->stats = stats_create();
	if (!in->stats)
		return -ENOMEM;
	RCU_INIT_POINTER(in->stats->net, net);
	if (!proc_create_net_single(PROC_NAME, 0444, net->proc_net, stat_show,
				    NULL)) {
		iketcp_stats_put(in->stats);
		return -ENOMEM;
	}
	return 0;
}

/* Before anything of the namespace ends; a grace period follows. */
static void __net_exit stat_net_pre_exit(struct net *net)
{
	struct iketcp_net *in = net_generic(net, net_id);

	RCU_INIT_POINTER(in->stats->net, NULL);
}

static void __net_exit stat_net_exit(struct net *net)
{
	struct iketcp_net *in = net_generic(net, net_id);

	remove_proc_entry(PROC_NAME, net->proc_net);
	iketcp_stats_put(in->stats);
}

static struct pernet_operations stat_net_ops = {
	.init = stat_net_init,
	.pre_exit = stat_net_pre_exit,
	.exit = stat_net_exit,
	.id = &net_id,
	.size = sizeof(struct iketcp_net),
};

/**
 * iketcp_stat_setup() - make the counters of all namespaces
 *
 * Context: process, module init.
 * Return: 0, or -ENOMEM.
 */
int __init iketcp_stat_setup(void)
{
	return register_pernet_subsys(&stat_net_ops);
}

/**
 * iketcp_stat_teardown() - drop the counters of all namespaces
 *
 * Context: process, module exit; nothing of the module counts any more.
 */
void iketcp_stat_teardown(void)
{
	unregister_pernet_subsys(&stat_net_ops);
}
