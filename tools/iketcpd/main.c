// SPDX-License-Identifier: GPL-2.0
/*
 * iketcpd: TCP connections for IKE daemons that know UDP only. It decides about
 * connections; the kernel's module passes the messages. The manual is
 * Documentation/man/iketcpd.8.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "connection.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "peer.h"
#include "rights.h"
#include "route.h"
#include "status.h"

#ifndef TOOL_VERSION
#define TOOL_VERSION	"(no version)"
#endif

#define CONFIG_PATH	"/etc/iketcpd.conf"
#define STATUS_PATH	"/run/iketcpd/status"
#define USER		"nobody"

/* Numbers, never names: what the tools share asks here. */
struct options options = { .numeric = true };

static const char *config_path = CONFIG_PATH;
static const char *status_path = STATUS_PATH;
static const char *user_name = USER;
static struct config config;
static bool end;

/* For systemd: sd_notify(3), without its library. */
static void notify(const char *what)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(name.sun_path))
		return;
	len = strlen(path);
	memcpy(name.sun_path, path, len);
	if (*path == '@')
		name.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, what, strlen(what), MSG_NOSIGNAL, (struct sockaddr *)&name,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		complain("%s: %s", path, strerror(errno));
	close(fd);
}

static void reload(void)
{
	struct config new;

	if (config_read(&new, config_path) < 0) {
		complain("not reloaded: all is as it was");
		return;
	}
	peer_configure(&new);
	if (listener_configure(&new.responder) < 0)
		complain("not all of it could be done");
	config_free(&config);
	config = new;
	complain("reloaded");
}

static void take_signals(struct source *source, unsigned int events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload();
		else
			end = true;
	}
}

static int watch_signals(void)
{
	static struct source source = { .ready = take_signals };
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (source.fd >= 0 && !loop_add(&source, EPOLLIN))
		return 0;
	complain("signals: %s", strerror(errno));
	return -1;
}

/* A file for each connection. */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* All or nothing. */
static int start(void)
{
	struct passwd *user = NULL;

	if (!geteuid()) {
		user = getpwnam(user_name);
		if (!user) {
			complain("there is no user \"%s\"", user_name);
			return -1;
		}
	}
	if (watch_signals() < 0 || connection_support() < 0 ||
	    status_open(status_path, user ? user->pw_uid : geteuid(),
			user ? user->pw_gid : getegid()) < 0)
		return -1;
	if (rights_keep(user) < 0 || listener_configure(&config.responder) < 0)
		goto fail;
	if (route_watch(peer_routes_changed) < 0) {
		complain("routes: %s", strerror(errno));
		goto fail;
	}
	peer_configure(&config);
	return 0;

fail:
	status_close();
	return -1;
}

static void print_usage(FILE *file)
{
	fprintf(file,
		"usage: iketcpd [-c FILE] [-s SOCKET] [-u USER]\n"
		"       iketcpd --check-config [-c FILE]\n"
		"       iketcpd --status [-s SOCKET]\n"
		"\n"
		"IKE and ESP over TCP for IKE daemons that know UDP only.\n"
		"  -c, --config FILE    configuration (%s)\n"
		"  -s, --socket SOCKET  where the status is told (%s)\n"
		"  -u, --user USER      whom to become, if root starts it (%s)\n"
		"      --check-config   read the configuration, and do nothing else\n"
		"      --status         tell how things are\n"
		"  -V, --version        tell the version\n"
		"  -h, --help           print this\n"
		"See iketcpd(8) and iketcpd.conf(5).\n", CONFIG_PATH, STATUS_PATH, USER);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "check-config", no_argument, NULL, 'C' },
		{ "status", no_argument, NULL, 'S' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option, action = 0;

	while ((option = getopt_long(argc, argv, "c:s:u:Vh", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			config_path = optarg;
			break;
		case 's':
			status_path = optarg;
			break;
		case 'u':
			user_name = optarg;
			break;
		case 'V':
			printf("iketcpd %s\n", TOOL_VERSION);
			return TOOL_OK;
		case 'h':
			print_usage(stdout);
			return TOOL_OK;
		case 'C':
		case 'S':
			action = option;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	if (optind < argc) {
		complain("what is \"%s\"? See \"iketcpd --help\"", argv[optind]);
		return TOOL_USAGE;
	}
	if (action == 'S')
		return status_ask(status_path) < 0 ? TOOL_FAILED : TOOL_OK;
	if (config_read(&config, config_path) < 0)
		return TOOL_USAGE;
	if (action == 'C') {
		config_free(&config);
		return TOOL_OK;
	}
	setvbuf(stderr, NULL, _IOLBF, 0);
	loop_init();
	allow_files();
	if (start() < 0)
		return TOOL_FAILED;
	notify("READY=1");
	complain("started");
	loop_run(&end);
	notify("STOPPING=1");
	peer_close_all();
	listener_close_all();
	status_close();
	config_free(&config);
	complain("ended");
	return TOOL_OK;
}
