/*
 * Holds: threads of one rseq state, named by argument 1: idle, outside (a section is set, the thread is not in it), unregistered.
 * Argument 2: length of an own registration (32 if absent). Each thread is pinned to a CPU unless argument 3 is "unpinned".
 * Checks, in each thread: cpu_id is that CPU; registering again says EBUSY; unregistering with another signature EPERM, with another
 * address EINVAL, with the right ones works; unregistered threads were so and can register.
 */
#include "rseq.h"
#include <sched.h>

enum { THREADS = 4 };
static bool outside, unregistered, unpinned;
static int cpus;
static uint32_t length = 32;
static pthread_barrier_t started;
extern char rseq_never_cs[];

/* A section that is never entered. */
__asm__(".text\n" RSEQ_DESCRIPTOR("rseq_never") "rseq_never_start:\n	nop\n	nop\nrseq_never_end:\n	ret\n" RSEQ_MARK
							 "rseq_never_abort:\n	ud2\n");

static void expect(long answer, int error, const char *what)
{
	int found = answer == 0 ? 0 : errno;
	CHECK(found == error, "%s answers %s, not %s", what, strerror(found), strerror(error));
}

static void *hold(void *argument)
{
	long number = (long)argument;
	struct rseq_area *area = unregistered ? &rseq_own : rseq_mine(length);
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(number % cpus, &one);
	if (!unpinned)
		MUST(sched_setaffinity(0, sizeof one, &one));
	pthread_barrier_wait(&started);
	while (!victim_go)
		if (outside)
			area->rseq_cs = (uint64_t)rseq_never_cs;
		else
			pause_ms(10);
	/* An unpinned thread may move between the two questions, but not each time. */
	unsigned now, cpu, tries = 0;
	do {
		syscall(SYS_getcpu, &now, NULL, NULL);
		cpu = unregistered ? now : area->cpu_id;
	} while (cpu != now && ++tries < 1000);
	CHECK(cpu == now, "thread %ld runs on CPU %u, cpu_id is %d", number, now, cpu);
	CHECK(unpinned || cpu == number % cpus, "thread %ld runs on CPU %u", number, cpu);
	if (unregistered) {
		CHECK(rseq_library() == NULL, "set-up: the C library registered rseq");
		expect(rseq_call(area, 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE), EINVAL, "unregistering what is not registered");
		expect(rseq_call(area, 32, 0, RSEQ_SIGNATURE), 0, "registering for the first time");
		expect(rseq_call(area, 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE), 0, "unregistering");
		return NULL;
	}
	CHECK(unpinned || area->cpu_id == area->cpu_id_start, "thread %ld: cpu_id is %d, cpu_id_start %d", number, area->cpu_id, area->cpu_id_start);
	expect(rseq_call(area, rseq_length, 0, RSEQ_SIGNATURE), EBUSY, "registering again");
	expect(rseq_call(area, rseq_length, 0, 0x12345678), EPERM, "registering with another signature");
	expect(rseq_call(area, rseq_length, RSEQ_UNREGISTER, 0x12345678), EPERM, "unregistering with another signature");
	expect(rseq_call(area + 1, rseq_length, RSEQ_UNREGISTER, RSEQ_SIGNATURE), EINVAL, "unregistering another address");
	expect(rseq_call(area, rseq_length + 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE), EINVAL, "unregistering another length");
	expect(rseq_call(area, rseq_length, RSEQ_UNREGISTER, RSEQ_SIGNATURE), 0, "unregistering");
	expect(rseq_call(area, rseq_length, 0, RSEQ_SIGNATURE), 0, "registering after that");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	victim_begin(argc, argv);
	outside = !strcmp(victim_argument(argc, argv, 1), "outside");
	unregistered = !strcmp(victim_argument(argc, argv, 1), "unregistered");
	if (*victim_argument(argc, argv, 2))
		length = strtoul(victim_argument(argc, argv, 2), NULL, 0);
	unpinned = !strcmp(victim_argument(argc, argv, 3), "unpinned");
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_barrier_init(&started, NULL, THREADS);
	for (long i = 1; i < THREADS; i++)
		threads[i] = victim_thread(hold, (void *)i);
	if (!unregistered)
		rseq_mine(length);
	pthread_barrier_wait(&started);
	victim_ready();
	victim_wait();
	for (int i = 1; i < THREADS; i++)
		victim_join(threads[i]);
	ok();
}
