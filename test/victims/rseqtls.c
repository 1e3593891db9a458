/*
 * Holds: threads that register the executable's thread-local __rseq_abi, as programs with librseq do, in place of the C library's area.
 * With argument 1, a folder for the counters, one more thread spins inside an abortable section of it almost all its life.
 * Checks, in each thread: the registration is there, with this address, length and signature, and no other; the section is
 * never left but by its abort handler.
 */
#include "rseq.h"

enum { THREADS = 3 };
RSEQ_SPIN;
__thread struct rseq_area __rseq_abi __attribute__((aligned(64)));
static pthread_barrier_t started;

static void registered(void)
{
	struct rseq_area *library = rseq_library();
	if (library)
		MUST((int)rseq_call(library, 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE));
	__rseq_abi.cpu_id = (uint32_t)-1;
	MUST((int)rseq_call(&__rseq_abi, 32, 0, RSEQ_SIGNATURE));
}

static void check(void)
{
	CHECK(rseq_call(&__rseq_abi, 32, 0, RSEQ_SIGNATURE) == -1 && errno == EBUSY, "registering again: %s", strerror(errno));
	CHECK(rseq_call(&__rseq_abi, 32, 0, 0x12345678) == -1 && errno == EPERM, "another signature: %s", strerror(errno));
	CHECK(rseq_call(&__rseq_abi, 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE) == 0, "unregistering: %s", strerror(errno));
}

static void *hold(void *unused)
{
	registered();
	pthread_barrier_wait(&started);
	while (!victim_go)
		pause_ms(10);
	check();
	return unused;
}

static void *spin(void *argument)
{
	struct rseq_board *board = argument;
	registered();
	int answer;
	while ((answer = rseq_spin(&__rseq_abi, board)) == 1)
		;
	CHECK(answer == 0, "the section ran on without protection after %lu aborts", board->aborts);
	check();
	return argument;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	pthread_barrier_init(&started, NULL, THREADS + 1);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		threads[i] = victim_thread(hold, NULL);
	const char *folder = victim_argument(argc, argv, 1);
	struct rseq_board *board = *folder ? rseq_map_board(folder, sizeof *board) : NULL;
	pthread_t spinner;
	if (board)
		spinner = victim_thread(spin, board);
	/* Last: whom the C library's registration is gone from starts no more threads with one. */
	registered();
	pthread_barrier_wait(&started);
	while (board && !board->entries)
		pause_ms(1);
	victim_ready();
	victim_wait();
	if (board) {
		board->go = 1;
		victim_join(spinner);
	}
	for (int i = 0; i < THREADS; i++)
		victim_join(threads[i]);
	check();
	ok();
}
