// SPDX-License-Identifier: GPL-2.0
/* See sa.h. */
#include "sa.h"

#define NEXT_UDP	17

static bool is_v6(const struct env *e)
{
	return e->family == V6;
}

const char *addr(const struct env *e)
{
	return is_v6(e) ? "::1" : "127.0.0.1";
}

void state_add(const struct env *e, unsigned int spi, const char *alg,
	       int sport, int dport)
{
	AT();
	if (run("ip xfrm state add src %s dst %s proto esp spi %#x "
		"mode transport replay-window 32 %s "
		"encap espintcp %d %d %s", addr(e), addr(e), spi, alg, sport,
		dport, is_v6(e) ? "::" : "0.0.0.0"))
		die_("ip xfrm state add failed");
}

void state_in(const struct env *e, const char *alg, int us)
{
	state_add(e, SPI_IN, alg, sock_peer_port(us), sock_port(us));
}

void state_out(const struct env *e, const char *alg, int sport, int dport)
{
	/* Loopback is outside of xfrm until told otherwise. */
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_xfrm", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/lo/disable_policy", "0");
	state_add(e, SPI_OUT, alg, sport, dport);
	if (run("ip xfrm policy add dir out src %s dst %s proto udp dport %d "
		"tmpl src %s dst %s proto esp mode transport",
		addr(e), addr(e), PORT_OUT, addr(e), addr(e)))
		die_("ip xfrm policy add failed");
}

unsigned long state_packets(const struct env *e, unsigned int spi)
{
	unsigned long packets = 0;
	bool found = false;
	char cmd[256], line[256];
	FILE *f;

	AT();
	snprintf(cmd, sizeof(cmd),
		 "ip -s xfrm state get src %s dst %s proto esp spi %#x",
		 addr(e), addr(e), spi);
	f = popen(cmd, "re");
	/* The first line of that kind is what was counted, not a limit. */
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, " %*u(bytes), %lu(packets)", &packets) == 1;
	if (!f || pclose(f) || !found)
		die_("%s: no counters", cmd);
	return packets;
}

int udp_new(const struct env *e, uint16_t *port)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(*port),
	};
	struct sockaddr_in sin = {
		.sin_family = AF_INET, .sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = need(socket(is_v6(e) ? AF_INET6 : AF_INET,
			     SOCK_DGRAM | SOCK_CLOEXEC, 0));

	if (is_v6(e))
		need(bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)));
	else
		need(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	*port = sock_port(fd);
	return fd;
}

ssize_t udp_send(const struct env *e, int fd, const void *data, size_t len)
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

size_t esp_udp_frame(const struct env *e, uint8_t *out, uint32_t spi,
		     uint32_t seq, uint16_t sport, uint16_t dport,
		     const void *data, size_t len)
{
	static uint8_t udp[FRAME_MAX], esp[FRAME_MAX];
	size_t n;

	n = udp_put(e, udp, sport, dport, data, len);
	n = esp_put(esp, spi, seq, udp, n);
	return frame_put(out, esp, n);
}

void udp_expect_(int fd, const void *want, size_t len)
{
	static uint8_t buf[FRAME_MAX];
	ssize_t n;

	if (!(revents(fd, POLLIN, WAIT_MS) & POLLIN))
		die_("the datagram of %zu bytes does not come", len);
	n = need(recv(fd, buf, sizeof(buf), 0));
	if ((size_t)n != len || memcmp(buf, want, len))
		die_("a wrong datagram of %zd bytes came", n);
}
