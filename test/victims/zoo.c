/*
 * Holds: as many attributes of a process and of three threads as one program can set, each different from what a new process has.
 * Prints: each as a line "name value", before READY and again when it is asked. Nothing is judged here: the test compares line by line.
 * "set NAME" lines tell what could be set on this machine. Arguments "-NAME" leave an attribute as it is. With the argument "+tree" there are
 * three such processes, a parent and two children, born before anything is set; each leaves another third of the attributes as they were
 * born, so that whatever one has another one lacks.
 */
#include "victim.h"
#include <dirent.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <asm/prctl.h>

#define THREADS 3
#define MEMBERS 3
static char **zoo_args;
static int zoo_member, zoo_asked;
static bool zoo_tree;
/* What all processes of the tree see: how many have set what they set, and whose turn it is. */
static volatile struct { int up, turn; } *zoo_board;
static volatile int zoo_turn, zoo_ready;
static __thread int zoo_index;

/* Sizes of structures and numbers that headers of Debian 12 do not have. */
struct attributes { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint32_t clamp[2]; };
enum { THP_DISABLE_EXCEPT_ADVISED = 2, FUTEX_HASH = 78, RESTORE_IDS = 77 };

static bool wanted(const char *name)
{
	if (zoo_tree && __atomic_fetch_add(&zoo_asked, 1, __ATOMIC_SEQ_CST) % MEMBERS == zoo_member)
		return false;
	for (char **at = zoo_args; *at; at++)
		if ((*at)[0] == '-' && !strcmp(*at + 1, name))
			return false;
	return true;
}

/* Sets one attribute and tells whether it could. */
#define SET(name, call)                                                     \
	do {                                                                \
		if (wanted(name))                                           \
			say("%s %s", (call) != -1 ? "set" : "unset", name); \
	} while (0)

__attribute__((format(printf, 2, 3))) static void show(const char *name, const char *format, ...)
{
	char text[400], line[480];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = ' ';
	snprintf(line, sizeof line, zoo_index < 0 ? "process.%s %s" : "thread%3$d.%1$s %2$s", name, text, zoo_index);
	if (zoo_tree)
		say("member%d.%s", zoo_member, line);
	else
		say("%s", line);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int answer = fd == -1 ? -1 : write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	if (fd != -1)
		close(fd);
	return answer;
}

static void show_file(const char *name, const char *path)
{
	char text[4096] = "none";
	if (access(path, R_OK) == 0) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t length = read(fd, text, sizeof text - 1);
		text[length > 0 ? length : 0] = 0;
		for (ssize_t i = 0; i < length; i++)
			if (!text[i])
				text[i] = ' ';
		close(fd);
	}
	show(name, "%s", text);
}

static void show_link(const char *name, const char *path)
{
	char text[400];
	ssize_t length = readlink(path, text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	show(name, "%s", text);
}

/* Lines of a status file that are attributes, not measurements. */
static void show_status(const char *path)
{
	static const char *keys[] = { "Name", "Umask", "Uid", "Gid", "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh",
		"CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Speculation_Store_Bypass",
		"SpeculationIndirectBranch", "Cpus_allowed_list", "Mems_allowed_list", "THP_enabled", "untag_mask", "VmLck", "Threads",
		"x86_Thread_features", "x86_Thread_features_locked", "CoreDumping", "NSpid", "NSsid", "NSpgid" };
	char text[8192], name[64];
	victim_read(path, text, sizeof text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *colon = strchr(line, ':');
		for (size_t i = 0; colon && i < sizeof keys / sizeof *keys; i++)
			if (!strncmp(line, keys[i], colon - line) && !keys[i][colon - line]) {
				snprintf(name, sizeof name, "status.%s", keys[i]);
				show(name, "%s", colon + 2);
			}
	}
}

static void show_prctl(const char *name, int option, int into)
{
	int value = -1;
	long answer = into ? prctl(option, &value, 0, 0, 0) : prctl(option, 0, 0, 0, 0);
	show(name, "%ld %d", answer == -1 ? -errno : answer, value);
}

static void on_signal(int number) { (void)number; }

/* ---- the process ---- */

static int set_limit(int kind)
{
	struct rlimit limit;
	if (getrlimit(kind, &limit) == -1)
		return -1;
	/* Only lowered, so that no capability is needed; not so far that the program stops working. */
	if (limit.rlim_max > 1ul << 45)
		limit.rlim_max = (1ul << 45) + kind * 4096;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_cur > 100)
		limit.rlim_cur -= limit.rlim_cur / 64;
	return setrlimit(kind, &limit);
}

static int set_action(int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
	sigaddset(&action.sa_mask, SIGWINCH);
	return sigaction(number, &action, NULL);
}

static int set_timer(void)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 77 };
	struct itimerspec time = { { 5000, 1 }, { 5000, 2 } };
	return timer_create(CLOCK_MONOTONIC, &event, &timer) == -1 ? -1 : timer_settime(timer, 0, &time, NULL);
}

static int set_area(void)
{
	unsigned long one = 1;
	char *area = mmap((void *)0x200000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (area == MAP_FAILED)
		return -1;
	syscall(SYS_mbind, area, 8192ul, MPOL_BIND, &one, 64ul, 0);
	madvise(area + 8192, 8192, MADV_DONTDUMP);
	madvise(area + 16384, 8192, MADV_DONTFORK);
	madvise(area + 24576, 8192, MADV_WIPEONFORK);
	mlock(area + 32768, 4096);
	mlock2(area + 36864, 4096, MLOCK_ONFAULT);
	madvise(area + 40960, 4096, MADV_HUGEPAGE);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, area + 45056, 4096, "zoo");
	madvise(area + 49152, 4096, MADV_RANDOM);
	return mprotect(area + 57344, 4096, PROT_NONE);
}

static int set_pending(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return sigprocmask(SIG_BLOCK, &set, NULL) == -1 ? -1 : kill(getpid(), SIGTERM);
}

static void set_process(void)
{
	static const char *limits[] = { "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
		"sigpending", "msgqueue", "nice", "rtprio", "rttime" };
	char name[32];
	struct itimerval slow = { { 4000, 0 }, { 4000, 0 } };
	SET("area", set_area());
	for (int kind = 0; kind < 16; kind++) {
		snprintf(name, sizeof name, "limit.%s", limits[kind]);
		SET(name, set_limit(kind));
	}
	SET("umask", (umask(0137 + zoo_member), 0));
	SET("cwd", chdir(zoo_member == 1 ? "/etc" : "/usr"));
	SET("oom_score_adj", put("/proc/self/oom_score_adj", zoo_member == 2 ? "123" : "321"));
	SET("coredump_filter", put("/proc/self/coredump_filter", "0x5b"));
	SET("autogroup", put("/proc/self/autogroup", "7"));
	SET("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	SET("thp_disable", prctl(PR_SET_THP_DISABLE, 1, THP_DISABLE_EXCEPT_ADVISED, 0, 0));
	SET("memory_merge", prctl(67, 1, 0, 0, 0));
	SET("membarrier", syscall(SYS_membarrier, 1 << 4, 0, 0));
	SET("membarrier_sync_core", syscall(SYS_membarrier, 1 << 6, 0, 0));
	SET("futex_hash", prctl(FUTEX_HASH, 1, 64, 0, 0));
	SET("restore_ids", prctl(RESTORE_IDS, 1, 0, 0, 0));
	SET("itimer_real", setitimer(ITIMER_REAL, &slow, NULL));
	SET("itimer_virtual", setitimer(ITIMER_VIRTUAL, &slow, NULL));
	SET("itimer_prof", setitimer(ITIMER_PROF, &slow, NULL));
	SET("posix_timer", set_timer());
	SET("action", set_action(SIGUSR1, SA_RESTART | SA_NODEFER));
	SET("action_stack", set_action(SIGUSR2, SA_ONSTACK | SA_RESETHAND));
	SET("ignored", signal(SIGHUP, SIG_IGN) == SIG_ERR ? -1 : 0);
	SET("pending", set_pending());
	SET("mlock_future", mlockall(MCL_FUTURE | MCL_ONFAULT));
	SET("mdwe", prctl(65, 1, 0, 0, 0));
}

/* Whether new areas are locked: no call tells, so one is made. */
static void show_future(void)
{
	char *area = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[65536], start[32];
	snprintf(start, sizeof start, "%lx-", (unsigned long)area);
	FILE *file = fopen("/proc/self/smaps", "r");
	bool inside = false;
	while (file && fgets(text, sizeof text, file)) {
		if (strchr(text, '-') && strtoul(text, NULL, 16) > 4096)
			inside = strtoul(text, NULL, 16) <= (unsigned long)area && strtoul(strchr(text, '-') + 1, NULL, 16) > (unsigned long)area;
		if (inside && !strncmp(text, "VmFlags:", 8))
			show("mlock_future", "%s%s", strstr(text, " lo") ? "locked" : "", strstr(text, " lf") ? " on fault" : "");
	}
	fclose(file);
	munmap(area, 4096);
}

/* The areas of set_area: bounds, protection, name, flags. */
static void show_area(void)
{
	char text[4096], name[32];
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start = 0, at;
	while (file && fgets(text, sizeof text, file)) {
		if (sscanf(text, "%lx-", &at) == 1 && strchr(text, '-') && at >= 4096)
			start = at;
		if (start < 0x200000000 || start >= 0x200010000)
			continue;
		snprintf(name, sizeof name, "area.%lx", start);
		if (strstr(text, "-p ") || !strncmp(text, "VmFlags:", 8))
			show(!strncmp(text, "VmFlags:", 8) ? strcat(name, ".flags") : name, "%s", text);
	}
	fclose(file);
	for (int i = 0; i < 2; i++) {
		int mode = -1;
		syscall(SYS_get_mempolicy, &mode, NULL, 0ul, 0x200000000 + i * 8192, MPOL_F_ADDR);
		show(i ? "area.policy2" : "area.policy1", "%d", mode);
	}
}

static void show_action(int number)
{
	char name[32];
	struct sigaction action;
	sigaction(number, NULL, &action);
	snprintf(name, sizeof name, "action.%d", number);
	show(name, "%p %x %lx", (void *)action.sa_handler, action.sa_flags, *(unsigned long *)&action.sa_mask);
}

static void show_process(void)
{
	static const char *files[] = { "oom_score_adj", "coredump_filter", "loginuid", "sessionid", "setgroups", "uid_map",
		"gid_map", "projid_map", "cgroup", "cpuset", "cmdline", "environ", "comm", "personality", "attr/current", "attr/exec",
		"cpu_resctrl_groups", "timers" };
	static const char *links[] = { "exe", "cwd", "root", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/pid_for_children",
		"ns/user", "ns/uts" }; /* not of time: a restore makes one, so that the clocks go on; see ages.c */
	char path[64], name[64], text[4096];
	struct itimerval timer;
	zoo_index = -1;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "/proc/self/%s", files[i]);
		show_file(files[i], path);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(path, sizeof path, "/proc/self/%s", links[i]);
		show_link(links[i], path);
	}
	/* The group's number is the kernel's, its nice value is ours. */
	victim_read("/proc/self/autogroup", text, sizeof text);
	show("autogroup", "%s", strstr(text, "nice") ?: "none");
	for (int kind = 0; kind < 16; kind++) {
		struct rlimit limit = { 0, 0 };
		getrlimit(kind, &limit);
		snprintf(name, sizeof name, "limit.%d", kind);
		show(name, "%lu %lu", limit.rlim_cur, limit.rlim_max);
	}
	mode_t mask = umask(0);
	umask(mask);
	show("umask", "%o", mask);
	show("session", "%d %d %d", getsid(0), getpgrp(), getpid());
	show_prctl("dumpable", PR_GET_DUMPABLE, 0);
	show_prctl("subreaper", PR_GET_CHILD_SUBREAPER, 1);
	show_prctl("thp_disable", 42, 0);
	show_prctl("mdwe", 66, 0);
	show_prctl("memory_merge", 68, 0);
	show("futex_hash", "%d", prctl(FUTEX_HASH, 2, 0, 0, 0));
	show("restore_ids", "%d", prctl(RESTORE_IDS, 2, 0, 0, 0));
	show("membarrier", "%ld", syscall(SYS_membarrier, 1 << 9, 0, 0));
	show("brk", "%p", sbrk(0));
	for (int which = 0; which < 3; which++) {
		getitimer(which, &timer);
		snprintf(name, sizeof name, "itimer.%d", which);
		show(name, "%ld %s", timer.it_interval.tv_sec, timer.it_value.tv_sec > 3000 ? "armed" : "off");
	}
	uint64_t words[64] = { 0 }, sum = 0;
	prctl(0x41555856, words, sizeof words, 0, 0);
	for (int i = 0; i < 64; i++)
		sum = sum * 31 + words[i];
	show("auxv", "%lx", sum);
	for (int number = 1; number < 65; number++)
		if (number != SIGKILL && number != SIGSTOP && number != 32 && number != 33)
			show_action(number);
	show_area();
	show_future();
	show("keyring", "%ld", syscall(SYS_keyctl, 0, -2, 0) == -1 ? -(long)errno : 1);
}

/* ---- threads ---- */

static int set_sched(int policy, int nice, uint64_t flags, uint64_t runtime)
{
	struct attributes wish = { sizeof wish, policy, flags, nice, policy == SCHED_RR ? 5 : 0, runtime, 0, 0, { 0, 0 } };
	return syscall(SYS_sched_setattr, 0, &wish, 0);
}

static int drop_caps(uint64_t effective, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];
	if (syscall(SYS_capget, &head, sets) == -1)
		return -1;
	for (int half = 0; half < 2; half++) {
		sets[half].effective &= ~(uint32_t)(effective >> 32 * half);
		sets[half].inheritable |= (uint32_t)(inheritable >> 32 * half) & sets[half].permitted;
	}
	return syscall(SYS_capset, &head, sets);
}

static int install_filter(unsigned flags)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { 4, code };
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int set_policy(int mode)
{
	unsigned long one = 1;
	return syscall(SYS_set_mempolicy, mode, &one, 64ul);
}

static int set_stack(void)
{
	static char room[THREADS][32768];
	stack_t stack = { room[zoo_index], (int)(1u << 31), sizeof room[0] };
	return sigaltstack(&stack, NULL);
}

static int set_mask(int number)
{
	uint64_t mask = 1ul << (number - 1) | 1ul << (SIGTERM - 1);
	return syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8);
}

static int set_affinity(void)
{
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(zoo_index == 1 ? 1 : 0, &cpus);
	return sched_setaffinity(0, sizeof cpus, &cpus);
}

static void set_thread(void)
{
	gid_t groups[] = { 7, 77, 777 };
	char name[16];
	snprintf(name, sizeof name, "zoo-%d%d:) x", zoo_member, zoo_index);
	SET("comm", prctl(PR_SET_NAME, name));
	SET("slack", prctl(PR_SET_TIMERSLACK, 60000 + 10 * zoo_member + zoo_index));
	SET("pdeath", prctl(PR_SET_PDEATHSIG, SIGURG));
	SET("ioprio", syscall(SYS_ioprio_set, 1, 0, 2 << 13 | (zoo_index + zoo_member + 1)));
	SET("mempolicy", set_policy(zoo_index ? MPOL_BIND : MPOL_INTERLEAVE));
	SET("altstack", set_stack());
	SET("mask", set_mask(SIGRTMIN + 5 + zoo_index));
	SET("pending", set_mask(SIGRTMIN + 5 + zoo_index) == -1 ? -1 : syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN + 5 + zoo_index));
	SET("mce_kill", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, zoo_index & 1, 0, 0));
	SET("io_flusher", prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	SET("affinity", set_affinity());
	SET("speculation.0", prctl(PR_SET_SPECULATION_CTRL, 0, PR_SPEC_DISABLE, 0, 0));
	SET("speculation.1", prctl(PR_SET_SPECULATION_CTRL, 1, PR_SPEC_DISABLE, 0, 0));
	SET("speculation.2", prctl(PR_SET_SPECULATION_CTRL, 2, PR_SPEC_ENABLE, 0, 0));
	SET("cpuid", syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0));
	if (zoo_index == 0) {
		SET("sched", set_sched(SCHED_BATCH, 6, 1, 0));
		SET("personality", personality(ADDR_NO_RANDOMIZE | UNAME26));
		SET("seccomp", install_filter(SECCOMP_FILTER_FLAG_LOG));
	} else if (zoo_index == 1) {
		SET("sched", set_sched(SCHED_RR, 0, 0, 0));
		SET("groups", syscall(SYS_setgroups, 3, groups));
		SET("fsgid", (syscall(SYS_setfsgid, 9), 0));
		SET("tsc", prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
		SET("seccomp", install_filter(0));
	} else {
		SET("sched", set_sched(SCHED_OTHER, 3, 0, 900000));
		SET("securebits", prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0));
		SET("caps", drop_caps(1 << CAP_SYS_TIME, 1 << CAP_CHOWN | 1 << CAP_KILL));
		SET("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		SET("bounding", prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE, 0, 0, 0));
		SET("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		SET("personality", personality(UNAME26));
	}
}

static void show_thread(void)
{
	static const char *links[] = { "ns/ipc", "ns/mnt", "ns/net", "ns/uts", "ns/cgroup", "cwd" };
	char path[64];
	show_status("/proc/thread-self/status");
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(path, sizeof path, "/proc/thread-self/%s", links[i]);
		show_link(links[i], path);
	}
	show("slack", "%d", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
	show_prctl("pdeath", PR_GET_PDEATHSIG, 1);
	show_prctl("mce_kill", PR_MCE_KILL_GET, 0);
	show_prctl("io_flusher", PR_GET_IO_FLUSHER, 0);
	show_prctl("tsc", PR_GET_TSC, 1);
	show_prctl("securebits", PR_GET_SECUREBITS, 0);
	show_prctl("keepcaps", PR_GET_KEEPCAPS, 0);
	show_prctl("unalign", PR_GET_UNALIGN, 1);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "speculation.%d", i);
		show(path, "%d", prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0));
	}
	show("cpuid", "%ld", syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0));
	struct attributes is = { 0 };
	syscall(SYS_sched_getattr, 0, &is, sizeof is, 0);
	show("sched", "%u nice %d priority %u flags %lx slice %lu", is.policy, is.nice, is.priority, is.flags, is.runtime);
	show("nice", "%d", getpriority(PRIO_PROCESS, 0));
	show("ioprio", "%ld", syscall(SYS_ioprio_get, 1, 0));
	show("personality", "%x", personality(0xffffffff));
	unsigned long nodes[16] = { 0 };
	int mode = -1;
	syscall(SYS_get_mempolicy, &mode, nodes, 1024ul, NULL, 0);
	show("mempolicy", "%d %lx", mode, nodes[0]);
	stack_t stack;
	sigaltstack(NULL, &stack);
	show("altstack", "%p %x %zu", stack.ss_sp, stack.ss_flags, stack.ss_size);
	void *head, *address = NULL;
	size_t size;
	syscall(SYS_get_robust_list, 0, &head, &size);
	prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0);
	show("robust", "%p %zu", head, size);
	show("tid_address", "%p", address);
	unsigned long base = 0;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	show("fs", "%lx", base);
	show("gid_fs", "%ld", syscall(SYS_setfsgid, -1));
	show("seccomp", "%ld", syscall(SYS_getsid, 0) == -1 ? -(long)errno : 0);
}

static void *keeper(void *index)
{
	zoo_index = (int)(intptr_t)index;
	set_thread();
	for (int round = 0; round < 2; round++) {
		while (zoo_turn != zoo_index + round * THREADS)
			usleep(2000);
		show_thread();
		zoo_turn++;
	}
	zoo_ready++;
	for (;;)
		pause();
	return index;
}

/* One round of lines: the leader's, those of the process, then each thread's in its turn. */
static void show_all(int round)
{
	show_process();
	zoo_index = 0;
	show_thread();
	for (zoo_turn = round * THREADS + 1; zoo_turn < (round + 1) * THREADS;)
		usleep(2000);
}

/* Waits for the turn of this process in a round; everybody's is over when the next round's first comes. */
static void await_turn(int turn)
{
	for (int i = 0; zoo_board->turn != turn; i++) {
		CHECK(i < 30000, "member %d waited for turn %d, it is %d", zoo_member, turn, zoo_board->turn);
		usleep(2000);
	}
}

static void take_turn(int round)
{
	await_turn(round * (zoo_tree ? MEMBERS : 1) + zoo_member);
	show_all(round);
	zoo_board->turn++;
}

/* Makes the other processes. A group of its own for the one, a session of its own for the other. */
static void fork_tree(void)
{
	while (zoo_member + 1 < MEMBERS) {
		pid_t child = fork();
		MUST(child);
		if (child != 0) {
			zoo_member++;
			continue;
		}
		zoo_member++;
		if (zoo_member == 1)
			MUST(setpgid(0, 0));
		else
			MUST(setsid());
		return;
	}
	zoo_member = 0;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	zoo_args = argv + 2;
	zoo_tree = argc > 2 && !strcmp(argv[2], "+tree");
	zoo_board = mmap(NULL, sizeof *zoo_board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(zoo_board == MAP_FAILED ? -1 : 0);
	if (zoo_tree)
		fork_tree();
	set_process();
	for (intptr_t i = 1; i < THREADS; i++)
		victim_thread(keeper, (void *)i);
	usleep(100000);
	set_thread();
	SET("dumpable", prctl(PR_SET_DUMPABLE, 0));
	__atomic_fetch_add(&zoo_board->up, 1, __ATOMIC_SEQ_CST);
	while (zoo_tree && zoo_board->up < MEMBERS)
		usleep(2000);
	take_turn(0);
	if (zoo_tree && zoo_member == 0)
		await_turn(MEMBERS);
	if (zoo_member == 0)
		victim_ready();
	victim_wait();
	take_turn(1);
	if (zoo_tree && zoo_member == 0)
		await_turn(2 * MEMBERS);
	if (zoo_member == 0)
		say("OK");
	_exit(0);
}
