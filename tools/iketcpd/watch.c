// SPDX-License-Identifier: GPL-2.0
/*
 * Sees the IKE datagrams that go to and come from a peer by UDP: a packet socket
 * with a filter in the kernel. It takes nothing away, and when the program ends
 * nothing is left of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../iketcp/address.h"
#include "log.h"
#include "watch.h"

#define UDP_HEADER_LEN	8
#define IPV6_HEADER_LEN	40
/* One round of the loop; others want to be served, too. */
#define PACKETS_MAX	64

/* The filter drops by jumping to its last statement, so many from number @at. */
#define LOAD(what, at)	BPF_STMT(BPF_LD | BPF_ABS | (what), at)
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

static unsigned int word(const struct address *address, int n)
{
	unsigned int value;

	memcpy(&value, address->bytes + n * 4, sizeof(value));
	return ntohl(value);
}

/* UDP with the peer's address at either end, and the marker in it. */
static int filter4(int fd, const struct address *peer)
{
	struct sock_filter code[] = {
		/* 0 */ LOAD(BPF_B, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		IS(0x40, 0, 12),
		/* 3 */ LOAD(BPF_B, 9),
		IS(IPPROTO_UDP, 0, 10),
		/* 5: the first fragment */ LOAD(BPF_H, 6),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 8, 0),
		/* 7 */ LOAD(BPF_W, 16),
		IS(word(peer, 0), 2, 0),
		/* 9 */ LOAD(BPF_W, 12),
		IS(word(peer, 0), 0, 4),
		/* 11 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, UDP_HEADER_LEN),
		IS(0, 0, 1),
		/* 14 */ BPF_STMT(BPF_RET | BPF_K, 0xffff),
		/* 15 */ BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int filter6(int fd, const struct address *peer)
{
	struct sock_filter code[] = {
		/* 0 */ LOAD(BPF_B, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		IS(0x60, 0, 21),
		/* 3 */ LOAD(BPF_B, 6),
		IS(IPPROTO_UDP, 0, 19),
		/* 5 */ LOAD(BPF_W, 24), IS(word(peer, 0), 0, 6),
		LOAD(BPF_W, 28), IS(word(peer, 1), 0, 4),
		LOAD(BPF_W, 32), IS(word(peer, 2), 0, 2),
		LOAD(BPF_W, 36), IS(word(peer, 3), 8, 0),
		/* 13 */ LOAD(BPF_W, 8), IS(word(peer, 0), 0, 9),
		LOAD(BPF_W, 12), IS(word(peer, 1), 0, 7),
		LOAD(BPF_W, 16), IS(word(peer, 2), 0, 5),
		LOAD(BPF_W, 20), IS(word(peer, 3), 0, 3),
		/* 21 */ LOAD(BPF_W, IPV6_HEADER_LEN + UDP_HEADER_LEN), IS(0, 0, 1),
		/* 23 */ BPF_STMT(BPF_RET | BPF_K, 0xffff),
		/* 24 */ BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A packet that the filter has let through. */
static void take_packet(struct watch *watch, const unsigned char *packet, size_t len,
			bool sent)
{
	bool is4 = packet[0] >> 4 == 4;
	size_t header = is4 ? (packet[0] & 0xfU) * 4U : IPV6_HEADER_LEN;
	const unsigned char *addresses = packet + (is4 ? 12 : 8);
	size_t size = is4 ? 4 : 16, udp_len;
	struct endpoint from = {}, to = {};
	const unsigned char *udp = packet + header;
	const struct endpoint *local, *peer;

	if (len < header + UDP_HEADER_LEN)
		return;
	from.address.family = is4 ? AF_INET : AF_INET6;
	to.address.family = from.address.family;
	memcpy(from.address.bytes, addresses, size);
	memcpy(to.address.bytes, addresses + size, size);
	from.port = (unsigned short)(udp[0] << 8 | udp[1]);
	to.port = (unsigned short)(udp[2] << 8 | udp[3]);
	udp_len = (size_t)(udp[4] << 8 | udp[5]);
	local = sent ? &from : &to;
	peer = sent ? &to : &from;
	if (!endpoint_same(peer, &watch->peer) || udp_len < UDP_HEADER_LEN)
		return;
	len -= header;
	/* A fragment of IP is shorter; behind a short packet there may be padding. */
	watch->seen(watch, sent, local, udp + UDP_HEADER_LEN,
		    (len < udp_len ? len : udp_len) - UDP_HEADER_LEN, len >= udp_len);
}

static void ready(struct source *source, unsigned int events)
{
	struct watch *watch = container_of(source, struct watch, source);
	static unsigned char packet[0x10000];
	struct sockaddr_ll from;
	int n, fd = source->fd;

	(void)events;
	/* What is called may close it. */
	for (n = 0; n < PACKETS_MAX && source->fd == fd; n++) {
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT,
				       (struct sockaddr *)&from, &size);

		if (len <= 0)
			return;
		take_packet(watch, packet, (size_t)len, from.sll_pkttype == PACKET_OUTGOING);
	}
}

/**
 * watch_open() - begins to look
 * @watch: @peer and @seen are set
 *
 * Return: -1 with errno.
 */
int watch_open(struct watch *watch)
{
	struct sockaddr_ll all = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	const struct address *peer = &watch->peer.address;
	int fd, error;

	/* Without a protocol: nothing comes before the filter is there. */
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	watch->source = (struct source){ .fd = fd, .ready = ready };
	if ((peer->family == AF_INET ? filter4(fd, peer) : filter6(fd, peer)) < 0 ||
	    bind(fd, (struct sockaddr *)&all, sizeof(all)) < 0 ||
	    loop_add(&watch->source, EPOLLIN) < 0) {
		error = errno;
		close(fd);
		watch->source.fd = -1;
		errno = error;
		return -1;
	}
	return 0;
}

/* Looks no more. */
void watch_close(struct watch *watch)
{
	if (watch->source.fd >= 0)
		loop_remove(&watch->source);
}
