/* Holds: a deep main stack and a second grow-down mapping. Checks: all frames are as they were, and both stacks still grow down. */
#include "victim.h"

static char *second_top;

__attribute__((noinline)) static void deep(int level, int bottom, bool wait)
{
	uint64_t frame[128];
	victim_fill(frame, sizeof frame, level + 1);
	__asm__ volatile("" : : "r"(frame) : "memory");
	if (level < bottom) {
		deep(level + 1, bottom, wait);
	} else if (wait) {
		victim_ready();
		victim_wait();
		deep(level, level + 4000, false);
	}
	victim_same(frame, sizeof frame, level + 1, "stack frame");
}

static void grow(int from, int to)
{
	for (int page = from; page < to; page++)
		*(volatile int *)(second_top - (page + 1) * 4096) = page;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	char *room = mmap(NULL, 512 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(room == MAP_FAILED ? -1 : 0);
	/* The kernel keeps a gap below a grow-down mapping, so it sits alone in a hole. */
	MUST(munmap(room, 512 * 4096));
	second_top = mmap(room + 448 * 4096, 16 * 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	MUST(second_top == MAP_FAILED ? -1 : 0);
	second_top += 16 * 4096;
	grow(0, 40);
	deep(0, 1500, true);
	for (int page = 0; page < 40; page++)
		CHECK(*(int *)(second_top - (page + 1) * 4096) == page, "page %d of the second stack is lost", page);
	grow(40, 90);
	for (int page = 0; page < 90; page++)
		CHECK(*(int *)(second_top - (page + 1) * 4096) == page, "page %d of the second stack is lost after growing", page);
	ok();
}
