/*
 * Holds: a process and a child of another user without any room for queued signals (RLIMIT_SIGPENDING 0), where the kernel loses the siginfo
 * of what a process sends itself. Checks: the limit, and that both go on.
 */
#include "tree.h"
#include <sys/resource.h>

static void check_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_SIGPENDING, &limit);
	CHECK(limit.rlim_cur == 0 && limit.rlim_max == 0, "the limit is %lu, %lu", limit.rlim_cur, limit.rlim_max);
}

int main(int argc, char **argv)
{
	tree_begin(argc, argv);
	struct rlimit none = { 0, 0 };
	MUST(setrlimit(RLIMIT_SIGPENDING, &none));
	pid_t child = tree_fork();
	if (child == 0) {
		MUST(setresuid(65534, 65534, 65534));
		tree_up();
		while (board->count[0] != 1 && getppid() != 1)
			pause_ms(5);
		check_limit();
		_exit(0);
	}
	tree_await_up(1);
	victim_ready();
	victim_wait();
	check_limit();
	board->count[0] = 1;
	tree_reap(child);
	ok();
}
