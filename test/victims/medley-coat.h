/* What a process of medley.c is like: rights, limits, names, directories. Put on last, because less can be done in it. */
#ifndef MEDLEY_COAT_H
#define MEDLEY_COAT_H
#include "medley.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

static void write_self(const char *name, const char *text)
{
	char path[60];
	snprintf(path, sizeof path, "%d/%s", getpid(), name);
	int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd != -1) {
		if (write(fd, text, strlen(text)) == -1)
			errno = 0;
		close(fd);
	}
}

static void wear_filter(void)
{
	struct sock_filter code[] = { { 0x20, 0, 0, 0 }, { 0x15, 0, 1, 334 - roll(2) }, { 0x06, 0, 0, SECCOMP_RET_ALLOW }, { 0x06, 0, 0, SECCOMP_RET_ALLOW } };
	struct sock_fprog program = { 4, code };
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, roll(2) ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program);
}

static void wear_limits(void)
{
	static const int which[] = { RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_STACK, RLIMIT_FSIZE, RLIMIT_NOFILE,
		RLIMIT_CPU, RLIMIT_SIGPENDING };
	static const long values[] = { 100 << 20, 8 << 20, 500000, 10, 20, 4 << 20, 1 << 30, 700, 100000, 900 };
	for (int i = roll(4); i >= 0; i--) {
		int at = roll(10);
		struct rlimit limit;
		if (getrlimit(which[at], &limit) == -1)
			continue;
		if ((rlim_t)values[at] < limit.rlim_max)
			limit.rlim_cur = values[at];
		if (heads())
			limit.rlim_max = limit.rlim_cur;
		setrlimit(which[at], &limit);
	}
}

static void wear_schedule(void)
{
	struct sched_param none = { 0 }, one = { 1 };
	cpu_set_t cpus;
	switch (roll(5)) {
	case 0:
		setpriority(PRIO_PROCESS, 0, 1 + roll(15));
		break;
	case 1:
		sched_setscheduler(0, SCHED_BATCH, &none);
		break;
	case 2:
		sched_setscheduler(0, SCHED_IDLE | (heads() ? SCHED_RESET_ON_FORK : 0), &none);
		break;
	case 3:
		sched_setscheduler(0, SCHED_RR, &one);
		break;
	default:
		CPU_ZERO(&cpus);
		CPU_SET(roll(2), &cpus);
		sched_setaffinity(0, sizeof cpus, &cpus);
	}
	if (roll(3) == 0)
		syscall(SYS_ioprio_set, 1, 0, 2 << 13 | roll(8));
}

/* Other users: the process may still write where it must. */
static void wear_rights(void)
{
	static const gid_t groups[] = { 5, 77, 1234 };
	switch (roll(6)) {
	case 0:
		for (int i = 0; i < 5; i++)
			prctl(PR_CAPBSET_DROP, roll(38));
		break;
	case 1:
		prctl(PR_SET_SECUREBITS, roll(2) ? 1 << 2 : 1 << 4);
		break;
	case 2:
		prctl(PR_SET_KEEPCAPS, 1);
		/* fall through */
	default: {
		uid_t user = 1000 + roll(3);
		/* Not by libc, which would interrupt what other threads wait for. */
		if (syscall(SYS_setgroups, roll(4), groups) == -1 || syscall(SYS_setresgid, user, user, heads() ? user : 0) == -1 ||
		    syscall(SYS_setresuid, user, user, heads() ? user : 0) == -1)
			wrong(NULL, "setresuid: %s", strerror(errno));
		if (roll(3))
			prctl(PR_SET_DUMPABLE, 1);
	}
	}
}

static void wear_place(void)
{
	char path[400];
	snprintf(path, sizeof path, "%s/%s-place", folder, node);
	mkdir(path, 0755);
	/* Who shares its root directory with another may not find the place any more. */
	switch (roll(4)) {
	case 0:
		if (chdir(path) == 0)
			rmdir(path);
		break;
	case 1:
		if (chroot(folder) == 0 && chdir("/") == -1)
			wrong(NULL, "chdir: %s", strerror(errno));
		break;
	case 2:
		if (chroot(path) == -1)
			umask(022);
		break;
	default:
		if (chdir(path) == -1)
			umask(027);
	}
}

static void wear_coat(void)
{
	char text[60];
	if (roll(3) == 0)
		umask(roll(512));
	if (roll(3) == 0) {
		snprintf(text, sizeof text, "medley %s", node);
		prctl(PR_SET_NAME, text);
	}
	if (roll(3) == 0)
		wear_limits();
	if (roll(3) == 0)
		wear_schedule();
	if (roll(5) == 0) {
		snprintf(text, sizeof text, "%d", roll(900));
		write_self("oom_score_adj", text);
	}
	if (roll(6) == 0) {
		snprintf(text, sizeof text, "%x", roll(256));
		write_self("coredump_filter", text);
	}
	if (roll(6) == 0)
		personality(roll(2) ? ADDR_NO_RANDOMIZE : SHORT_INODE);
	if (roll(4) == 0)
		prctl(PR_SET_TIMERSLACK, 50000 + roll(1000));
	if (roll(4) == 0)
		prctl(PR_SET_PDEATHSIG, SIGURG);
	if (roll(5) == 0)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (roll(6) == 0)
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (int i = roll(4); i > 0; i--) {
		static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGWINCH, SIGURG, SIGTTOU, SIGTSTP, SIGALRM };
		signal(numbers[roll(10)], heads() ? SIG_IGN : SIG_DFL);
	}
	/* The root must see the file that it is asked by. */
	if (roll(4) == 0 && strcmp(node, "0"))
		wear_place();
	if (roll(5) == 0)
		wear_filter();
	if (!signals_others && strcmp(node, "0") && roll(3) == 0)
		wear_rights();
	if (roll(5) == 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (roll(6) == 0)
		prctl(PR_SET_DUMPABLE, 0);
}
#endif
