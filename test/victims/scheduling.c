/*
 * Holds: a policy, priority, nice value and affinity of its own in each thread. Argument "fifo": real-time policies too (needs root).
 * Checks: each thread asks the kernel for its own.
 */
#include "victim.h"
#include <sched.h>
#include <sys/resource.h>

static const struct row {
	int policy, priority, nice;
} rows[] = { { SCHED_OTHER, 0, 0 }, { SCHED_OTHER, 0, 7 }, { SCHED_BATCH, 0, 3 }, { SCHED_IDLE, 0, 4 }, { SCHED_FIFO, 5, 0 }, { SCHED_RR, 9, 0 } };
enum { ROWS = sizeof rows / sizeof *rows };
static int cpus;
static pthread_barrier_t set;

static void *hold(void *argument)
{
	long number = (long)argument;
	const struct row *row = &rows[number];
	struct sched_param wanted = { row->priority }, found;
	cpu_set_t one, mine;
	CPU_ZERO(&one);
	CPU_SET(number % cpus, &one);
	MUST(sched_setaffinity(0, sizeof one, &one));
	MUST(sched_setscheduler(0, row->policy, &wanted));
	/* Also where the tests run with a nice value of their own. */
	if (getpriority(PRIO_PROCESS, gettid()) != row->nice)
		MUST(setpriority(PRIO_PROCESS, gettid(), row->nice));
	pthread_barrier_wait(&set);
	while (!victim_go)
		pause_ms(10);
	MUST(sched_getparam(0, &found));
	CHECK(sched_getscheduler(0) == row->policy, "thread %ld has policy %d, had %d", number, sched_getscheduler(0), row->policy);
	CHECK(found.sched_priority == row->priority, "thread %ld has priority %d", number, found.sched_priority);
	int nice_now = getpriority(PRIO_PROCESS, gettid());
	CHECK(nice_now == row->nice, "thread %ld has nice %d, had %d", number, nice_now, row->nice);
	MUST(sched_getaffinity(0, sizeof mine, &mine));
	CHECK(CPU_EQUAL(&mine, &one), "thread %ld may run on %d CPUs", number, CPU_COUNT(&mine));
	CHECK(sched_getcpu() == number % cpus, "thread %ld runs on CPU %d", number, sched_getcpu());
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[ROWS];
	victim_begin(argc, argv);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int count = strcmp(victim_argument(argc, argv, 1), "fifo") ? 4 : ROWS;
	pthread_barrier_init(&set, NULL, count + 1);
	for (long i = 0; i < count; i++)
		threads[i] = victim_thread(hold, (void *)i);
	pthread_barrier_wait(&set);
	victim_ready();
	victim_wait();
	for (int i = 0; i < count; i++)
		victim_join(threads[i]);
	ok();
}
