// SPDX-License-Identifier: GPL-2.0
/*
 * The runner: every test in every variant is a process with a network
 * namespace of its own. A hang, a crash or a left-over file descriptor is
 * that test's failure and nobody else's.
 */
#include "sock.h"

#include <dirent.h>
#include <execinfo.h>
#include <fnmatch.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SECONDS		40	/* before a test is taken to hang */

/**
 * struct job - one test in one variant
 * @test: what to run
 * @env: the variant
 * @name: what it is called in the output
 */
struct job {
	const struct test *test;
	struct env env;
	char name[96];
};

static const char *const family_names[] = { "ipv4", "ipv6", "mapped" };
static const char *const mode_names[] = {
	"espintcp", "responder", "originator"
};
static const char *const ulp_names[] = { "espintcp", "iketcp", "iketcp" };

static int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void watchdog(int sig)
{
	void *frames[32];
	int n;

	(void)sig;
	dprintf(STDOUT_FILENO, "%s:%d: hangs at or after this line\n",
		at_file, at_line);
	n = backtrace(frames, ARRAY_LEN(frames));
	backtrace_symbols_fd(frames, n, STDOUT_FILENO);
	_exit(124);
}

static void in_child(void **state)
{
	const struct job *job = *state;
	int fds;

	need(unshare(CLONE_NEWNET));
	need(loopback_up());
	fds = fds_open();
	job->test->fn(&job->env);
	AT();
	if (fds_open() != fds)
		die_("%d file descriptors before the test, %d after it",
		     fds, fds_open());
}

static int child(struct job *job)
{
	const struct CMUnitTest one = {
		job->name, in_child, NULL, NULL, job
	};
	void *warm[1];

	setpgid(0, 0);
	unsetenv("CMOCKA_MESSAGE_OUTPUT");
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	setvbuf(stdout, NULL, _IONBF, 0);
	/* The first call loads a library: not in a signal handler. */
	backtrace(warm, 1);
	signal(SIGALRM, watchdog);
	alarm(job->test->seconds ? job->test->seconds : SECONDS);
	return !!_cmocka_run_group_tests("child", &one, 1, NULL, NULL);
}

/* cmocka's banners of the inner run are noise; the rest becomes comments. */
static void show(int fd)
{
	char line[1024];
	FILE *f;

	lseek(fd, 0, SEEK_SET);
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '[' || strstr(line, "FAILED TEST"))
			continue;
		printf("# %s\n", line);
	}
	fclose(f);
}

/* The console tells which test its next lines are of. */
static void mark(const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "iketcp-test: %s\n", name);
	close(fd);
}

static void in_parent(void **state)
{
	struct job *job = *state;
	struct pollfd pfd;
	int out, status;
	pid_t pid;

	mark(job->name);
	fflush(NULL);
	out = need(memfd_create("output", MFD_CLOEXEC));
	pid = need(fork());
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		close(out);
		_exit(child(job));
	}

	/* The watchdog is the child's; this is for one that cannot run it. */
	pfd.fd = need(syscall(SYS_pidfd_open, pid, 0));
	pfd.events = POLLIN;
	if (poll(&pfd, 1, 1000 * ((job->test->seconds ?: SECONDS) + 20)) < 1) {
		kill(pid, SIGKILL);
		if (poll(&pfd, 1, 10000) < 1) {
			close(pfd.fd);
			show(out);
			fail_msg("%s: cannot even be killed", job->name);
		}
	}
	close(pfd.fd);
	need(waitpid(pid, &status, 0));
	kill(-pid, SIGKILL);
	if (!status) {
		close(out);
		return;
	}
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	show(out);
	fail();
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	if (argc < 2)
		return true;
	for (i = 1; i < argc; i++)
		if (!fnmatch(argv[i], name, 0))
			return true;
	return false;
}

int sock_main(const char *group, const struct test *tests, size_t count,
	      int argc, char **argv)
{
	size_t max = count * NR_FAMILIES * NR_MODES, n = 0, i;
	struct CMUnitTest *units;
	struct job *jobs;
	bool list;
	int f, m;

	list = argc == 2 && !strcmp(argv[1], "-l");
	if (list)
		argc = 1;
	signal(SIGPIPE, SIG_DFL);
	jobs = calloc(max, sizeof(*jobs));
	units = calloc(max, sizeof(*units));
	if (!jobs || !units)
		return 1;
	for (i = 0; i < count; i++) {
		for (f = 0; f < NR_FAMILIES; f++) {
			for (m = 0; m < NR_MODES; m++) {
				struct job *job = &jobs[n];

				if (!(tests[i].variants & VARIANT(f, m)))
					continue;
				snprintf(job->name, sizeof(job->name),
					 "%s: %s %s %s", group, tests[i].name,
					 family_names[f], mode_names[m]);
				if (!wanted(job->name, argc, argv))
					continue;
				job->test = &tests[i];
				job->env = (struct env){ f, m, ulp_names[m] };
				units[n++] = (struct CMUnitTest){
					job->name, in_parent, NULL, NULL, job
				};
			}
		}
	}
	if (list) {
		for (i = 0; i < n; i++)
			puts(jobs[i].name);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return !!_cmocka_run_group_tests(group, units, n, NULL, NULL);
}
