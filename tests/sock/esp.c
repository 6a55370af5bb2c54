// SPDX-License-Identifier: GPL-2.0
/*
 * ESP beside IKE on one connection, with manual keys and the null cipher, so
 * that the test writes and reads every byte itself. The scenarios in network
 * namespaces go further; this is about the socket.
 */
#include "sa.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

static void received(const struct env *e)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 100, 1400, 9000, 60000 };
	static uint8_t data[FRAME_MAX], buf[2 * FRAME_MAX];
	struct stats s;
	uint16_t port = 0;
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
	uint16_t port = 0;
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
	uint16_t port = 0;
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

/*
 * The longest datagrams there are, so that the packet around them is just one
 * (IPv4), or the message is as long as its length field can say (IPv6).
 */
static void received_larger_than_rcvbuf(const struct env *e)
{
	size_t size = e->family == V6 ? 65514 : 65507;
	static uint8_t data[FRAME_MAX], buf[FRAME_MAX];
	struct tuning t = { .us_rcvbuf = 1 };
	int us, peer, udp, i, room = 1 << 20;
	struct stats s;
	uint16_t port = 0;
	socklen_t len = sizeof(int);

	ready_tuned(e, &t, &us, &peer);
	state_in(e, NULL_CIPHER, us);
	udp = udp_new(e, &port);
	need(setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)));
	ike_fill(data, sizeof(data), 5);
	stats_take(&s);
	for (i = 0; i < 4; i++) {
		size_t n = i % 2 ? 50 : size;

		peer_put(peer, buf, esp_udp_frame(e, buf, SPI_IN, 1 + i, 4000,
						  port, data, n));
		udp_expect(udp, data, n);
	}
	check_eq(state_packets(e, SPI_IN), 4);
	stat_expect(&s, InEsp, 4);
	/* It has not grown meanwhile. */
	need(getsockopt(us, SOL_SOCKET, SO_RCVBUF, &room, &len));
	check(room < 10000, "the receive buffer has %d bytes", room);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static void replayed(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInStateSeqError");
	uint8_t data[20], buf[128];
	uint16_t port = 0;
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
	struct stats s;
	uint16_t port = 0;
	int us, peer, udp, i;

	stats_take(&s);
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
	stat_expect(&s, InBadAuth, 3);
	stat_expect(&s, InEsp, 3);
	stat_expect(&s, InUnknownSpi, 0);
	check_eq(state_packets(e, SPI_IN), 0);
	quiet(udp);
	us_put_ike(us, 50, 2);
	peer_expect_ike(peer, 50, 2);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* @count messages whose ICV is not the state's. */
static void put_bad_icvs(const struct env *e, int peer, int count)
{
	uint8_t data[40], buf[128];
	size_t n;
	int i;

	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < count; i++) {
		n = esp_udp_frame(e, buf, SPI_IN, 1 + i, 4000, 4000, data,
				  sizeof(data));
		peer_put_(peer, buf, n);
	}
}

/* 32 in a row: EBADMSG and a reset. A good one in between starts anew. */
static void too_many_bad_icvs(const struct env *e)
{
	uint8_t data[40], buf[128];
	struct stats s;
	uint16_t port = 0;
	int us, peer, udp;

	stats_take(&s);
	ready(e, &us, &peer);
	state_in(e, WITH_ICV, us);
	state_add(e, SPI_IN + 1, NULL_CIPHER, sock_peer_port(us),
		  sock_port(us));
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	put_bad_icvs(e, peer, 31);
	peer_put(peer, buf, esp_udp_frame(e, buf, SPI_IN + 1, 1, 4000, port,
					  data, sizeof(data)));
	udp_expect(udp, data, sizeof(data));
	put_bad_icvs(e, peer, 31);
	peer_put_ike(peer, 50, 1);
	us_expect_ike(us, 50, 1);
	stat_expect(&s, InBadAuth, 62);
	stat_expect(&s, InCorruptAuth, 0);

	put_bad_icvs(e, peer, 1);
	us_expect_error(us, EBADMSG);
	us_expect_eof(us);
	peer_expect_reset(peer);
	stat_expect(&s, InBadAuth, 63);
	stat_expect(&s, InCorruptAuth, 1);
	stat_expect(&s, InCorruptMessage, 0);
	stat_expect(&s, InCorruptSpi, 0);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* A state that is not for TCP takes nothing from it. */
static void state_without_encap(const struct env *e)
{
	unsigned long before = xfrm_stat("XfrmInStateMismatch");
	uint8_t data[40], buf[128];
	uint16_t port = 0;
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
	uint16_t port = 0;
	int us, peer, udp;
	size_t i, n;

	stats_take(&s);
	ready(e, &us, &peer);
	state_out(e, NULL_CIPHER, sock_port(us), sock_peer_port(us));
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
	uint16_t port = 0;
	int us, peer, udp, i;

	ready(e, &us, &peer);
	state_out(e, NULL_CIPHER, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < 20; i++) {
		us_put_ike(us, 50 + i, i);
		need(udp_send(e, udp, data, sizeof(data)));
	}
	for (i = 0; i < 20; i++) {
		peer_expect_ike(peer, 50 + i, i);
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
	uint16_t port, mine, from = 0;
	int l, us, peer, udp, one = 1;

	/* Two ports that stay the same. */
	l = sock_listen(e, PEER, NULL, 8, &port);
	us = sock_new(e, US, NULL);
	need(sock_bind(e, US, us, 0));
	mine = sock_port(us);
	state_out(e, NULL_CIPHER, mine, port);
	udp = udp_new(e, &from);
	ike_fill(data, sizeof(data), 5);

	stats_take(&s);
	(void)udp_send(e, udp, data, sizeof(data));
	stat_expect(&s, OutNoConn, 1);
	need(attach(us, "iketcp"));
	need(sock_connect(e, US, us, sock_port(l)));
	peer = sock_accept(l);
	peer_expect(peer, PREFIX, PREFIX_LEN);
	need(udp_send(e, udp, data, sizeof(data)));
	peer_expect(peer, want, esp_udp_frame(e, want, SPI_OUT, 2, from,
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
	peer_expect(peer, want, esp_udp_frame(e, want, SPI_OUT, 4, from,
					      PORT_OUT, data, sizeof(data)));
	need(close(udp));
	need(close(us));
	need(close(peer));
	need(close(l));
}

/*
 * What may wait for a peer that does not read: the module's bound for ESP, the
 * send buffer (which the kernel doubles, as it does the receive buffer), and the
 * peer's receive buffer; with room for what is in pages that are begun.
 */
enum {
	FULL_COUNT = 1500, FULL_SIZE = 1000, FULL_SNDBUF = 16384,
	FULL_RCVBUF = 8192,
	FULL_MAX = 256 * 1024 + 2 * FULL_SNDBUF + 2 * FULL_RCVBUF + 65536,
};

static const struct tuning full_tuning = {
	.us_sndbuf = FULL_SNDBUF, .peer_rcvbuf = FULL_RCVBUF,
};

/* Datagrams enough to fill the queue several times over. */
static void fill_queue(const struct env *e, int udp)
{
	uint8_t data[FULL_SIZE];
	int i;

	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < FULL_COUNT; i++)
		check_eq(need(udp_send(e, udp, data, sizeof(data))), FULL_SIZE);
}

/*
 * A whole frame of fill_queue()'s, behind number *@last; or an IKE message of
 * 100 bytes with seed 3.
 *
 * Return: it is ESP.
 */
static bool take_full_frame(const struct env *e, int peer, uint16_t port,
			    uint32_t *last)
{
	static uint8_t frame[FRAME_MAX], want[FRAME_MAX];
	uint8_t data[FULL_SIZE];
	bool esp;
	size_t n;

	need(get_all(peer, frame, LEN_LEN + 8));
	n = frame[0] << 8 | frame[1];
	esp = memcmp(frame + LEN_LEN, "\0\0\0\0", MARKER_LEN);
	if (esp) {
		uint32_t seq = (uint32_t)frame[6] << 24 | frame[7] << 16 |
			       frame[8] << 8 | frame[9];

		check(seq > *last, "sequence number %u after %u", seq, *last);
		*last = seq;
		ike_fill(data, sizeof(data), 5);
		check_eq(n, esp_udp_frame(e, want, SPI_OUT, seq, port,
					  PORT_OUT, data, FULL_SIZE));
	} else {
		check_eq(n, frame_ike(want, 100, 3));
	}
	need(get_all(peer, frame + LEN_LEN + 8, n - LEN_LEN - 8));
	check(!memcmp(frame, want, n), "wrong bytes behind %u", *last);
	return esp;
}

static unsigned long grown(const struct stats *before, const struct stats *now,
			   enum counter which)
{
	return now->v[which] - before->v[which];
}

/*
 * The peer does not read: ESP is dropped, each packet of it is counted, and no
 * frame is cut.
 */
static void sent_into_a_full_queue(const struct env *e)
{
	uint8_t data[100], want[256];
	struct stats s, now;
	uint32_t last = 0;
	uint16_t port = 0;
	unsigned long frames = 0, ike = 0, bytes;
	int us, peer, udp;

	ready_tuned(e, &full_tuning, &us, &peer);
	state_out(e, NULL_CIPHER, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	stats_take(&s);
	fill_queue(e, udp);
	stats_take(&now);
	check(grown(&s, &now, OutFull) > 0, "the queue has no end");
	/* IKE has an allowance of its own. */
	nonblock(us, true);
	us_put_ike(us, 100, 3);
	while (revents(peer, POLLIN, 300) & POLLIN) {
		if (take_full_frame(e, peer, port, &last))
			frames++;
		else
			ike++;
	}
	check_eq(ike, 1);
	stats_take(&now);
	check_eq(grown(&s, &now, OutEsp), frames);
	check(frames + grown(&s, &now, OutFull) + grown(&s, &now, OutDelay) ==
	      FULL_COUNT, "%lu came, OutFull %lu OutDelay %lu", frames,
	      grown(&s, &now, OutFull), grown(&s, &now, OutDelay));
	bytes = frames * esp_udp_frame(e, want, SPI_OUT, 1, port, PORT_OUT,
				       data, 0) + frames * FULL_SIZE;
	check(bytes > 64 * 1024 && bytes < FULL_MAX, "%lu bytes were kept",
	      bytes);
	/* All is well again. */
	us_put_ike(us, 100, 1);
	peer_expect_ike(peer, 100, 1);
	ike_fill(data, sizeof(data), 6);
	need(udp_send(e, udp, data, sizeof(data)));
	peer_expect(peer, want, esp_udp_frame(e, want, SPI_OUT, FULL_COUNT + 1,
					      port, PORT_OUT, data,
					      sizeof(data)));
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* What waits when the program closes is dropped, and counted to the last. */
static void closed_with_a_full_queue(const struct env *e)
{
	static uint8_t rest[2 * FULL_SIZE];
	unsigned long frames = 0;
	struct stats s, now;
	uint32_t last = 0;
	uint16_t port = 0;
	int us, peer, udp;
	ssize_t n;

	ready_tuned(e, &full_tuning, &us, &peer);
	state_out(e, NULL_CIPHER, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	stats_take(&s);
	fill_queue(e, udp);
	need(close(us));
	stats_take(&now);
	check(grown(&s, &now, OutClosed) > 0, "nothing waited");
	check(grown(&s, &now, OutEsp) + grown(&s, &now, OutFull) +
	      grown(&s, &now, OutDelay) + grown(&s, &now, OutClosed) ==
	      FULL_COUNT, "OutEsp %lu OutFull %lu OutDelay %lu OutClosed %lu",
	      grown(&s, &now, OutEsp), grown(&s, &now, OutFull),
	      grown(&s, &now, OutDelay), grown(&s, &now, OutClosed));
	/* OutEsp is what the peer gets, and perhaps the beginning of one more. */
	for (; frames < grown(&s, &now, OutEsp); frames++)
		check(take_full_frame(e, peer, port, &last), "IKE");
	n = need(recv(peer, rest, sizeof(rest), MSG_WAITALL));
	check(n < FULL_SIZE, "%zd more bytes", n);
	peer_expect_eof(peer);
	need(close(udp));
	need(close(peer));
}

/*
 * What does not fit the length field with what ESP adds. Not over IPv6, which
 * refuses such a datagram itself.
 */
static void sent_too_long(const struct env *e)
{
	static uint8_t data[FRAME_MAX], got[FRAME_MAX];
	uint16_t port = 0;
	struct stats s;
	int us, peer, udp, room = 1 << 20;
	size_t n;

	ready(e, &us, &peer);
	state_out(e, WITH_ICV, sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	need(setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)));
	ike_fill(data, sizeof(data), 5);
	stats_take(&s);
	/* 2 bytes of length, 8 of ESP, 8 of UDP, 2 at its end, 12 of ICV. */
	n = FRAME_MAX - 1 - 2 - 8 - 8 - 2 - 12;
	need(udp_send(e, udp, data, n));
	need(udp_send(e, udp, data, n + 1));
	need(udp_send(e, udp, data, 100));
	need(get_all(peer, got, FRAME_MAX - 1));
	check(!memcmp(got, "\xff\xfe\0\0\x20\x02\0\0\0\1", 10),
	      "wrong head of the longest one");
	check(!memcmp(got + 18, data, n), "wrong bytes in it");
	/* The number of the one in between is lost with it. */
	need(get_all(peer, got, 10));
	check(!memcmp(got + 2, "\0\0\x20\x02\0\0\0\3", 8), "wrong head");
	stat_expect(&s, OutTooLong, 1);
	stat_expect(&s, OutEsp, 2);
	stat_expect(&s, OutGap, 0);
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* A state that goes on where another has been, and whether it waits for that. */
static void sent_behind_a_gap(const struct env *e)
{
	static const struct {
		const char *alg;
		uint32_t first;
		int gaps;
	} rounds[] = {
		/* It might be 10 packets that other CPUs are at work on. */
		{ NULL_CIPHER " replay-oseq 10", 11, 1 },
		{ NULL_CIPHER " replay-oseq 1000", 1001, 0 },
	};
	uint8_t data[100], want[256];
	struct stats s;
	uint16_t port = 0;
	int us, peer, udp, j;
	size_t i;

	ready(e, &us, &peer);
	udp = udp_new(e, &port);
	ike_fill(data, sizeof(data), 5);
	for (i = 0; i < ARRAY_LEN(rounds); i++) {
		stats_take(&s);
		state_out(e, rounds[i].alg, sock_port(us), sock_peer_port(us));
		for (j = 0; j < 3; j++)
			need(udp_send(e, udp, data, sizeof(data)));
		for (j = 0; j < 3; j++)
			peer_expect(peer, want,
				    esp_udp_frame(e, want, SPI_OUT,
						  rounds[i].first + j, port,
						  PORT_OUT, data,
						  sizeof(data)));
		stat_expect(&s, OutGap, rounds[i].gaps);
		stat_expect(&s, OutEsp, 3);
		check(!run("ip xfrm policy flush; ip xfrm state flush"),
		      "flush");
	}
	need(close(udp));
	need(close(us));
	need(close(peer));
}

/* A valid message comes by @peer; what is sent then goes there. */
static void ask_and_answer(const struct env *e, int peer, uint16_t port,
			   int udp, uint32_t seq)
{
	uint8_t data[40], buf[256];

	ike_fill(data, sizeof(data), seq);
	peer_put_(peer, buf, esp_udp_frame(e, buf, SPI_IN, seq, 4000, port,
					   data, sizeof(data)));
	udp_expect_(udp, data, sizeof(data));
	need(udp_send(e, udp, data, sizeof(data)));
	peer_expect_(peer, buf, esp_udp_frame(e, buf, SPI_OUT, seq, port,
					      PORT_OUT, data, sizeof(data)));
}

/* To where the peer was heard last, and back when that closes. */
static void sent_to_another_connection(const struct env *e)
{
	uint8_t data[40], buf[256];
	int us[2], peer[2], udp, i;
	uint16_t port = 0;
	struct stats s;

	for (i = 0; i < 2; i++)
		ready(e, &us[i], &peer[i]);
	state_in(e, NULL_CIPHER, us[0]);
	state_out(e, NULL_CIPHER, sock_port(us[0]), sock_peer_port(us[0]));
	udp = udp_new(e, &port);
	stats_take(&s);
	ask_and_answer(e, peer[0], port, udp, 1);
	stat_expect(&s, OutMoved, 0);
	ask_and_answer(e, peer[1], port, udp, 2);
	ask_and_answer(e, peer[1], port, udp, 3);
	stat_expect(&s, OutMoved, 1);
	stat_expect(&s, OutFallback, 0);

	need(close(us[1]));
	peer_expect_eof(peer[1]);
	for (i = 4; i < 6; i++) {
		ike_fill(data, sizeof(data), i);
		need(udp_send(e, udp, data, sizeof(data)));
		peer_expect(peer[0], buf,
			    esp_udp_frame(e, buf, SPI_OUT, i, port, PORT_OUT,
					  data, sizeof(data)));
	}
	stat_expect(&s, OutFallback, 1);
	ask_and_answer(e, peer[0], port, udp, 6);
	stat_expect(&s, OutMoved, 1);
	stat_expect(&s, OutFallback, 1);
	stat_expect(&s, OutNoConn, 0);
	need(close(udp));
	need(close(us[0]));
	need(close(peer[0]));
	need(close(peer[1]));
}

/* From another namespace, by a device that is deleted before it is read. */
static void received_from_a_device_gone(const struct env *e)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	uint8_t data[40], buf[256];
	int ours, l, us, peer, n, waiting = 0;
	socklen_t len = sizeof(sin);
	struct stats s;

	ours = need(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	need(unshare(CLONE_NEWNET));
	if (run("ip link add there type veth peer name here netns /proc/%d/fd/%d && "
		"ip addr add 10.9.0.2/24 dev there && ip link set there up",
		getpid(), ours))
		die("no veth");
	inet_pton(AF_INET, "10.9.0.2", &sin.sin_addr);
	l = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	need(bind(l, (struct sockaddr *)&sin, sizeof(sin)));
	need(listen(l, 1));
	need(getsockname(l, (struct sockaddr *)&sin, &len));
	need(setns(ours, CLONE_NEWNET));
	if (run("ip addr add 10.9.0.1/24 dev here && ip link set here up"))
		die("no address");
	us = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	need(connect(us, (struct sockaddr *)&sin, sizeof(sin)));
	peer = sock_accept(l);

	ike_fill(data, sizeof(data), 5);
	n = esp_udp_frame(e, buf, SPI_IN, 1, 4000, 4000, data, sizeof(data));
	n += frame_ike(buf + n, 50, 1);
	peer_put(peer, buf, n);
	while (waiting < n) {
		msleep(5);
		need(ioctl(us, FIONREAD, &waiting));
	}
	if (run("ip link del here"))
		die("it cannot be deleted");
	stats_take(&s);
	need(attach(us, e->ulp));
	us_expect_ike(us, 50, 1);
	stat_expect(&s, InNoDevice, 1);
	stat_expect(&s, InEsp, 0);
	stat_expect(&s, InUnknownSpi, 0);
	need(close(l));
	need(close(us));
	need(close(peer));
	need(close(ours));
}

enum { PAGES_COUNT = 20, PAGES_SIZE = 1400 };

static void by_sendfile(int file, int peer, size_t n)
{
	off_t at = 0;

	while ((size_t)at < n)
		need(sendfile(peer, file, &at, n - at));
}

static void by_splice(int file, int peer, size_t n)
{
	loff_t at = 0;
	int p[2];

	need(pipe2(p, O_CLOEXEC));
	while ((size_t)at < n) {
		ssize_t len = need(splice(file, &at, p[1], NULL, n - at, 0));

		while (len)
			len -= need(splice(p[0], NULL, peer, NULL, len, 0));
	}
	need(close(p[0]));
	need(close(p[1]));
}

/* The messages that the module made of our datagrams, each with its end. */
static size_t record(const struct env *e, int udp, int peer, uint8_t *frames,
		     size_t *end)
{
	uint8_t data[PAGES_SIZE];
	size_t n = 0, len;
	int i;

	for (i = 0; i < PAGES_COUNT; i++) {
		ike_fill(data, sizeof(data), i);
		need(udp_send(e, udp, data, sizeof(data)));
		need(get_all(peer, frames + n, LEN_LEN));
		len = frames[n] << 8 | frames[n + 1];
		check(len > PAGES_SIZE && len < PAGES_SIZE + 100, "%zu", len);
		need(get_all(peer, frames + n + LEN_LEN, len - LEN_LEN));
		n += len;
		end[i] = n;
	}
	return n;
}

/*
 * The peer is plain TCP and may send the pages of a file. They are only read,
 * whatever the cipher makes of them, and whether it likes the ICV or not: GCM
 * has decrypted a message before it knows.
 */
static void received_from_file_pages(const struct env *e)
{
	static uint8_t frames[FRAME_MAX], again[FRAME_MAX];
	uint8_t data[PAGES_SIZE];
	uint16_t port = 0, to = PORT_OUT;
	size_t end[PAGES_COUNT], n;
	int us, peer, udp, sink, file, round, i;
	struct stats s;

	ready(e, &us, &peer);
	/* One state for both ways: what it has sent can come again and again. */
	state_out(e, GCM " replay-window 0", sock_port(us), sock_peer_port(us));
	udp = udp_new(e, &port);
	sink = udp_new(e, &to);
	n = record(e, udp, peer, frames, end);
	/* Bad ones first: after 32 of them in a row there would be a reset. */
	for (round = 0; round < 4; round++) {
		bool bad = !(round & 1);

		for (i = 0; i < PAGES_COUNT; i++)
			frames[end[i] - 1] ^= bad;
		file = need(memfd_create("file", MFD_CLOEXEC));
		check_eq(need(pwrite(file, frames, n, 0)), (long)n);
		stats_take(&s);
		if (round < 2)
			by_sendfile(file, peer, n);
		else
			by_splice(file, peer, n);
		for (i = 0; i < PAGES_COUNT && !bad; i++) {
			ike_fill(data, sizeof(data), i);
			udp_expect(sink, data, sizeof(data));
		}
		stat_expect(&s, InEsp, PAGES_COUNT);
		stat_expect(&s, InBadAuth, bad ? PAGES_COUNT : 0);
		quiet(sink);
		check_eq(need(pread(file, again, n, 0)), (long)n);
		check(!memcmp(frames, again, n), "the file has changed");
		for (i = 0; i < PAGES_COUNT; i++)
			frames[end[i] - 1] ^= bad;
		need(close(file));
	}
	/* Sent once, let in twice. */
	check_eq(state_packets(e, SPI_OUT), 3 * PAGES_COUNT);
	need(close(sink));
	need(close(udp));
	need(close(us));
	need(close(peer));
}

static const struct test tests[] = {
	TEST(received, ALL),
	TEST(received_in_pieces, SOME),
	TEST(received_while_ike_is_full, SOME),
	TEST(received_larger_than_rcvbuf, SOME),
	TEST(received_from_a_device_gone, ONE),
	TEST(received_from_file_pages, SOME),
	TEST(replayed, SOME),
	TEST(bad_icv, SOME),
	TEST(too_many_bad_icvs, SOME),
	TEST(state_without_encap, SOME),
	TEST(sent, ALL),
	TEST(sent_among_ike, SOME),
	TEST(sent_without_connection, ORIGINATORS),
	TEST(sent_into_a_full_queue, SOME),
	TEST(closed_with_a_full_queue, SOME),
	TEST(sent_too_long, VARIANT(V4, ESPINTCP) | VARIANT(MAPPED, ORIGINATOR)),
	TEST(sent_behind_a_gap, SOME),
	TEST(sent_to_another_connection, SOME),
};

SOCK_MAIN("esp", tests)
