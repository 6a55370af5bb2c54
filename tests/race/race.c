// SPDX-License-Identifier: GPL-2.0
/*
 * usage (in the guest): race list
 *                       race NAME COUNT [SEED [4|6]]
 *
 * COUNT rounds of a race, with random numbers from SEED, over IPv4 or IPv6.
 * Every hundred rounds and at the end a new connection has to work, and at the
 * end there are no sockets left and no counter tells of what cannot be. A round
 * that hangs ends the program, which says where its threads are.
 *
 * Exit status: 0 all is well; 1 something is wrong, which is printed; 124 it
 * hangs.
 */
#include "runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#define ROUND_SECONDS	30
/* jobs of a worker in a round as fast as it can; then it takes its time */
#define JOBS_MAX	5

struct traffic traffic;
int outside;

static const struct race *const all[] = {
	conn_races, state_races, gone_races, strain_races, bridge_races,
	listen_races
};

/*
 * Workers
 */
static pthread_barrier_t start, finish;
static job_fn *jobs[2];
static bool stop;
static unsigned int done[2];
static uint64_t seed = 1;

bool stopping(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *worker(void *arg)
{
	long n = (long)arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n, &set);
	sched_setaffinity(0, sizeof(set), &set);
	random_seed(seed, n + 1);
	for (;;) {
		pthread_barrier_wait(&start);
		while (jobs[n] && !stopping()) {
			/* More would only make rounds long. */
			if (done[n] > JOBS_MAX)
				sleep_us(100);
			jobs[n](n);
			__atomic_add_fetch(&done[n], 1, __ATOMIC_RELAXED);
		}
		pthread_barrier_wait(&finish);
	}
	return NULL;
}

static void workers_start(void)
{
	pthread_t thread;
	long n;

	pthread_barrier_init(&start, NULL, 3);
	pthread_barrier_init(&finish, NULL, 3);
	for (n = 0; n < 2; n++) {
		check(!pthread_create(&thread, NULL, worker, (void *)n),
		      "no thread");
		pthread_detach(thread);
	}
}

void workers_go(job_fn *one, job_fn *other)
{
	jobs[0] = one;
	jobs[1] = other;
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	done[0] = 0;
	done[1] = 0;
	pthread_barrier_wait(&start);
}

void workers_stop(void)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&finish);
}

void workers_warm(unsigned int n)
{
	for (int i = 0; i < 2; i++)
		while (jobs[i] && __atomic_load_n(&done[i], __ATOMIC_RELAXED) < n)
			sched_yield();
}

void moment(void)
{
	spin_us(random_below(1 << random_below(12)));
}

/*
 * The watchdog
 */
static void show_file(const char *path)
{
	char buf[2048];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, buf, sizeof(buf));
	if (n > 0)
		n = write(STDOUT_FILENO, buf, n);
	close(fd);
}

static void watchdog(int sig)
{
	static const char *const files[] = { "comm", "wchan", "stack" };
	struct dirent *entry;
	char path[300];
	DIR *dir;

	(void)sig;
	dprintf(STDOUT_FILENO, "%s, round %ld, seed %lu: HANGS\n", what_now,
		round_now, seed);
	dir = opendir("/proc/self/task");
	while (dir && (entry = readdir(dir))) {
		for (size_t i = 0; i < ARRAY_LEN(files); i++) {
			snprintf(path, sizeof(path), "/proc/self/task/%s/%s",
				 entry->d_name, files[i]);
			show_file(path);
		}
	}
	if (at_death)
		at_death();
	_exit(124);
}

/*
 * Afterwards
 */

/* Sockets of connections in the thread's namespace; 0A is LISTEN, 06 TIME_WAIT. */
static int sockets(bool show)
{
	static const char *const files[] = { "tcp", "tcp6" };
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[64], line[256], state[8];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/thread-self/net/%s",
			 files[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, " %*[0-9]: %*s %*s %7s", state) != 1 ||
			    !strcmp(state, "0A") || !strcmp(state, "06"))
				continue;
			n++;
			if (show)
				printf("# left: %s", line);
		}
		if (f)
			fclose(f);
	}
	return n;
}

static unsigned long xfrm_count(const char *name)
{
	FILE *f = fopen("/proc/thread-self/net/xfrm_stat", "re");
	unsigned long value, found = 0;
	char line[64];

	while (f && fscanf(f, "%63s %lu", line, &value) == 2)
		if (!strcmp(line, name))
			found = value;
	if (f)
		fclose(f);
	return found;
}

/* What no race excuses. */
static void counters(const struct race *race)
{
	static const char *const never[] = {
		"InBadPrefix", "InPrefixTimeout", "InBadLength", "InShort",
		"InEmpty", "OutTooLong", "OutLoop",
	};
	static const char *const memory[] = {
		"InNoMem", "OutNoMem", "OutCrypto",
	};
	static const char *const xfrm[] = {
		"XfrmInHdrError", "XfrmInStateProtoError", "XfrmInStateMismatch",
	};
	/* ESP comes by a connection whose bridge was given up: none for UDP. */
	size_t excused = race->bridged ? 1 : 0;
	size_t i;

	for (i = race->strangers; i < ARRAY_LEN(never); i++)
		check(!stat_of(never[i]), "%s is %lu", never[i],
		      stat_of(never[i]));
	for (i = 0; i < ARRAY_LEN(memory) && !race->starves; i++)
		check(!stat_of(memory[i]), "%s is %lu", memory[i],
		      stat_of(memory[i]));
	for (i = 0; i < ARRAY_LEN(xfrm) - excused; i++)
		check(!xfrm_count(xfrm[i]), "%s is %lu", xfrm[i],
		      xfrm_count(xfrm[i]));
	/* A packet that its CPU held for longer than the order waits is late. */
	check(race->reorders || stat_of("OutGap") ||
	      !xfrm_count("XfrmInStateSeqError"),
	      "XfrmInStateSeqError is %lu", xfrm_count("XfrmInStateSeqError"));
	check(stat_of("Attach") == stat_of("Detach"),
	      "%lu were attached, %lu detached", stat_of("Attach"),
	      stat_of("Detach"));
}

static void aftermath(struct world *w, const struct race *race)
{
	static const char *const shown[] = {
		"Attach", "InIke", "InEsp", "InIkeFull", "InPartial", "InNoMem",
		"OutIke", "OutEsp", "OutNoConn", "OutFull", "OutDelay", "OutClosed",
		"OutNoMem", "OutCrypto", "OutGap",
	};
	uint64_t end = now_us() + 30000000ull * slow();
	int i;

	for (i = 0; i < (w->two ? 2 : 1); i++) {
		ns_enter(w->ns[i]);
		while (sockets(false)) {
			if (now_us() >= end) {
				sockets(true);
				die("sockets are left");
			}
			sleep_us(100000);
		}
		counters(race);
		printf("# %c:", 'A' + i);
		for (size_t k = 0; k < ARRAY_LEN(shown); k++)
			printf(" %s %lu", shown[k], stat_of(shown[k]));
		printf("\n");
	}
}

static const struct race *find(const char *name)
{
	const struct race *race;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (race = all[i]; race->name; race++)
			if (!strcmp(race->name, name))
				return race;
	return NULL;
}

static void list(void)
{
	const struct race *race;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (race = all[i]; race->name; race++)
			printf("%s\t%s\n", race->name, race->what);
}

/* As clean_works(), though there may be a connection that goes on. */
static void clean_works_between(struct world *w)
{
	bool open = traffic.c.fd[A] >= 0;

	/* Its bridges would do in place of those that are looked at. */
	if (open && w->bridged)
		conn_reset(&traffic.c);
	clean_works(w);
	sas_do(w, SA_NEW, open && !w->bridged ? &traffic.c : NULL, NULL);
	if (open && w->bridged)
		open_moved(w);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 4096, 4096 };
	const struct race *race;
	static struct world w;
	uint64_t began;
	long count;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		list();
		return 0;
	}
	race = argc >= 3 && argc <= 5 ? find(argv[1]) : NULL;
	count = race ? atol(argv[2]) : 0;
	if (count < 1) {
		fprintf(stderr, "usage: race list|NAME COUNT [SEED [4|6]]\n");
		return 2;
	}
	if (race->divide)
		count = (count + race->divide - 1) / race->divide;
	if (argc > 3)
		seed = strtoul(argv[3], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, watchdog);
	what_now = race->name;
	random_seed(seed, 0);
	outside = ns_here();

	alarm(ROUND_SECONDS * slow());
	world_up(&w, race->two, argc > 4 && !strcmp(argv[4], "6"),
		 race->alg ?: "null");
	if (race->bridged)
		daemons_up(&w);
	workers_start();
	traffic_open(&w);
	if (race->begin)
		race->begin(&w);
	began = now_us();
	for (round_now = 0; round_now < count; round_now++) {
		alarm(ROUND_SECONDS * slow());
		race->round(&w);
		if (round_now % 100 == 99) {
			alarm(ROUND_SECONDS * slow());
			clean_works_between(&w);
		}
	}
	began = now_us() - began;
	alarm(ROUND_SECONDS * slow());
	if (race->end)
		race->end(&w);
	traffic_close();
	clean_works(&w);
	alarm(2 * ROUND_SECONDS * slow());
	aftermath(&w, race);
	world_down(&w);
	printf("# %s: %ld rounds in %.1f s, %.1f ms each\n", race->name, count,
	       began / 1e6, began / 1e3 / count);
	return 0;
}
