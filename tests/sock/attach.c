// SPDX-License-Identifier: GPL-2.0
/* setsockopt(TCP_ULP): who may, on which socket, under which name. */
#include "sock.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/kcm.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ALLOW_USERNS	"/sys/module/iketcp/parameters/allow_userns"

static const char *const both[] = { "espintcp", "iketcp" };

static void expect_ulp(int fd, const char *name)
{
	char buf[32] = "";
	socklen_t len = sizeof(buf);

	need(getsockopt(fd, IPPROTO_TCP, TCP_ULP, buf, &len));
	if (strncmp(buf, name, sizeof(buf)))
		die("TCP_ULP is '%.31s', not '%s'", buf, name);
}

static void name_with_nul(const struct env *e)
{
	int us, peer;
	size_t i;

	for (i = 0; i < ARRAY_LEN(both); i++) {
		pair_open(e, US, NULL, &us, &peer);
		need(attach_len(us, both[i], strlen(both[i]) + 1));
		expect_ulp(us, both[i]);
		need(close(us));
		need(close(peer));
	}
}

static void name_without_nul(const struct env *e)
{
	int us, peer;
	size_t i;

	for (i = 0; i < ARRAY_LEN(both); i++) {
		pair_open(e, US, NULL, &us, &peer);
		need(attach_len(us, both[i], strlen(both[i])));
		expect_ulp(us, both[i]);
		need(close(us));
		need(close(peer));
	}
}

static void name_in_closed_state(const struct env *e)
{
	int fd = sock_new(e, US, NULL);

	need(attach(fd, "iketcp"));
	expect_ulp(fd, "iketcp");
	need(close(fd));
}

static void name_unknown(const struct env *e)
{
	static const char *const names[] = {
		"espintcpx", "espint", "iketcpd", "iket", "IKETCP"
	};
	int us, peer;
	size_t i;

	pair_open(e, US, NULL, &us, &peer);
	for (i = 0; i < ARRAY_LEN(names); i++)
		refused(attach(us, names[i]), ENOENT);
	refused(attach_len(us, "espintcp", 0), EINVAL);
	refused(setsockopt(us, IPPROTO_TCP, TCP_ULP, NULL, 9), EFAULT);
	/* The socket is as good as before. */
	peer_put(peer, "raw", 3);
	peer_expect_eof(({ need(shutdown(us, SHUT_WR)); peer; }));
	need(close(us));
	need(close(peer));
}

/* Libreswan's originator: connect, write the prefix, attach, talk. */
static void libreswan_originator(const struct env *e)
{
	int us, peer;

	pair_open(e, PEER, NULL, &us, &peer);
	nonblock(us, true);
	need(write(us, PREFIX, PREFIX_LEN));
	need(attach(us, "espintcp"));
	us_put_ike(us, 300, 1);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	peer_expect_ike(peer, 300, 1);
	peer_put_ike(peer, 200, 2);
	us_expect_ike(us, 200, 2);
	quiet(us);
	need(close(us));
	peer_expect_eof(peer);
	need(close(peer));
}

/* Its responder: accept, epoll, read(6), attach, read whole messages. */
static void libreswan_responder(const struct env *e)
{
	uint8_t buf[64];
	int us, peer;

	pair_open(e, US, NULL, &us, &peer);
	nonblock(us, true);
	peer_put(peer, PREFIX, PREFIX_LEN);
	peer_put_ike(peer, 200, 1);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no prefix");
	check_eq(read(us, buf, PREFIX_LEN), PREFIX_LEN);
	check(!memcmp(buf, PREFIX, PREFIX_LEN), "not the prefix");
	need(attach(us, "espintcp"));
	us_expect_ike(us, 200, 1);
	us_put_ike(us, 300, 2);
	peer_expect_ike(peer, 300, 2);
	need(close(us));
	need(close(peer));
}

static void twice(const struct env *e)
{
	int us, peer;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(both); i++)
		refused(attach(us, both[i]), EEXIST);
	expect_ulp(us, e->ulp);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	us_put_ike(us, 100, 2);
	peer_expect_ike(peer, 100, 2);
	need(close(us));
	need(close(peer));
}

static void espintcp_not_connected(const struct env *e)
{
	struct hole h;
	int fd;

	fd = sock_new(e, US, NULL);
	refused(attach(fd, "espintcp"), ENOTCONN);
	/* It is still good for the other name. */
	need(attach(fd, "iketcp"));
	need(close(fd));

	hole_open(e, &h);
	fd = sock_new(e, US, NULL);
	nonblock(fd, true);
	refused(sock_connect(e, US, fd, h.port), EINPROGRESS);
	refused(attach(fd, "espintcp"), ENOTCONN);
	need(close(fd));
	hole_close(&h);
}

static void listener(const struct env *e)
{
	uint16_t port;
	int l, fd;

	l = sock_listen(e, US, NULL, 8, &port);
	/* "iketcp" is for listeners, too: listen.c. */
	refused(attach(l, "espintcp"), ENOTCONN);
	need(close(l));

	/* Nor can a socket become one afterwards. */
	fd = sock_new(e, US, NULL);
	need(sock_bind(e, US, fd, 0));
	need(attach(fd, "iketcp"));
	refused(listen(fd, 1), EINVAL);
	need(close(fd));
}

/*
 * A peer that sends and closes at once, as "printf … | ncat" in Libreswan's
 * tests 08 and 09: the socket may be in CLOSE_WAIT before pluto comes to
 * attach, and pluto's log has to end with "0 byte first packet".
 */
static void close_wait(const struct env *e)
{
	int us, peer;

	pair_open(e, US, NULL, &us, &peer);
	peer_put_ike(peer, 100, 1);
	need(shutdown(peer, SHUT_WR));
	check(revents(us, POLLRDHUP, WAIT_MS) & POLLRDHUP, "no FIN");
	need(attach(us, "espintcp"));
	us_expect_ike(us, 100, 1);
	us_expect_eof(us);
	us_put_ike(us, 100, 2);
	peer_expect_ike(peer, 100, 2);
	need(close(us));
	need(close(peer));
}

static void shut_down(const struct env *e)
{
	int us, peer;
	size_t i;

	/* FIN_WAIT2: nothing could be sent any more. */
	for (i = 0; i < ARRAY_LEN(both); i++) {
		pair_open(e, US, NULL, &us, &peer);
		need(shutdown(us, SHUT_WR));
		refused(attach(us, both[i]), ENOTCONN);
		need(close(us));
		need(close(peer));
	}
	/* Reset. */
	for (i = 0; i < ARRAY_LEN(both); i++) {
		pair_open(e, US, NULL, &us, &peer);
		reset_close(peer);
		check(revents(us, POLLHUP, WAIT_MS) & POLLHUP, "no reset");
		refused(attach(us, both[i]), ENOTCONN);
		need(close(us));
	}
}

static void other_sockets(const struct env *e)
{
	static const struct { int domain, type; } kinds[] = {
		{ AF_INET, SOCK_DGRAM }, { AF_INET6, SOCK_DGRAM },
		{ AF_UNIX, SOCK_STREAM }, { AF_NETLINK, SOCK_RAW },
	};
	size_t i, j;

	(void)e;
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		int fd = need(socket(kinds[i].domain,
				     kinds[i].type | SOCK_CLOEXEC, 0));

		for (j = 0; j < ARRAY_LEN(both); j++)
			refused(attach(fd, both[j]), ENOPROTOOPT, EOPNOTSUPP,
				EINVAL);
		need(close(fd));
	}
}

/* Run @fn in a process; its non-zero return value is an error number. */
static int in_process(int (*fn)(int fd, const char *name), int fd,
		      const char *name)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = need(fork());
	if (!pid)
		_exit(fn(fd, name));
	need(waitpid(pid, &status, 0));
	check(WIFEXITED(status), "status %#x", status);
	return WEXITSTATUS(status);
}

static int attach_as_nobody(int fd, const char *name)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 250;
	return attach(fd, name) ? errno : 0;
}

static int attach_in_own_userns(int fd, const char *name)
{
	if (unshare(CLONE_NEWUSER))
		return 250;
	return attach(fd, name) ? errno : 0;
}

static void without_capability(const struct env *e)
{
	int us, peer, closed;
	size_t i;

	/* Have the module in, under both names. */
	ready(e, &us, &peer);
	need(close(us));
	need(close(peer));

	pair_open(e, US, NULL, &us, &peer);
	closed = sock_new(e, US, NULL);
	for (i = 0; i < ARRAY_LEN(both); i++) {
		check_eq(in_process(attach_as_nobody, us, both[i]), EPERM);
		check_eq(in_process(attach_in_own_userns, us, both[i]), EPERM);
	}
	check_eq(in_process(attach_as_nobody, closed, "iketcp"), EPERM);
	check_eq(in_process(attach_in_own_userns, closed, "iketcp"), EPERM);
	/* Nothing stuck. */
	need(attach(us, e->ulp));
	expect_ulp(us, e->ulp);
	need(close(closed));
	need(close(us));
	need(close(peer));
}

/* All in a network namespace that a user namespace of ours owns. */
static int attach_own_netns(int fd, const char *name)
{
	int l, c, s, rc;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	(void)fd;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 250;
	if (loopback_up())
		return 251;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&sin, &len))
		return 252;
	c = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(c, (struct sockaddr *)&sin, sizeof(sin)))
		return 253;
	s = accept(l, NULL, NULL);
	if (s < 0)
		return 254;
	rc = attach(s, name) ? errno : 0;
	close(s);
	close(c);
	close(l);
	return rc;
}

static void owned_netns(const struct env *e)
{
	int us, peer;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(both); i++)
		check_eq(in_process(attach_own_netns, -1, both[i]), EPERM);
	sysctl_write(ALLOW_USERNS, "Y");
	for (i = 0; i < ARRAY_LEN(both); i++) {
		int err = in_process(attach_own_netns, -1, both[i]);

		if (err)
			sysctl_write(ALLOW_USERNS, "N");
		check(!err, "with allow_userns=Y: %d", err);
	}
	sysctl_write(ALLOW_USERNS, "N");
	check_eq(in_process(attach_own_netns, -1, e->ulp), EPERM);
	need(close(us));
	need(close(peer));
}

static void repair(const struct env *e)
{
	int on = 1, off = 0, fd, us, peer;

	fd = sock_new(e, US, NULL);
	need(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	refused(attach(fd, "iketcp"), EINVAL);
	need(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)));
	need(attach(fd, "iketcp"));
	need(close(fd));

	pair_open(e, US, NULL, &us, &peer);
	need(setsockopt(us, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)));
	refused(attach(us, "espintcp"), EINVAL);
	refused(attach(us, "iketcp"), EINVAL);
	need(setsockopt(us, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)));
	need(attach(us, "espintcp"));
	need(close(us));
	need(close(peer));
}

static void fastopen_deferred(const struct env *e)
{
	uint16_t port;
	int on = 1, l, fd;

	/* Client fast open needs no cookie: connect() is put off. */
	sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "5");
	l = sock_listen(e, PEER, NULL, 8, &port);
	fd = sock_new(e, US, NULL);
	need(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			sizeof(on)));
	need(sock_connect(e, US, fd, port));
	refused(attach(fd, "iketcp"), EINVAL);
	refused(attach(fd, "espintcp"), ENOTCONN);
	need(close(fd));
	need(close(l));
}

/* The option is on, connect() is still to come. Without it all is well. */
static void fastopen_wanted(const struct env *e)
{
	uint16_t port;
	int on = 1, off = 0, l, fd, peer;

	sysctl_write("/proc/sys/net/ipv4/tcp_fastopen", "5");
	l = sock_listen(e, PEER, NULL, 8, &port);
	fd = sock_new(e, US, NULL);
	need(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			sizeof(on)));
	refused(attach(fd, "iketcp"), EINVAL);
	need(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &off,
			sizeof(off)));
	need(attach(fd, "iketcp"));
	need(sock_connect(e, US, fd, port));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	us_put_ike(fd, 50, 1);
	peer_expect_ike(peer, 50, 1);
	need(close(peer));
	need(close(fd));
	need(close(l));
}

static int map_new(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = 4, .value_size = 4, .max_entries = 4,
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int map_put(int map, uint32_t key, uint32_t fd)
{
	union bpf_attr attr = {
		.map_fd = map, .key = (uintptr_t)&key,
		.value = (uintptr_t)&fd, .flags = BPF_ANY,
	};

	return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

static void sockmap(const struct env *e)
{
	int us, peer, map;

	map = need(map_new());
	pair_open(e, US, NULL, &us, &peer);
	need(map_put(map, 0, us));
	refused(attach(us, "espintcp"), EBUSY);
	refused(attach(us, "iketcp"), EBUSY);
	need(close(us));
	need(close(peer));

	ready(e, &us, &peer);
	refused(map_put(map, 1, us), EBUSY, EINVAL, EOPNOTSUPP);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	need(close(us));
	need(close(peer));
	need(close(map));
}

static int prog_new(void)
{
	/* r0 = 0; exit */
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code, .insn_cnt = ARRAY_LEN(code),
		.license = (uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int kcm_new(struct kcm_attach *a)
{
	int mux = socket(AF_KCM, SOCK_DGRAM | SOCK_CLOEXEC, KCMPROTO_CONNECTED);

	/* A kernel without it has nothing to refuse. */
	if (mux < 0)
		refused(mux, EAFNOSUPPORT);
	else
		a->bpf_fd = need(prog_new());
	return mux;
}

static void kcm_before(const struct env *e)
{
	struct kcm_attach a;
	int us, peer, mux = kcm_new(&a);

	if (mux < 0)
		return;
	pair_open(e, US, NULL, &us, &peer);
	a.fd = us;
	need(ioctl(mux, SIOCKCMATTACH, &a));
	refused(attach(us, "espintcp"), EBUSY);
	refused(attach(us, "iketcp"), EBUSY);
	need(close(us));
	need(close(peer));
	need(close(a.bpf_fd));
	need(close(mux));
}

static void kcm_after(const struct env *e)
{
	struct kcm_attach a;
	int us, peer, mux = kcm_new(&a);

	if (mux < 0)
		return;
	ready(e, &us, &peer);
	a.fd = us;
	refused(ioctl(mux, SIOCKCMATTACH, &a), EBUSY, EINVAL, EOPNOTSUPP,
		EALREADY);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	need(close(us));
	need(close(peer));
	need(close(a.bpf_fd));
	need(close(mux));
}

/* What was queued before the ULP came is parsed: all of it, and a rest. */
static void data_before(const struct env *e)
{
	uint8_t buf[1024];
	int us, peer;
	size_t n = 0;

	pair_open(e, US, NULL, &us, &peer);
	if (e->mode == RESPONDER) {
		memcpy(buf, PREFIX, PREFIX_LEN);
		n = PREFIX_LEN;
	}
	n += frame_ike(buf + n, 100, 1);
	n += frame_put(buf + n, "\xff", 1);
	n += frame_ike(buf + n, 200, 2);
	n += frame_ike(buf + n, 300, 3);
	peer_put(peer, buf, n - 150);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "no data");
	need(attach(us, e->ulp));
	us_expect_ike(us, 100, 1);
	us_expect_ike(us, 200, 2);
	quiet(us);
	peer_put(peer, buf + n - 150, 150);
	us_expect_ike(us, 300, 3);
	quiet(us);
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(name_with_nul, FAMILIES),
	TEST(name_without_nul, FAMILIES),
	TEST(name_in_closed_state, ORIGINATORS),
	TEST(name_unknown, ONE),
	TEST(libreswan_originator, FAMILIES),
	TEST(libreswan_responder, FAMILIES),
	TEST(twice, ALL),
	TEST(espintcp_not_connected, FAMILIES),
	TEST(listener, FAMILIES),
	TEST(close_wait, FAMILIES),
	TEST(shut_down, FAMILIES),
	TEST(other_sockets, ONE),
	TEST(without_capability, FAMILIES),
	TEST(owned_netns, ONE),
	TEST(repair, FAMILIES),
	TEST(fastopen_deferred, FAMILIES),
	TEST(fastopen_wanted, FAMILIES),
	TEST(sockmap, MODES),
	TEST(kcm_before, ONE),
	TEST(kcm_after, MODES),
	TEST(data_before, FAMILIES | RESPONDERS),
};

SOCK_MAIN("attach", tests)
