// SPDX-License-Identifier: GPL-2.0
/* What would go past the framing is refused; what is harmless is not. */
#include "sock.h"

#include <linux/sockios.h>
#include <linux/xfrm.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#ifndef TCP_ZEROCOPY_RECEIVE
#define TCP_ZEROCOPY_RECEIVE 35
#endif
/* As in linux/tcp.h, which cannot be had together with netinet/tcp.h. */
struct zerocopy_receive {
	uint64_t address;
	uint32_t length, recv_skip_hint, inq;
	int32_t err;
	uint64_t copybuf_address;
	int32_t copybuf_len;
	uint32_t flags;
	uint64_t msg_control, msg_controllen;
	uint32_t msg_flags, reserved;
};

#ifndef IP_XFRM_POLICY
#define IP_XFRM_POLICY 17
#endif
#ifndef IPV6_XFRM_POLICY
#define IPV6_XFRM_POLICY 35
#endif

/* After whatever was refused, both ways work and nothing strange was sent. */
static void still_good(int us, int peer)
{
	us_put_ike_(us, 100, 41);
	peer_expect_ike_(peer, 100, 41);
	peer_put_ike_(peer, 100, 42);
	us_expect_ike_(us, 100, 42);
	quiet_(peer);
	quiet_(us);
}

static void splice_from(const struct env *e)
{
	int us, peer, p[2];

	ready(e, &us, &peer);
	need(pipe2(p, O_CLOEXEC));
	refused(splice(us, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK), EOPNOTSUPP);
	peer_put_ike(peer, 80, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	refused(splice(us, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK), EOPNOTSUPP);
	refused(splice(us, NULL, p[1], NULL, 100, 0), EOPNOTSUPP);
	refused(tee(us, p[1], 100, SPLICE_F_NONBLOCK), EINVAL);
	us_expect_ike(us, 80, 1);
	quiet(us);
	AT();
	still_good(us, peer);
	need(close(p[0]));
	need(close(p[1]));
	need(close(us));
	need(close(peer));
}

static void splice_to(const struct env *e)
{
	int us, peer, p[2];

	ready(e, &us, &peer);
	need(pipe2(p, O_CLOEXEC));
	check_eq(need(write(p[1], "\0\0\0\0abcdef", 10)), 10);
	refused(splice(p[0], NULL, us, NULL, 10, SPLICE_F_NONBLOCK), EOPNOTSUPP);
	refused(splice(p[0], NULL, us, NULL, 10, SPLICE_F_MORE), EOPNOTSUPP);
	refused(tee(p[0], us, 10, 0), EINVAL);
	AT();
	still_good(us, peer);
	need(close(p[0]));
	need(close(p[1]));
	need(close(us));
	need(close(peer));
}

static void sendfile_both(const struct env *e)
{
	char page[8192] = { 0 };
	int us, peer, file;
	off_t at = 0;

	ready(e, &us, &peer);
	file = need(memfd_create("file", MFD_CLOEXEC));
	check_eq(need(write(file, page, sizeof(page))), (long)sizeof(page));
	refused(sendfile(us, file, &at, 100), EOPNOTSUPP);
	refused(sendfile(us, file, &at, sizeof(page)), EOPNOTSUPP);
	/* The kernel sends only from files, whatever the socket would say. */
	refused(sendfile(file, us, NULL, 100), EINVAL);
	peer_put_ike(peer, 50, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	refused(sendfile(file, us, NULL, 100), EINVAL);
	us_expect_ike(us, 50, 1);
	AT();
	still_good(us, peer);
	need(close(file));
	need(close(us));
	need(close(peer));
}

static int map(int fd, int prot, int flags)
{
	return mmap(NULL, 4096, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static void memory_mapped(const struct env *e)
{
	char c;
	int us, peer;

	ready(e, &us, &peer);
	refused(map(us, PROT_READ, MAP_SHARED), ENODEV);
	refused(map(us, PROT_READ | PROT_WRITE, MAP_PRIVATE), ENODEV);
	refused(pread(us, &c, 1, 0), ESPIPE);
	refused(pwrite(us, &c, 1, 0), ESPIPE);
	refused(lseek(us, 0, SEEK_SET), ESPIPE);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

static void low_water_mark(const struct env *e)
{
	int us, peer, v;

	ready(e, &us, &peer);
	v = 2;
	refused(setsockopt(us, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)),
		EOPNOTSUPP);
	v = 100000;
	refused(setsockopt(us, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)),
		EOPNOTSUPP);
	v = 1;
	need(setsockopt(us, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

/* Set before the ULP came, which sets it back: messages must be told of. */
static void low_water_mark_before(const struct env *e)
{
	int us, peer, v = 5000;
	socklen_t len = sizeof(v);

	pair_open(e, US, NULL, &us, &peer);
	need(setsockopt(us, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
	need(attach(us, e->ulp));
	need(getsockopt(us, SOL_SOCKET, SO_RCVLOWAT, &v, &len));
	check_eq(v, 1);
	if (e->mode == RESPONDER)
		peer_put(peer, PREFIX, PREFIX_LEN);
	peer_put_ike(peer, 40, 1);
	us_expect_ike(us, 40, 1);
	need(close(us));
	need(close(peer));
}

static void zerocopy_receive(const struct env *e)
{
	struct zerocopy_receive zc = { 0 };
	socklen_t len = sizeof(zc);
	uint8_t copy[64];
	int us, peer;

	ready(e, &us, &peer);
	refused(getsockopt(us, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zc, &len),
		EOPNOTSUPP);
	peer_put_ike(peer, 50, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing");
	zc.copybuf_address = (uintptr_t)copy;
	zc.copybuf_len = sizeof(copy);
	refused(getsockopt(us, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zc, &len),
		EOPNOTSUPP);
	us_expect_ike(us, 50, 1);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

static void tcp_options(const struct env *e)
{
	int us, peer, on = 1;

	ready(e, &us, &peer);
	refused(setsockopt(us, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)),
		EOPNOTSUPP);
	refused(setsockopt(us, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			   sizeof(on)), EOPNOTSUPP);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

static void tcp_options_unconnected(const struct env *e)
{
	int fd = sock_new(e, US, NULL), on = 1;

	need(attach(fd, e->ulp));
	refused(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)),
		EOPNOTSUPP);
	refused(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			   sizeof(on)), EOPNOTSUPP);
	need(close(fd));
}

static void reconnection(const struct env *e)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len = sizeof(ss);
	int us, peer, fd;

	ready(e, &us, &peer);
	refused(connect(us, sa, sizeof(ss)), EOPNOTSUPP);
	AT();
	still_good(us, peer);
	need(getpeername(us, sa, &len));
	refused(connect(us, sa, len), EISCONN, EINVAL);
	refused(listen(us, 1), EINVAL);
	refused(accept(us, NULL, NULL), EINVAL, EOPNOTSUPP);
	refused(bind(us, sa, len), EINVAL);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));

	if (e->mode == ORIGINATOR) {
		memset(&ss, 0, sizeof(ss));
		fd = sock_new(e, US, NULL);
		need(attach(fd, e->ulp));
		refused(connect(fd, sa, sizeof(ss)), EOPNOTSUPP);
		need(close(fd));
	}
}

/* An IPv6 socket that wants to become an IPv4 one. */
static void address_form(const struct env *e)
{
	int us, peer, v = AF_INET;

	ready(e, &us, &peer);
	refused(setsockopt(us, IPPROTO_IPV6, IPV6_ADDRFORM, &v, sizeof(v)),
		EBUSY, EOPNOTSUPP, ENOPROTOOPT, EADDRNOTAVAIL, ENOTCONN);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

/* What daemons and administrators do set. */
static void allowed(const struct env *e)
{
	static const struct { int level, name, value; } opts[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_NODELAY, 0 },
		{ IPPROTO_TCP, TCP_CORK, 1 },
		{ IPPROTO_TCP, TCP_CORK, 0 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ SOL_SOCKET, SO_SNDBUF, 50000 },
		{ SOL_SOCKET, SO_RCVBUF, 50000 },
		{ SOL_SOCKET, SO_MARK, 7 },
		{ SOL_SOCKET, SO_PRIORITY, 6 },
		{ SOL_SOCKET, SO_OOBINLINE, 1 },
		{ SOL_SOCKET, SO_OOBINLINE, 0 },
	};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct tcp_info info;
	int us, peer;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(opts); i++) {
		if (setsockopt(us, opts[i].level, opts[i].name, &opts[i].value,
			       sizeof(int)))
			die("option %d/%d: %s", opts[i].level, opts[i].name,
			    strerrorname_np(errno));
	}
	need(getsockname(us, (struct sockaddr *)&ss, &len));
	len = sizeof(info);
	need(getsockopt(us, IPPROTO_TCP, TCP_INFO, &info, &len));
	check_eq(info.tcpi_state, TCP_ESTABLISHED);
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

/* The hole that Libreswan pokes through its own policies, after attaching. */
static void policy_bypass(const struct env *e)
{
	static const int dirs[] = { XFRM_POLICY_IN, XFRM_POLICY_OUT };
	struct xfrm_userpolicy_info p = { .action = XFRM_POLICY_ALLOW };
	int us, peer;
	size_t i;

	/* As if a daemon was here: this loads xfrm_user. */
	check_eq(run("ip xfrm state"), 0);
	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(dirs); i++) {
		p.dir = dirs[i];
		p.sel.family = e->family == V4 ? AF_INET : AF_INET6;
		if (e->family == V4)
			need(setsockopt(us, IPPROTO_IP, IP_XFRM_POLICY, &p,
					sizeof(p)));
		else
			need(setsockopt(us, IPPROTO_IPV6, IPV6_XFRM_POLICY, &p,
					sizeof(p)));
	}
	AT();
	still_good(us, peer);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(splice_from, ALL),
	TEST(splice_to, ALL),
	TEST(sendfile_both, ALL),
	TEST(memory_mapped, ALL),
	TEST(low_water_mark, ALL),
	TEST(low_water_mark_before, FAMILIES | RESPONDERS),
	TEST(zerocopy_receive, ALL),
	TEST(tcp_options, ALL),
	TEST(tcp_options_unconnected, ORIGINATORS),
	TEST(reconnection, ALL),
	TEST(address_form, MAPPED_MODES | VARIANT(V6, ESPINTCP)),
	TEST(allowed, ALL),
	TEST(policy_bypass, ALL),
};

SOCK_MAIN("refuse", tests)
