// SPDX-License-Identifier: GPL-2.0
/*
 * States and policies for the self-test: transport mode, for UDP. The keys are
 * no secret: nothing but the test's own packets is ever encrypted with them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/xfrm.h>

#include "address.h"
#include "netlink.h"
#include "tool.h"
#include "xfrm.h"

#define REQID		1
#define KEY_MAX		64

/* How the kernel wants to be told of a cipher. */
static const struct cipher {
	const char *name;
	/* bytes of key, its salt included */
	unsigned int key_len;
	/* bits */
	unsigned int icv_len;
	/* NULL: the cipher does it alone */
	const char *auth;
	unsigned int auth_len;
} ciphers[] = {
	{ "rfc4106(gcm(aes))", 20, 128, NULL, 0 },
	{ "rfc7539esp(chacha20,poly1305)", 36, 128, NULL, 0 },
	{ "cbc(aes)", 16, 128, "hmac(sha256)", 32 },
};

static const struct cipher *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ciphers); i++) {
		if (!strcmp(ciphers[i].name, name))
			return &ciphers[i];
	}
	return NULL;
}

static void copy_address(xfrm_address_t *to, const struct address *from)
{
	memcpy(to, from->bytes, sizeof(*to));
}

static void put_aead(struct nlmsghdr *nlh, const struct cipher *cipher)
{
	char buf[sizeof(struct xfrm_algo_aead) + KEY_MAX] = {};
	struct xfrm_algo_aead *algo = (void *)buf;

	snprintf(algo->alg_name, sizeof(algo->alg_name), "%s", cipher->name);
	algo->alg_key_len = cipher->key_len * 8;
	algo->alg_icv_len = cipher->icv_len;
	mnl_attr_put(nlh, XFRMA_ALG_AEAD, sizeof(*algo) + cipher->key_len, buf);
}

static void put_pair(struct nlmsghdr *nlh, const struct cipher *cipher)
{
	char buf[sizeof(struct xfrm_algo_auth) + KEY_MAX] = {};
	struct xfrm_algo *algo = (void *)buf;
	struct xfrm_algo_auth *auth = (void *)buf;

	snprintf(algo->alg_name, sizeof(algo->alg_name), "%s", cipher->name);
	algo->alg_key_len = cipher->key_len * 8;
	mnl_attr_put(nlh, XFRMA_ALG_CRYPT, sizeof(*algo) + cipher->key_len, buf);

	memset(buf, 0, sizeof(buf));
	snprintf(auth->alg_name, sizeof(auth->alg_name), "%s", cipher->auth);
	auth->alg_key_len = cipher->auth_len * 8;
	auth->alg_trunc_len = cipher->icv_len;
	mnl_attr_put(nlh, XFRMA_ALG_AUTH_TRUNC, sizeof(*auth) + cipher->auth_len, buf);
}

static void set_no_limit(struct xfrm_lifetime_cfg *limit)
{
	limit->soft_byte_limit = XFRM_INF;
	limit->hard_byte_limit = XFRM_INF;
	limit->soft_packet_limit = XFRM_INF;
	limit->hard_packet_limit = XFRM_INF;
}

/**
 * xfrm_add_state() - a state of the network namespace
 * @src: from where; its port is the encap's
 * @dst: to where; port 0: plain ESP, not over TCP
 * @spi: SPI, in host byte order
 * @cipher: one of the names above
 */
int xfrm_add_state(const struct endpoint *src, const struct endpoint *dst,
		   unsigned int spi, const char *cipher)
{
	char buf[2048] __attribute__((aligned(8)));
	const struct cipher *how = find(cipher);
	struct xfrm_encap_tmpl encap = {
		.encap_type = TCP_ENCAP_ESPINTCP,
		.encap_sport = htons(src->port),
		.encap_dport = htons(dst->port),
	};
	struct xfrm_usersa_info *info;
	struct nlmsghdr *nlh;

	if (!how) {
		errno = ENOENT;
		return -1;
	}
	nlh = netlink_request(buf, XFRM_MSG_NEWSA, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	copy_address(&info->saddr, &src->address);
	copy_address(&info->id.daddr, &dst->address);
	info->id.spi = htonl(spi);
	info->id.proto = IPPROTO_ESP;
	info->family = src->address.family;
	info->mode = XFRM_MODE_TRANSPORT;
	info->reqid = REQID;
	info->replay_window = 32;
	set_no_limit(&info->lft);
	if (how->auth)
		put_pair(nlh, how);
	else
		put_aead(nlh, how);
	if (dst->port)
		mnl_attr_put(nlh, XFRMA_ENCAP, sizeof(encap), &encap);
	return netlink_ask_once(NETLINK_XFRM, nlh);
}

/**
 * xfrm_add_policy() - UDP between two addresses takes the states
 * @src: from where; the port does not count
 * @dst: to where
 * @dir: XFRM_POLICY_IN or XFRM_POLICY_OUT
 */
int xfrm_add_policy(const struct endpoint *src, const struct endpoint *dst, int dir)
{
	char buf[1024] __attribute__((aligned(8)));
	unsigned char bits = (unsigned char)(address_len(&src->address) * 8);
	struct xfrm_user_tmpl tmpl = {
		.id.proto = IPPROTO_ESP,
		.family = src->address.family,
		.reqid = REQID,
		.mode = XFRM_MODE_TRANSPORT,
		.aalgos = ~0U,
		.ealgos = ~0U,
		.calgos = ~0U,
	};
	struct xfrm_userpolicy_info *info;
	struct nlmsghdr *nlh;

	nlh = netlink_request(buf, XFRM_MSG_NEWPOLICY, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	copy_address(&info->sel.saddr, &src->address);
	copy_address(&info->sel.daddr, &dst->address);
	info->sel.family = src->address.family;
	info->sel.prefixlen_s = bits;
	info->sel.prefixlen_d = bits;
	info->sel.proto = IPPROTO_UDP;
	info->dir = (unsigned char)dir;
	info->action = XFRM_POLICY_ALLOW;
	set_no_limit(&info->lft);
	copy_address(&tmpl.saddr, &src->address);
	copy_address(&tmpl.id.daddr, &dst->address);
	mnl_attr_put(nlh, XFRMA_TMPL, sizeof(tmpl), &tmpl);
	return netlink_ask_once(NETLINK_XFRM, nlh);
}
