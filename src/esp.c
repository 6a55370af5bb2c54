// SPDX-License-Identifier: GPL-2.0
/*
 * The ESP type: ours stands in the place of the stock one, a copy of it that
 * differs in init_state only. States that are not carried over TCP get the
 * stock code by the copy's pointers, unchanged; those with encap type espintcp
 * get a type of their own (sa.c), with our output. So do those with encap type
 * espinudp, as a bridge may carry them: their output is the stock one until there
 * is a bridge.
 *
 * xfrm has one slot a family for the type. The stock type is found by letting
 * xfrm look it up for a state of ours, which then keeps its module loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/tcp.h>
#include <net/xfrm.h>

#include "frame.h"
#include "esp.h"
#include "sa.h"

/**
 * struct esp_family - the ESP type of an address family
 * @family: AF_INET or AF_INET6
 * @stock_espintcp: the kernel's own code knows encap type espintcp
 * @probe: a state without an algorithm that pins @stock; NULL when the family
 *	   is not there
 * @stock: the kernel's type
 * @type: ours
 */
struct esp_family {
	unsigned short family;
	bool stock_espintcp;
	struct xfrm_state *probe;
	const struct xfrm_type *stock;
	struct xfrm_type type;
};

static struct esp_family families[] = {
	{
		.family = AF_INET,
		.stock_espintcp = IS_ENABLED(CONFIG_INET_ESPINTCP),
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.family = AF_INET6,
		.stock_espintcp = IS_ENABLED(CONFIG_INET6_ESPINTCP),
	},
#endif
};

/*
 * What a connection adds to a message: with the outer IP header, which xfrm counts
 * itself, a packet of the inner MTU goes into one segment (section 12.4).
 */
#define STREAM_LEN (IKETCP_LENGTH_LEN + sizeof(struct tcphdr) + \
		    TCPOLEN_TSTAMP_ALIGNED)

static struct esp_family *family_of(const struct xfrm_state *x)
{
	return container_of(x->type, struct esp_family, type);
}

/*
 * The stock code refuses encap type espintcp where it is not built in, though
 * only output differs. So it does not get to see it. Where it is built in, it
 * counts the length field, and may have to carry the state itself: the length of
 * the headers is its own then.
 */
static int init_tcp_state(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	const struct esp_family *f = family_of(x);
	struct xfrm_encap_tmpl *encap = x->encap;
	int err;

	if (!f->stock_espintcp)
		x->encap = NULL;
	err = f->stock->init_state(x, extack);
	x->encap = encap;
	if (err)
		return err;

	if (!f->stock_espintcp)
		x->props.header_len += STREAM_LEN;
	return iketcp_sa_create(x, &f->type, f->stock);
}

static int init_udp_state(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	const struct esp_family *f = family_of(x);
	int err = f->stock->init_state(x, extack);

	return err ?: iketcp_sa_create(x, &f->type, f->stock);
}

static int init_state(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	const struct esp_family *f = family_of(x);

	if (x->encap && x->encap->encap_type == TCP_ENCAP_ESPINTCP)
		return init_tcp_state(x, extack);
	if (x->encap && x->encap->encap_type == UDP_ENCAP_ESPINUDP)
		return init_udp_state(x, extack);
	return f->stock->init_state(x, extack);
}

/* Return: the state, whose x->type is the stock type; or an error. */
static struct xfrm_state * __init probe_create(unsigned short family)
{
	struct xfrm_state *x = xfrm_state_alloc(&init_net);

	if (!x)
		return ERR_PTR(-ENOMEM);
	x->props.family = family;
	x->props.mode = XFRM_MODE_TRANSPORT;
	x->id.proto = IPPROTO_ESP;
	/* It has no algorithm: this fails, but only after the look-up. */
	if (xfrm_init_state(x) && x->type)
		return x;

	x->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(x);
	return ERR_PTR(-EAFNOSUPPORT);
}

/* Drops the pin of the stock type's module. */
static void probe_free(struct xfrm_state *x)
{
	x->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(x);
}

static int __init family_setup(struct esp_family *f)
{
	struct xfrm_state *probe = probe_create(f->family);

	if (IS_ERR(probe))
		return PTR_ERR(probe);

	f->probe = probe;
	f->stock = f->probe->type;
	f->type = *f->stock;
	f->type.owner = THIS_MODULE;
	f->type.init_state = init_state;
	return 0;
}

/* Who looks in between asks for the module again and finds the new type. */
static void replace_type(const struct esp_family *f,
			 const struct xfrm_type *old,
			 const struct xfrm_type *new)
{
	if (!f->probe)
		return;
	xfrm_unregister_type(old, f->family);
	xfrm_register_type(new, f->family);
}

/**
 * iketcp_esp_setup() - find the stock ESP types
 *
 * A kernel that runs without IPv6 has no type for it, and needs none.
 *
 * Context: process, module init.
 * Return: 0; -EAFNOSUPPORT without ESP for IPv4; -ENOMEM.
 */
int __init iketcp_esp_setup(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		err = family_setup(&families[i]);
		if (err == -ENOMEM)
			goto teardown;
		if (err && families[i].family == AF_INET) {
			pr_err("this kernel has no ESP (module esp4)\n");
			goto teardown;
		}
		if (err)
			pr_info("no ESP for IPv6\n");
	}
	return 0;

teardown:
	iketcp_esp_teardown();
	return err;
}

/**
 * iketcp_esp_take() - put our types in the place of the stock ones
 *
 * Cannot fail, so that it can be the last step of init: from here on states
 * come that use us.
 */
void iketcp_esp_take(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		replace_type(&families[i], families[i].stock,
			     &families[i].type);
}

/**
 * iketcp_esp_give_back() - put the stock types back
 *
 * Until then no ESP state can be made in the whole system, as our module is
 * going already: so it comes first at exit.
 *
 * Context: process, module exit; no state has a type of ours.
 */
void iketcp_esp_give_back(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		replace_type(&families[i], &families[i].type,
			     families[i].stock);
}

/**
 * iketcp_esp_teardown() - let go of the stock types
 */
void iketcp_esp_teardown(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		if (families[i].probe)
			probe_free(families[i].probe);
		families[i].probe = NULL;
	}
}
