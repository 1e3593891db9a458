/*
 * Holds: a thread, or with argument 2 = "leader" the main thread, that spins inside an abortable section almost all its life.
 * Argument 1: a folder for the counters. Argument 2 may be "overlooked": a section of another version that holds its own abort handler, which
 * kernels from 6.19 on abort as any other, and older ones kill for. Checks: the second half of the section never runs after the mark was lost,
 * and every entry ended in an abort or the one commit.
 */
#include "rseq.h"

RSEQ_SPIN;
extern uint32_t rseq_spin_cs[];
extern char rseq_spin_start[], rseq_spin_abort[];
static struct rseq_board *board;

static void *spin(void *unused)
{
	struct rseq_area *area = rseq_mine(32);
	int answer;
	while ((answer = rseq_spin(area, board)) == 1)
		;
	CHECK(answer == 0, "the section ran on without protection after %lu aborts", board->aborts);
	CHECK(board->commits == 1 && board->unprotected == 0, "%lu commits, %lu unprotected", board->commits, board->unprotected);
	CHECK(board->entries == board->aborts + 1, "%lu entries, %lu aborts", board->entries, board->aborts);
	return unused;
}

static void *ask(void *unused)
{
	victim_wait();
	board->go = 1;
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	board = rseq_map_board(victim_argument(argc, argv, 1), sizeof *board);
	if (!strcmp(victim_argument(argc, argv, 2), "overlooked")) {
		enum { VERSION = 0, LENGTH = 4 };
		rseq_spin_cs[VERSION] = 1;
		rseq_spin_cs[LENGTH] = rseq_spin_abort - rseq_spin_start + 1;
	}
	bool leader = !strcmp(victim_argument(argc, argv, 2), "leader");
	pthread_t other = victim_thread(leader ? ask : spin, NULL);
	if (leader) {
		victim_ready();
		spin(NULL);
	} else {
		while (!board->entries)
			pause_ms(1);
		victim_ready();
		ask(NULL);
	}
	victim_join(other);
	ok();
}
