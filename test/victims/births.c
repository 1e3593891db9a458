/*
 * Holds: a tree that changes all the time, as the argument says: "forks" children of children that end at once, up to 20 alive; "spawns"
 * programs by posix_spawn, which suspends the parent as vfork does; "vfork" a child that neither executes nor ends until it is asked.
 * Checks: as many ends as births, all with the right status. "mortals": thirty children, any of which may be killed by
 * somebody; the others must be well.
 */
#include "tree.h"
#include <spawn.h>

extern char **environ;

static void forks(void)
{
	enum { MOST = 20 };
	pid_t alive[MOST] = { 0 };
	int wanted[MOST];
	for (long i = 0; !victim_asked(); i++) {
		int slot = i % MOST, status;
		if (alive[slot]) {
			CHECK(waitpid(alive[slot], &status, 0) == alive[slot], "wait for child %ld: %s", i, strerror(errno));
			CHECK(status == wanted[slot] << 8, "child %ld ended with %x, not %d", i, status, wanted[slot]);
		}
		wanted[slot] = i % 250;
		if ((alive[slot] = tree_fork()) == 0) {
			pid_t below = tree_fork();
			if (below == 0)
				_exit(7);
			pause_ms(i % 3);
			CHECK(waitpid(below, &status, 0) == below && status == 7 << 8, "a grandchild ended with %x", status);
			_exit(wanted[slot]);
		}
		pause_ms(1);
	}
	for (int slot = 0; slot < MOST; slot++)
		if (alive[slot])
			waitpid(alive[slot], NULL, 0);
}

static void spawns(void)
{
	char *argv[] = { "sh", "-c", "exit 9", NULL };
	for (long i = 0; !victim_asked(); i++) {
		pid_t child;
		int status, error = posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ);
		CHECK(error == 0, "posix_spawn: %s", strerror(error));
		CHECK(waitpid(child, &status, 0) == child && status == 9 << 8, "program %ld ended with %x", i, status);
	}
}

static int waits(void *unused)
{
	victim_ready();
	victim_wait();
	(void)unused;
	_exit(4);
}

static void suspended(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t child = clone(waits, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	MUST(child);
	CHECK(waitpid(child, &status, 0) == child && status == 4 << 8, "the child ended with %x", status);
}

static void mortals(void)
{
	enum { CHILDREN = 30 };
	int status;
	for (int i = 0; i < CHILDREN; i++)
		if (tree_fork() == 0) {
			tree_up();
			victim_wait();
			_exit(0);
		}
	tree_await_up(CHILDREN);
	victim_ready();
	victim_wait();
	for (int i = 0; i < CHILDREN; i++) {
		MUST(wait(&status));
		CHECK(status == 0 || status == SIGKILL, "a child ended with %x", status);
	}
}

int main(int argc, char **argv)
{
	tree_begin(argc, argv);
	const char *what = victim_argument(argc, argv, 1);
	if (!strcmp(what, "mortals")) {
		mortals();
		ok();
	}
	if (!strcmp(what, "vfork")) {
		suspended();
		ok();
	}
	victim_ready();
	if (!strcmp(what, "forks"))
		forks();
	else
		spawns();
	ok();
}
