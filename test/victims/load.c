/*
 * Holds: as many sleeping threads as argument 1 says and as many MiB of touched memory as argument 2 says. For measurements: checks
 * nothing but the first word of each page. Argument 3 = "warm": touches the memory and ends, so that the host gives its pages.
 */
#include "victim.h"

static void *rest(void *unused)
{
	while (true)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	long threads = strtol(victim_argument(argc, argv, 1), NULL, 0);
	size_t bytes = strtoul(victim_argument(argc, argv, 2), NULL, 0) << 20;
	char *memory = NULL;
	if (bytes) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(memory == MAP_FAILED ? -1 : 0);
		for (size_t at = 0; at < bytes; at += 4096)
			*(size_t *)(memory + at) = at + 1;
	}
	if (!strcmp(victim_argument(argc, argv, 3), "warm"))
		ok();
	for (long i = 1; i < threads; i++)
		victim_thread(rest, NULL);
	victim_ready();
	victim_wait();
	for (size_t at = 0; at < bytes; at += 4096)
		CHECK(*(size_t *)(memory + at) == at + 1, "page %zu is lost", at / 4096);
	ok();
}
