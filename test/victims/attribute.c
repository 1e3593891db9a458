/*
 * Holds: one attribute of the process, named by the argument (see rows), set to a value that is not the default.
 * Checks: the kernel tells the same value; for rlimits all sixteen.
 */
#include "victim.h"
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#ifndef PR_GET_THP_DISABLE
#define PR_GET_THP_DISABLE 42
#endif

static long prctl_into(int option)
{
	int value = -1;
	return prctl(option, &value, 0, 0, 0) == -1 ? -1 : value;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static long number_in(const char *path)
{
	char text[64];
	victim_read(path, text, sizeof text);
	return strtol(text, NULL, 0);
}

static void set_umask(void) { umask(0137); }
static long get_umask(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return mask;
}
static void set_personality(void) { MUST(personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC)); }
static long get_personality(void) { return personality(0xffffffff); }
static void set_oom(void) { write_file("/proc/self/oom_score_adj", "321"); }
static long get_oom(void) { return number_in("/proc/self/oom_score_adj"); }
/* A deadly one: whoever restores a process in the background must not be its parent. */
static void set_pdeath(void) { MUST(prctl(PR_SET_PDEATHSIG, SIGTERM)); }
static long get_pdeath(void) { return prctl_into(PR_GET_PDEATHSIG); }
static void set_dumpable(void) { MUST(prctl(PR_SET_DUMPABLE, 0)); }
static long get_dumpable(void) { return prctl(PR_GET_DUMPABLE); }
static void set_subreaper(void) { MUST(prctl(PR_SET_CHILD_SUBREAPER, 1)); }
static long get_subreaper(void) { return prctl_into(PR_GET_CHILD_SUBREAPER); }
static void set_thp(void) { MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }
static long get_thp(void) { return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0); }
static void set_slack(void) { MUST(prctl(PR_SET_TIMERSLACK, 77777)); }
static long get_slack(void) { return prctl(PR_GET_TIMERSLACK); }
/* Keys that are requested go to the user's keyring; a kernel without keys answers -1 before and after. */
static void set_request_keyring(void) { syscall(SYS_keyctl, 14, 4); }
static long get_request_keyring(void) { return syscall(SYS_keyctl, 14, -1); }
static void set_nice(void) { MUST(setpriority(PRIO_PROCESS, 0, 11)); }
static long get_nice(void) { return getpriority(PRIO_PROCESS, 0); }
static void set_coredump(void) { write_file("/proc/self/coredump_filter", "0x5b"); }
static long get_coredump(void)
{
	char text[64];
	victim_read("/proc/self/coredump_filter", text, sizeof text);
	return strtol(text, NULL, 16);
}
static void set_session(void) {}
static long get_session(void) { return (getpid() == getpgrp()) + 2 * (getpid() == getsid(0)) + 4 * (getpid() == gettid()); }

/* Limits differ from the defaults, and soft from hard; only lowered, so that no capability is needed. */
static void set_limits(void)
{
	for (int kind = 0; kind < 16; kind++) {
		struct rlimit limit;
		MUST(getrlimit(kind, &limit));
		if (limit.rlim_max > 1ul << 45)
			limit.rlim_max = (1ul << 45) + kind * 4096;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		if (limit.rlim_cur > 0)
			limit.rlim_cur -= limit.rlim_cur / 64;
		MUST(setrlimit(kind, &limit));
	}
}
static long get_limits(void)
{
	uint64_t sum = 1;
	for (int kind = 0; kind < 16; kind++) {
		struct rlimit limit;
		MUST(getrlimit(kind, &limit));
		sum = sum * 31 + limit.rlim_cur;
		sum = sum * 31 + limit.rlim_max;
	}
	return sum >> 1;
}

static const struct {
	const char *name;
	void (*set)(void);
	long (*get)(void);
} rows[] = {
	{ "umask", set_umask, get_umask },
	{ "personality", set_personality, get_personality },
	{ "oom_score_adj", set_oom, get_oom },
	{ "pdeath_signal", set_pdeath, get_pdeath },
	{ "dumpable", set_dumpable, get_dumpable },
	{ "child_subreaper", set_subreaper, get_subreaper },
	{ "thp_disable", set_thp, get_thp },
	{ "timer_slack", set_slack, get_slack },
	{ "nice", set_nice, get_nice },
	{ "request_keyring", set_request_keyring, get_request_keyring },
	{ "coredump_filter", set_coredump, get_coredump },
	{ "session", set_session, get_session },
	{ "rlimits", set_limits, get_limits },
};

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *name = victim_argument(argc, argv, 1);
	const __typeof__(*rows) *row = VICTIM_ROW(rows, name);
	row->set();
	long before = row->get();
	victim_ready();
	victim_wait();
	long after = row->get();
	CHECK(after == before, "%s is %ld (0x%lx), was %ld (0x%lx)", name, after, after, before, before);
	ok();
}
