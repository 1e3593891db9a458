/*
 * Holds: seccomp, by the argument: "filters" (a chain of two in the leader that two threads share and one of them extends, one filter
 * logs), "tsync" (one filter that came to every thread at once), "strict" (a thread in strict mode), "tight" (a list of what is allowed;
 * not even restart_syscall, death for all else), "listener" (a filter that asks a supervisor).
 * Checks: mode and number of filters of every thread as /proc shows them, and what each filter answers.
 */
#include "victim.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ANSWER(number, action) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
#define ELSE(action) BPF_STMT(BPF_RET | BPF_K, action)
#define INSTALL(flags, ...)                                                                                  \
	do {                                                                                                 \
		struct sock_filter code[] = { __VA_ARGS__ };                                                 \
		struct sock_fprog program = { sizeof code / sizeof *code, code };                            \
		long answer = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);                \
		CHECK(answer >= 0, "set-up: seccomp: %s", strerror(errno));                                  \
	} while (0)

static pid_t ids[3];
static volatile int running;
static volatile bool seen;

static void refuse(unsigned flags, int number, int error)
{
	INSTALL(flags, LOAD(nr), ANSWER(number, SECCOMP_RET_ERRNO | error), ELSE(SECCOMP_RET_ALLOW));
}

/* What /proc shows of a thread: mode and filters. */
static void shown(pid_t tid, int mode, int filters)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
	victim_read(path, text, sizeof text);
	char *at = strstr(text, "\nSeccomp:"), *count = strstr(text, "\nSeccomp_filters:");
	CHECK(at && atoi(at + 9) == mode, "thread %d is in mode %d, was in %d", tid, at ? atoi(at + 9) : -1, mode);
	CHECK(count && atoi(count + 17) == filters, "thread %d has %d filters, had %d", tid, count ? atoi(count + 17) : -1, filters);
}

static int error_of(long number)
{
	errno = 0;
	return syscall(number, 0, 0, 0) == -1 ? errno : 0;
}

static void *plain(void *unused)
{
	ids[1] = gettid();
	running++;
	while (!seen)
		pause_ms(20);
	CHECK(error_of(SYS_getppid) == EPERM, "getppid in the second thread: %s", strerror(errno));
	return unused;
}

static void *extended(void *unused)
{
	ids[2] = gettid();
	refuse(0, SYS_getpgrp, ENOTTY);
	running++;
	while (!seen)
		pause_ms(20);
	CHECK(error_of(SYS_getppid) == EPERM, "getppid in the third thread: %s", strerror(errno));
	CHECK(error_of(SYS_getpgrp) == ENOTTY, "getpgrp in the third thread: %s", strerror(errno));
	return unused;
}

static void *strict(void *unused)
{
	char byte;
	int fd = open("/dev/zero", O_RDONLY);
	ids[1] = gettid();
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	running++;
	while (!seen)
		CHECK(read(fd, &byte, 1) == 1, "read in strict mode");
	syscall(SYS_exit, 0);
	return unused;
}

static void tight(void)
{
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	INSTALL(0, LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), ELSE(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
		ANSWER(SYS_read, SECCOMP_RET_ALLOW), ANSWER(SYS_write, SECCOMP_RET_ALLOW), ANSWER(SYS_openat, SECCOMP_RET_ALLOW),
		ANSWER(SYS_close, SECCOMP_RET_ALLOW), ANSWER(SYS_access, SECCOMP_RET_ALLOW), ANSWER(SYS_clock_gettime, SECCOMP_RET_ALLOW),
		ANSWER(SYS_clock_nanosleep, SECCOMP_RET_ALLOW), ANSWER(SYS_exit_group, SECCOMP_RET_ALLOW),
		ANSWER(SYS_rt_sigreturn, SECCOMP_RET_ALLOW), ELSE(SECCOMP_RET_KILL_PROCESS));
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	pthread_t second = 0, third = 0;
	ids[0] = gettid();
	if (!strcmp(kind, "filters")) {
		refuse(SECCOMP_FILTER_FLAG_LOG, SYS_getppid, EPERM);
		refuse(0, SYS_getsid, EDOM);
		second = victim_thread(plain, NULL);
		third = victim_thread(extended, NULL);
	} else if (!strcmp(kind, "tsync")) {
		second = victim_thread(plain, NULL);
		while (running < 1)
			pause_ms(1);
		refuse(SECCOMP_FILTER_FLAG_TSYNC, SYS_getppid, EPERM);
	} else if (!strcmp(kind, "strict"))
		second = victim_thread(strict, NULL);
	else if (!strcmp(kind, "tight"))
		tight();
	else if (!strcmp(kind, "listener"))
		INSTALL(SECCOMP_FILTER_FLAG_NEW_LISTENER, LOAD(nr), ANSWER(SYS_getppid, SECCOMP_RET_USER_NOTIF), ELSE(SECCOMP_RET_ALLOW));
	else
		fail("no kind of seccomp is called %s", kind);
	while (running < !!second + !!third)
		pause_ms(1);
	victim_ready();
	victim_wait();
	if (!strcmp(kind, "filters")) {
		shown(ids[0], 2, 2);
		shown(ids[1], 2, 2);
		shown(ids[2], 2, 3);
		CHECK(error_of(SYS_getpgrp) == 0, "getpgrp in the leader: %s", strerror(errno));
		CHECK(error_of(SYS_getsid) == EDOM, "getsid in the leader: %s", strerror(errno));
	} else if (!strcmp(kind, "tsync")) {
		shown(ids[0], 2, 1);
		shown(ids[1], 2, 1);
		refuse(SECCOMP_FILTER_FLAG_TSYNC, SYS_getuid, EXDEV);
		shown(ids[1], 2, 2);
	} else if (!strcmp(kind, "strict")) {
		shown(ids[0], 0, 0);
		shown(ids[1], 1, 0);
	} else if (!strcmp(kind, "tight"))
		shown(ids[0], 2, 1);
	seen = true;
	if (second)
		victim_join(second);
	if (third)
		victim_join(third);
	ok();
}
