/*
 * Holds: a stack of which it uses little; with "locked" every page of its memory is present all the same.
 * Checks: what it never used is still zero.
 */
#include "victim.h"

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	if (strcmp(victim_argument(argc, argv, 1), "locked") == 0 && mlockall(MCL_CURRENT | MCL_FUTURE) == -1)
		skip("mlockall is not allowed");
	static char maps[1 << 16];
	victim_read("/proc/self/maps", maps, sizeof maps);
	char *line = strstr(maps, "[stack]");
	CHECK(line, "set-up: no stack in maps");
	while (line > maps && line[-1] != '\n')
		line--;
	const char *low = (const char *)strtoul(line, NULL, 16);
	const char *high = (const char *)((uintptr_t)__builtin_frame_address(0) - 32768);
	CHECK(low < high, "set-up: the stack is too small");
	victim_ready();
	victim_wait();
	for (const char *at = low; at < high; at++)
		CHECK(*at == 0, "byte %zu of the unused stack is %d", (size_t)(at - low), *at);
	ok();
}
