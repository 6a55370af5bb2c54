// SPDX-License-Identifier: GPL-2.0
/* See mutate.h. */
#include "mutate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

const char *const family_names[NR_FAMILIES] = { "ipv4", "ipv6", "mapped" };

void die(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(NULL);
	dprintf(STDOUT_FILENO, "%s\n", text);
	_exit(1);
}

/*
 * Numbers
 */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

struct rng rng_from(uint64_t seed, uint64_t a, uint64_t b)
{
	struct rng r = { seed };

	r.state = rng_next(&r) ^ a;
	r.state = rng_next(&r) ^ b;
	rng_next(&r);
	return r;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (rng_next(r) >> 32) * n >> 32;
}

uint32_t rng_in(struct rng *r, uint32_t from, uint32_t to)
{
	return from + rng_below(r, to - from + 1);
}

bool rng_percent(struct rng *r, unsigned int percent)
{
	return rng_below(r, 100) < percent;
}

void rng_fill(struct rng *r, void *to, size_t len)
{
	uint8_t *p = to;
	uint64_t v;

	while (len) {
		size_t n = len < sizeof(v) ? len : sizeof(v);

		v = rng_next(r);
		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}

void put16(uint8_t *to, unsigned int value)
{
	to[0] = value >> 8;
	to[1] = value & 0xff;
}

void put32(uint8_t *to, uint32_t value)
{
	put16(to, value >> 16);
	put16(to + 2, value & 0xffff);
}

unsigned int get16(const uint8_t *from)
{
	return from[0] << 8 | from[1];
}

uint32_t get32(const uint8_t *from)
{
	return (uint32_t)get16(from) << 16 | get16(from + 2);
}

/*
 * hmac(md5): as cheap as an ICV can be where everything is emulated (RFC 1321,
 * RFC 2104).
 */
struct md5 {
	uint32_t h[4];
};

static void md5_block(struct md5 *m, const uint8_t *p)
{
	static const uint8_t turn[4][4] = {
		{ 7, 12, 17, 22 }, { 5, 9, 14, 20 },
		{ 4, 11, 16, 23 }, { 6, 10, 15, 21 },
	};
	static const uint32_t k[64] = {
		0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
		0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
		0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
		0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
		0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
		0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
		0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
		0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
		0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
		0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
		0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
		0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
		0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
		0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
		0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
		0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
	};
	uint32_t a = m->h[0], b = m->h[1], c = m->h[2], d = m->h[3];
	uint32_t w[16], f, t;
	int i, g, s;

	memcpy(w, p, sizeof(w));	/* little endian, as the machine is */
	for (i = 0; i < 64; i++) {
		switch (i / 16) {
		case 0:
			f = (b & c) | (~b & d);
			g = i;
			break;
		case 1:
			f = (d & b) | (~d & c);
			g = (5 * i + 1) % 16;
			break;
		case 2:
			f = b ^ c ^ d;
			g = (3 * i + 5) % 16;
			break;
		default:
			f = c ^ (b | ~d);
			g = 7 * i % 16;
		}
		s = turn[i / 16][i % 4];
		t = d;
		d = c;
		c = b;
		f += a + k[i] + w[g];
		b += f << s | f >> (32 - s);
		a = t;
	}
	m->h[0] += a;
	m->h[1] += b;
	m->h[2] += c;
	m->h[3] += d;
}

/* The rest of a message of which @before bytes are in already. */
static void md5_end(struct md5 *m, const uint8_t *p, size_t len, size_t before)
{
	uint64_t bits = (before + len) * 8;
	uint8_t last[128] = { 0 };
	size_t n;

	for (; len >= 64; p += 64, len -= 64)
		md5_block(m, p);
	memcpy(last, p, len);
	last[len] = 0x80;
	n = len < 56 ? 64 : 128;
	memcpy(last + n - 8, &bits, sizeof(bits));
	md5_block(m, last);
	if (n == 128)
		md5_block(m, last + 64);
}

static struct md5 md5_keyed(const uint8_t key[16], uint8_t with)
{
	struct md5 m = {
		{ 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 }
	};
	uint8_t block[64];
	int i;

	for (i = 0; i < 64; i++)
		block[i] = (i < 16 ? key[i] : 0) ^ with;
	md5_block(&m, block);
	return m;
}

static void hmac_md5(const uint8_t key[16], const uint8_t *p, size_t len,
		     uint8_t out[16])
{
	struct md5 inner = md5_keyed(key, 0x36), outer = md5_keyed(key, 0x5c);

	md5_end(&inner, p, len, 64);
	md5_end(&outer, (const uint8_t *)inner.h, 16, 64);
	memcpy(out, outer.h, 16);
}

/*
 * ESP
 */
size_t esp_size(size_t len)
{
	return ESP_HEAD + (8 + len + 2 + 3) / 4 * 4 + ESP_ICV;
}

size_t esp_make(uint8_t *to, const struct sa *sa, uint32_t seq,
		const void *data, size_t len)
{
	size_t n = ESP_HEAD, pad = (4 - (8 + len + 2) % 4) % 4, i;
	uint8_t icv[16];

	put32(to, sa->spi);
	put32(to + 4, seq);
	put16(to + n, SINK_PORT);
	put16(to + n + 2, SINK_PORT);
	put16(to + n + 4, 8 + len);
	put16(to + n + 6, 0);
	n += 8;
	memcpy(to + n, data, len);
	n += len;
	for (i = 1; i <= pad; i++)
		to[n++] = i;
	to[n++] = pad;
	to[n++] = IPPROTO_UDP;
	hmac_md5(sa->key, to, n, icv);
	memcpy(to + n, icv, ESP_ICV);
	return n + ESP_ICV;
}

bool esp_authentic(const struct sa *sa, const uint8_t *esp, size_t len)
{
	uint8_t icv[16];

	if (len < esp_size(0))
		return false;
	hmac_md5(sa->key, esp, len - ESP_ICV, icv);
	return !memcmp(icv, esp + len - ESP_ICV, ESP_ICV);
}

/*
 * Addresses
 */
socklen_t loopback(enum family family, uint16_t port,
		   struct sockaddr_storage *to)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *sin = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (family == V4) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	inet_pton(AF_INET6, family == V6 ? "::1" : "::ffff:127.0.0.1",
		  &sin6->sin6_addr);
	return sizeof(*sin6);
}

uint16_t port_of(int fd, bool peer)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if ((peer ? getpeername : getsockname)(fd, (void *)&ss, &len))
		return 0;
	/* The port is at the same place in both families. */
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

/*
 * Netlink
 */
struct request {
	struct nlmsghdr head;
	uint8_t room[1024];
};

static void *request_body(struct request *q, int type, int flags, size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = NLMSG_LENGTH(len);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = NLM_F_REQUEST | flags;
	return NLMSG_DATA(&q->head);
}

static void *request_attr(struct request *q, int type, size_t len)
{
	struct nlattr *a;

	a = (void *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) +
			    NLA_ALIGN(a->nla_len);
	return (char *)a + NLA_HDRLEN;
}

/* Sends @q; the answer of @len bytes to @answer if there is to be one. */
static int request_do(int nl, struct request *q, void *answer, size_t len)
{
	union {
		struct nlmsghdr head;
		uint8_t room[8192];
	} a;
	struct nlmsgerr *e = NLMSG_DATA(&a.head);
	ssize_t n;

	if (!answer)
		q->head.nlmsg_flags |= NLM_F_ACK;
	if (send(nl, q, q->head.nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(nl, &a, sizeof(a), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (a.head.nlmsg_type == NLMSG_ERROR)
		return e->error;
	if (!answer || a.head.nlmsg_len < NLMSG_LENGTH(len))
		return -EPROTO;
	memcpy(answer, NLMSG_DATA(&a.head), len);
	return 0;
}

int nl_open(void)
{
	struct timeval tv = { .tv_sec = 30 * slow() };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void address(bool v6, xfrm_address_t *to)
{
	if (v6)
		inet_pton(AF_INET6, "::1", to);
	else
		to->a4 = htonl(INADDR_LOOPBACK);
}

static void lifetime(struct xfrm_lifetime_cfg *l)
{
	l->soft_byte_limit = XFRM_INF;
	l->hard_byte_limit = XFRM_INF;
	l->soft_packet_limit = XFRM_INF;
	l->hard_packet_limit = XFRM_INF;
}

static int sa_put(int nl, const struct sa *sa, int type, int flags)
{
	struct xfrm_encap_tmpl *encap;
	struct xfrm_usersa_info *info;
	struct xfrm_algo *alg;
	struct request q;

	info = request_body(&q, type, flags, sizeof(*info));
	info->family = sa->v6 ? AF_INET6 : AF_INET;
	info->sel.family = info->family;
	address(sa->v6, &info->id.daddr);
	address(sa->v6, &info->saddr);
	info->id.spi = htonl(sa->spi);
	info->id.proto = IPPROTO_ESP;
	info->mode = XFRM_MODE_TRANSPORT;
	info->replay_window = sa->window;
	info->reqid = sa->reqid;
	lifetime(&info->lft);

	alg = request_attr(&q, XFRMA_ALG_AUTH, sizeof(*alg) + sizeof(sa->key));
	strcpy(alg->alg_name, "hmac(md5)");
	alg->alg_key_len = 8 * sizeof(sa->key);
	memcpy(alg->alg_key, sa->key, sizeof(sa->key));
	alg = request_attr(&q, XFRMA_ALG_CRYPT, sizeof(*alg));
	strcpy(alg->alg_name, "ecb(cipher_null)");

	encap = request_attr(&q, XFRMA_ENCAP, sizeof(*encap));
	encap->encap_type = TCP_ENCAP_ESPINTCP;
	encap->encap_sport = htons(sa->sport);
	encap->encap_dport = htons(sa->dport);
	return request_do(nl, &q, NULL, 0);
}

int sa_add(int nl, const struct sa *sa)
{
	return sa_put(nl, sa, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
}

int sa_update(int nl, const struct sa *sa)
{
	return sa_put(nl, sa, XFRM_MSG_UPDSA, NLM_F_REPLACE);
}

static void sa_id(struct request *q, int type, const struct sa *sa)
{
	struct xfrm_usersa_id *id = request_body(q, type, 0, sizeof(*id));

	id->family = sa->v6 ? AF_INET6 : AF_INET;
	address(sa->v6, &id->daddr);
	id->spi = htonl(sa->spi);
	id->proto = IPPROTO_ESP;
}

int sa_del(int nl, const struct sa *sa)
{
	struct request q;

	sa_id(&q, XFRM_MSG_DELSA, sa);
	return request_do(nl, &q, NULL, 0);
}

int sa_packets(int nl, const struct sa *sa, uint64_t *packets)
{
	struct xfrm_usersa_info info;
	struct request q;
	int err;

	sa_id(&q, XFRM_MSG_GETSA, sa);
	err = request_do(nl, &q, &info, sizeof(info));
	*packets = err ? 0 : info.curlft.packets;
	return err;
}

int sa_flush(int nl)
{
	struct xfrm_usersa_flush *flush;
	struct request q;

	flush = request_body(&q, XFRM_MSG_FLUSHSA, 0, sizeof(*flush));
	flush->proto = IPPROTO_ESP;
	return request_do(nl, &q, NULL, 0);
}

int policy_add(int nl, bool v6, uint16_t dport, uint32_t reqid)
{
	struct xfrm_userpolicy_info *info;
	struct xfrm_user_tmpl *tmpl;
	struct request q;

	info = request_body(&q, XFRM_MSG_NEWPOLICY, NLM_F_CREATE | NLM_F_EXCL,
			    sizeof(*info));
	info->sel.family = v6 ? AF_INET6 : AF_INET;
	info->sel.proto = IPPROTO_UDP;
	info->sel.dport = htons(dport);
	info->sel.dport_mask = 0xffff;
	info->dir = XFRM_POLICY_OUT;
	lifetime(&info->lft);
	tmpl = request_attr(&q, XFRMA_TMPL, sizeof(*tmpl));
	tmpl->family = info->sel.family;
	tmpl->reqid = reqid;
	tmpl->mode = XFRM_MODE_TRANSPORT;
	tmpl->id.proto = IPPROTO_ESP;
	address(v6, &tmpl->id.daddr);
	address(v6, &tmpl->saddr);
	tmpl->aalgos = ~0;
	tmpl->ealgos = ~0;
	tmpl->calgos = ~0;
	return request_do(nl, &q, NULL, 0);
}

int policy_flush(int nl)
{
	struct request q;

	request_body(&q, XFRM_MSG_FLUSHPOLICY, 0, 0);
	return request_do(nl, &q, NULL, 0);
}

/*
 * The namespace
 */
void sysctl_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

void namespace_new(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	if (unshare(CLONE_NEWNET))
		die("unshare: %s", strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr))
		die("lo: %s", strerror(errno));
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("lo up: %s", strerror(errno));
	close(fd);
}

void sink_open(bool v6)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &nothing };
	struct sockaddr_storage ss;
	socklen_t len = loopback(v6 ? V6 : V4, SINK_PORT, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || bind(fd, (void *)&ss, len) ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof(program)))
		die("UDP port %d: %s", SINK_PORT, strerror(errno));
	if (v6)
		setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, &one,
			   sizeof(one));
}

uint64_t counter(const char *file, const char *name)
{
	char path[128], line[128];
	size_t len = strlen(name);
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/net/%s", file);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) &&
		    strchr(" \t", line[len]))
			value = strtoull(line + len, NULL, 10);
	fclose(f);
	return value;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

unsigned int slow(void)
{
	const char *text = getenv("IKETCP_SLOW");
	int n = text ? atoi(text) : 1;

	return n > 1 ? n : 1;
}
