/* Holds: as many MiB of filled anonymous memory as the argument says (default 16), as two mappings. Checks: every word of it. */
#include "victim.h"

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	size_t bytes = strtoul(*victim_argument(argc, argv, 1) ? victim_argument(argc, argv, 1) : "16", NULL, 0) << 19;
	void *half[2];
	for (int i = 0; i < 2; i++) {
		half[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(half[i] == MAP_FAILED ? -1 : 0);
		victim_fill(half[i], bytes, i + 1);
		MUST(mprotect(half[i], 4096, PROT_READ));
	}
	victim_ready();
	victim_wait();
	for (int i = 0; i < 2; i++)
		victim_same(half[i], bytes, i + 1, "memory");
	ok();
}
