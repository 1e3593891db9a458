/*
 * Holds: threads that have turned longer time slices on (Linux 7.0 with CONFIG_RSEQ_SLICE_EXTENSION), and one that has not. Checks: each has
 * what it had, and the kernel says so in its flags.
 */
#include "rseq.h"
#include <sys/prctl.h>

enum { SLICE_EXTENSION = 79, GET = 1, SET = 2, ENABLED = 0x20, THREADS = 3 };
static pthread_barrier_t started;

static void *hold(void *argument)
{
	bool wanted = argument != NULL;
	struct rseq_area *area = rseq_mine(64);
	if (prctl(SLICE_EXTENSION, GET, 0, 0, 0) == -1)
		skip("this kernel gives no longer time slices");
	CHECK(!wanted || prctl(SLICE_EXTENSION, SET, 1, 0, 0) == 0, "set-up: SET: %s", strerror(errno));
	pthread_barrier_wait(&started);
	while (!victim_go)
		pause_ms(10);
	CHECK(prctl(SLICE_EXTENSION, GET, 0, 0, 0) == wanted, "they are %s", wanted ? "off" : "on");
	CHECK(((area->flags & ENABLED) != 0) == wanted, "the flags are %x", area->flags);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	victim_begin(argc, argv);
	pthread_barrier_init(&started, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		threads[i] = victim_thread(hold, (void *)i);
	pthread_barrier_wait(&started);
	victim_ready();
	victim_wait();
	for (int i = 0; i < THREADS; i++)
		victim_join(threads[i]);
	ok();
}
