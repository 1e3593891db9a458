/*
 * Holds: nothing but the attributes of a new process. Checks: that it has those still. With "exec" first it is whoever restores instead:
 * takes attributes that are handed down, as far as the kernel knows them, and becomes the program that is named.
 */
#include "victim.h"
#include <sys/prctl.h>

enum { INTERLEAVE = 3, MCE_EARLY = 1, MCE_USUAL = 2, MEMORY_MERGE = 67, IO_FLUSHER = 57 };

static void hand_down(char **argv)
{
	unsigned long nodes = 1;
	MUST(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, MCE_EARLY, 0, 0));
	if (syscall(SYS_set_mempolicy, INTERLEAVE, &nodes, 8) || prctl(MEMORY_MERGE, 1, 0, 0, 0) || prctl(IO_FLUSHER, 1, 0, 0, 0))
		fprintf(stderr, "not all is handed down: %s\n", strerror(errno));
	execvp(argv[0], argv);
	MUST(-1);
}

int main(int argc, char **argv)
{
	int policy = 0;
	if (argc > 2 && strcmp(argv[1], "exec") == 0)
		hand_down(argv + 2);
	victim_begin(argc, argv);
	victim_ready();
	victim_wait();
	CHECK(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) == MCE_USUAL, "it is told early of spoilt memory");
	CHECK(syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) < 0 || policy == 0, "memory policy %d", policy);
	CHECK(prctl(MEMORY_MERGE + 1, 0, 0, 0, 0) <= 0, "equal pages are merged");
	CHECK(prctl(IO_FLUSHER + 1, 0, 0, 0, 0) <= 0, "it is an I/O flusher");
	ok();
}
