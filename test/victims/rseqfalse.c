/*
 * Holds: a thread that spins in what looks like an abortable section of the executable's thread-local __rseq_abi, which nobody registered: the
 * kernel never aborts it. Argument 1: a folder for the counters. Checks: it was never sent to the abort handler.
 */
#include "rseq.h"

RSEQ_SPIN;
__thread struct rseq_area __rseq_abi __attribute__((aligned(64)));
static struct rseq_board *board;

static void *spin(void *unused)
{
	__rseq_abi.cpu_id = (uint32_t)-1;
	int answer = rseq_spin(&__rseq_abi, board);
	CHECK(answer == 0, "the section ended with %d after %lu aborts", answer, board->aborts);
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	board = rseq_map_board(victim_argument(argc, argv, 1), sizeof *board);
	pthread_t other = victim_thread(spin, NULL);
	while (!board->entries)
		pause_ms(1);
	victim_ready();
	victim_wait();
	board->go = 1;
	victim_join(other);
	ok();
}
