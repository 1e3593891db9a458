/* Holds: malloc blocks of many sizes and the program break. Checks: contents, brk(0) as before, and that the heap still grows there. */
#include "victim.h"

int main(int argc, char **argv)
{
	enum { BLOCKS = 400 };
	static void *block[BLOCKS];
	static size_t bytes[BLOCKS];
	victim_begin(argc, argv);
	for (int i = 0; i < BLOCKS; i++) {
		bytes[i] = (size_t)(i % 37 + 1) * 8 << i % 9;
		block[i] = malloc(bytes[i]);
		victim_fill(block[i], bytes[i], i + 1);
	}
	for (int i = 0; i < BLOCKS; i += 3) {
		free(block[i]);
		block[i] = NULL;
	}
	char *grown = sbrk(100000);
	MUST(grown == (void *)-1 ? -1 : 0);
	memset(grown, 0x5a, 100000);
	void *end = sbrk(0);
	victim_ready();
	victim_wait();

	CHECK(sbrk(0) == end, "brk(0) is %p, was %p", sbrk(0), end);
	for (int i = 0; i < 100000; i++)
		CHECK(grown[i] == 0x5a, "byte %d of the grown heap is %d", i, grown[i]);
	char *more = sbrk(1 << 20);
	CHECK(more == end, "sbrk continues at %p, not at %p", more, end);
	for (int i = 0; i < 1 << 20; i++)
		CHECK(more[i] == 0, "fresh heap byte %d is %d", i, more[i]);
	memset(more, 1, 1 << 20);
	for (int i = 0; i < BLOCKS; i++) {
		if (block[i])
			victim_same(block[i], bytes[i], i + 1, "malloc block");
		free(block[i]);
	}
	for (int i = 0; i < 1000; i++)
		memset(malloc(i * 50 + 1), 2, i * 50 + 1);
	CHECK(sbrk(-4096) != (void *)-1, "the heap cannot shrink: %s", strerror(errno));
	ok();
}
