// SPDX-License-Identifier: GPL-2.0
/* States and policies by netlink, many of them in one message. */
#include "load.h"

#include <libmnl/libmnl.h>
#include <linux/xfrm.h>

#ifndef TCP_ENCAP_ESPINTCP
#define TCP_ENCAP_ESPINTCP 7
#endif

/* More than a message takes, attributes and all. */
#define MESSAGE_MAX	1024

struct nl *nl_open(enum host host)
{
	struct nl *nl = calloc(1, sizeof(*nl));

	enter(host);
	if (!nl)
		die("no memory");
	nl->sock = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID))
		die("netlink: %s", strerror(errno));
	return nl;
}

void nl_close(struct nl *nl)
{
	mnl_socket_close(nl->sock);
	free(nl);
}

static ssize_t nl_receive(struct nl *nl, void *buf, size_t len)
{
	return need(mnl_socket_recvfrom(nl->sock, buf, len));
}

/* The last one asks for an answer; those before it answer if they failed. */
void nl_commit(struct nl *nl)
{
	char buf[8192];

	if (!nl->used)
		return;
	nl->last->nlmsg_flags |= NLM_F_ACK;
	need(mnl_socket_sendto(nl->sock, nl->buf, nl->used));
	nl->used = 0;
	for (;;) {
		ssize_t n = nl_receive(nl, buf, sizeof(buf));
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		int left = n;

		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (e->error)
				die("netlink, message of type %u: %s",
				    e->msg.nlmsg_type, strerror(-e->error));
			if (h->nlmsg_seq == nl->seq)
				return;
		}
	}
}

static struct nlmsghdr *begin(struct nl *nl, int type, int flags)
{
	struct nlmsghdr *h;

	if (nl->used + MESSAGE_MAX > sizeof(nl->buf))
		nl_commit(nl);
	h = mnl_nlmsg_put_header(nl->buf + nl->used);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++nl->seq;
	return h;
}

static void end(struct nl *nl, struct nlmsghdr *h)
{
	nl->last = h;
	nl->used += NLMSG_ALIGN(h->nlmsg_len);
}

static const struct xfrm_lifetime_cfg no_limit = {
	.soft_byte_limit = XFRM_INF, .hard_byte_limit = XFRM_INF,
	.soft_packet_limit = XFRM_INF, .hard_packet_limit = XFRM_INF,
};

static void sa_put(struct nl *nl, const struct sa *sa, int type)
{
	static const uint8_t key[20] = "0123456789abcdefsalt";
	struct {
		struct xfrm_algo_aead alg;
		uint8_t key[20];
	} aead = {
		.alg.alg_name = "rfc4106(gcm(aes))",
		.alg.alg_key_len = 8 * sizeof(key),
		.alg.alg_icv_len = 128,
	};
	struct xfrm_encap_tmpl encap = {
		.encap_type = TCP_ENCAP_ESPINTCP,
		.encap_sport = htons(sa->from == A ? sa->port : IKE_PORT),
		.encap_dport = htons(sa->from == A ? IKE_PORT : sa->port),
	};
	struct nlmsghdr *h = begin(nl, type, NLM_F_CREATE | NLM_F_EXCL);
	struct xfrm_usersa_info *info;

	memcpy(aead.key, key, sizeof(key));
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->saddr.a4 = outer(sa->from, 0).s_addr;
	info->id.daddr.a4 = outer(!sa->from, 0).s_addr;
	info->id.spi = htonl(sa->spi);
	info->id.proto = IPPROTO_ESP;
	info->lft = no_limit;
	info->reqid = sa->n + 1;
	info->family = AF_INET;
	info->mode = XFRM_MODE_TUNNEL;
	info->replay_window = 32;
	mnl_attr_put(h, XFRMA_ALG_AEAD, sizeof(aead.alg) + sizeof(key), &aead);
	mnl_attr_put(h, XFRMA_ENCAP, sizeof(encap), &encap);
	end(nl, h);
}

void sa_add(struct nl *nl, const struct sa *sa)
{
	sa_put(nl, sa, XFRM_MSG_NEWSA);
}

void sa_update(struct nl *nl, const struct sa *sa)
{
	sa_put(nl, sa, XFRM_MSG_UPDSA);
}

static void id_put(struct nlmsghdr *h, const struct sa *sa)
{
	struct xfrm_usersa_id *id;

	id = mnl_nlmsg_put_extra_header(h, sizeof(*id));
	id->daddr.a4 = outer(!sa->from, 0).s_addr;
	id->spi = htonl(sa->spi);
	id->family = AF_INET;
	id->proto = IPPROTO_ESP;
}

/* A packet that is under way through the state is not counted any more. */
uint64_t sa_delete(struct nl *nl, const struct sa *sa)
{
	const struct xfrm_usersa_info *info;
	struct nlmsghdr *h;
	uint64_t packets;
	char buf[8192];

	nl_commit(nl);
	h = begin(nl, XFRM_MSG_GETSA, 0);
	id_put(h, sa);
	need(mnl_socket_sendto(nl->sock, h, h->nlmsg_len));
	nl_receive(nl, buf, sizeof(buf));
	h = (struct nlmsghdr *)buf;
	if (h->nlmsg_type != XFRM_MSG_NEWSA)
		die("the state with SPI %#x is not there", sa->spi);
	info = mnl_nlmsg_get_payload(h);
	packets = info->curlft.packets;

	h = begin(nl, XFRM_MSG_DELSA, 0);
	id_put(h, sa);
	end(nl, h);
	nl_commit(nl);
	return packets;
}

static void policy_put(struct nl *nl, enum host from, unsigned int n,
		       int prefix, int dir, unsigned int reqid)
{
	struct nlmsghdr *h = begin(nl, XFRM_MSG_NEWPOLICY,
				   NLM_F_CREATE | NLM_F_EXCL);
	struct xfrm_userpolicy_info *info;
	struct xfrm_user_tmpl tmpl = {
		.id.daddr.a4 = outer(!from, 0).s_addr,
		.id.proto = IPPROTO_ESP,
		.saddr.a4 = outer(from, 0).s_addr,
		.family = AF_INET,
		.reqid = reqid,
		.mode = XFRM_MODE_TUNNEL,
		.aalgos = ~0u, .ealgos = ~0u, .calgos = ~0u,
	};

	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->sel.saddr.a4 = inner(from, n).s_addr;
	info->sel.daddr.a4 = inner(!from, n).s_addr;
	info->sel.prefixlen_s = prefix;
	info->sel.prefixlen_d = prefix;
	info->sel.family = AF_INET;
	info->lft = no_limit;
	info->priority = 1;
	info->dir = dir;
	mnl_attr_put(h, XFRMA_TMPL, sizeof(tmpl), &tmpl);
	end(nl, h);
}

/* What goes into the tunnel of connection n. */
void policy_out(struct nl *nl, enum host host, unsigned int n)
{
	policy_put(nl, host, n, 32, XFRM_POLICY_OUT, n + 1);
}

/* What comes out of all tunnels. */
void policy_in(struct nl *nl, enum host host)
{
	policy_put(nl, !host, 0, 16, XFRM_POLICY_IN, 0);
}

void xfrm_flush(struct nl *nl)
{
	struct xfrm_usersa_flush *flush;
	struct nlmsghdr *h;

	h = begin(nl, XFRM_MSG_FLUSHPOLICY, 0);
	end(nl, h);
	h = begin(nl, XFRM_MSG_FLUSHSA, 0);
	flush = mnl_nlmsg_put_extra_header(h, sizeof(*flush));
	flush->proto = IPPROTO_ESP;
	end(nl, h);
	nl_commit(nl);
}

struct dump {
	void (*fn)(const struct sa_count *c, void *arg);
	void *arg;
};

static int dump_one(const struct nlmsghdr *h, void *data)
{
	const struct xfrm_usersa_info *info = mnl_nlmsg_get_payload(h);
	const struct dump *d = data;
	struct sa_count c = {
		.sa.from = info->saddr.a4 == outer(A, 0).s_addr ? A : B,
		.sa.n = info->reqid - 1,
		.sa.spi = ntohl(info->id.spi),
		.packets = info->curlft.packets,
	};

	d->fn(&c, d->arg);
	return MNL_CB_OK;
}

void sa_dump(struct nl *nl, void (*fn)(const struct sa_count *c, void *arg),
	     void *arg)
{
	struct dump d = { fn, arg };
	struct nlmsghdr *h;
	char buf[65536];
	int more;

	nl_commit(nl);
	h = begin(nl, XFRM_MSG_GETSA, NLM_F_DUMP);
	need(mnl_socket_sendto(nl->sock, h, h->nlmsg_len));
	do {
		ssize_t n = nl_receive(nl, buf, sizeof(buf));

		more = need(mnl_cb_run(buf, n, nl->seq, 0, dump_one, &d));
	} while (more > MNL_CB_STOP);
}
