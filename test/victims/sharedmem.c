/*
 * Holds: one anonymous shared object seen through several mappings: split by mprotect, and mapped a second time by mremap.
 * One has a name. Another one that nobody has touched. With "unreserved" also one that is larger than the machine's memory, of which no more than two pages are used.
 * Checks: contents, and that a write through one mapping shows in the other.
 */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum { PAGE = 4096, PAGES = 12 };

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	char *first = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(first == MAP_FAILED ? -1 : 0);
	victim_fill(first, PAGES * PAGE, 3);
	char *other = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	victim_fill(other, 2 * PAGE, 4);
	/* Where the kernel has names for it (CONFIG_ANON_VMA_NAME), it is shown by this one. */
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, other, 2 * PAGE, "shared");
	/* mremap with an old size of 0 makes a second mapping of a shared object. */
	char *alias = mremap(first + 2 * PAGE, 0, 8 * PAGE, MREMAP_MAYMOVE);
	MUST(alias == MAP_FAILED ? -1 : 0);
	MUST(mprotect(first + 4 * PAGE, 2 * PAGE, PROT_READ));
	MUST(munmap(first + 7 * PAGE, PAGE));
	/* Nobody has touched it yet. */
	char *untouched = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(untouched == MAP_FAILED ? -1 : 0);
	char *sparse = NULL;
	const size_t far = 1ul << 39;
	if (!strcmp(victim_argument(argc, argv, 1), "unreserved")) {
		sparse = mmap(NULL, 1ul << 40, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		MUST(sparse == MAP_FAILED ? -1 : 0);
		victim_fill(sparse, PAGE, 5);
		victim_fill(sparse + far, PAGE, 6);
	}
	victim_ready();
	victim_wait();

	victim_same(first, 7 * PAGE, 3, "first mapping");
	CHECK(!memcmp(untouched, (char[PAGE]){ 0 }, PAGE), "the untouched object is not empty");
	victim_same(other, 2 * PAGE, 4, "the other object");
	CHECK(!memcmp(first + 2 * PAGE, alias, 5 * PAGE), "the second mapping differs from the first");
	for (int page = 2; page < 10; page++) {
		alias[(page - 2) * PAGE + 17] = page;
		if (page != 7)
			CHECK(first[page * PAGE + 17] == page, "page %d is no longer shared", page);
	}
	pid_t child = fork();
	if (child == 0) {
		first[0] = 77;
		_exit(0);
	}
	CHECK(waitpid(child, NULL, 0) == child, "waitpid: %s", strerror(errno));
	CHECK(first[0] == 77, "memory is not shared with a child");
	if (sparse) {
		victim_same(sparse, PAGE, 5, "the start of the sparse object");
		victim_same(sparse + far, PAGE, 6, "the middle of the sparse object");
		CHECK(sparse[far / 2] == 0, "a page that was never used is not zero");
	}
	ok();
}
