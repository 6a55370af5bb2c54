// SPDX-License-Identifier: GPL-2.0
/*
 * Where packets come by just before they are transformed: behind all other hooks,
 * as address translation may choose them another route. Only namespaces that have
 * had an SA of ours have the hook.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dst.h>
#include <net/netns/generic.h>

#include "gso.h"
#include "hook.h"
#include "limit.h"

/**
 * struct hook_net - what is kept for a network namespace
 * @net: the namespace
 * @hooked: it has the hooks; written by @work
 * @work: registers them
 */
struct hook_net {
	struct net *net;
	bool hooked;
	struct work_struct work;
};

static unsigned int net_id __read_mostly;

static unsigned int output(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	struct dst_entry *dst = skb_dst(skb);

	if (!dst || !dst->xfrm)
		return NF_ACCEPT;
	iketcp_limit_apply(dst);
	/* A VRF shows its packets here, too, before they take their route. */
	if (skb_is_gso(skb) && state->out == dst->dev && iketcp_gso_output(skb))
		return NF_STOLEN;
	return NF_ACCEPT;
}

static const struct nf_hook_ops hooks[] = {
	{
		.hook = output,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = output,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP6_PRI_LAST,
	},
};

/* Without memory nothing is hooked: the next SA retries. */
static void hook(struct work_struct *work)
{
	struct hook_net *hn = container_of(work, struct hook_net, work);

	if (!hn->hooked &&
	    !nf_register_net_hooks(hn->net, hooks, ARRAY_SIZE(hooks)))
		WRITE_ONCE(hn->hooked, true);
}

/**
 * iketcp_hook_want() - hook a namespace, soon
 * @net: the namespace
 *
 * Context: any.
 */
void iketcp_hook_want(struct net *net)
{
	struct hook_net *hn = net_generic(net, net_id);

	if (!READ_ONCE(hn->hooked))
		schedule_work(&hn->work);
}

static int __net_init hook_net_init(struct net *net)
{
	struct hook_net *hn = net_generic(net, net_id);

	hn->net = net;
	INIT_WORK(&hn->work, hook);
	return 0;
}

/* Nobody makes SAs in the namespace any more. */
static void __net_exit hook_net_exit(struct net *net)
{
	struct hook_net *hn = net_generic(net, net_id);

	cancel_work_sync(&hn->work);
	if (hn->hooked)
		nf_unregister_net_hooks(net, hooks, ARRAY_SIZE(hooks));
}

static struct pernet_operations hook_net_ops = {
	.init = hook_net_init,
	.exit = hook_net_exit,
	.id = &net_id,
	.size = sizeof(struct hook_net),
};

/**
 * iketcp_hook_setup() - prepare all namespaces
 *
 * Context: process, module init.
 * Return: 0, or -ENOMEM.
 */
int __init iketcp_hook_setup(void)
{
	return register_pernet_subsys(&hook_net_ops);
}

/**
 * iketcp_hook_teardown() - take the hooks out of all namespaces
 *
 * Context: process, module exit; no SA is left.
 */
void iketcp_hook_teardown(void)
{
	unregister_pernet_subsys(&hook_net_ops);
}
