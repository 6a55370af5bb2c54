/* SPDX-License-Identifier: GPL-2.0 */
/* States with manual keys, and ESP and UDP packets built by hand. */
#ifndef SA_H
#define SA_H

#include "sock.h"

#define SPI_IN		0x1001
#define SPI_OUT		0x2002
#define PORT_OUT	7777

/* What "ip xfrm state add" calls them. */
#define NULL_CIPHER	"enc 'ecb(cipher_null)' ''"
/* The ICV has 12 bytes. */
#define WITH_ICV	"auth 'hmac(sha1)' " \
			"0x0102030405060708090a0b0c0d0e0f1011121314 " \
			NULL_CIPHER
#define GCM		"aead 'rfc4106(gcm(aes))' " \
			"0x000102030405060708090a0b0c0d0e0f10111213 128"

const char *addr(const struct env *e);
void state_add(const struct env *e, unsigned int spi, const char *alg,
	       int sport, int dport);
/* One for what comes by @us. */
void state_in(const struct env *e, const char *alg, int us);
/* What goes to PORT_OUT goes through a state from @sport to @dport. */
void state_out(const struct env *e, const char *alg, int sport, int dport);
/* How many packets a state has let in or out. */
unsigned long state_packets(const struct env *e, unsigned int spi);

/* A socket at the loopback address; *@port 0: any, which it then is. */
int udp_new(const struct env *e, uint16_t *port);
/* To PORT_OUT. */
ssize_t udp_send(const struct env *e, int fd, const void *data, size_t len);
#define udp_expect(...)	(AT(), udp_expect_(__VA_ARGS__))
void udp_expect_(int fd, const void *want, size_t len);

/* A frame with an ESP packet of the null cipher, around a datagram. */
size_t esp_udp_frame(const struct env *e, uint8_t *out, uint32_t spi,
		     uint32_t seq, uint16_t sport, uint16_t dport,
		     const void *data, size_t len);

#endif /* SA_H */
