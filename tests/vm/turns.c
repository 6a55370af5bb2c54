// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into QEMU by tests/vm/run: its main loop takes its turn only while no CPU
 * of the guest has one.
 *
 * In virtual time the thread of the CPUs runs the timers that are due, but it wakes the
 * main loop as well, which runs those that it finds due, too. Who comes first is up to
 * the host. The time is the same, but which of two CPUs goes on behind it is not; nor is
 * the time if the main loop looks just when the last CPU has gone to sleep and the
 * instructions behind its last timer are not counted yet.
 *
 * So the main loop, when it has been woken, waits here until the thread of the CPUs
 * waits for it. Then it takes QEMU's lock, and until it lets go of that, in its next
 * ppoll(), no CPU can run.
 * With IKETCP_LATE=N it comes up to N us late, by chance, as it would on a busy host: for
 * tests of this.
 *
 * A guest without a pause cannot be served: what ends it has to stop its CPU (a reset
 * does, with -no-reboot; power off does not), and SIGTERM has to be followed by SIGKILL.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int (*libc_cond_wait)(pthread_cond_t *cond, pthread_mutex_t *mutex);
static int (*libc_ppoll)(struct pollfd *fds, nfds_t count,
			 const struct timespec *timeout, const sigset_t *mask);
/* QEMU's own: has the calling thread its lock? */
static bool (*is_locked)(void);

/* Up to so many us the main loop is late; 0: not at all. */
static unsigned int late;

/* 1: the thread of the CPUs waits. Written by it with QEMU's lock; a futex. */
static atomic_int idle;

__attribute__((constructor))
static void setup(void)
{
	/* There is an older one that knows another structure. */
	libc_cond_wait = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
	libc_ppoll = dlsym(RTLD_NEXT, "ppoll");
	is_locked = dlsym(RTLD_DEFAULT, "qemu_mutex_iothread_locked");
	if (!libc_cond_wait || !libc_ppoll || !is_locked) {
		fputs("tests/vm/turns.c does not know this QEMU\n", stderr);
		exit(1);
	}
	if (getenv("IKETCP_LATE"))
		late = atoi(getenv("IKETCP_LATE"));
	srandom(getpid());
}

static bool is_main(void)
{
	return gettid() == getpid();
}

/* Of the other threads only that of the CPUs waits so. */
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	int err;

	if (is_main())
		return libc_cond_wait(cond, mutex);
	atomic_store(&idle, 1);
	syscall(SYS_futex, &idle, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	err = libc_cond_wait(cond, mutex);
	atomic_store(&idle, 0);
	return err;
}

/* With the lock, as at its end, it keeps the CPUs off already. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
	  const sigset_t *mask)
{
	int ready = libc_ppoll(fds, count, timeout, mask);

	if (!is_main() || is_locked())
		return ready;
	if (late)
		usleep(random() % late);
	while (!atomic_load(&idle))
		syscall(SYS_futex, &idle, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return ready;
}
