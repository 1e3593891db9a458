/*
 * Restartable sequences for victims: a thread's area (the C library's, or an own one when the library registered none), and the
 * system call. x86-64. Sections are whole assembly functions, so that their bounds are real symbols.
 */
#ifndef VICTIM_RSEQ_H
#define VICTIM_RSEQ_H
#include "victim.h"
#include <stddef.h>

#define RSEQ_SIGNATURE 0x53053053
#define RSEQ_UNREGISTER 1

struct rseq_area {
	volatile uint32_t cpu_id_start, cpu_id;
	volatile uint64_t rseq_cs;
	volatile uint32_t flags, node_id, mm_cid, rest[9];
};

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static __thread struct rseq_area rseq_own __attribute__((aligned(64)));
static __thread uint32_t rseq_length = 32;

static inline long rseq_call(struct rseq_area *area, uint32_t length, int flags, uint32_t signature)
{
	return syscall(SYS_rseq, area, length, flags, signature);
}

/* The area that the C library registered for this thread, or NULL. */
static inline struct rseq_area *rseq_library(void)
{
	if (&__rseq_size == NULL || __rseq_size == 0)
		return NULL;
	return (struct rseq_area *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* This thread's area, registered now with `length` bytes if the library has not done it. */
static inline struct rseq_area *rseq_mine(uint32_t length)
{
	if (rseq_library())
		return rseq_library();
	rseq_own.cpu_id = (uint32_t)-1;
	rseq_length = length;
	MUST((int)rseq_call(&rseq_own, length, 0, RSEQ_SIGNATURE));
	return &rseq_own;
}

/* Declares a descriptor (struct rseq_cs) called NAME_cs for the symbols NAME_start, NAME_end and NAME_abort. */
#define RSEQ_DESCRIPTOR(name)                                                        \
	".pushsection __rseq_cs, \"aw\"\n .balign 32\n .globl " name "_cs\n"          \
	name "_cs:\n .long 0, 0\n .quad " name "_start, " name "_end - " name "_start, " name "_abort\n" \
	".popsection\n"                                                              \
	".globl " name "_start, " name "_end, " name "_abort\n"

/* Goes in front of an abort address: the four bytes that the kernel compares with the registration. */
#define RSEQ_MARK ".byte 0x0f, 0xb9, 0x3d\n .long 0x53053053\n"

/*
 * Counters that outlive the process, in a file that is mapped shared: the test reads them at any time. The first word ends all sections.
 */
struct rseq_board {
	volatile uint32_t go, threads;
	volatile uint64_t entries, aborts, commits, unprotected;
};

static inline void *rseq_map_board(const char *folder, size_t bytes)
{
	char path[512];
	snprintf(path, sizeof path, "%s/board", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd);
	MUST(ftruncate(fd, bytes));
	void *board = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(board == MAP_FAILED ? -1 : 0);
	close(fd);
	return board;
}

/*
 * Enters a section and stays in it until board->go. Its second half commits, unless the kernel's mark (rseq_cs) is gone: then the
 * thread was resumed inside the section without protection. An entry is counted before it: the kernel may abort at the first instruction,
 * which is where a fault of the counter's page would wait. Returns 0 committed, 1 aborted, 2 unprotected.
 */
extern int rseq_spin(struct rseq_area *area, struct rseq_board *board);
#define RSEQ_SPIN                                                                        \
	__asm__(".text\n" RSEQ_DESCRIPTOR("rseq_spin") ".globl rseq_spin\n"               \
		".type rseq_spin, @function\n rseq_spin:\n"                              \
		"	incq 8(%rsi)\n"                                                  \
		"	lea rseq_spin_cs(%rip), %rax\n	mov %rax, 8(%rdi)\n"              \
		"rseq_spin_start:\n"                                                     \
		"1:	cmpl $0, (%rsi)\n	je 1b\n"                                  \
		"	cmpq $0, 8(%rdi)\n	je 2f\n"                                  \
		"	incq 24(%rsi)\n"                                                 \
		"rseq_spin_end:\n	xor %eax, %eax\n	ret\n"                           \
		"2:	incq 32(%rsi)\n	mov $2, %eax\n	ret\n" RSEQ_MARK                 \
		"rseq_spin_abort:\n	incq 16(%rsi)\n	mov $1, %eax\n	ret\n"            \
		".size rseq_spin, . - rseq_spin\n")

/* main() of a victim whose one more thread runs `body` with a board, in the folder of argument 1, and is in a section until it is asked. */
static inline void rseq_hold(int argc, char **argv, void *(*body)(void *board))
{
	victim_begin(argc, argv);
	struct rseq_board *board = rseq_map_board(victim_argument(argc, argv, 1), sizeof *board);
	pthread_t other = victim_thread(body, board);
	while (!board->entries)
		pause_ms(1);
	victim_ready();
	victim_wait();
	board->go = 1;
	victim_join(other);
	ok();
}
#endif
