/*
 * Holds: blocked signals in the queues: for the process, for the main thread and for another thread; real-time ones queued several
 * times with values; with argument 1 = "faults" one as a fault queues it, on its way when the thread was frozen. Checks: each comes once, in
 * order, with its code, value and sender, or address.
 */
#include "victim.h"

static pthread_barrier_t queued, asked;
static sigset_t all;
static bool faults;

static void expect(int number, int code, long value, const char *queue)
{
	siginfo_t info;
	sigset_t one;
	struct timespec now = { 0, 0 };
	sigemptyset(&one);
	sigaddset(&one, number);
	/* Not the C library's sigtimedwait, which turns SI_TKILL into SI_USER. */
	int got = syscall(SYS_rt_sigtimedwait, &one, &info, &now, 8);
	CHECK(got == number, "%s: signal %d is not pending", queue, number);
	CHECK(info.si_code == code, "%s: signal %d has code %d, had %d", queue, number, info.si_code, code);
	CHECK(info.si_pid == getpid() && info.si_uid == getuid(), "%s: signal %d came from %d", queue, number, info.si_pid);
	if (code == SI_QUEUE)
		CHECK(info.si_value.sival_ptr == (void *)value, "%s: signal %d has value %p, had %lx", queue, number,
		      info.si_value.sival_ptr, value);
}

/* As a page fault does: with a code that is not a user's. */
static void queue_fault(void *address)
{
	siginfo_t info = { .si_signo = SIGSEGV, .si_code = SEGV_ACCERR };
	if (!faults)
		return;
	info.si_addr = address;
	MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV, &info));
}

static void expect_fault(void *address, const char *queue)
{
	siginfo_t info;
	sigset_t one;
	struct timespec now = { 0, 0 };
	if (!faults)
		return;
	sigemptyset(&one);
	sigaddset(&one, SIGSEGV);
	CHECK(sigtimedwait(&one, &info, &now) == SIGSEGV, "%s: the fault is not pending", queue);
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == address, "%s: fault of code %d at %p", queue, info.si_code, info.si_addr);
}

static void none(const char *queue)
{
	siginfo_t info;
	struct timespec now = { 0, 0 };
	int got = sigtimedwait(&all, &info, &now);
	CHECK(got == -1 && errno == EAGAIN, "%s: signal %d came twice or from nowhere", queue, got);
}

static void *other(void *unused)
{
	for (int i = 0; i < 5; i++)
		MUST(pthread_sigqueue(pthread_self(), SIGRTMIN + 3, (union sigval){ .sival_ptr = (void *)(0x700000000 + i) }) ? -1 : 0);
	pthread_kill(pthread_self(), SIGUSR2);
	queue_fault(&all);
	pthread_barrier_wait(&queued);
	pthread_barrier_wait(&asked);
	for (int i = 0; i < 5; i++)
		expect(SIGRTMIN + 3, SI_QUEUE, 0x700000000 + i, "other thread");
	expect(SIGUSR2, SI_TKILL, 0, "other thread");
	expect_fault(&all, "other thread");
	none("other thread");
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	faults = !strcmp(victim_argument(argc, argv, 1), "faults");
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_barrier_init(&queued, NULL, 2);
	pthread_barrier_init(&asked, NULL, 2);
	pthread_t thread = victim_thread(other, NULL);
	pthread_barrier_wait(&queued);
	for (int i = 0; i < 4; i++)
		MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_ptr = (void *)(0x500000000 + i) }));
	MUST(kill(getpid(), SIGTERM));
	MUST(kill(getpid(), SIGTERM)); /* an ordinary signal is pending once only */
	MUST(kill(getpid(), SIGRTMIN + 2));
	MUST(sigqueue(getpid(), SIGHUP, (union sigval){ .sival_ptr = (void *)0x99 }));
	pthread_kill(pthread_self(), SIGUSR1);
	pthread_sigqueue(pthread_self(), SIGRTMIN + 4, (union sigval){ .sival_ptr = (void *)0x44 });
	queue_fault(&queued);
	victim_ready();
	victim_wait();

	for (int i = 0; i < 4; i++)
		expect(SIGRTMIN + 1, SI_QUEUE, 0x500000000 + i, "process");
	expect(SIGTERM, SI_USER, 0, "process");
	expect(SIGRTMIN + 2, SI_USER, 0, "process");
	expect(SIGHUP, SI_QUEUE, 0x99, "process");
	expect(SIGUSR1, SI_TKILL, 0, "main thread");
	expect(SIGRTMIN + 4, SI_QUEUE, 0x44, "main thread");
	expect_fault(&queued, "main thread");
	none("process");
	pthread_barrier_wait(&asked);
	victim_join(thread);
	ok();
}
