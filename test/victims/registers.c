/*
 * Holds: a known value in every general register of a thread that makes no call. The direction flag too.
 * Checks: every register is as it was, when the loop ends. Argument "steps": the thread has set its trap flag instead, and is told of every
 * instruction by SIGTRAP, before and after.
 */
#include "victim.h"

static volatile int go __attribute__((used));
static uint64_t seen[15] __attribute__((used));

/* Stack pointer apart, all fifteen; the loop compares memory only, so no register changes in it. */
__asm__(".text\n"
	"hold_registers:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	movabs $0x0101010101010101, %rax\n	movabs $0x0202020202020202, %rbx\n"
	"	movabs $0x0303030303030303, %rcx\n	movabs $0x0404040404040404, %rdx\n"
	"	movabs $0x0505050505050505, %rsi\n	movabs $0x0606060606060606, %rdi\n"
	"	movabs $0x0707070707070707, %rbp\n	movabs $0x0808080808080808, %r8\n"
	"	movabs $0x8909090909090909, %r9\n	movabs $0x8a0a0a0a0a0a0a0a, %r10\n"
	"	movabs $0x8b0b0b0b0b0b0b0b, %r11\n	movabs $0x8c0c0c0c0c0c0c0c, %r12\n"
	"	movabs $0x8d0d0d0d0d0d0d0d, %r13\n	movabs $0x8e0e0e0e0e0e0e0e, %r14\n"
	"	movabs $0x8f0f0f0f0f0f0f0f, %r15\n"
	"	std\n"
	"1:	cmpl $0, go(%rip)\n	je 1b\n"
	"	mov %rax, seen(%rip)\n	mov %rbx, seen+8(%rip)\n	mov %rcx, seen+16(%rip)\n"
	"	mov %rdx, seen+24(%rip)\n	mov %rsi, seen+32(%rip)\n	mov %rdi, seen+40(%rip)\n"
	"	mov %rbp, seen+48(%rip)\n	mov %r8, seen+56(%rip)\n	mov %r9, seen+64(%rip)\n"
	"	mov %r10, seen+72(%rip)\n	mov %r11, seen+80(%rip)\n	mov %r12, seen+88(%rip)\n"
	"	mov %r13, seen+96(%rip)\n	mov %r14, seen+104(%rip)\n	mov %r15, seen+112(%rip)\n"
	"	pushf\n	pop %rax\n	cld\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");
extern uint64_t hold_registers(void);

static void *hold(void *unused)
{
	uint64_t flags = hold_registers();
	static const char *const name[15] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					      "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
	for (int i = 0; i < 15; i++) {
		uint64_t want = 0x0101010101010101 * (i + 1) | (i >= 8 ? 0x8000000000000000 : 0);
		CHECK(seen[i] == want, "%s is %lx, was %lx", name[i], seen[i], want);
	}
	CHECK(flags & 0x400, "the direction flag is lost: %lx", flags);
	return unused;
}

static volatile int steps;

static void on_step(int unused)
{
	(void)unused;
	steps++;
}

/* Waits, for a step too if there are any: on a busy machine a thread may not run for long. */
static void pass(bool stepping, int before)
{
	pause_ms(20);
	for (int i = 0; stepping && steps == before && i < 250; i++)
		pause_ms(20);
}

static void *step(void *unused)
{
	__asm__ volatile("pushf\n	orl $0x100, (%%rsp)\n	popf\n"
			 "1:	cmpl $0, go(%%rip)\n	je 1b\n"
			 "	pushf\n	andl $0xfffffeff, (%%rsp)\n	popf" ::
				 : "cc", "memory");
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	bool stepping = !strcmp(victim_argument(argc, argv, 1), "steps");
	struct sigaction action = { .sa_handler = on_step };
	sigaction(SIGTRAP, &action, NULL);
	pthread_t thread = victim_thread(stepping ? step : hold, NULL);
	pass(stepping, 0);
	CHECK(!stepping == !steps, "set-up: %d steps", steps);
	victim_ready();
	victim_wait();
	int before = steps;
	pass(stepping, before);
	CHECK(!stepping == (steps == before), "%d steps, then %d", before, steps);
	go = 1;
	victim_join(thread);
	ok();
}
