/*
 * Holds: a tree of sleeping processes, as many children for each process of a level as the argument for that level says ("10 9": a root,
 * 10 children, 90 grandchildren). Checks: every process ends well, and each parent is the one that reaps its children.
 */
#include "victim.h"
#include <sys/wait.h>

/* Makes what is below this process. Returns how many, or -1 in each new one. */
static long grow(int argc, char **argv, int level, pid_t *children)
{
	long wanted = strtol(victim_argument(argc, argv, level), NULL, 0);
	for (long i = 0; i < wanted; i++) {
		MUST(children[i] = fork());
		if (children[i] == 0)
			return -1;
	}
	return wanted;
}

static long size(int argc, char **argv)
{
	long total = 1, row = 1;
	for (int level = 1; *victim_argument(argc, argv, level); level++)
		total += row *= strtol(victim_argument(argc, argv, level), NULL, 0);
	return total;
}

int main(int argc, char **argv)
{
	enum { MOST = 64 };
	pid_t children[MOST];
	int up[2], level = 1;
	long below;
	victim_begin(argc, argv);
	pid_t root = getpid();
	for (int i = 1; *victim_argument(argc, argv, i); i++)
		CHECK(strtol(victim_argument(argc, argv, i), NULL, 0) <= MOST, "at most %d children a process", MOST);
	MUST(pipe(up));
	while ((below = grow(argc, argv, level, children)) == -1)
		level++;
	CHECK(write(up[1], "", 1) == 1, "set-up: write: %s", strerror(errno));
	close(up[1]);
	if (getpid() == root) {
		char word;
		for (long left = size(argc, argv); left > 0; left--)
			CHECK(read(up[0], &word, 1) == 1, "set-up: %ld processes did not come up", left);
	}
	close(up[0]);
	if (getpid() == root)
		victim_ready();
	victim_wait();
	for (long i = 0; i < below; i++) {
		int status;
		CHECK(waitpid(children[i], &status, 0) == children[i], "child %ld of level %d: %s", i, level, strerror(errno));
		CHECK(status == 0, "child %ld of level %d ended with %x", i, level, status);
	}
	if (getpid() != root)
		_exit(0);
	ok();
}
