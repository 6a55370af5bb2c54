// SPDX-License-Identifier: GPL-2.0
/*
 * ESP output: a packet from xfrm is copied into the SA's page, framed and
 * encrypted there, and submitted to the SA's order. So are the segments of a GSO
 * packet, without being packets first.
 *
 * The packet's own memory is only read: others may share it.
 */
#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <net/esp.h>
#include <net/tcp_states.h>
#include <net/xfrm.h>

#include "bridge.h"
#include "compat.h"
#include "conn.h"
#include "esp.h"
#include "gso.h"
#include "msg.h"
#include "path.h"
#include "sa.h"
#include "sock.h"

/**
 * struct esp_request - what a packet needs while it is being encrypted
 * @sa: the SA; its state is kept alive by the packet's dst, or is held
 * @msg: the message being made
 * @skb: the packet; NULL when others will be made of it: the state is held
 * @sg: associated data (ESN only), then the message
 * @aad: associated data with the high half of the sequence number (ESN)
 *
 * Behind it, each aligned: the IV and the aead_request.
 */
struct esp_request {
	struct iketcp_sa *sa;
	struct iketcp_msg *msg;
	struct sk_buff *skb;
	struct scatterlist sg[2];
	__be32 aad[3];
};

/**
 * struct esp_layout - lengths of a message's parts, in bytes
 * @clen: what is encrypted: payload, padding, pad length, next header
 * @tfclen: traffic flow confidentiality padding, part of @clen
 * @plen: padding with its two trailing bytes, part of @clen
 * @alen: integrity check value
 * @ivlen: initialisation vector
 * @len: the whole message, length field included
 */
struct esp_layout {
	unsigned int clen;
	unsigned int tfclen;
	unsigned int plen;
	unsigned int alen;
	unsigned int ivlen;
	unsigned int len;
};

/**
 * struct esp_payload - what a message is made of
 * @skb: the packet
 * @gso: how it is cut; NULL: it is not
 * @i: the segment's number
 * @len: bytes
 * @next: next header
 */
struct esp_payload {
	const struct sk_buff *skb;
	const struct iketcp_gso *gso;
	unsigned int i;
	unsigned int len;
	u8 next;
};

/* kmalloc() aligns less than some ciphers want, hence the slack. */
static unsigned int iv_align(struct crypto_aead *aead)
{
	return max_t(unsigned int, crypto_aead_alignmask(aead) + 1,
		     __alignof__(u64));
}

static u8 *request_iv(struct crypto_aead *aead, struct esp_request *req)
{
	return PTR_ALIGN((u8 *)(req + 1), iv_align(aead));
}

static struct aead_request *request_aead(struct crypto_aead *aead,
					 struct esp_request *req)
{
	return (void *)PTR_ALIGN(request_iv(aead, req) +
				 crypto_aead_ivsize(aead),
				 crypto_tfm_ctx_alignment());
}

/**
 * iketcp_esp_request_size() - room for a packet's encryption
 * @aead: the SA's cipher
 *
 * Return: bytes.
 */
unsigned int iketcp_esp_request_size(struct crypto_aead *aead)
{
	return sizeof(struct esp_request) + iv_align(aead) +
	       crypto_aead_ivsize(aead) + crypto_tfm_ctx_alignment() +
	       sizeof(struct aead_request) + crypto_aead_reqsize(aead);
}

static struct esp_request *request_get(struct iketcp_sa *sa)
{
	struct esp_request *req = xchg(&sa->spare, NULL);

	return req ?: kmalloc(sa->req_size, GFP_ATOMIC | __GFP_NOWARN);
}

static void request_put(struct iketcp_sa *sa, struct esp_request *req)
{
	kfree(xchg(&sa->spare, req));
}

static u64 sequence(const struct sk_buff *skb)
{
	return XFRM_SKB_CB(skb)->seq.output.low |
	       (u64)XFRM_SKB_CB(skb)->seq.output.hi << 32;
}

/* RFC 4303 section 2; the length field in front is section 3.2 of the draft. */
static void measure(const struct xfrm_state *x, const struct esp_payload *p,
		    struct esp_layout *l)
{
	struct crypto_aead *aead = x->data;
	unsigned int block = ALIGN(crypto_aead_blocksize(aead), 4);

	l->alen = crypto_aead_authsize(aead);
	l->ivlen = crypto_aead_ivsize(aead);
	l->tfclen = 0;
	if (x->tfcpad) {
		/* No longer than packets may be at all. */
		unsigned int padto = min(x->tfcpad, dst_mtu(skb_dst(p->skb)) -
						    iketcp_esp_clear_len(x));

		if (p->len < padto)
			l->tfclen = padto - p->len;
	}
	l->clen = ALIGN(p->len + 2 + l->tfclen, block);
	l->plen = l->clen - p->len - l->tfclen;
	l->len = IKETCP_LENGTH_LEN + sizeof(struct ip_esp_hdr) + l->ivlen +
		 l->clen + l->alen;
}

/*
 * Write the message, still in clear, where it will be encrypted.
 *
 * Return: 0 or the error of the copy.
 */
static int write_msg(const struct xfrm_state *x, const struct esp_payload *p,
		     const struct esp_layout *l, struct iketcp_msg *msg)
{
	u8 *to = iketcp_msg_data(msg);
	struct ip_esp_hdr *esph;
	int err = 0;

	to += iketcp_frame_put_length(to, l->len - IKETCP_LENGTH_LEN);
	esph = (struct ip_esp_hdr *)to;
	put_unaligned(x->id.spi, &esph->spi);
	put_unaligned_be32(lower_32_bits(msg->seq), &esph->seq_no);
	to += sizeof(*esph) + l->ivlen;
	if (p->gso)
		iketcp_gso_write(p->gso, p->i, to);
	else
		err = skb_copy_bits(p->skb, 0, to, p->len);
	if (!err)
		esp_output_fill_trailer(to + p->len, l->tfclen, l->plen,
					p->next);
	return err;
}

/*
 * Shall the sender stay charged for a packet until the connection's TCP has
 * taken it? Then it feels what waits, and slows down instead of losing packets.
 * Only where nobody else pays: a TCP socket is one flow, as is a UDP socket that
 * is connected. The kernel's own sockets (ICMP, resets) and other datagram sockets
 * serve many destinations, and one peer that does not read must not silence the
 * others.
 */
static bool holds_sender(const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	if (!sk || !sk_fullsock(sk) || sk->sk_kern_sock)
		return false;
	return sk->sk_protocol == IPPROTO_TCP ||
	       (sk->sk_protocol == IPPROTO_UDP &&
		READ_ONCE(sk->sk_state) == TCP_ESTABLISHED);
}

/*
 * The packet's last message is made: it takes the packet if that holds its sender.
 * What the packet refers to (state, route, device) is let go: a peer that does not
 * read must not keep it.
 *
 * Takes @skb but for its dst, which is returned and the caller's: the state lives
 * as long as that.
 */
static struct dst_entry *part(struct sk_buff *skb, struct iketcp_msg *msg)
{
	struct dst_entry *dst = skb_dst(skb);

	/* Counted by xfrm_output_one() or gso_out.c. */
	skb_dst_set(skb, NULL);
	if (msg && holds_sender(skb)) {
		nf_reset_ct(skb);
		skb_ext_reset(skb);
		msg->skb = skb;
	} else {
		consume_skb(skb);
	}
	return dst;
}

/*
 * The cipher is done with a message: send it in its turn.
 *
 * Context: any but hard interrupt. Takes @req and what it refers to.
 */
static void finish(struct esp_request *req, int err)
{
	struct iketcp_msg *msg = req->msg;
	struct iketcp_sa *sa = req->sa;
	struct sk_buff *skb = req->skb;
	struct dst_entry *dst = NULL;

	request_put(sa, req);
	if (unlikely(err)) {
		iketcp_stat_inc(sa->stats, IKETCP_STAT_OUT_CRYPTO);
		iketcp_msg_no_room(msg);
	}
	if (skb)
		dst = part(skb, err ? NULL : msg);
	iketcp_sa_submit(sa, msg);
	if (skb)
		dst_release(dst);
	else
		xfrm_state_put(sa->x);
}

static IKETCP_COMPAT_CRYPTO_DONE(crypto_done, data, err)
{
	/* Only out of a backlog, which we do not use, and not the end. */
	if (err == -EINPROGRESS)
		return;
	finish(IKETCP_COMPAT_CRYPTO_DATA(data), err);
}

static void encrypt(struct xfrm_state *x, struct esp_request *req,
		    const struct esp_layout *l)
{
	struct crypto_aead *aead = x->data;
	struct aead_request *areq = request_aead(aead, req);
	u8 *iv = request_iv(aead, req);
	u8 *esph = iketcp_msg_data(req->msg) + IKETCP_LENGTH_LEN;
	unsigned int assoclen = sizeof(struct ip_esp_hdr);
	unsigned int len = l->len - IKETCP_LENGTH_LEN;
	unsigned int n = min(l->ivlen, 8U);
	__be64 seq = cpu_to_be64(req->msg->seq);
	int err;

	if (x->props.flags & XFRM_STATE_ESN) {
		req->aad[0] = x->id.spi;
		req->aad[1] = htonl(upper_32_bits(req->msg->seq));
		req->aad[2] = htonl(lower_32_bits(req->msg->seq));
		sg_init_table(req->sg, 2);
		sg_set_buf(&req->sg[0], req->aad, sizeof(req->aad));
		sg_set_buf(&req->sg[1], esph + assoclen, len - assoclen);
		assoclen = sizeof(req->aad);
	} else {
		sg_init_one(&req->sg[0], esph, len);
	}

	/* What the IV generator makes the IV of (RFC 4106 and others). */
	memset(iv, 0, l->ivlen);
	memcpy(iv + l->ivlen - n, (u8 *)&seq + sizeof(seq) - n, n);

	aead_request_set_tfm(areq, aead);
	aead_request_set_callback(areq, 0, crypto_done, req);
	aead_request_set_crypt(areq, req->sg, req->sg, l->ivlen + l->clen, iv);
	aead_request_set_ad(areq, assoclen);

	err = crypto_aead_encrypt(areq);
	if (err != -EINPROGRESS)
		finish(req, err);
}

/* The connection whose segment @skb is; NULL for all other packets. */
static const struct iketcp_conn *sender_of(const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	if (!sk || !sk_fullsock(sk) || sk->sk_protocol != IPPROTO_TCP ||
	    !iketcp_sock_is_ours(sk))
		return NULL;
	return iketcp_conn_of(sk);
}

/*
 * Make a message of a packet or of a segment.
 *
 * Takes @skb: the packet with its last message, else NULL. Whatever becomes of it,
 * its number is not waited for.
 *
 * Return: true; false when the stock code has to do it: then nothing is taken.
 */
static bool output(struct xfrm_state *x, const struct esp_payload *p, u64 seq,
		   struct sk_buff *skb)
{
	struct iketcp_sa *sa = iketcp_sa_of(x);
	struct esp_request *req = NULL;
	enum iketcp_stat_id reason;
	struct iketcp_msg *msg;
	struct esp_layout l;
	bool foreign;

	reason = IKETCP_STAT_OUT_NO_MEM;
	msg = iketcp_msg_alloc(GFP_ATOMIC);
	if (unlikely(!msg))
		goto drop;
	msg->seq = seq;
	msg->follows = p->i;

	reason = IKETCP_STAT_OUT_TOO_LONG;
	measure(x, p, &l);
	if (unlikely(l.len > IKETCP_LENGTH_LEN + IKETCP_BODY_MAX))
		goto drop;

	rcu_read_lock();
	reason = iketcp_sa_start(sa, x, skb_dst(p->skb)->dev->ifindex,
				 sender_of(p->skb), msg, l.len, &foreign);
	rcu_read_unlock();
	if (unlikely(reason != IKETCP_STAT_COUNT)) {
		if (foreign)
			goto stock;
		goto drop;
	}

	reason = IKETCP_STAT_OUT_NO_MEM;
	req = request_get(sa);
	if (unlikely(!req || write_msg(x, p, &l, msg)))
		goto drop;

	if (!skb)
		xfrm_state_hold(x);
	req->sa = sa;
	req->msg = msg;
	req->skb = skb;
	encrypt(x, req, &l);
	return true;

stock:
	iketcp_msg_free(msg);
	iketcp_sa_skip(sa, seq);
	return false;

drop:
	if (req)
		request_put(sa, req);
	iketcp_stat_inc(sa->stats, reason);
	if (msg) {
		iketcp_msg_no_room(msg);
		iketcp_sa_submit(sa, msg);
	} else {
		iketcp_sa_skip(sa, seq);
	}
	kfree_skb(skb);
	return true;
}

/**
 * iketcp_esp_output() - xfrm_type.output of states carried by a connection
 * @x: the state
 * @skb: payload from skb->data on, next header at the MAC header, numbered,
 *	 not GSO, its dst counted; taken
 *
 * Never takes the socket lock: it may be called by who holds it.
 *
 * Context: any but hard interrupt; no lock that we know of.
 * Return: -EINPROGRESS, which means taken; or what the stock code says, when
 * the connection is a stock one, or a bridge has just ended.
 */
int iketcp_esp_output(struct xfrm_state *x, struct sk_buff *skb)
{
	struct esp_payload p = {
		.skb = skb,
		.len = skb->len,
		.next = *skb_mac_header(skb),
	};

	iketcp_gso_allow(x, skb);
	if (output(x, &p, sequence(skb), skb))
		return -EINPROGRESS;
	return iketcp_sa_of(x)->stock->output(x, skb);
}

/**
 * iketcp_esp_output_gso() - make messages of a packet's segments
 * @x: a state in tunnel mode
 * @gso: the packet and how it is cut
 * @seq: the first segment's number; the next ones are the others'
 * @skb: the packet, its dst counted; taken. It stays charged to its sender until
 *	 TCP has its last message, or that is dropped
 *
 * Context: BH off; no lock that we know of.
 */
void iketcp_esp_output_gso(struct xfrm_state *x, const struct iketcp_gso *gso,
			   u64 seq, struct sk_buff *skb)
{
	struct esp_payload p = {
		.skb = skb,
		.gso = gso,
		.next = gso->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
	};

	for (; p.i < gso->count; p.i++, seq++) {
		struct sk_buff *last = p.i + 1 == gso->count ? skb : NULL;

		p.len = iketcp_gso_len(gso, p.i);
		if (unlikely(!output(x, &p, seq, last))) {
			/* It has just become another's. */
			iketcp_stat_inc(iketcp_sa_of(x)->stats,
					IKETCP_STAT_OUT_NO_CONN);
			kfree_skb(last);
		}
	}
}

/**
 * iketcp_esp_output_udp() - xfrm_type.output of states with encap type espinudp
 * @x: the state
 * @skb: as above; taken if -EINPROGRESS is returned
 *
 * Context: any but hard interrupt; no lock that we know of.
 * Return: what the stock code says, or -EINPROGRESS.
 */
int iketcp_esp_output_udp(struct xfrm_state *x, struct sk_buff *skb)
{
	struct iketcp_sa *sa = iketcp_sa_of(x);

	if (iketcp_bridge_any() && iketcp_sa_is_bridged(sa, x, sequence(skb)))
		return iketcp_esp_output(x, skb);
	return sa->stock->output(x, skb);
}
