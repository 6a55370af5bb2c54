// SPDX-License-Identifier: GPL-2.0
/* Namespaces, netlink, connections and packets. See race.h. */
#include "race.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <time.h>
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <iketcp.h>

const char *what_now = "?";
long round_now = -1;
void (*at_death)(void);
__thread uint64_t random_state = 1;

void die(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* In one piece, whoever else prints. */
	dprintf(STDOUT_FILENO, "%s, round %ld: %s\n", what_now, round_now,
		text);
	if (at_death)
		at_death();
	_exit(1);
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

void sleep_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

void spin_us(unsigned int us)
{
	uint64_t end = now_us() + us;

	while (now_us() < end)
		;
}

int slow(void)
{
	const char *text = getenv("IKETCP_SLOW");
	int n = text ? atoi(text) : 1;

	return n > 0 ? n : 1;
}

void random_seed(uint64_t seed, uint64_t who)
{
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ull ^
		       (who + 1) * 0xbf58476d1ce4e5b9ull;
	if (!random_state)
		random_state = 1;
	random_below(1);
}

/* xorshift64* */
uint32_t random_below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return n ? (random_state * 0x2545f4914f6cdd1dull >> 33) % n : 0;
}

bool file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

long file_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atol(text) : -1;
}

/*
 * Netlink
 */
struct request {
	struct nlmsghdr nlh;
	char body[2048];
};

static void *put(struct request *r, const void *data, size_t len)
{
	void *at = (char *)r + NLMSG_ALIGN(r->nlh.nlmsg_len);

	if (data)
		memcpy(at, data, len);
	else
		memset(at, 0, len);
	r->nlh.nlmsg_len = NLMSG_ALIGN(r->nlh.nlmsg_len) + len;
	return at;
}

static struct rtattr *put_attr(struct request *r, int type, const void *data,
			       size_t len)
{
	struct rtattr rta = { .rta_len = RTA_LENGTH(len), .rta_type = type };
	struct rtattr *at = put(r, &rta, sizeof(rta));

	if (len)
		put(r, data, len);
	return at;
}

static void end_nest(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (char *)r + r->nlh.nlmsg_len - (char *)nest;
}

static void request_init(struct request *r, int type, int flags)
{
	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_len = NLMSG_LENGTH(0);
	r->nlh.nlmsg_type = type;
	r->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

/* Return: 0 or -errno, as the kernel says. */
static int ask(int fd, struct request *r)
{
	static __thread char buf[16384];
	static uint32_t count;
	const struct nlmsghdr *nlh = (void *)buf;
	ssize_t n;

	r->nlh.nlmsg_seq = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return -errno;
	do {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return -errno;
	} while (n < (ssize_t)sizeof(*nlh) || nlh->nlmsg_type != NLMSG_ERROR ||
		 nlh->nlmsg_seq != r->nlh.nlmsg_seq);
	return ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;
}

static int nl_open(int protocol)
{
	return need(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
}

/*
 * Namespaces
 */
int ns_here(void)
{
	return need(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

void ns_enter(int ns)
{
	need(setns(ns, CLONE_NEWNET));
}

/* A fresh one, which the caller's thread is in now. */
int ns_new(void)
{
	need(unshare(CLONE_NEWNET));
	return ns_here();
}

static int family(const struct world *w)
{
	return w->v6 ? AF_INET6 : AF_INET;
}

static size_t addr_len(const struct world *w)
{
	return w->v6 ? 16 : 4;
}

static void link_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int fd = need(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	strcpy(ifr.ifr_name, name);
	need(ioctl(fd, SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags |= IFF_UP;
	need(ioctl(fd, SIOCSIFFLAGS, &ifr));
	close(fd);
}

/* Add or remove @who's address; 0 or -errno. */
int address_change(struct world *w, int who, bool add)
{
	const char *name = w->two ? "veth" : "lo";
	int in = w->two ? who : 0;
	struct ifaddrmsg ifa = {
		.ifa_family = family(w),
		.ifa_prefixlen = w->v6 ? 64 : 24,
		.ifa_flags = IFA_F_NODAD,
	};
	struct request r;

	ns_enter(w->ns[in]);
	ifa.ifa_index = if_nametoindex(name);
	request_init(&r, add ? RTM_NEWADDR : RTM_DELADDR,
		     add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	put(&r, &ifa, sizeof(ifa));
	put_attr(&r, IFA_LOCAL, &w->addr[who], addr_len(w));
	put_attr(&r, IFA_ADDRESS, &w->addr[who], addr_len(w));
	return ask(w->nl_route[in], &r);
}

static void setting(const char *path, const char *value)
{
	check(file_put(path, value), "cannot write %s: %s", path,
	      strerror(errno));
}

/* What every namespace here has: nothing that waits for minutes. */
static void ns_prepare(void)
{
	link_up("lo");
	setting("/proc/sys/net/ipv4/tcp_orphan_retries", "1");
	setting("/proc/sys/net/ipv4/tcp_max_tw_buckets", "4");
	setting("/proc/sys/net/ipv4/tcp_fin_timeout", "1");
	/* Loopback is outside of xfrm until told otherwise. */
	setting("/proc/sys/net/ipv4/conf/lo/disable_xfrm", "0");
	setting("/proc/sys/net/ipv4/conf/lo/disable_policy", "0");
	/* A bridge's datagrams come in by loopback, from an address that is ours. */
	setting("/proc/sys/net/ipv4/conf/lo/accept_local", "1");
}

static void sockets_open(struct world *w, int i)
{
	w->nl_xfrm[i] = nl_open(NETLINK_XFRM);
	w->nl_route[i] = nl_open(NETLINK_ROUTE);
}

/* IPv6 makes an address, and its route, usable a moment later. */
void settle(struct world *w)
{
	uint64_t end = now_us() + 10000000ull * slow();

	for (int who = 0; who < 2; who++) {
		for (;;) {
			int fd = ns_socket(w, who, SOCK_DGRAM);
			bool ok = !bind_to(w, fd, who, 0) &&
				  !connect_to(w, fd, !who, PORT);

			close(fd);
			if (ok)
				break;
			check(now_us() < end, "no route: %s", strerror(errno));
			sleep_us(500);
		}
	}
}

void veth_up(struct world *w)
{
	static const struct ifinfomsg none;
	static int index = 1000;
	/* The kernel takes a second for a link whose end has the same number. */
	struct ifinfomsg other = { .ifi_index = ++index };
	struct rtattr *info, *data, *peer;
	struct request r;

	ns_enter(w->ns[A]);
	request_init(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	put(&r, &none, sizeof(none));
	put_attr(&r, IFLA_IFNAME, "veth", 5);
	info = put_attr(&r, IFLA_LINKINFO, NULL, 0);
	put_attr(&r, IFLA_INFO_KIND, "veth", 5);
	data = put_attr(&r, IFLA_INFO_DATA, NULL, 0);
	peer = put_attr(&r, VETH_INFO_PEER, NULL, 0);
	put(&r, &other, sizeof(other));
	put_attr(&r, IFLA_IFNAME, "veth", 5);
	put_attr(&r, IFLA_NET_NS_FD, &w->ns[B], sizeof(w->ns[B]));
	end_nest(&r, peer);
	end_nest(&r, data);
	end_nest(&r, info);
	errno = -ask(w->nl_route[A], &r);
	check(!errno, "veth: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		ns_enter(w->ns[i]);
		link_up("veth");
		errno = -address_change(w, i, true);
		check(!errno, "address: %s", strerror(errno));
	}
	settle(w);
}

void veth_down(struct world *w)
{
	struct ifinfomsg ifi = { 0 };
	struct request r;

	ns_enter(w->ns[A]);
	ifi.ifi_index = if_nametoindex("veth");
	request_init(&r, RTM_DELLINK, 0);
	put(&r, &ifi, sizeof(ifi));
	errno = -ask(w->nl_route[A], &r);
	check(!errno, "veth: %s", strerror(errno));
}

static void listener_open(struct world *w)
{
	w->listener = ns_socket(w, B, SOCK_STREAM);
	need(bind_to(w, w->listener, B, PORT));
	need(listen(w->listener, 64));
}

void world_up(struct world *w, bool two, bool v6, const char *alg)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->two = two;
	w->v6 = v6;
	w->alg = alg;
	for (i = 0; i < 2; i++) {
		char text[32];

		snprintf(text, sizeof(text), v6 ? "fd00:9::%d" : "10.9.0.%d",
			 i + 1);
		inet_pton(family(w), text, &w->addr[i]);
	}
	for (i = 0; i < (two ? 2 : 1); i++) {
		w->ns[i] = ns_new();
		ns_prepare();
		sockets_open(w, i);
	}
	if (two) {
		veth_up(w);
	} else {
		w->ns[B] = w->ns[A];
		w->nl_xfrm[B] = w->nl_xfrm[A];
		w->nl_route[B] = w->nl_route[A];
		for (i = 0; i < 2; i++) {
			errno = -address_change(w, i, true);
			check(!errno, "address: %s", strerror(errno));
		}
		settle(w);
	}
	policies_up(w);
	listener_open(w);
}

/* The namespaces go when the last socket in them has gone. */
void world_down(struct world *w)
{
	int i;

	close(w->listener);
	for (i = 0; w->bridged && i < 2; i++)
		close(w->daemon[i]);
	for (i = 0; i < (w->two ? 2 : 1); i++) {
		sa_flush(w, i);
		close(w->nl_xfrm[i]);
		close(w->nl_route[i]);
		close(w->ns[i]);
	}
}

int ns_socket(const struct world *w, int who, int type)
{
	int one = 1, fd;

	ns_enter(w->ns[who]);
	fd = need(socket(family(w), type | SOCK_CLOEXEC, 0));
	need(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	return fd;
}

/*
 * States and policies
 */
static void put_address(const struct world *w, xfrm_address_t *to, int who)
{
	memcpy(to, &w->addr[who], addr_len(w));
}

uint32_t sa_spi(int from)
{
	return from == A ? 0x1001 : 0x2002;
}

static void put_algorithm(const struct world *w, struct request *r)
{
	struct {
		struct xfrm_algo_aead head;
		char key[20];
	} aead = { .head = { .alg_name = "rfc4106(gcm(aes))",
			     .alg_key_len = 160, .alg_icv_len = 128 } };
	struct {
		struct xfrm_algo head;
		char key[16];
	} crypt = { .head = { .alg_name = "ecb(cipher_null)" } };
	struct {
		struct xfrm_algo_auth head;
		char key[32];
	} auth = { .head = { .alg_name = "hmac(sha256)", .alg_key_len = 256,
			     .alg_trunc_len = 128 } };

	memset(aead.key, 7, sizeof(aead.key));
	memset(auth.key, 8, sizeof(auth.key));
	memset(crypt.key, 9, sizeof(crypt.key));
	if (!strcmp(w->alg, "gcm")) {
		put_attr(r, XFRMA_ALG_AEAD, &aead, sizeof(aead));
		return;
	}
	if (!strcmp(w->alg, "cbc")) {
		strcpy(crypt.head.alg_name, "cbc(aes)");
		crypt.head.alg_key_len = 128;
		put_attr(r, XFRMA_ALG_AUTH_TRUNC, &auth, sizeof(auth));
		put_attr(r, XFRMA_ALG_CRYPT, &crypt, sizeof(crypt));
		return;
	}
	if (!strcmp(w->alg, "auth"))
		put_attr(r, XFRMA_ALG_AUTH_TRUNC, &auth, sizeof(auth));
	put_attr(r, XFRMA_ALG_CRYPT, &crypt, sizeof(crypt.head));
}

int sa_do(struct world *w, int in, int from, enum sa_op op, uint16_t sport,
	  uint16_t dport, const struct limits *limits)
{
	struct xfrm_encap_tmpl encap = {
		.encap_type = 7,
		.encap_sport = htons(sport),
		.encap_dport = htons(dport),
	};
	struct xfrm_usersa_info sa = {
		.family = family(w),
		.mode = XFRM_MODE_TRANSPORT,
		.replay_window = 32,
		.reqid = 1,
		.id.proto = IPPROTO_ESP,
		.id.spi = htonl(sa_spi(from)),
		.sel.family = family(w),
		.lft = {
			.soft_byte_limit = XFRM_INF,
			.hard_byte_limit = XFRM_INF,
			.soft_packet_limit = XFRM_INF,
			.hard_packet_limit = XFRM_INF,
		},
	};
	struct xfrm_usersa_id id = {
		.family = family(w),
		.proto = IPPROTO_ESP,
		.spi = htonl(sa_spi(from)),
	};
	struct request r;

	if (op == SA_DELETE) {
		put_address(w, &id.daddr, !from);
		request_init(&r, XFRM_MSG_DELSA, 0);
		put(&r, &id, sizeof(id));
		return ask(w->nl_xfrm[in], &r);
	}
	if (w->bridged) {
		encap.encap_type = UDP_ENCAP_ESPINUDP;
		encap.encap_sport = htons(PORT);
		encap.encap_dport = htons(PORT);
	}
	put_address(w, &sa.saddr, from);
	put_address(w, &sa.id.daddr, !from);
	if (limits) {
		if (limits->soft_packets)
			sa.lft.soft_packet_limit = limits->soft_packets;
		if (limits->hard_packets)
			sa.lft.hard_packet_limit = limits->hard_packets;
		if (limits->soft_bytes)
			sa.lft.soft_byte_limit = limits->soft_bytes;
		if (limits->hard_bytes)
			sa.lft.hard_byte_limit = limits->hard_bytes;
		sa.lft.hard_add_expires_seconds = limits->hard_seconds;
	}
	request_init(&r, op == SA_NEW ? XFRM_MSG_NEWSA : XFRM_MSG_UPDSA, 0);
	put(&r, &sa, sizeof(sa));
	put_algorithm(w, &r);
	put_attr(&r, XFRMA_ENCAP, &encap, sizeof(encap));
	return ask(w->nl_xfrm[in], &r);
}

void sas_do(struct world *w, enum sa_op op, const struct conn *c,
	    const struct limits *limits)
{
	int in, from, err;

	for (in = 0; in < (w->two ? 2 : 1); in++) {
		for (from = 0; from < 2; from++) {
			err = sa_do(w, in, from, op, c ? c->port[from] : 0,
				    c ? c->port[!from] : 0, limits);
			check(!err || (op == SA_DELETE && err == -ESRCH),
			      "SA: operation %d: %s", op, strerror(-err));
		}
	}
}

int sa_flush(struct world *w, int in)
{
	struct xfrm_usersa_flush flush = { .proto = IPPROTO_ESP };
	struct request r;

	request_init(&r, XFRM_MSG_FLUSHSA, 0);
	put(&r, &flush, sizeof(flush));
	return ask(w->nl_xfrm[in], &r);
}

void sas_flush(struct world *w)
{
	for (int in = 0; in < (w->two ? 2 : 1); in++) {
		errno = -sa_flush(w, in);
		check(!errno || errno == ESRCH, "flush: %s", strerror(errno));
	}
}

/* What goes out from @from: all UDP, and TCP to or from the inner port. */
static void policy_up(struct world *w, int in, int from, int proto,
		      uint16_t sport, uint16_t dport)
{
	struct xfrm_userpolicy_info p = {
		.sel = {
			.family = family(w),
			.proto = proto,
			.prefixlen_s = addr_len(w) * 8,
			.prefixlen_d = addr_len(w) * 8,
			.sport = htons(sport),
			.sport_mask = sport ? 0xffff : 0,
			.dport = htons(dport),
			.dport_mask = dport ? 0xffff : 0,
		},
		.lft = {
			.soft_byte_limit = XFRM_INF,
			.hard_byte_limit = XFRM_INF,
			.soft_packet_limit = XFRM_INF,
			.hard_packet_limit = XFRM_INF,
		},
		.dir = XFRM_POLICY_OUT,
	};
	struct xfrm_user_tmpl t = {
		.id.proto = IPPROTO_ESP,
		.family = family(w),
		.mode = XFRM_MODE_TRANSPORT,
		.reqid = 1,
		.aalgos = ~0,
		.ealgos = ~0,
		.calgos = ~0,
	};
	struct request r;
	int err;

	put_address(w, &p.sel.saddr, from);
	put_address(w, &p.sel.daddr, !from);
	put_address(w, &t.saddr, from);
	put_address(w, &t.id.daddr, !from);
	request_init(&r, XFRM_MSG_NEWPOLICY, 0);
	put(&r, &p, sizeof(p));
	put_attr(&r, XFRMA_TMPL, &t, sizeof(t));
	err = ask(w->nl_xfrm[in], &r);
	check(!err, "policy: %s", strerror(-err));
}

void policies_up(struct world *w)
{
	int from;

	for (from = 0; from < 2; from++) {
		int in = w->two ? from : 0;

		policy_up(w, in, from, IPPROTO_UDP, 0, 0);
		policy_up(w, in, from, IPPROTO_TCP, TCP_PORT, 0);
		policy_up(w, in, from, IPPROTO_TCP, 0, TCP_PORT);
	}
}

/*
 * Connections
 */
static socklen_t address(const struct world *w, int who, uint16_t port,
			 struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (w->v6) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		sin6->sin6_addr = w->addr[who].v6;
		return sizeof(*sin6);
	}
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	sin->sin_addr = w->addr[who].v4;
	return sizeof(*sin);
}

int attach(int fd, const char *ulp)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, strlen(ulp));
}

int bind_to(const struct world *w, int fd, int who, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(w, who, port, &ss);

	return bind(fd, (struct sockaddr *)&ss, len);
}

int connect_to(const struct world *w, int fd, int to, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = address(w, to, port, &ss);

	return connect(fd, (struct sockaddr *)&ss, len);
}

uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	need(getsockname(fd, (struct sockaddr *)&ss, &len));
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

void timeouts(int fd, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	need(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	need(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
}

void conn_open(struct world *w, struct conn *c)
{
	uint64_t end = now_us() + 5000000ull * slow();

	c->fd[A] = ns_socket(w, A, SOCK_STREAM);
	need(bind_to(w, c->fd[A], A, 0));
	need(attach(c->fd[A], "iketcp"));
	/* IPv6 may still be busy with its routes. */
	while (connect_to(w, c->fd[A], B, PORT)) {
		check(errno == ENETUNREACH && now_us() < end, "connect: %s",
		      strerror(errno));
		sleep_us(1000);
	}
	c->port[A] = port_of(c->fd[A]);
	c->port[B] = PORT;
	for (;;) {
		struct sockaddr_in6 from;
		socklen_t len = sizeof(from);

		c->fd[B] = need(accept4(w->listener, (struct sockaddr *)&from,
					&len, SOCK_CLOEXEC));
		if (ntohs(from.sin6_port) == c->port[A])
			break;
		/* Left over of a round before. */
		close(c->fd[B]);
	}
	need(attach(c->fd[B], "iketcp"));
	timeouts(c->fd[A], 20000 * slow());
	timeouts(c->fd[B], 20000 * slow());
}

void reset_close(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	need(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	need(close(fd));
}

void conn_close(struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->fd[i] >= 0)
			need(close(c->fd[i]));
		c->fd[i] = -1;
	}
}

void conn_reset(struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->fd[i] >= 0)
			reset_close(c->fd[i]);
		c->fd[i] = -1;
	}
}

/*
 * Bridges
 */

/* What an IKE daemon sends itself is no affair of policies. */
static void bypass(const struct world *w, int fd)
{
	struct xfrm_userpolicy_info p = {
		.sel.family = family(w),
		.action = XFRM_POLICY_ALLOW,
	};
	static const int dirs[] = { XFRM_POLICY_IN, XFRM_POLICY_OUT };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		p.dir = dirs[i];
		if (w->v6)
			need(setsockopt(fd, IPPROTO_IPV6, IPV6_XFRM_POLICY, &p,
					sizeof(p)));
		else
			need(setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &p,
					sizeof(p)));
	}
}

/* From now on @w is a bridged world. */
void daemons_up(struct world *w)
{
	int encap = UDP_ENCAP_ESPINUDP, size = 1 << 20;

	for (int i = 0; i < 2; i++) {
		int fd = ns_socket(w, i, SOCK_DGRAM);

		need(bind_to(w, fd, i, PORT));
		need(setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &encap,
				sizeof(encap)));
		need(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size,
				sizeof(size)));
		need(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
				sizeof(size)));
		bypass(w, fd);
		timeouts(fd, 20000 * slow());
		w->daemon[i] = fd;
	}
	w->bridged = true;
}

int bridge(const struct world *w, int fd, int who, uint16_t port)
{
	struct iketcp_bridge b = { 0 };

	if (port) {
		b.family = family(w);
		b.local_port = htons(port);
		b.peer_port = htons(port);
		memcpy(b.local, &w->addr[who], addr_len(w));
		memcpy(b.peer, &w->addr[!who], addr_len(w));
	}
	return setsockopt(fd, SOL_IKETCP, IKETCP_OPT_BRIDGE, &b, sizeof(b)) ?
	       -errno : 0;
}

int limit(int fd, int bytes)
{
	return setsockopt(fd, SOL_IKETCP, IKETCP_OPT_MAX_MESSAGE, &bytes,
			  sizeof(bytes));
}

void bridges_up(const struct world *w, const struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		errno = -bridge(w, c->fd[i], i, PORT);
		check(!errno, "bridge: %s", strerror(errno));
	}
}

/*
 * Messages: the marker, the length, the seed, and what follows from them.
 */
void ike_fill(uint8_t *body, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + len;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 4 == 0)
			x = x * 1664525u + 1013904223u;
		if (i < MARKER_LEN)
			body[i] = 0;
		else if (i < MARKER_LEN + 4)
			body[i] = seed >> 8 * (i - MARKER_LEN);
		else
			body[i] = x >> 8 * (i % 4);
	}
}

uint32_t ike_seed(const uint8_t *body)
{
	return body[4] | body[5] << 8 | body[6] << 16 | (uint32_t)body[7] << 24;
}

bool ike_is(const uint8_t *body, size_t len)
{
	static __thread uint8_t want[BODY_MAX];

	if (len < MARKER_LEN + 4 || len > BODY_MAX)
		return false;
	ike_fill(want, len, ike_seed(body));
	return !memcmp(body, want, len);
}

ssize_t ike_write(int fd, size_t len, uint32_t seed, int flags)
{
	static __thread uint8_t body[BODY_MAX];

	ike_fill(body, len, seed);
	return send(fd, body, len, flags | MSG_NOSIGNAL);
}

void ike_expect(int fd, size_t len, uint32_t seed)
{
	static __thread uint8_t got[BODY_MAX];
	ssize_t n = recv(fd, got, sizeof(got), 0);

	check(n >= 0, "read of message %u: %s", seed, strerror(errno));
	check((size_t)n == len, "message %u has %zd bytes, not %zu", seed, n,
	      len);
	check(ike_is(got, n) && ike_seed(got) == seed,
	      "not message %u but %u came%s", seed, ike_seed(got),
	      ike_is(got, n) ? "" : ", or something else");
}

size_t frame_ike(uint8_t *out, size_t len, uint32_t seed)
{
	out[0] = (len + 2) >> 8;
	out[1] = (len + 2) & 0xff;
	ike_fill(out + 2, len, seed);
	return len + 2;
}

ssize_t daemon_send(const struct world *w, int from, size_t len, uint32_t seed)
{
	static __thread uint8_t body[BODY_MAX];
	struct sockaddr_storage ss;
	socklen_t n = address(w, !from, PORT, &ss);

	ike_fill(body, len, seed);
	return sendto(w->daemon[from], body, len, MSG_DONTWAIT,
		      (struct sockaddr *)&ss, n);
}

/*
 * Inner packets
 */
int udp_open(struct world *w, int who)
{
	int fd = ns_socket(w, who, SOCK_DGRAM), size = 1 << 20;

	need(bind_to(w, fd, who, UDP_PORT));
	need(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)));
	need(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	timeouts(fd, 20000 * slow());
	return fd;
}

int udp_send(const struct world *w, int fd, int to, const void *data,
	     size_t len)
{
	struct sockaddr_storage ss;
	socklen_t n = address(w, to, UDP_PORT, &ss);

	return sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&ss, n);
}

/* One datagram of a size of its own; others may be left over. */
static void udp_passes(struct world *w, const int *udp, int from)
{
	static uint32_t count;
	uint64_t end = now_us() + 20000000ull * slow();
	uint32_t data[30] = { ++count }, got[1024];
	uint64_t next = 0;

	for (;;) {
		struct pollfd p = { .fd = udp[!from], .events = POLLIN };
		ssize_t n;

		/* What is lost on a wire that was down is nobody's fault. */
		if (now_us() >= next) {
			(void)udp_send(w, udp[from], !from, data, sizeof(data));
			next = now_us() + 2000000;
		}
		check(now_us() < end, "no datagram comes from %c",
		      from == A ? 'A' : 'B');
		if (poll(&p, 1, 500) < 1)
			continue;
		n = recv(udp[!from], got, sizeof(got), MSG_DONTWAIT);
		if (n == sizeof(data) && got[0] == data[0])
			return;
	}
}

static unsigned long esp_sent(const struct world *w, int from)
{
	ns_enter(w->ns[from]);
	return stat_of("OutEsp");
}

static const size_t sizes[] = { 100, 1, 3000, 60000 };

/* What UDP carried until now @c does, and then UDP again. */
static void bridge_works(struct world *w, const struct conn *c, const int *udp)
{
	unsigned long sent;
	uint8_t byte;
	int from;

	for (from = 0; from < 2; from++)
		while (recv(w->daemon[from], &byte, 1, MSG_DONTWAIT) >= 0)
			;
	bridges_up(w, c);
	for (from = 0; from < 2; from++) {
		sent = esp_sent(w, from);
		udp_passes(w, udp, from);
		check(esp_sent(w, from) > sent, "ESP goes by UDP, not by the bridge");
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			size_t len = sizes[i] + 8;

			check(daemon_send(w, from, len, i) == (ssize_t)len,
			      "send: %s", strerror(errno));
			ike_expect(w->daemon[!from], len, i);
		}
	}
	for (from = 0; from < 2; from++) {
		errno = -bridge(w, c->fd[from], from, 0);
		check(!errno, "bridge: %s", strerror(errno));
		sent = esp_sent(w, from);
		udp_passes(w, udp, from);
		check(esp_sent(w, from) == sent, "ESP goes by a bridge that was given up");
	}
}

void clean_works(struct world *w)
{
	struct conn c;
	int udp[2], i, from;

	udp[A] = udp_open(w, A);
	udp[B] = udp_open(w, B);
	sas_flush(w);
	conn_open(w, &c);
	sas_do(w, SA_NEW, &c, NULL);
	for (from = 0; from < 2; from++) {
		udp_passes(w, udp, from);
		for (i = 0; i < (int)ARRAY_LEN(sizes); i++) {
			size_t len = sizes[i] + 8;

			check(ike_write(c.fd[from], len, i, 0) == (ssize_t)len,
			      "write: %s", strerror(errno));
			ike_expect(c.fd[!from], len, i);
		}
	}
	check(recv(c.fd[A], &i, sizeof(i), MSG_DONTWAIT) < 0 &&
	      errno == EAGAIN, "more than was sent");
	if (w->bridged)
		bridge_works(w, &c, udp);
	sas_flush(w);
	conn_reset(&c);
	close(udp[A]);
	close(udp[B]);
}

/* Of the namespace that the thread is in. */
unsigned long stat_of(const char *name)
{
	FILE *f = fopen("/proc/thread-self/net/iketcp_stat", "re");
	unsigned long value;
	char line[64];

	if (!f)
		die("no /proc/net/iketcp_stat");
	while (fscanf(f, "%63s %lu", line, &value) == 2) {
		if (!strcmp(line, name)) {
			fclose(f);
			return value;
		}
	}
	die("no counter %s", name);
}
