/*
 * Holds: eight threads that increment per-CPU counters, each increment an abortable section with a long body. Argument 1: a folder
 * for the counters; argument 2: turns of the body (default 300). Checks: the sum over the CPUs equals the operations counted, exactly.
 */
#include "rseq.h"

enum { THREADS = 8, CPUS = 1024 };

struct slot {
	volatile uint64_t value;
	uint64_t rest[7];
};

struct shared {
	struct rseq_board board;
	uint64_t rest[3];
	struct slot operations[THREADS], aborted[THREADS], counters[CPUS];
};

/* One increment of the counter of this CPU. Returns 0 committed, 1 aborted, 2 resumed inside without protection. */
extern int rseq_add(struct rseq_area *area, struct slot *counters, uint64_t turns);
__asm__(".text\n" RSEQ_DESCRIPTOR("rseq_add") ".globl rseq_add\n.type rseq_add, @function\nrseq_add:\n"
	"	lea rseq_add_cs(%rip), %rax\n	mov %rax, 8(%rdi)\n"
	"rseq_add_start:\n"
	"	mov (%rdi), %eax\n	shl $6, %rax\n	add %rsi, %rax\n"
	"	mov (%rax), %rcx\n"
	"1:	dec %rdx\n	jnz 1b\n"
	"	inc %rcx\n"
	"	cmpq $0, 8(%rdi)\n	je 2f\n"
	"	mov %rcx, (%rax)\n" /* the commit */
	"rseq_add_end:\n	xor %eax, %eax\n	ret\n"
	"2:	mov $2, %eax\n	ret\n" RSEQ_MARK
	"rseq_add_abort:\n	mov $1, %eax\n	ret\n.size rseq_add, . - rseq_add\n");

static struct shared *shared;
static uint64_t turns = 300;

static void *count(void *argument)
{
	long number = (long)argument;
	struct rseq_area *area = rseq_mine(32);
	while (!shared->board.go) {
		int answer = rseq_add(area, shared->counters, turns);
		CHECK(answer != 2, "thread %ld finished a section without protection", number);
		if (answer == 0)
			shared->operations[number].value++;
		else
			shared->aborted[number].value++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	victim_begin(argc, argv);
	shared = rseq_map_board(victim_argument(argc, argv, 1), sizeof *shared);
	if (*victim_argument(argc, argv, 2))
		turns = strtoul(victim_argument(argc, argv, 2), NULL, 0);
	for (long i = 0; i < THREADS; i++)
		threads[i] = victim_thread(count, (void *)i);
	victim_ready();
	victim_wait();
	shared->board.go = 1;
	uint64_t operations = 0, sum = 0, aborts = 0;
	for (int i = 0; i < THREADS; i++) {
		victim_join(threads[i]);
		operations += shared->operations[i].value;
		aborts += shared->aborted[i].value;
	}
	for (int i = 0; i < CPUS; i++)
		sum += shared->counters[i].value;
	CHECK(operations > 0, "nothing was counted");
	CHECK(sum == operations, "the sum is %lu, %lu operations were counted, %lu aborted", sum, operations, aborts);
	ok();
}
