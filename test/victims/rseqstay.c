/*
 * Holds: a thread that stays in one section with all NO_RESTART flags, on a kernel that honours them.
 * Argument 1: a folder for the counters. Checks: the section was entered once, never aborted, never found the kernel's mark gone, and
 * committed when it was told to.
 */
#include "rseq.h"

RSEQ_SPIN;
extern uint32_t rseq_spin_cs[];

static void *stay(void *argument)
{
	struct rseq_board *board = argument;
	enum { ON_PREEMPT = 1, ON_SIGNAL = 2, ON_MIGRATE = 4 };
	rseq_spin_cs[1] = ON_PREEMPT | ON_SIGNAL | ON_MIGRATE;
	int answer = rseq_spin(rseq_mine(32), board);
	CHECK(answer == 0, "the section ended with %d: 1 = aborted, 2 = without protection", answer);
	CHECK(board->entries == 1 && board->commits == 1, "%lu entries, %lu commits", board->entries, board->commits);
	CHECK(board->aborts == 0 && board->unprotected == 0, "%lu aborts, %lu unprotected", board->aborts, board->unprotected);
	return argument;
}

int main(int argc, char **argv)
{
	rseq_hold(argc, argv, stay);
}
