/*
 * Holds: a thread that stays in one section with all NO_RESTART flags, on a kernel that honours them.
 * Argument 1: a folder for the counters. Checks: the section was entered once, never aborted, never found the kernel's mark gone, and
 * committed when it was told to.
 */
#include "rseq.h"

RSEQ_SPIN;
extern uint32_t rseq_spin_cs[];
static struct rseq_board *board;

static void *stay(void *unused)
{
	enum { ON_PREEMPT = 1, ON_SIGNAL = 2, ON_MIGRATE = 4 };
	rseq_spin_cs[1] = ON_PREEMPT | ON_SIGNAL | ON_MIGRATE;
	int answer = rseq_spin(rseq_mine(32), board);
	CHECK(answer == 0, "the section ended with %d: 1 = aborted, 2 = without protection", answer);
	CHECK(board->entries == 1 && board->commits == 1, "%lu entries, %lu commits", board->entries, board->commits);
	CHECK(board->aborts == 0 && board->unprotected == 0, "%lu aborts, %lu unprotected", board->aborts, board->unprotected);
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	board = rseq_map_board(victim_argument(argc, argv, 1), sizeof *board);
	pthread_t other = victim_thread(stay, NULL);
	while (!board->entries)
		pause_ms(1);
	victim_ready();
	victim_wait();
	board->go = 1;
	victim_join(other);
	ok();
}
