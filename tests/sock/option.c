// SPDX-License-Identifier: GPL-2.0
/* Socket options of level SOL_IKETCP, and what sock_diag tells. */
#include "sa.h"
#include "../../include/iketcp.h"

static int get(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	need(getsockopt(fd, SOL_IKETCP, name, &value, &len));
	check_eq(len, sizeof(int));
	return value;
}

static int set(int fd, int name, int value)
{
	return setsockopt(fd, SOL_IKETCP, name, &value, sizeof(value));
}

static struct iketcp_info info_of(int fd)
{
	struct iketcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0xff, sizeof(info));
	need(getsockopt(fd, SOL_IKETCP, IKETCP_OPT_INFO, &info, &len));
	check_eq(len, sizeof(info));
	return info;
}

static void role(const struct env *e)
{
	static const int roles[] = {
		[ESPINTCP] = IKETCP_ROLE_PLAIN,
		[RESPONDER] = IKETCP_ROLE_RESPONDER,
		[ORIGINATOR] = IKETCP_ROLE_ORIGINATOR,
	};
	int us, peer;

	ready(e, &us, &peer);
	check_eq(get(us, IKETCP_OPT_ROLE), roles[e->mode]);
	need(close(us));
	need(close(peer));
}

/* Who connected first and attached then can still be the originator. */
static void late_originator(const struct env *e)
{
	int us, peer;

	pair_open(e, PEER, NULL, &us, &peer);
	need(attach(us, "iketcp"));
	check_eq(get(us, IKETCP_OPT_ROLE), IKETCP_ROLE_RESPONDER);
	need(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_RESPONDER));
	need(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_ORIGINATOR));
	check_eq(get(us, IKETCP_OPT_ROLE), IKETCP_ROLE_ORIGINATOR);
	/* Once is enough, and there is no way back. */
	need(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_ORIGINATOR));
	refused(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_RESPONDER), EINVAL);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	/* No prefix from the other side. */
	peer_put_ike(peer, 200, 2);
	us_expect_ike(us, 200, 2);
	need(close(us));
	need(close(peer));
}

static void too_late(const struct env *e)
{
	int us, peer;

	/* The peer has begun. */
	pair_open(e, PEER, NULL, &us, &peer);
	need(attach(us, "iketcp"));
	peer_put(peer, PREFIX, 2);
	while (info_of(us).in_bytes < 2)
		msleep(5);
	refused(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_ORIGINATOR), EBUSY);
	peer_put(peer, PREFIX + 2, PREFIX_LEN - 2);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	refused(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_ORIGINATOR), EBUSY);
	need(close(us));
	need(close(peer));

	/* We have. */
	pair_open(e, PEER, NULL, &us, &peer);
	need(attach(us, "iketcp"));
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	refused(set(us, IKETCP_OPT_ROLE, IKETCP_ROLE_ORIGINATOR), EBUSY);
	need(close(us));
	need(close(peer));
}

static void timeout(const struct env *e)
{
	struct stats before;
	int us, peer;

	pair_open(e, US, NULL, &us, &peer);
	need(attach(us, "iketcp"));
	check_eq(get(us, IKETCP_OPT_PREFIX_TIMEOUT), 10);
	refused(set(us, IKETCP_OPT_PREFIX_TIMEOUT, -1), EINVAL);
	refused(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 3601), EINVAL);
	/* A limit that is lifted again is none. */
	need(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 1));
	need(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 0));
	check_eq(get(us, IKETCP_OPT_PREFIX_TIMEOUT), 0);
	msleep(1300);
	stats_take(&before);
	need(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 1));
	us_expect_error(us, ETIMEDOUT);
	stat_expect(&before, InPrefixTimeout, 1);
	peer_expect_reset(peer);
	need(close(us));
	need(close(peer));

	ready(e, &us, &peer);
	need(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 1));
	msleep(1300);
	peer_put_ike(peer, 100, 1);
	us_expect_ike(us, 100, 1);
	need(close(us));
	need(close(peer));
}

#define MAX_MESSAGE	"/proc/sys/net/iketcp/max_message"

/* How long the messages may be that packets make: what is set, and by whom. */
static void max_message(const struct env *e)
{
	int us, peer, fd;

	check(!run("modprobe iketcp"), "modprobe");
	fd = need(open(MAX_MESSAGE, O_WRONLY | O_CLOEXEC));
	refused(pwrite(fd, "1399", 4, 0), EINVAL);
	refused(pwrite(fd, "65536", 5, 0), EINVAL);
	need(close(fd));

	ready(e, &us, &peer);
	check_eq(get(us, IKETCP_OPT_MAX_MESSAGE), 65535);
	refused(set(us, IKETCP_OPT_MAX_MESSAGE, 1399), EINVAL);
	refused(set(us, IKETCP_OPT_MAX_MESSAGE, 65536), EINVAL);
	refused(set(us, IKETCP_OPT_MAX_MESSAGE, -1), EINVAL);
	need(set(us, IKETCP_OPT_MAX_MESSAGE, 1400));
	check_eq(get(us, IKETCP_OPT_MAX_MESSAGE), 1400);
	/* IKE is not meant. */
	us_put_ike(us, 5000, 1);
	peer_expect_ike(peer, 5000, 1);
	need(close(us));
	need(close(peer));

	/* For connections to be made. */
	sysctl_write(MAX_MESSAGE, "2000");
	ready(e, &us, &peer);
	check_eq(get(us, IKETCP_OPT_MAX_MESSAGE), 2000);
	sysctl_write(MAX_MESSAGE, "65535");
	check_eq(get(us, IKETCP_OPT_MAX_MESSAGE), 2000);
	need(set(us, IKETCP_OPT_MAX_MESSAGE, 65535));
	check_eq(get(us, IKETCP_OPT_MAX_MESSAGE), 65535);
	need(close(us));
	need(close(peer));
}

/* The counters of the connection itself. */
static void counted(const struct env *e)
{
	static const uint8_t keepalive[] = { 0, 3, 0xff }, tiny[] = { 0, 4, 1, 2 };
	size_t prefix = e->mode == ESPINTCP ? 0 : PREFIX_LEN;
	struct iketcp_info info;
	int us, peer;

	ready(e, &us, &peer);
	us_put_ike(us, 100, 1);
	us_put_ike(us, 50, 2);
	peer_expect_ike(peer, 100, 1);
	peer_expect_ike(peer, 50, 2);
	peer_put_ike(peer, 200, 3);
	us_expect_ike(us, 200, 3);
	info = info_of(us);
	check_eq(info.role, get(us, IKETCP_OPT_ROLE));
	check_eq(info.flags, IKETCP_INFO_F_PREFIX);
	check_eq(info.out_ike, 2);
	check_eq(info.out_bytes,
		 154 + (e->mode == ORIGINATOR ? prefix : 0));
	check_eq(info.in_ike, 1);
	check_eq(info.in_bytes, 202 + (e->mode == RESPONDER ? prefix : 0));
	check_eq(info.in_esp, 0);
	check_eq(info.out_esp, 0);
	check_eq(info.drops, 0);
	check_eq(info.last_drop, 0);
	check_eq(info.in_queue, 0);
	check_eq(info.out_queue_ike, 0);
	check_eq(info.out_queue_esp, 0);

	peer_put(peer, keepalive, sizeof(keepalive));
	peer_put(peer, tiny, sizeof(tiny));
	peer_put_ike(peer, 300, 4);
	check(revents(us, POLLIN, WAIT_MS) & POLLIN, "nothing came");
	info = info_of(us);
	check_eq(info.drops, 1);
	/* The line of InShort. */
	check_eq(info.last_drop, 5);
	check(!run("sed -n 5p /proc/self/net/iketcp_stat | grep -q ^InShort"),
	      "line 5 is not InShort");
	check(info.in_queue >= 300, "%u bytes wait", info.in_queue);
	us_expect_ike(us, 300, 4);
	check_eq(info_of(us).in_queue, 0);
	need(close(us));
	need(close(peer));
}

static void flags(const struct env *e)
{
	int us, peer;

	pair_open(e, US, NULL, &us, &peer);
	need(attach(us, "iketcp"));
	check_eq(info_of(us).flags, 0);
	peer_put(peer, PREFIX, PREFIX_LEN);
	while (!(info_of(us).flags & IKETCP_INFO_F_PREFIX))
		msleep(5);
	peer_put(peer, "\0\1", 2);
	us_expect_error(us, EINVAL);
	check_eq(info_of(us).flags, IKETCP_INFO_F_PREFIX | IKETCP_INFO_F_DEAD |
				    IKETCP_INFO_F_CLOSED);
	need(close(us));
	need(close(peer));
}

/* Programs that are older or newer than the module. */
static void sizes(const struct env *e)
{
	struct {
		struct iketcp_info info;
		char more[64];
	} big;
	char buf[4] = "abc";
	socklen_t len;
	int us, peer;

	ready(e, &us, &peer);
	memset(&big, 0x55, sizeof(big));
	len = sizeof(big);
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, &big, &len));
	check_eq(len, sizeof(struct iketcp_info));
	check_eq(big.more[0], 0x55);
	len = 1;
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, buf, &len));
	check_eq(len, 1);
	check_eq(buf[0], get(us, IKETCP_OPT_ROLE));
	check_eq(buf[1], 'b');
	len = 0;
	need(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, buf, &len));
	check_eq(len, 0);
	len = -1;
	refused(getsockopt(us, SOL_IKETCP, IKETCP_OPT_INFO, buf, &len), EINVAL);
	len = 3;
	refused(getsockopt(us, SOL_IKETCP, IKETCP_OPT_ROLE, buf, &len), EINVAL);
	len = 4;
	refused(getsockopt(us, SOL_IKETCP, IKETCP_OPT_ROLE, NULL, &len), EFAULT);
	refused(getsockopt(us, SOL_IKETCP, IKETCP_OPT_ROLE, buf, NULL), EFAULT);
	refused(setsockopt(us, SOL_IKETCP, IKETCP_OPT_ROLE, buf, 3), EINVAL);
	refused(setsockopt(us, SOL_IKETCP, IKETCP_OPT_ROLE, (void *)1, 4), EFAULT);
	need(close(us));
	need(close(peer));
}

static void unknown(const struct env *e)
{
	static const int names[] = { 0, IKETCP_OPT_ACCEPT_PREFIX, 99, -1 };
	int us, peer, value = 1;
	socklen_t len = 4;
	size_t i;

	ready(e, &us, &peer);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		refused(set(us, names[i], 1), ENOPROTOOPT);
		refused(getsockopt(us, SOL_IKETCP, names[i], &value, &len),
			ENOPROTOOPT);
	}
	refused(set(us, IKETCP_OPT_INFO, 1), ENOPROTOOPT);
	if (e->mode != RESPONDER)
		refused(set(us, IKETCP_OPT_PREFIX_TIMEOUT, 1), ENOPROTOOPT);
	need(close(us));
	need(close(peer));
	/* Without the ULP there is no such level. */
	pair_open(e, US, NULL, &us, &peer);
	refused(set(us, IKETCP_OPT_ROLE, 1), ENOPROTOOPT);
	need(close(us));
	need(close(peer));
}

/* What a bridge counts, and that all else goes the right way. */
static void bridge(const struct env *e)
{
	bool v6 = e->family == V6;
	/* The longest payload that a datagram can have. */
	size_t longest = 65535 - 8 - (v6 ? 0 : 20), n;
	static uint8_t buf[FRAME_MAX], want[FRAME_MAX];
	uint16_t port = 0, far = PORT_OUT;
	struct iketcp_bridge b = { .family = v6 ? AF_INET6 : AF_INET };
	int us, peer, daemon, other, room = 1 << 20;
	struct stats s;

	/* Or it would be odd that such addresses come in without a route. */
	sysctl_write("/proc/sys/net/ipv4/conf/lo/route_localnet", "1");
	sysctl_write("/proc/sys/net/ipv4/conf/lo/accept_local", "1");
	ready(e, &us, &peer);
	daemon = udp_new(e, &port);
	other = udp_new(e, &far);
	need(setsockopt(daemon, SOL_SOCKET, SO_RCVBUFFORCE, &room,
			sizeof(room)));
	b.local_port = htons(port);
	b.peer_port = htons(far);
	inet_pton(b.family, addr(e), b.local);
	inet_pton(b.family, addr(e), b.peer);
	need(setsockopt(us, SOL_IKETCP, IKETCP_OPT_BRIDGE, &b, sizeof(b)));
	stats_take(&s);

	n = longest < BODY_MAX ? longest : BODY_MAX;
	peer_put_ike(peer, n, 1);
	ike_fill(want, n, 1);
	udp_expect(daemon, want, n);
	stat_expect(&s, InTooLong, 0);
	if (longest < BODY_MAX) {
		peer_put_ike(peer, longest + 1, 2);
		peer_put_ike(peer, BODY_MAX, 3);
		stat_expect(&s, InTooLong, 2);
	}
	peer_put_ike(peer, 100, 4);
	ike_fill(want, 100, 4);
	udp_expect(daemon, want, 100);
	stat_expect(&s, InIke, longest < BODY_MAX ? 4 : 2);
	quiet(us);

	/* A keepalive vanishes, IKE goes by TCP, and all else by UDP. */
	check_eq(need(udp_send(e, daemon, "\xff", 1)), 1);
	stat_expect(&s, OutKeepalive, 1);
	ike_fill(buf, 100, 5);
	check_eq(need(udp_send(e, daemon, buf, 100)), 100);
	peer_expect_ike(peer, 100, 5);
	check_eq(need(udp_send(e, daemon, "\xfe", 1)), 1);
	udp_expect(other, "\xfe", 1);
	quiet(other);
	quiet(peer);
	stat_expect(&s, OutIke, 1);
	stat_expect(&s, OutKeepalive, 1);
	need(close(other));
	need(close(daemon));
	need(close(us));
	need(close(peer));
}

/* ss tells the ULP of connections and listeners. */
static void diag(const struct env *e)
{
	int us, peer, l, rc;
	uint16_t port;

	ready(e, &us, &peer);
	rc = run("ss -Htin 'sport = :%d' | grep -qE 'tcp-ulp-%s( |$)'",
		 sock_port(us), e->ulp);
	check(!rc, "no connection");
	l = sock_listen(e, US, NULL, 8, &port);
	need(attach(l, "iketcp"));
	rc = run("ss -Htlin 'sport = :%d' | grep -qE 'tcp-ulp-iketcp( |$)'",
		 port);
	check(!rc, "no listener");
	need(close(l));
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(role, ALL),
	TEST(late_originator, RESPONDERS),
	TEST(too_late, RESPONDERS),
	TEST(timeout, RESPONDERS),
	TEST(max_message, MODES),
	TEST(counted, ALL),
	TEST(flags, RESPONDERS),
	TEST(sizes, MODES),
	TEST(unknown, SOME),
	TEST(bridge, SOME),
	TEST(diag, SOME),
};

SOCK_MAIN("option", tests)
