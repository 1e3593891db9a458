/*
 * Holds: a thread that spins in what looks like an abortable section of the executable's thread-local __rseq_abi, which nobody registered: the
 * kernel never aborts it. Argument 1: a folder for the counters. Checks: it was never sent to the abort handler.
 */
#include "rseq.h"

RSEQ_SPIN;
__thread struct rseq_area __rseq_abi __attribute__((aligned(64)));

static void *spin(void *argument)
{
	struct rseq_board *board = argument;
	__rseq_abi.cpu_id = (uint32_t)-1;
	int answer = rseq_spin(&__rseq_abi, board);
	CHECK(answer == 0, "the section ended with %d after %lu aborts", answer, board->aborts);
	return argument;
}

int main(int argc, char **argv)
{
	rseq_hold(argc, argv, spin);
}
