/*
 * Holds: a thread that sleeps, with an own registration that is odd by argument 1. "readonly": its area became read-only. "denied": the thread
 * has denied itself to write there, by a protection key. "long": of 64 MiB, all there. "shared": of four threads that spin, in shared memory.
 * "sharers": in memory that another process has too. Up to Linux 6.18 the kernel kills the first two when they run again. Checks: the
 * registrations are there.
 */
#include "rseq.h"
#include <sched.h>
#include <sys/wait.h>

enum { LONG = 64 << 20, WRITE_DISABLE = 2 };
static int ends[2];
static const char *kind;
static volatile bool set;

static bool is(const char *name)
{
	return !strcmp(kind, name);
}

/* No call of the C library between the change and the sleep: whatever the kernel preempts there it kills. */
static void sleep_there(long number, long first, long second, long third)
{
	char byte;
	long answer;
	__asm__ volatile("syscall" : "=a"(answer) : "0"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
	__asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_read), "D"(ends[0]), "S"(&byte), "d"(1) : "rcx", "r11", "memory");
}

static void deny_and_sleep(int key)
{
	char byte;
	long answer;
	__asm__ volatile("wrpkru" : : "a"(WRITE_DISABLE << (2 * key)), "c"(0), "d"(0));
	__asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_read), "D"(ends[0]), "S"(&byte), "d"(1) : "rcx", "r11", "memory");
}

static void *hold(void *unused)
{
	uint32_t length = is("long") ? LONG : 32;
	struct rseq_area *area = mmap(NULL, LONG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (is("long") ? MAP_POPULATE : 0), -1, 0);
	MUST(area == MAP_FAILED ? -1 : 0);
	int key = -1;
	if (is("denied")) {
		key = syscall(SYS_pkey_alloc, 0, 0);
		if (key == -1)
			skip("no protection keys");
		MUST(syscall(SYS_pkey_mprotect, area, 4096, PROT_READ | PROT_WRITE, key));
	}
	if (rseq_call(area, length, 0, RSEQ_SIGNATURE) == -1)
		skip("this kernel takes no such registration");
	set = true;
	if (is("readonly"))
		sleep_there(SYS_mprotect, (long)area, 4096, PROT_READ);
	if (is("denied"))
		deny_and_sleep(key);
	while (!victim_go)
		pause_ms(10);
	CHECK(rseq_call(area, length, 0, RSEQ_SIGNATURE) == -1 && errno == EBUSY, "registering again: %s", strerror(errno));
	return unused;
}

static void *spin(void *area)
{
	MUST((int)rseq_call(area, 32, 0, RSEQ_SIGNATURE));
	while (!victim_go)
		;
	CHECK(rseq_call(area, 32, 0, RSEQ_SIGNATURE) == -1 && errno == EBUSY, "registering again: %s", strerror(errno));
	return NULL;
}

static void share(void)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	struct rseq_area *areas = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(areas == MAP_FAILED ? -1 : 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = victim_thread(spin, areas + i);
	pause_ms(50);
	victim_ready();
	victim_wait();
	for (int i = 0; i < THREADS; i++)
		victim_join(threads[i]);
	ok();
}

/* Runs in the memory of its parent, with its thread-local storage: no call of the C library. */
static int sleep_for_ever(void *unused)
{
	long answer;
	for (;;)
		__asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_pause) : "rcx", "r11", "memory");
}

static pid_t other_process(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	pid_t pid = clone(sleep_for_ever, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	MUST(pid);
	return pid;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	kind = victim_argument(argc, argv, 1);
	if (is("shared"))
		share();
	pid_t other = is("sharers") ? other_process() : 0;
	MUST(pipe(ends));
	pthread_t thread = victim_thread(hold, NULL);
	while (!set)
		pause_ms(1);
	/* It is asleep by then. */
	pause_ms(50);
	victim_ready();
	victim_wait();
	victim_join(thread);
	if (other) {
		MUST(kill(other, SIGKILL));
		CHECK(waitpid(other, NULL, 0) == other, "waitpid: %s", strerror(errno));
	}
	ok();
}
