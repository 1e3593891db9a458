/*
 * Holds: an address space without the vdso, as valgrind leaves it, without its data, or without both, by argument; and a child with the same.
 * Checks: both have what they had of these, at the same addresses, and no more.
 */
#include "tree.h"

static char had[4096];

/* The lines of the kernel's own areas. */
static void read_areas(char *areas)
{
	static char maps[1 << 16];
	victim_read("/proc/self/maps", maps, sizeof maps);
	areas[0] = 0;
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, "[vdso]") || strstr(line, "[vvar"))
			strcat(strcat(areas, line), "\n");
}

static void unmap(const char *name)
{
	static char areas[4096];
	read_areas(areas);
	for (char *line = strtok(areas, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;
		if (strstr(line, name) && sscanf(line, "%lx-%lx", &start, &end) == 2)
			MUST(munmap((void *)start, end - start));
	}
}

static void expect_same(void)
{
	static char now[4096];
	read_areas(now);
	CHECK(!strcmp(now, had), "has\n%s, had\n%s", now, had);
}

int main(int argc, char **argv)
{
	tree_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	if (strcmp(kind, "vvar"))
		unmap("[vdso]");
	if (strcmp(kind, "vdso"))
		unmap("[vvar");
	read_areas(had);
	pid_t child = tree_fork();
	if (child == 0) {
		tree_up();
		victim_wait();
		expect_same();
		_exit(0);
	}
	TREE_AWAIT(board->up == 1, "set-up: the child is not there");
	victim_ready();
	victim_wait();
	expect_same();
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	ok();
}
