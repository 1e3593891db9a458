/*
 * Sets up the attributes that its first argument names, prints what it set as "name value" lines, says "ready", and sleeps for ever.
 * Everything is set by raw system calls, so that libc neither refuses nor changes a value.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NOTE(name, value) printf(name " %lld\n", (long long)(value))
/* A call that must work. */
#define MUST(call)                                            \
	do {                                                  \
		if ((call) < 0) {                             \
			printf("failed %s: %m\n", #call);     \
			fflush(stdout);                       \
			_exit(1);                             \
		}                                             \
	} while (0)
/* A call that this kernel may lack: what came of it is printed. */
#define TRY(name, call) NOTE(name, (call) < 0 ? -errno : 0)

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static pthread_barrier_t started;
static void (*thread_setup)(void);

static void ready(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

static void *thread(void *unused)
{
	NOTE("thread", gettid());
	if (thread_setup)
		thread_setup();
	pthread_barrier_wait(&started);
	while (pause() < 0)
		;
	return unused;
}

/* Starts one more thread and waits until it has set itself up. */
static void start_thread(void (*setup)(void))
{
	pthread_t id;
	thread_setup = setup;
	pthread_barrier_init(&started, NULL, 2);
	if (pthread_create(&id, NULL, thread, NULL))
		exit(1);
	pthread_barrier_wait(&started);
}

/* idle: nothing is set, and every signal but SIGURG and SIGWINCH is blocked, so that it survives whatever is restored into it. */
static void block_all(void)
{
	uint64_t all = ~0ull & ~(1ull << (SIGURG - 1)) & ~(1ull << (SIGWINCH - 1));
	MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
}

static void on_alternate_stack(int signal)
{
	(void)signal;
	ready();
}

static char main_stack[32768], other_stack[32768];

static void autodisarmed(void)
{
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof other_stack, .ss_flags = (int)(1u << 31) };
	MUST(sigaltstack(&stack, NULL));
}

static void send(int signal, int value, int to_thread)
{
	siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_value.sival_int = value;
	if (to_thread)
		MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, &info));
	else
		MUST(syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info));
}

/* signals: 62 actions, queues of both kinds, a leader inside a handler on its alternate stack, a thread with an auto-disarmed one. */
static void signals(void)
{
	block_all();
	start_thread(autodisarmed);
	for (int signal = 1; signal <= 64; signal++) {
		struct kernel_sigaction action = {
			.handler = 0x100000ull * signal + 5,
			.flags = SA_SIGINFO | 0x04000000 | (signal & 1 ? SA_RESTART : SA_ONSTACK) | (signal & 2 ? SA_NODEFER : SA_RESETHAND),
			.restorer = 0x7000000ull + signal,
			.mask = (0x8000000000000001ull << (signal % 60)) | 1ull << 20,
		};
		if (signal == SIGKILL || signal == SIGSTOP)
			continue;
		if (signal == SIGWINCH || signal == SIGPIPE)
			action.handler = (uint64_t)SIG_IGN;
		if (signal == SIGUSR2)
			action.handler = (uint64_t)SIG_DFL;
		MUST(syscall(SYS_rt_sigaction, signal, &action, NULL, 8));
	}
	struct sigaction real = { .sa_handler = on_alternate_stack, .sa_flags = SA_ONSTACK };
	MUST(sigaction(SIGUSR1, &real, NULL));
	stack_t stack = { .ss_sp = main_stack, .ss_size = sizeof main_stack };
	MUST(sigaltstack(&stack, NULL));
	NOTE("stack", (intptr_t)main_stack);
	NOTE("other", (intptr_t)other_stack);
	uint64_t set = ~0ull & ~(1ull << (SIGUSR1 - 1)) & ~(1ull << (SIGWINCH - 1));
	MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8));
	send(40, 1, 0);
	send(40, 2, 0);
	send(SIGTERM, 3, 0);
	send(63, 4, 1);
	send(63, 5, 1);
	MUST(syscall(SYS_tgkill, getpid(), gettid(), SIGHUP));
	MUST(kill(getpid(), SIGINT));
	struct itimerval soon = { .it_value = { .tv_usec = 1 } };
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	usleep(20000);
	raise(SIGUSR1);
}

/* As the kernel has it: id is the kernel's own. */
static int create_timer(int clock, int notify, int signal, int64_t value, int tid)
{
	struct {
		int64_t value;
		int signal, notify, tid;
		char rest[44];
	} event = { .value = value, .signal = signal, .notify = notify, .tid = tid };
	int id = -1;
	MUST(syscall(SYS_timer_create, clock, &event, &id));
	return id;
}

static void set_timer(int id, long seconds, long nanoseconds, long interval)
{
	struct itimerspec times = { .it_value = { seconds, nanoseconds }, .it_interval = { interval, 7 } };
	MUST(syscall(SYS_timer_settime, id, 0, &times, NULL));
}

/* timers: all interval timers, POSIX timers of every kind of notification, with gaps between their IDs. */
static void timers(void)
{
	struct itimerval real = { { 5, 1000 }, { 1000, 2000 } }, virtual = { { 0, 0 }, { 77, 5000 } }, prof = { { 9, 9000 }, { 88, 9000 } };
	block_all();
	start_thread(NULL);
	MUST(setitimer(ITIMER_REAL, &real, NULL));
	MUST(setitimer(ITIMER_VIRTUAL, &virtual, NULL));
	MUST(setitimer(ITIMER_PROF, &prof, NULL));
	for (int i = 0; i < 3; i++)
		MUST(syscall(SYS_timer_delete, create_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)));
	set_timer(create_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, 0x1122334455667788, 0), 500, 0, 60);
	set_timer(create_timer(CLOCK_REALTIME, SIGEV_NONE, 0, -1, 0), 600, 0, 0);
	for (int i = 0; i < 5; i++)
		MUST(syscall(SYS_timer_delete, create_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)));
	set_timer(create_timer(CLOCK_BOOTTIME, SIGEV_SIGNAL | SIGEV_THREAD_ID, 41, 9, gettid()), 700, 5, 70);
	create_timer(CLOCK_MONOTONIC, SIGEV_THREAD, SIGUSR2, 10, 0);
	set_timer(create_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGALRM, 11, 0), 800, 0, 0);
	/* The CPU clock of one thread, as pthread_getcpuclockid gives it. */
	set_timer(create_timer((~gettid() << 3) | 6, SIGEV_SIGNAL, SIGALRM, 12, 0), 900, 0, 0);
	/* Overruns: its interval passes many times while its signal stays blocked. */
	int fast = create_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, 50, 13, 0);
	struct itimerspec often = { .it_value = { 0, 1000 }, .it_interval = { 0, 1000000 } };
	MUST(syscall(SYS_timer_settime, fast, 0, &often, NULL));
}

static void set_caps(uint64_t inheritable, uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	for (int half = 0; half < 2; half++)
		data[half] = (struct __user_cap_data_struct){ (uint32_t)(effective >> 32 * half), (uint32_t)(permitted >> 32 * half), (uint32_t)(inheritable >> 32 * half) };
	MUST(syscall(SYS_capset, &head, data));
}

static uint64_t permitted_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	MUST(syscall(SYS_capget, &head, data));
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

/* A plain user without any capability. */
static void plain_user(void)
{
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, 2000, 2000, 2000));
	MUST(syscall(SYS_setresuid, 2000, 2000, 2000));
}

/* creds: each of the two threads with other ones. */
static void creds(void)
{
	gid_t groups[] = { 5, 6, 1000, 70000 };
	uint64_t kept = 1ull << 7 | 1ull << 10 | 1ull << 21 | 1ull << 38, all = permitted_caps();
	start_thread(plain_user);
	MUST(syscall(SYS_setgroups, 4, groups));
	/* Capability 25 stays inheritable though it leaves the bounding set; 8 (SETPCAP) is given up last. */
	set_caps(1ull << 10 | 1ull << 25, all, all);
	MUST(prctl(PR_CAPBSET_DROP, 25, 0, 0, 0));
	MUST(prctl(PR_CAPBSET_DROP, 40, 0, 0, 0));
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0));
	MUST(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED));
	MUST(syscall(SYS_setresgid, 1010, 1011, 1012));
	MUST(syscall(SYS_setresuid, 1001, 1002, 1003));
	syscall(SYS_setfsgid, 1013);
	syscall(SYS_setfsuid, 1004);
	set_caps(1ull << 10 | 1ull << 25, kept, 1ull << 10);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void deadline(void)
{
	struct sched_attributes attributes = { 56, 6, 1 | 4, 0, 0, 2000000, 20000000, 30000000, 0, 0 };
	TRY("deadline", syscall(SYS_sched_setattr, 0, &attributes, 0));
}

static void batch(void)
{
	struct sched_attributes attributes = { .size = 48, .policy = SCHED_BATCH, .nice = 5 };
	MUST(syscall(SYS_sched_setattr, 0, &attributes, 0));
	MUST(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
	MUST(prctl(PR_SET_TIMERSLACK, 12345, 0, 0, 0));
}

/* A fair thread with a slice of its own (6.12) and clamped utilisation. */
static void sliced(void)
{
	struct sched_attributes attributes = { .size = 56, .policy = SCHED_OTHER, .nice = -7, .runtime = 7000000 };
	MUST(syscall(SYS_sched_setattr, 0, &attributes, 0));
	attributes.flags = 0x60 | 8 | 16;
	attributes.util_min = 100;
	attributes.util_max = 600;
	TRY("clamp", syscall(SYS_sched_setattr, 0, &attributes, 0));
}

/* sched: one thread of each policy. */
static void sched(void)
{
	start_thread(deadline);
	start_thread(batch);
	start_thread(sliced);
	struct sched_param param = { .sched_priority = 7 };
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	MUST(syscall(SYS_setpriority, 0, 0, -3));
	MUST(sched_setaffinity(0, sizeof set, &set));
	MUST(sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param));
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void odd_thread(void)
{
	MUST(prctl(PR_SET_NAME, "\xff\xfe odd)\n(name", 0, 0, 0));
	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0));
	MUST(syscall(SYS_personality, PER_LINUX | SHORT_INODE));
}

/* attributes: everything else, none as it is by default. */
static void attributes(void)
{
	start_thread(odd_thread);
	MUST(syscall(SYS_personality, PER_LINUX | ADDR_NO_RANDOMIZE | UNAME26));
	put("/proc/self/oom_score_adj", "123");
	put("/proc/self/coredump_filter", "0x7b");
	MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	if (prctl(PR_SET_THP_DISABLE, 1, 2, 0, 0) < 0)
		MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	TRY("io_flusher", prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	TRY("mce", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	TRY("tsc", prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
	TRY("speculation", prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0));
	TRY("memory_merge", prctl(67, 1, 0, 0, 0));
	TRY("cpuid", syscall(SYS_arch_prctl, 0x1012, 0));
	/* Keys that are requested go to the user's keyring. */
	TRY("request_keyring", syscall(SYS_keyctl, 14, 4));
	TRY("mdwe", prctl(65, 1, 0, 0, 0));
	MUST(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/* thread: what libc has registered for its threads. */
static void note_thread(void)
{
	void *head, *tid = NULL;
	size_t size;
	MUST(syscall(SYS_get_robust_list, 0, &head, &size));
	MUST(prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0));
	printf("robust.%d %lld\ntid.%d %lld\n", gettid(), (long long)(intptr_t)head, gettid(), (long long)(intptr_t)tid);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "idle";
	if (!strcmp(kind, "idle"))
		block_all(), start_thread(NULL);
	else if (!strcmp(kind, "signals"))
		signals();
	else if (!strcmp(kind, "timers"))
		timers();
	else if (!strcmp(kind, "creds"))
		creds();
	else if (!strcmp(kind, "sched"))
		sched();
	else if (!strcmp(kind, "attributes"))
		attributes();
	else if (!strcmp(kind, "thread"))
		note_thread(), start_thread(note_thread);
	else
		return 2;
	ready();
}
