// SPDX-License-Identifier: GPL-2.0
/*
 * ESP beside IKE on one connection, with manual keys and the null cipher, so
 * that the test writes and reads every byte itself. The scenarios in network
 * namespaces go further; this is about the socket.
 */
#include "sock.h"

#define SPI_IN		0x1001
#define SPI_OUT		0x2002
#define PORT_OUT	7777
#define NEXT_UDP	17

static bool is_v6(const struct env *e)
{
	return e->family == V6;
}

static const char *addr(const struct env *e)
{
	return is_v6(e) ? "::1" : "127.0.0.1";
}

static void state_add(const struct env *e, unsigned int spi, const char *alg,
		      int sport, int dport)
{
	AT();
	if (run("ip xfrm state add src %s dst %s proto esp spi %#x "
		"mode transport replay-window 32 %s "
		"encap espintcp %d %d %s", addr(e), addr(e), spi, alg, sport,
		dport, is_v6(e) ? "::" : "0.0.0.0"))
		die_("ip xfrm state add failed");
}

#define NULL_CIPHER	"enc 'ecb(cipher_null)' ''"
#define WITH_ICV	"auth 'hmac(sha1)' " \
			"0x0102030405060708090a0b0c0d0e0f1011121314 " \
			NULL_CIPHER

static void state_in(const struct env *e, const char *alg, int us)
{
	state_add(e, SPI_IN, alg, sock_peer_port(us), sock_port(us));
}

/* What goes to PORT_OUT goes through a state from @sport to @dport. */
static void state_out(const struct env *e, int sport, int dport)
{
	/* Loopback is outside of xfrm until told otherwise. */
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_xfrm", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_policy", "0");
	state_add(e, SPI_OUT, NULL_CIPHER, sport, dport);
	if (run("ip xfrm policy add dir out src %s dst %s proto udp dport %d "
		"tmpl src %s dst %s proto esp mode transport",
		addr(e), addr(e), PORT_OUT, addr(e), addr(e)))
		die_("ip xfrm policy add failed");
}

static int udp_new(const struct env *e, uint16_t *port)
{
	struct env plain = *e;
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = need(socket(is_v6(&plain) ? AF_INET6 : AF_INET,
			     SOCK_DGRAM | SOCK_CLOEXEC, 0));

	if (is_v6(e))
		need(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)));
	else
		need(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	*port = sock_port(fd);
	return fd;
}

static ssize_t udp_send(const struct env *e, int fd, const void *data,
			size_t len)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(PORT_OUT),
	};
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(PORT_OUT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (is_v6(e))
		return sendto(fd, data, len, 0, (struct sockaddr *)&sin6,
			      sizeof(sin6));
	return sendto(fd, data, len, 0, (struct sockaddr *)&sin, sizeof(sin));
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = v >> 8;
	p[1] = v & 0xff;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t sum(uint32_t acc, const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		acc += i % 2 ? p[i] : p[i] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

/* A UDP datagram between the loopback addresses, with its checksum. */
static size_t udp_put(const struct env *e, uint8_t *out, uint16_t sport,
		      uint16_t dport, const void *data, size_t len)
{
	static const uint8_t v4[8] = { 127, 0, 0, 1, 127, 0, 0, 1 };
	static const uint8_t v6[32] = { [15] = 1, [31] = 1 };
	uint32_t c;

	put16(out, sport);
	put16(out + 2, dport);
	put16(out + 4, 8 + len);
	put16(out + 6, 0);
	memcpy(out + 8, data, len);
	c = is_v6(e) ? sum(0, v6, sizeof(v6)) : sum(0, v4, sizeof(v4));
	c = sum(c + NEXT_UDP + 8 + len, out, 8 + len);
	c = ~c & 0xffff;
	put16(out + 6, c ?: 0xffff);
	return 8 + len;
}

/* An ESP packet of the null cipher around @len bytes of payload. */
static size_t esp_put(uint8_t *out, uint32_t spi, uint32_t seq,
		      const uint8_t *payload, size_t len)
{
	size_t n = 8, pad = (4 - (len + 2) % 4) % 4, i;

	put32(out, spi);
	put32(out + 4, seq);
	memcpy(out + n, payload, len);
	n += len;
	for (i = 1; i <= pad; i++)
		out[n++] = i;
	out[n++] = pad;
	out[n++] = NEXT_UDP;
	return n;
}

static size_t esp_udp_frame(const struct env *e, uint8_t *out, uint32_t spi,
			    uint32_t seq, uint16_t sport, uint16_t dport,
			    const void *data, size_t len)
{
	static uint8_t udp[FRAME_MAX], esp[FRAME_MAX];
	size_t n;

	n = udp_put(e, udp, sport, dport, data, len);
	n = esp_put(esp, spi, seq, udp, n);
	return frame_put(out, esp, n);
}

static void udp_expect(int fd, const void *want, size_t len)
{
	static uint8_t buf[FRAME_MAX];
	ssize_t n;

	if (!(revents(fd, POLLIN, WAIT_MS) & POLLIN))
		die_("the datagram of %zu bytes does not come", len);
	n = need(recv(fd, buf, sizeof(buf), 0));
	if ((size_t)n != len || memcmp(buf, want, len))
		die_("a wrong datagram of %zd bytes came", n);
}

static void received(const struct env *e)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 100, 1400, 9000, 60000 };
	static uint8_t data[FRAME_MAX], buf[2 * FRAME_MAX];
	struct stats s;
	uint16_t port;
	int us, peer, udp;
	size_t i, n;

	stats_take(&s);
	ready(e, &us, &peer);
	state_in(e, NULL_CIPHER, us);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		/* Between two messages of IKE, in one go. */
		n = frame_ike(buf, 50, i);
		n += esp_udp_frame(e, buf + n, SPI_IN, 1 + i, 4000, port, data,
				   sizes[i]);
		n += frame_ike(buf + n, 60, i);
		peer_put(peer, buf, n);
		AT();
		udp_expect(udp, data, sizes[i]);
		us_expect_ike(us, 50, i);
		us_expect_ike(us, 60, i);
	}
	quiet(us);
	stat_expect(&s, InEsp, ARRAY_LEN(sizes));
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void received_in_pieces(const struct env *e)
{
	uint8_t data[20], buf[128];
	uint16_t port;
	int us, peer, udp, round = 0;
	size_t cut, n = 20;

	ready(e, &us, &peer);
	state_in(e, NULL_CIPHER, us);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (cut = 1; cut < n; cut++) {
		n = esp_udp_frame(e, buf, SPI_IN, ++round, 4000, port, data,
				  sizeof(data));
		peer_put(peer, buf, cut);
		peer_put(peer, buf + cut, n - cut);
		AT();
		udp_expect(udp, data, sizeof(data));
	}
	quiet(us);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* The reader's queue is full: ESP does not care. */
static void received_while_ike_is_full(const struct env *e)
{
	struct tuning t = { .us_rcvbuf = 1 };
	uint8_t data[100], buf[512];
	struct stats s;
	uint16_t port;
	int us, peer, udp, i;

	stats_take(&s);
	ready_tuned(e, &t, &us, &peer);
	state_in(e, NULL_CIPHER, us);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < 100; i++)
		peer_put_ike(peer, 400, i);
	for (i = 0; i < 20; i++) {
		peer_put(peer, buf, esp_udp_frame(e, buf, SPI_IN, 1 + i, 4000,
						  port, data, sizeof(data)));
		AT();
		udp_expect(udp, data, sizeof(data));
	}
	us_expect_ike(us, 400, 0);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void replayed(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInStateSeqError");
	uint8_t data[20], buf[128];
	uint16_t port;
	int us, peer, udp;
	size_t n;

	ready(e, &us, &peer);
	state_in(e, NULL_CIPHER, us);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	n = esp_udp_frame(e, buf, SPI_IN, 7, 4000, port, data, sizeof(data));
	peer_put(peer, buf, n);
	udp_expect(udp, data, sizeof(data));
	peer_put(peer, buf, n);
	peer_put(peer, buf, n);
	peer_put_ike(peer, 50, 1);
	us_expect_ike(us, 50, 1);
	xfrm_stat_expect("XfrmInStateSeqError", before + 2);
	quiet(udp);
	/* The next one is good again. */
	n = esp_udp_frame(e, buf, SPI_IN, 8, 4000, port, data, sizeof(data));
	peer_put(peer, buf, n);
	udp_expect(udp, data, sizeof(data));
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void bad_icv(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInStateProtoError");
	uint8_t data[40], buf[128];
	uint16_t port;
	int us, peer, udp, i;

	ready(e, &us, &peer);
	state_in(e, WITH_ICV, us);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < 3; i++)
		peer_put(peer, buf, esp_udp_frame(e, buf, SPI_IN, 1 + i, 4000,
						  port, data, sizeof(data)));
	peer_put_ike(peer, 50, 1);
	us_expect_ike(us, 50, 1);
	xfrm_stat_expect("XfrmInStateProtoError", before + 3);
	quiet(udp);
	us_put_ike(us, 50, 2);
	peer_expect_ike(peer, 50, 2);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* A state that is not for TCP takes nothing from it. */
static void state_without_encap(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInStateMismatch");
	uint8_t data[40], buf[128];
	uint16_t port;
	int us, peer, udp;

	ready(e, &us, &peer);
	if (run("ip xfrm state add src %s dst %s proto esp spi %#x "
		"mode transport " NULL_CIPHER, addr(e), addr(e), SPI_IN))
		die("ip xfrm state add failed");
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	peer_put(peer, buf, esp_udp_frame(e, buf, SPI_IN, 1, 4000, port, data,
					  sizeof(data)));
	peer_put_ike(peer, 50, 1);
	us_expect_ike(us, 50, 1);
	xfrm_stat_expect("XfrmInStateMismatch", before + 1);
	quiet(udp);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void sent(const struct env *e)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 100, 1400, 9000, 60000 };
	static uint8_t data[FRAME_MAX], want[FRAME_MAX];
	struct stats s;
	uint16_t port;
	int us, peer, udp;
	size_t i, n;

	stats_take(&s);
	ready(e, &us, &peer);
	state_out(e, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		check_eq(need(udp_send(e, udp, data, sizes[i])),
			 (long)sizes[i]);
		n = esp_udp_frame(e, want, SPI_OUT, 1 + i, port, PORT_OUT,
				  data, sizes[i]);
		peer_expect(peer, want, n);
	}
	quiet(peer);
	stat_expect(&s, OutEsp, ARRAY_LEN(sizes));
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void sent_among_ike(const struct env *e)
{
	uint8_t data[300], want[512];
	uint16_t port;
	int us, peer, udp, i;

	ready(e, &us, &peer);
	state_out(e, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < 20; i++) {
		us_put_ike(us, 50 + i, i);
		peer_expect_ike(peer, 50 + i, i);
		need(udp_send(e, udp, data, sizeof(data)));
		peer_expect(peer, want,
			    esp_udp_frame(e, want, SPI_OUT, 1 + i, port,
					  PORT_OUT, data, sizeof(data)));
	}
	quiet(peer);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* The connection is not there, comes, goes, and comes again. */
static void sent_without_connection(const struct env *e)
{
	uint8_t data[100], want[256];
	struct stats s;
	uint16_t port, mine;
	int l, us, peer, udp, one = 1;

	/* Two ports that stay the same. */
	l = sock_listen(e, PEER, NULL, 8, &port);
	us = sock_new(e, US, NULL);
	need(sock_bind(e, US, us, 0));
	mine = sock_port(us);
	state_out(e, mine, port);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);

	stats_take(&s);
	(void)udp_send(e, udp, data, sizeof(data));
	stat_expect(&s, OutNoConn, 1);
	need(attach(us, "iketcp"));
	need(sock_connect(e, US, us, sock_port(l)));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	need(udp_send(e, udp, data, sizeof(data)));
	peer_expect(peer, want, esp_udp_frame(e, want, SPI_OUT, 2, port,
					      PORT_OUT, data, sizeof(data)));
	/* Reset by us: no TIME_WAIT is in the way of the next one. */
	reset_close(us);
	peer_expect_reset(peer);
	need(close(peer));

	stats_take(&s);
	(void)udp_send(e, udp, data, sizeof(data));
	stat_expect(&s, OutNoConn, 1);

	us = sock_new(e, US, NULL);
	need(setsockopt(us, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	need(sock_bind(e, US, us, mine));
	need(attach(us, "iketcp"));
	need(sock_connect(e, US, us, sock_port(l)));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	need(udp_send(e, udp, data, sizeof(data)));
	peer_expect(peer, want, esp_udp_frame(e, want, SPI_OUT, 4, port,
					      PORT_OUT, data, sizeof(data)));
	need(close(udp));
	need(close(us));
	need(close(peer));
	need(close(l));
}

/* The peer does not read: ESP is dropped and counted, no frame is cut. */
static void sent_into_a_full_queue(const struct env *e)
{
	enum { COUNT = 8000, SIZE = 1000 };
	struct tuning t = { .us_sndbuf = 16384, .peer_rcvbuf = 8192 };
	static uint8_t data[SIZE], frame[FRAME_MAX], want[FRAME_MAX];
	struct stats s, now;
	uint32_t last = 0, seq;
	uint16_t port;
	int us, peer, udp, i, frames = 0, ike = 0, one = 1 << 20;
	size_t n;

	ready_tuned(e, &t, &us, &peer);
	state_out(e, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	need(setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &one, sizeof(one)));
	nonblock(udp, true);
	ike_fill(data, sizeof(data), 5);
	stats_take(&s);
	for (i = 0; i < COUNT; i++)
		(void)udp_send(e, udp, data, sizeof(data));
	stats_take(&now);
	check(now.v[OutFull] > s.v[OutFull] ||
	      udp_send(e, udp, data, sizeof(data)) < 0, "the queue has no end");
	/* IKE has an allowance of its own. */
	nonblock(us, true);
	us_put_ike(us, 100, 3);
	while (revents(peer, POLLIN, 300) & POLLIN) {
		need(get_all(peer, frame, LEN_LEN + 8));
		n = frame[0] << 8 | frame[1];
		if (!memcmp(frame + LEN_LEN, "\0\0\0\0", MARKER_LEN)) {
			check_eq(n, frame_ike(want, 100, 3));
			need(get_all(peer, frame + LEN_LEN + 8,
				     n - LEN_LEN - 8));
			check(!memcmp(frame, want, n), "wrong bytes in IKE");
			ike++;
			continue;
		}
		seq = (uint32_t)frame[6] << 24 | frame[7] << 16 |
		      frame[8] << 8 | frame[9];
		check(seq > last, "sequence number %u after %u", seq, last);
		last = seq;
		check_eq(n, esp_udp_frame(e, want, SPI_OUT, seq, port,
					  PORT_OUT, data, SIZE));
		need(get_all(peer, frame + LEN_LEN + 8, n - LEN_LEN - 8));
		check(!memcmp(frame, want, n), "wrong bytes in %u", seq);
		frames++;
	}
	check(frames > 0 && frames < COUNT, "%d frames", frames);
	check_eq(ike, 1);
	/* All is well again. */
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(received, ALL),
	TEST(received_in_pieces, SOME),
	TEST(received_while_ike_is_full, SOME),
	TEST(replayed, SOME),
	TEST(bad_icv, SOME),
	TEST(state_without_encap, SOME),
	TEST(sent, ALL),
	TEST(sent_among_ike, SOME),
	TEST(sent_without_connection, ORIGINATORS),
	TEST(sent_into_a_full_queue, SOME),
};

SOCK_MAIN("esp", tests)
