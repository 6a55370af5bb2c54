// SPDX-License-Identifier: GPL-2.0
/*
 * usage (in the guest, on a debug kernel): nomem SITES MODULE.ko [WORD]
 *
 * Every place where the module allocates fails, with the kernel's own fault
 * injection. SITES is what "sites" printed for this module. The filter for stack
 * traces is set to one return address at a time, so just that call fails, in
 * whatever context it is made; each operation below is tried with each of them.
 * What fails has to be told or counted, once for each time; it works when it is
 * tried again, and whatever else is there is none the worse for it.
 *
 * Module init is walked through in the same way, but each allocation below a call
 * fails in its turn, by its number (fail-nth). A module is loaded where it was
 * before, so its addresses are known.
 *
 * With WORD: only the operations that have it in their name.
 *
 * Prints TAP.
 */
#include "nomem.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEBUG_SLAB	"/sys/kernel/debug/failslab/"
#define DEBUG_PAGE	"/sys/kernel/debug/fail_page_alloc/"
#define DEBUG_COPY	"/sys/kernel/debug/fail_usercopy/"
#define LOGLEVEL	"/sys/module/printk/parameters/ignore_loglevel"

/* times that a call fails in a row */
static const int in_a_row[] = { 1, 10 };

static struct site sites[200];
static size_t site_count;
static unsigned long text;
static int tests;

static void ok(const char *what)
{
	printf("ok %d - %s\n", ++tests, what);
	fflush(stdout);
}

static void put_both(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUG_SLAB "%s", name);
	check(file_put(path, value), "%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), DEBUG_PAGE "%s", name);
	check(file_put(path, value), "%s: %s", path, strerror(errno));
}

static void inject_setup(void)
{
	put_both("probability", "0");
	put_both("interval", "1");
	put_both("space", "0");
	put_both("verbose", "0");
	put_both("task-filter", "N");
	put_both("ignore-gfp-wait", "N");
	put_both("stacktrace-depth", "32");
	check(file_put(DEBUG_PAGE "ignore-gfp-highmem", "N"), "highmem");
	check(file_put(DEBUG_PAGE "min-order", "0"), "min-order");
}

/* Where a section of the module is, or was. */
static unsigned long section(const char *name)
{
	unsigned long at = 0;
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/iketcp/sections/%s", name);
	f = fopen(path, "re");
	check(f && fscanf(f, "%lx", &at) == 1 && at, "no address of %s", name);
	fclose(f);
	return at;
}

static int armed;

void arm(const struct site *site, int times)
{
	char value[32];

	put_both("probability", "0");
	snprintf(value, sizeof(value), "%#lx", text + site->offset);
	put_both("require-start", value);
	snprintf(value, sizeof(value), "%#lx", text + site->offset + 1);
	put_both("require-end", value);
	snprintf(value, sizeof(value), "%d", times);
	put_both("times", value);
	put_both("probability", "100");
	armed = times;
}

int fired(void)
{
	long slab = file_number(DEBUG_SLAB "times");
	long page = file_number(DEBUG_PAGE "times");

	return 2 * armed - slab - page;
}

int disarm(void)
{
	put_both("probability", "0");
	return fired();
}

/*
 * Operations. Each makes what it needs, arms, does it once or more, and disarms.
 * It returns the number of times that the thing failed as it should when there
 * is no memory; what else is wrong it says itself, and ends.
 */
struct world world;

static int fails;

void conn_talk(struct conn *c, uint32_t seed)
{
	check(ike_write(c->fd[A], 200, seed, 0) == 200, "write: %s",
	      strerror(errno));
	ike_expect(c->fd[B], 200, seed);
	check(ike_write(c->fd[B], 300, seed, 0) == 300, "write: %s",
	      strerror(errno));
	ike_expect(c->fd[A], 300, seed);
}

/* A fails to attach: the socket is what it was. @role: whose end is tried. */
static int op_attach(const struct site *site, int times, const char *ulp,
		     int role)
{
	struct conn c = { .port = { 0, PORT } };
	int lost = 0, name_len = 20, rc;
	char name[20] = "";

	c.fd[A] = ns_socket(&world, A, SOCK_STREAM);
	if (role == A) {
		arm(site, times);
		while ((rc = attach(c.fd[A], ulp)) && errno == ENOMEM)
			lost++;
		disarm();
		check(!rc, "attach: %s", strerror(errno));
	}
	need(connect_to(&world, c.fd[A], B, PORT));
	c.fd[B] = need(accept(world.listener, NULL, NULL));
	if (role == B) {
		if (strcmp(ulp, "iketcp"))
			check(send(c.fd[A], "", 0, 0) == 0, "send");
		else
			check(send(c.fd[A], "IKETCP", 6, 0) == 6, "send");
		arm(site, times);
		while ((rc = attach(c.fd[B], ulp)) && errno == ENOMEM)
			lost++;
		disarm();
		check(!rc, "attach: %s", strerror(errno));
		need(attach(c.fd[A], "espintcp"));
	} else {
		need(attach(c.fd[B], ulp));
	}
	need(getsockopt(c.fd[role], IPPROTO_TCP, TCP_ULP, name,
			(socklen_t *)&name_len));
	check(!strcmp(name, ulp), "the ULP is %s", name);
	timeouts(c.fd[A], 20000 * slow());
	timeouts(c.fd[B], 20000 * slow());
	conn_talk(&c, 1);
	conn_reset(&c);
	return lost;
}

static int attach_originator(const struct site *site, int times)
{
	return op_attach(site, times, "iketcp", A);
}

static int attach_responder(const struct site *site, int times)
{
	return op_attach(site, times, "iketcp", B);
}

static int attach_espintcp(const struct site *site, int times)
{
	return op_attach(site, times, "espintcp", B);
}

void plain_get(int fd, void *to, size_t len)
{
	check(recv(fd, to, len, MSG_WAITALL) == (ssize_t)len, "read: %s",
	      strerror(errno));
}

/* Another peer without ULP, so that all that can fail is the sender. */
void plain_reader(struct conn *c)
{
	char prefix[6];

	int size = 1 << 20;

	c->fd[A] = ns_socket(&world, A, SOCK_STREAM);
	need(setsockopt(c->fd[A], SOL_SOCKET, SO_SNDBUFFORCE, &size,
			sizeof(size)));
	need(attach(c->fd[A], "iketcp"));
	need(connect_to(&world, c->fd[A], B, PORT));
	c->fd[B] = need(accept(world.listener, NULL, NULL));
	timeouts(c->fd[A], 20000 * slow());
	timeouts(c->fd[B], 20000 * slow());
	plain_get(c->fd[B], prefix, sizeof(prefix));
}

void plain_expect(int fd, size_t len, uint32_t seed)
{
	static uint8_t got[70000];

	plain_get(fd, got, len + 2);
	check(got[0] == (len + 2) >> 8 && got[1] == ((len + 2) & 0xff) &&
	      ike_is(got + 2, len) && ike_seed(got + 2) == seed,
	      "something else than message %u comes", seed);
}

static int op_write(const struct site *site, int times, size_t len)
{
	struct conn c;
	int lost = 0, i;
	ssize_t n;

	plain_reader(&c);
	arm(site, times);
	for (i = 0; i < 3; i++) {
		while ((n = ike_write(c.fd[A], len, 10 + i, 0)) < 0 &&
		       errno == ENOBUFS)
			lost++;
		check(n == (ssize_t)len, "write: %s", strerror(errno));
		plain_expect(c.fd[B], len, 10 + i);
	}
	disarm();
	check(ike_write(c.fd[A], 100, 2, 0) == 100, "write: %s",
	      strerror(errno));
	plain_expect(c.fd[B], 100, 2);
	conn_reset(&c);
	return lost;
}

static int write_short(const struct site *site, int times)
{
	return op_write(site, times, 100);
}

static int write_long(const struct site *site, int times)
{
	return op_write(site, times, BODY_MAX);
}

/* Ends with what was written, whole, in order; the end may be missing. */
static int close_with_rest(const struct site *site, int times)
{
	static uint8_t got[200000];
	unsigned int size, next = 10, lost = 0, i;
	size_t have = 0, at = 0;
	struct conn c;
	ssize_t n;

	plain_reader(&c);
	arm(site, times);
	for (i = 0; i < 5; i++)
		while (ike_write(c.fd[A], 20000, 10 + i, MSG_DONTWAIT) < 0) {
			check(errno == ENOBUFS, "write: %s", strerror(errno));
			lost++;
		}
	need(close(c.fd[A]));
	while ((n = recv(c.fd[B], got + have, sizeof(got) - have, 0)) > 0)
		have += n;
	disarm();
	check(!n || errno == ECONNRESET, "end of stream: %s", strerror(errno));
	for (; have - at >= 2; at += size) {
		size = got[at] << 8 | got[at + 1];
		if (size > have - at)
			break;
		check(size == 20002 && ike_is(got + at + 2, size - 2) &&
		      ike_seed(got + at + 2) == next,
		      "a wrong message in place of %u", next);
		next++;
	}
	/* Without failures below, that is all of it. */
	if (site->must || !fired())
		check(next == 15 && at == have, "%u of 5 messages, and %zu bytes",
		      next - 10, have - at);
	c.fd[A] = -1;
	conn_close(&c);
	return lost;
}

/* From a peer without ULP, so that all that can fail is the reader. */
void plain_peer(struct conn *c)
{
	c->fd[A] = ns_socket(&world, A, SOCK_STREAM);
	need(bind_to(&world, c->fd[A], A, 0));
	need(connect_to(&world, c->fd[A], B, PORT));
	c->port[A] = port_of(c->fd[A]);
	c->port[B] = PORT;
	c->fd[B] = need(accept(world.listener, NULL, NULL));
	need(attach(c->fd[B], "espintcp"));
	timeouts(c->fd[B], 20000 * slow());
}

static int read_ike(const struct site *site, int times)
{
	unsigned long in = stat_of("InIke"), no = stat_of("InNoMem");
	static uint8_t buf[70000], got[BODY_MAX];
	int lost, i, sent = 0, came = 0;
	struct conn c;
	size_t n = 0;
	ssize_t rc;

	plain_peer(&c);
	arm(site, times);
	/* One in two segments of its own, then many in a few. */
	n = frame_ike(buf, 3000, 100);
	need(send(c.fd[A], buf, n / 2, 0));
	sleep_us(20000);
	need(send(c.fd[A], buf + n / 2, n - n / 2, 0));
	sleep_us(20000);
	n = 0;
	for (i = 1; i < 20; i++)
		n += frame_ike(buf + n, 100 * i, 100 + i);
	check(send(c.fd[A], buf, n, 0) == (ssize_t)n, "send");
	sent = 20;
	for (uint64_t end = now_us() + 10000000ull * slow(); now_us() < end;) {
		lost = stat_of("InNoMem") - no;
		if (stat_of("InIke") - in + lost == (unsigned int)sent)
			break;
		sleep_us(2000);
	}
	disarm();
	n = frame_ike(buf, 5000, 999);
	check(send(c.fd[A], buf, n, 0) == (ssize_t)n, "send");
	do {
		rc = need(recv(c.fd[B], got, sizeof(got), 0));
		check(ike_is(got, rc), "a wrong message of %zd bytes", rc);
		came++;
	} while (ike_seed(got) != 999);
	lost = stat_of("InNoMem") - no;
	check(came == sent - lost + 1, "%d sent, %d lost, %d came", sent + 1,
	      lost, came);
	conn_reset(&c);
	return lost;
}

static void show(const char *name)
{
	char path[64], line[400];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strstr(line, "Xfrm") || !strstr(line, "\t0\n"))
			printf("# %s", line);
	if (f)
		fclose(f);
}

/*
 * ESP messages that did not go out: OutCrypto, as a cipher may have no memory;
 * OutDelay, as a guest may be so slow that they waited too long.
 */
static unsigned long lost_out(void)
{
	return stat_of("OutNoMem") + stat_of("OutCrypto") + stat_of("OutDelay");
}

/* @count datagrams of @len bytes from A to B. */
int op_esp(struct world *w, const struct site *site, int times, size_t len,
	   int count)
{
	unsigned long out = lost_out();
	unsigned long in = stat_of("InNoMem");
	unsigned long esp = stat_of("InEsp"), gap = stat_of("OutGap");
	static uint8_t data[BODY_MAX], got[BODY_MAX];
	int udp[2], i, lost = 0, came = 0;
	struct conn c;
	uint64_t end;
	ssize_t n = 0;

	conn_open(w, &c);
	if (w->bridged)
		bridges_up(w, &c);
	sas_do(w, SA_NEW, &c, NULL);
	udp[A] = udp_open(w, A);
	udp[B] = udp_open(w, B);
	ike_fill(data, len, 7);
	arm(site, times);
	for (i = 0; i < count; i++)
		(void)udp_send(w, udp[A], B, data, len);
	/* Those that xfrm has seen; what it drops itself is its affair. */
	end = now_us() + 10000000ull * slow();
	do {
		lost = lost_out() - out + stat_of("InNoMem") - in;
		if (stat_of("InEsp") - esp + lost >= (unsigned int)count)
			break;
		sleep_us(2000);
	} while (now_us() < end);
	check(stat_of("InEsp") - esp + lost == (unsigned int)count,
	      "%d sent, %lu came, %d counted as lost", count,
	      stat_of("InEsp") - esp, lost);
	/* What fails below us may lose a packet that has come to us. */
	i = disarm();
	while (came + lost < count) {
		n = recv(udp[B], got, sizeof(got),
			 i && !site->must ? MSG_DONTWAIT : 0);
		if (n < 0)
			break;
		check(n == (ssize_t)len && !memcmp(got, data, len),
		      "a wrong datagram of %zd bytes", n);
		came++;
	}
	if (n < 0 && (!i || site->must)) {
		show("xfrm_stat");
		show("snmp");
		die("%d sent, %d lost, %d came", count, lost, came);
	}
	check(stat_of("OutGap") == gap, "a number was waited for in vain");
	/* And on it goes. */
	for (i = 0; i < 2; i++) {
		data[0] = 1 + i;
		need(udp_send(w, udp[A], B, data, len));
		do {
			n = need(recv(udp[B], got, sizeof(got), 0));
		} while (n > 0 && !got[0]);
		check(n == (ssize_t)len && !memcmp(got, data, len),
		      "a wrong datagram of %zd bytes", n);
	}
	check(stat_of("OutGap") == gap, "a number was waited for in vain");
	if (w->bridged)
		daemons_talk(w, 2);
	else
		conn_talk(&c, 2);
	sa_flush(w, A);
	conn_reset(&c);
	close(udp[A]);
	close(udp[B]);
	return lost;
}

static int esp_short(const struct site *site, int times)
{
	return op_esp(&world, site, times, 100, 12);
}

/* Longer than what the SA's page has room for. */
static int esp_long(const struct site *site, int times)
{
	return op_esp(&world, site, times, 60000, 3);
}

/* The page is to be a large one, but a small one will do. */
static int esp_small_page(const struct site *site, int times)
{
	int lost;

	check(file_put(DEBUG_PAGE "min-order", "1"), "min-order");
	lost = op_esp(&world, site, times, 1000, 12);
	check(file_put(DEBUG_PAGE "min-order", "0"), "min-order");
	check(!lost || strcmp(site->callee, "skb_page_frag_refill"),
	      "lost, though there was memory");
	return lost;
}

/* Small pages again, and a message that is larger. */
static int esp_larger_than_page(const struct site *site, int times)
{
	int lost;

	check(file_put(DEBUG_PAGE "min-order", "3"), "min-order");
	lost = op_esp(&world, site, times, 5000, 6);
	check(file_put(DEBUG_PAGE "min-order", "0"), "min-order");
	check(!lost || strcmp(site->callee, "skb_page_frag_refill"),
	      "lost, though there was memory");
	return lost;
}

static int state(const struct site *site, int times)
{
	int lost = 0, err;

	arm(site, times);
	while ((err = sa_do(&world, A, A, SA_NEW, 1, 2, NULL)) == -ENOMEM)
		lost++;
	disarm();
	check(!err, "NEWSA: %s", strerror(-err));
	err = sa_do(&world, A, A, SA_UPDATE, 3, 4, NULL);
	check(!err, "UPDSA: %s", strerror(-err));
	err = sa_do(&world, A, A, SA_DELETE, 0, 0, NULL);
	check(!err, "DELSA: %s", strerror(-err));
	return lost;
}

/* A length of 1 ends the connection, however little memory there is. */
static int bad_stream(const struct site *site, int times)
{
	struct conn c;
	char byte;

	plain_peer(&c);
	arm(site, times);
	check(send(c.fd[A], "\0\1", 2, 0) == 2, "send");
	check(recv(c.fd[B], &byte, 1, 0) < 0 && errno == EINVAL, "read: %s",
	      strerror(errno));
	disarm();
	conn_reset(&c);
	return 0;
}

static bool is_percpu(const struct site *site)
{
	return strstr(site->callee, "pcpu") || strstr(site->callee, "percpu");
}

/*
 * In a process of its own. An allocator of per-CPU memory asks for pages only
 * now and then: so many namespaces are made, and kept until the end.
 */
static int namespace(const struct site *site, int times)
{
	bool percpu = is_percpu(site);
	int i, status;
	pid_t pid;

	fflush(stdout);
	arm(site, times);
	/* What kmemleak keeps of it comes from a slab, and is none of ours. */
	if (percpu)
		check(file_put(DEBUG_SLAB "probability", "0"), "probability");
	pid = need(fork());
	if (!pid) {
		int lost = 0;

		for (i = 0; i < (percpu ? 150 : 1); i++) {
			while (unshare(CLONE_NEWNET)) {
				if (errno != ENOMEM)
					_exit(255);
				lost++;
			}
			if (access("/proc/thread-self/net/iketcp_stat", R_OK) ||
			    access("/proc/sys/net/iketcp/prefix_timeout", R_OK))
				_exit(254);
			if (percpu && (lost || (times == 1 && fired())))
				break;
			if (percpu)
				ns_here();
		}
		_exit(lost);
	}
	need(waitpid(pid, &status, 0));
	disarm();
	check(WIFEXITED(status) && WEXITSTATUS(status) < 254,
	      "the process in the namespace ended with %#x", status);
	return WEXITSTATUS(status);
}

static const struct operation operations[] = {
	{ "attach, originator", attach_originator, false },
	{ "attach, responder", attach_responder, false },
	{ "attach, espintcp", attach_espintcp, false },
	{ "write, short", write_short, false },
	{ "write, long", write_long, false },
	{ "close with unsent messages", close_with_rest, false },
	{ "read of IKE", read_ike, false },
	{ "ESP, short", esp_short, false },
	{ "ESP, long", esp_long, false },
	{ "ESP, small page", esp_small_page, true },
	{ "ESP, larger than a page", esp_larger_than_page, true },
	{ "state", state, false },
	{ "bad stream", bad_stream, false },
	{ "namespace", namespace, false },
};

static void watchdog(int sig)
{
	(void)sig;
	put_both("probability", "0");
	die("hangs");
}

static void try_operation(const struct operation *op, struct site *site,
			  int times)
{
	static char what[300];
	int lost, hits;

	snprintf(what, sizeof(what), "%s with %d failed at %s (%s)", op->name,
		 times, site->name, site->callee);
	what_now = what;
	alarm(150 * slow());
	lost = op->run(site, times);
	alarm(0);
	hits = fired();
	site->hits += hits;
	if (!hits)
		check(!lost, "failed %d times without a reason", lost);
	/*
	 * Several allocations below one call may be one failure; and those below the
	 * allocator of per-CPU memory may be kmemleak's, who can do without.
	 */
	if (hits && site->must && !lost && !op->settles)
		check((strstr(site->callee, "frag_refill") && times == 1) ||
		      is_percpu(site),
		      "%d allocations failed, and nobody was told", hits);
	check(lost <= hits, "%d allocations failed, %d failures were told",
	      hits, lost);
	if (hits) {
		printf("# %-26s %3d x %-34s %s: %d allocations, %d failures told\n",
		       op->name, times, site->name, site->callee, hits, lost);
		fails += lost;
	}
}

/*
 * Module init
 */
static char *kept;
static size_t kept_size;
static FILE *keep;
static long lines_kept;
static int kmsg;

static void quiet(bool on)
{
	(void)file_put(LOGLEVEL, on ? "N" : "Y");
	(void)klogctl(8, NULL, on ? 1 : 8);
}


/*
 * Read the kernel's messages. It shows a stack when it cannot make a cache, or has
 * no memory for each CPU: that is for who wonders why, and no complaint here. How
 * many objects are leaked own_leaks() looks at itself, and who unloads the module.
 * Everything else is kept.
 */
static void read_messages(void)
{
	static char buf[8192];
	static bool inside;
	ssize_t n;

	while ((n = read(kmsg, buf, sizeof(buf) - 1)) > 0 || errno == EPIPE) {
		char *message;

		check(n > 0, "messages were lost");
		buf[n] = 0;
		message = strchr(buf, ';');
		if (!message)
			continue;
		message++;
		message[strcspn(message, "\n")] = 0;
		if ((strstr(message, "kmem_cache_create") &&
		     strstr(message, "(iketcp_msg) failed with error")) ||
		    strstr(message, "percpu: allocation failed"))
			inside = true;
		if (!inside && !strstr(message, "new suspected memory leaks")) {
			fprintf(keep, "%s\n", message);
			lines_kept++;
		}
		if (strstr(message, "</TASK>"))
			inside = false;
	}
}

/* What else the kernel said, for who reads the console. */
static void say_again(void)
{
	int fd = need(open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
	char *line;

	at_death = NULL;
	read_messages();
	fclose(keep);
	quiet(false);
	for (line = strtok(kept, "\n"); line; line = strtok(NULL, "\n")) {
		char text[1000];
		int n = snprintf(text, sizeof(text), "<5>nomem: %.900s\n",
				 line);

		/* stdio would seek first, which that file refuses. */
		need(write(fd, text, n));
	}
	close(fd);
	free(kept);
}

/* The console is quiet until say_again(). */
static void messages_begin(void)
{
	keep = open_memstream(&kept, &kept_size);
	check(keep, "no memory");
	kmsg = need(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	need(lseek(kmsg, 0, SEEK_END));
	at_death = say_again;
	quiet(true);
}

static bool load(const char *file)
{
	int fd = need(open(file, O_RDONLY | O_CLOEXEC)), err;
	long rc;

	rc = syscall(SYS_finit_module, fd, "", 0);
	err = errno;
	close(fd);
	errno = err;
	return !rc;
}

static void unload(void)
{
	uint64_t end = now_us() + 30000000ull * slow();

	while (syscall(SYS_delete_module, "iketcp", O_NONBLOCK)) {
		check(errno == EWOULDBLOCK || errno == EBUSY, "rmmod: %s",
		      strerror(errno));
		check(now_us() < end, "rmmod: still in use");
		sleep_us(100000);
	}
}

/*
 * The kernel leaks itself when it fails to make a cache (the name, in
 * sysfs_slab_add). So look now, and let it forget these, but no others.
 */
#define KMEMLEAK "/sys/kernel/debug/kmemleak"

static void own_leaks(void)
{
	char line[300], object[8192] = "";
	int n = 0, ours = 0;
	FILE *f;

	if (access(KMEMLEAK, W_OK))
		return;
	for (int i = 0; i < 2; i++) {
		sleep_us(6000000);
		check(file_put(KMEMLEAK, "scan"), "%s", KMEMLEAK);
	}
	f = fopen(KMEMLEAK, "re");
	check(f, "%s", KMEMLEAK);
	for (;;) {
		bool more = fgets(line, sizeof(line), f);

		if (!more || !strncmp(line, "unreferenced", 12)) {
			n += !!object[0];
			if (object[0] && !strstr(object, "sysfs_slab_add")) {
				printf("%s", object);
				ours++;
			}
			object[0] = 0;
		}
		if (!more)
			break;
		strncat(object, line, sizeof(object) - strlen(object) - 1);
	}
	fclose(f);
	check(!ours, "%d objects leaked", ours);
	printf("# the kernel leaked %d names of caches that it could not make\n",
	       n);
	check(file_put(KMEMLEAK, "clear"), "%s", KMEMLEAK);
}

/* Return: how often init failed below @site, each time somewhere else. */
static int walk_site(const char *file, struct site *site, int nth)
{
	char value[16];
	int n, err, fails = 0;
	bool loaded;

	for (n = 1; n < 1000; n++) {
		round_now = n;
		what_now = site->name;
		alarm(60 * slow());
		snprintf(value, sizeof(value), "%d", n);
		need(pwrite(nth, value, strlen(value), 0));
		loaded = load(file);
		err = errno;
		memset(value, 0, sizeof(value));
		need(pread(nth, value, sizeof(value) - 1, 0));
		need(pwrite(nth, "0", 1, 0));
		alarm(0);
		check(loaded || (err == ENOMEM && !atoi(value)),
		      "init fails with: %s", strerror(err));
		fails += !loaded;
		site->hits += !atoi(value);
		if (loaded)
			unload();
		if (atoi(value))
			break;
	}
	round_now = -1;
	printf("# init, %-24s %-26s %d allocations failed, init %d times\n",
	       site->name, site->callee, n - 1, fails);
	return fails;
}

/*
 * The kernel says where init was the last time, and puts it there again. For each
 * of init's calls the first allocation below it fails, then the second,
 * and so on, until it works. It always works the next time.
 */
static void load_walk(const char *file)
{
	int nth;
	size_t i;

	nth = need(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC));
	for (i = 0; i < site_count; i++) {
		if (strcmp(sites[i].section, ".init.text"))
			continue;
		check(load(file), "init fails: %s", strerror(errno));
		text = section(".init.text");
		unload();
		arm(&sites[i], -1);
		put_both("probability", "0");
		/* It counts, too, where there is one. */
		if (!access(DEBUG_COPY, F_OK)) {
			file_put(DEBUG_COPY "require-start", "1");
			file_put(DEBUG_COPY "require-end", "2");
		}
		if (!walk_site(file, &sites[i], nth))
			check(!sites[i].must, "init does not fail");
		read_messages();
	}
	check(load(file), "init fails: %s", strerror(errno));
	own_leaks();
	close(nth);
}

/* Calls in other sections return to a place that is not there any more. */
static void read_sites(const char *file)
{
	FILE *f = fopen(file, "re");
	char kind[16];
	struct site *s;

	check(f, "%s: %s", file, strerror(errno));
	for (;;) {
		s = &sites[site_count];
		if (fscanf(f, "%31s %lx %95s %63s %15s", s->section, &s->offset,
			   s->name, s->callee, kind) != 5)
			break;
		check(strcmp(kind, "jump"), "%s: no stack shows the call of %s",
		      s->name, s->callee);
		s->must = !strcmp(kind, "must");
		check(++site_count < ARRAY_LEN(sites), "too many sites");
	}
	fclose(f);
	check(site_count > 10, "only %zu sites", site_count);
}

static void try_everywhere(const struct operation *op)
{
	size_t i, k;

	for (i = 0; i < site_count; i++) {
		if (strcmp(sites[i].section, ".text"))
			continue;
		for (k = 0; k < ARRAY_LEN(in_a_row); k++)
			try_operation(op, &sites[i], in_a_row[k]);
	}
	read_messages();
	printf("ok %d - %s: each failure is told or counted once, and it works afterwards\n",
	       ++tests, op->name);
}

static bool is_wanted(const struct operation *op, const char *word)
{
	return !word || strstr(op->name, word);
}

int main(int argc, char **argv)
{
	const char *word = argc > 3 ? argv[3] : NULL;
	bool all = true;
	size_t i;

	if (argc < 3 || argc > 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	what_now = "start";
	signal(SIGALRM, watchdog);
	signal(SIGPIPE, SIG_IGN);
	inject_setup();
	read_sites(argv[1]);
	messages_begin();

	if (word) {
		check(load(argv[2]), "init fails: %s", strerror(errno));
	} else {
		what_now = "module init";
		load_walk(argv[2]);
		ok("module init: it says ENOMEM, and loads the next time");
	}

	text = section(".text");
	world_up(&world, false, false, "gcm");
	clean_works(&world);
	for (i = 0; i < ARRAY_LEN(operations); i++)
		if (is_wanted(&operations[i], word))
			try_everywhere(&operations[i]);
	for (i = 0; later_operations[i].name; i++)
		if (is_wanted(&later_operations[i], word))
			try_everywhere(&later_operations[i]);
	what_now = "afterwards";
	clean_works(&world);
	ok("a new connection works");
	printf("# %d failures were told or counted\n", fails);
	world_down(&world);

	for (i = 0; i < site_count; i++) {
		printf("# %-6s %6ld %-34s %s\n",
		       sites[i].must ? "ours" : "below", sites[i].hits,
		       sites[i].name, sites[i].callee);
		if (!word && sites[i].must && !sites[i].hits) {
			printf("# NEVER FAILED: %s\n", sites[i].name);
			all = false;
		}
	}
	if (!word)
		printf("%sok %d - every place where the module allocates has failed\n",
		       all ? "" : "not ", ++tests);
	ns_enter(need(open("/proc/1/ns/net", O_RDONLY)));
	unload();
	ok("the module unloads");
	say_again();
	printf("# %ld messages of the kernel meanwhile\n", lines_kept);
	printf("1..%d\n", tests);
	return !all;
}
