// SPDX-License-Identifier: GPL-2.0
/*
 * "iketcp check": can this kernel do it? Asked for are facts, not versions: what
 * can be tried is tried, in network namespaces of our own.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <netinet/in.h>
#include <unistd.h>

#include <linux/xfrm.h>

#include "address.h"
#include "carrier.h"
#include "counter.h"
#include "dump.h"
#include "netlink.h"
#include "print.h"
#include "tool.h"
#include "town.h"
#include "xfrm.h"

#define MODULE		"/sys/module/iketcp"
/* Nothing here is far away. */
#define WAIT_MS		5000
#define SPI_FIRST	0x1000
#define CIPHER		"rfc4106(gcm(aes))"
/* The one that is missing last. */
#define PLAIN_CIPHER	"cbc(aes)"

enum verdict { GOOD, BAD, NOTE };

static struct {
	json_t *list;
	int code;
} report;

/* One line; @code is what the program will exit with if it is a bad one. */
static void tell(enum verdict verdict, int code, const char *name, const char *format, ...)
	printf_like(4, 5);

static void tell(enum verdict verdict, int code, const char *name, const char *format, ...)
{
	static const char *const words[] = { "ok", "FAIL", "note" };
	static const enum color colors[] = { COLOR_GOOD, COLOR_BAD, COLOR_HEAD };
	json_t *object;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (verdict == BAD && !report.code)
		report.code = code;
	if (!options.json) {
		print_color(colors[verdict], words[verdict]);
		printf("%*s%s: %s\n", (int)(6 - strlen(words[verdict])), "", name, text);
		return;
	}
	object = must_have(json_object());
	json_add(object, "name", json_string(name));
	json_add(object, "verdict",
		 json_string(verdict == GOOD ? "ok" : verdict == BAD ? "fail" : "note"));
	json_add(object, "text", json_string(text));
	json_array_append_new(report.list, object);
}

/* The first line of a file, or false. */
static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = fgets(buf, (int)size, file);
	fclose(file);
	if (got)
		buf[strcspn(buf, "\n")] = '\0';
	return got;
}

/* Is there a file iketcp.ko for this kernel that modprobe would find? */
static bool is_installed(const char *release)
{
	char path[sizeof(struct utsname)], line[4096];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "iketcp.ko", 9) || strstr(line, "/iketcp.ko");
	fclose(file);
	return found;
}

static bool is_loaded(void)
{
	return !access(MODULE, F_OK);
}

/* Before anything is tried. */
static void check_module(const char *release)
{
	char version[64];

	if (is_loaded()) {
		if (read_line(MODULE "/version", version, sizeof(version)))
			tell(GOOD, 0, "module", "iketcp is loaded, version %s", version);
		else
			tell(GOOD, 0, "module", "iketcp is loaded");
	} else if (is_installed(release)) {
		tell(GOOD, 0, "module", "iketcp is installed for this kernel, not loaded");
	} else {
		tell(BAD, TOOL_NO_SUPPORT, "module",
		     "iketcp is not installed for this kernel: make install, or the package iketcp-dkms");
	}
}

static bool check_xfrm(void)
{
	struct mnl_socket *sock = netlink_open(NETLINK_XFRM);

	if (!sock) {
		tell(BAD, TOOL_NO_SUPPORT, "xfrm",
		     "no IPsec to be configured (CONFIG_XFRM_USER, module xfrm_user): %s",
		     strerror(errno));
		return false;
	}
	mnl_socket_close(sock);
	tell(GOOD, 0, "xfrm", "the kernel has IPsec");
	return true;
}

/* States that are not over TCP: what the kernel itself has. */
static void check_esp(void)
{
	static const char *const ciphers[] = {
		"rfc4106(gcm(aes))", "cbc(aes)", "rfc7539esp(chacha20,poly1305)",
	};
	struct endpoint v4 = {}, v6 = {};
	unsigned int spi = SPI_FIRST;
	size_t i;

	address_parse("192.0.2.3", &v4.address);
	address_parse("2001:db8::3", &v6.address);
	if (xfrm_add_state(&v4, &v4, spi++, PLAIN_CIPHER) < 0)
		tell(BAD, TOOL_NO_SUPPORT, "ESP, IPv4", "CONFIG_INET_ESP, module esp4: %s",
		     error_text(errno));
	else
		tell(GOOD, 0, "ESP, IPv4", "there");
	if (xfrm_add_state(&v6, &v6, spi++, PLAIN_CIPHER) < 0)
		tell(NOTE, 0, "ESP, IPv6", "none (CONFIG_INET6_ESP, module esp6): %s",
		     error_text(errno));
	else
		tell(GOOD, 0, "ESP, IPv6", "there");
	for (i = 0; i < ARRAY_SIZE(ciphers); i++) {
		if (xfrm_add_state(&v4, &v4, spi++, ciphers[i]) < 0)
			tell(NOTE, 0, "cipher", "no %s: %s", ciphers[i], error_text(errno));
		else
			tell(GOOD, 0, "cipher", "%s", ciphers[i]);
	}
}

static bool wait_for(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	if (poll(&polled, 1, WAIT_MS) == 1)
		return true;
	errno = ETIMEDOUT;
	return false;
}

static socklen_t name_of(const struct endpoint *endpoint, struct sockaddr_in *name)
{
	memset(name, 0, sizeof(*name));
	name->sin_family = AF_INET;
	name->sin_port = htons(endpoint->port);
	memcpy(&name->sin_addr, endpoint->address.bytes, 4);
	return sizeof(*name);
}

/*
 * A connection from host 0 to host 1, with ULP @ulp at host 0 unless it is NULL.
 * Return: 0, or -1 with errno.
 */
static int connect_hosts(struct town *town, const char *ulp, int fd[2])
{
	struct sockaddr_in name;
	int listener, error = 0;
	socklen_t len = sizeof(int);

	town->at[1].port = IKETCP_PORT;
	if (town_enter(town, 1) < 0)
		return -1;
	listener = carrier_open(AF_INET);
	len = name_of(&town->at[1], &name);
	if (listener < 0 || bind(listener, (void *)&name, len) < 0 ||
	    listen(listener, 1) < 0 || town_enter(town, 0) < 0)
		return -1;
	fd[0] = carrier_open(AF_INET);
	if (fd[0] < 0 || (ulp && carrier_attach(fd[0], ulp) < 0))
		return -1;
	if (connect(fd[0], (void *)&name, len) < 0 && errno != EINPROGRESS)
		return -1;
	len = sizeof(error);
	if (!wait_for(fd[0], POLLOUT) ||
	    getsockopt(fd[0], SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -1;
	if (error) {
		errno = error;
		return -1;
	}
	if (!wait_for(listener, POLLIN))
		return -1;
	fd[1] = accept(listener, NULL, NULL);
	close(listener);
	if (fd[1] < 0)
		return -1;
	carrier_ends(fd[0], &town->at[0], &town->at[1]);
	return 0;
}

/* Value of a counter in the current namespace, 0 if there is none. */
static unsigned long long counter(const char *name)
{
	struct counters counters;
	unsigned long long value = 0;
	size_t i;

	if (counter_read(&counters) < 0)
		return 0;
	for (i = 0; i < counters.n; i++) {
		if (!strcmp(counters.of[i].name, name))
			value = counters.of[i].value;
	}
	free(counters.of);
	return value;
}

/* Who answers to a name shows in our counters. */
static void check_espintcp(struct town *town)
{
	unsigned long long before;
	int fd[2];

	if (connect_hosts(town, NULL, fd) < 0) {
		tell(BAD, TOOL_FAILED, "espintcp", "no TCP connection: %s", strerror(errno));
		return;
	}
	if (town_enter(town, 1) < 0)
		return;
	before = counter("Attach");
	if (carrier_attach(fd[1], IKETCP_ULP_ESPINTCP) < 0)
		tell(BAD, TOOL_NO_SUPPORT, "ULP espintcp",
		     "nobody has this name, which Libreswan asks for: %s", strerror(errno));
	else if (counter("Attach") != before)
		tell(GOOD, 0, "ULP espintcp", "it is this module's");
	else
		tell(NOTE, 0, "ULP espintcp",
		     "it is the kernel's own (CONFIG_INET_ESPINTCP); \"iketcp\" is this module's");
	close(fd[0]);
	close(fd[1]);
}

/* The module may be loaded by this. */
static bool check_iketcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0 || carrier_attach(fd, IKETCP_ULP) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	switch (error) {
	case 0:
		tell(GOOD, 0, "ULP iketcp", "it is there");
		return true;
	case ENOENT:
		tell(BAD, TOOL_NO_SUPPORT, "ULP iketcp",
		     "the module could not be loaded: try modprobe iketcp, see the kernel log");
		return false;
	case EPERM:
		tell(BAD, TOOL_NOT_ALLOWED, "ULP iketcp",
		     "not permitted: CAP_NET_ADMIN, and in a user namespace allow_userns");
		return false;
	default:
		tell(BAD, TOOL_FAILED, "ULP iketcp", "%s", strerror(error));
		return false;
	}
}

/* Packets that the state with @spi has carried at @host, or -1. */
static long long carried(const struct town *town, int host, unsigned int spi)
{
	long long packets = -1;
	struct sas sas;
	size_t i;

	if (town_enter(town, host) < 0 || dump_sas(&sas) < 0)
		return -1;
	for (i = 0; i < sas.n; i++) {
		if (sas.of[i].spi == spi)
			packets = (long long)sas.of[i].packets;
	}
	free(sas.of);
	return packets;
}

static int open_udp(const struct town *town, int host)
{
	struct sockaddr_in name;
	int fd;

	if (town_enter(town, host) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (void *)&name, name_of(&town->at[host], &name)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void check_packet(const struct town *town, int from, int to, unsigned int spi,
			 const char *name)
{
	struct sockaddr_in at;
	socklen_t len = name_of(&town->at[to], &at);
	int out = open_udp(town, from), in = open_udp(town, to);
	long long sent, got;
	char buf[16];

	if (out < 0 || in < 0 || sendto(out, "iketcp", 6, 0, (void *)&at, len) != 6 ||
	    !wait_for(in, POLLIN) || recv(in, buf, sizeof(buf), 0) != 6) {
		tell(BAD, TOOL_FAILED, name, "it does not arrive: %s", strerror(errno));
	} else {
		sent = carried(town, from, spi);
		got = carried(town, to, spi);
		if (sent == 1 && got == 1)
			tell(GOOD, 0, name, "the states at both ends have counted it");
		else
			tell(BAD, TOOL_FAILED, name,
			     "it came, but not by the states (sent %lld, received %lld)",
			     sent, got);
	}
	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
}

static int add_states(const struct town *town)
{
	const struct endpoint *a = &town->at[0], *b = &town->at[1];
	int host;

	for (host = 0; host < 2; host++) {
		if (town_enter(town, host) < 0 ||
		    xfrm_add_state(a, b, SPI_FIRST, CIPHER) < 0 ||
		    xfrm_add_state(b, a, SPI_FIRST + 1, CIPHER) < 0 ||
		    xfrm_add_policy(a, b, host ? XFRM_POLICY_IN : XFRM_POLICY_OUT) < 0 ||
		    xfrm_add_policy(b, a, host ? XFRM_POLICY_OUT : XFRM_POLICY_IN) < 0)
			return -1;
	}
	return 0;
}

static void self_test(struct town *town)
{
	int fd[2] = { -1, -1 };

	if (connect_hosts(town, IKETCP_ULP, fd) < 0 ||
	    carrier_attach(fd[1], IKETCP_ULP) < 0) {
		tell(BAD, TOOL_FAILED, "connection", "none between two namespaces: %s",
		     strerror(errno));
		return;
	}
	tell(GOOD, 0, "connection", "between two namespaces");
	if (add_states(town) < 0) {
		tell(BAD, TOOL_FAILED, "states", "over this connection: %s", error_text(errno));
		return;
	}
	tell(GOOD, 0, "states", "one each way, %s", CIPHER);
	check_packet(town, 0, 1, SPI_FIRST, "packet to the responder");
	check_packet(town, 1, 0, SPI_FIRST + 1, "packet to the originator");
	close(fd[0]);
	close(fd[1]);
}

static void check_all(void)
{
	struct utsname kernel;
	struct town town;

	uname(&kernel);
	tell(NOTE, 0, "kernel", "%s, %s", kernel.release, kernel.machine);
	check_module(kernel.release);
	if (!check_xfrm())
		return;
	if (town_build(&town) < 0) {
		tell(BAD, code_of(errno), "trial",
		     "nothing more can be tried without a network namespace: %s%s",
		     strerror(errno), errno == EPERM ? " (run it as root)" : "");
		return;
	}
	check_esp();
	if (!check_iketcp())
		return;
	if (town_connect(&town) < 0) {
		tell(BAD, TOOL_FAILED, "trial", "no devices to try with (veth): %s",
		     error_text(errno));
		return;
	}
	check_espintcp(&town);
	self_test(&town);
}

int run_check(int argc, char **argv)
{
	json_t *all;

	if (argc)
		unknown_word(argv[0]);
	report.list = must_have(json_array());
	check_all();
	if (options.json) {
		all = must_have(json_object());
		json_add(all, "ok", json_boolean(!report.code));
		json_add(all, "checks", report.list);
		print_json(all);
	}
	return report.code;
}
