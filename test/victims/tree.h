/*
 * What victims of several processes share: a page that all of them see, and ends that the root looks at. A child that is unwell prints
 * FAIL itself; one that is well ends with 0.
 */
#ifndef TREE_H
#define TREE_H
#include "victim.h"
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { TREE_ROOM = 1200 };

/* Where a process stands among the others. */
struct place {
	pid_t pid, ppid, sid, pgid;
};

/* One for the whole tree, in shared memory. */
static struct board {
	atomic_int up, well;
	atomic_long count[4];
	struct place places[TREE_ROOM];
} *board;

static inline void tree_begin(int argc, char **argv)
{
	victim_begin(argc, argv);
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(board == MAP_FAILED ? -1 : 0);
}

/* Waits for something that another process does; a minute is more than any load explains. */
#define TREE_AWAIT(condition, ...)                                  \
	do {                                                        \
		long tree_end = victim_clock() + 60;                \
		while (!(condition)) {                              \
			CHECK(victim_clock() < tree_end, __VA_ARGS__); \
			pause_ms(2);                                \
		}                                                   \
	} while (0)

static inline pid_t tree_fork(void)
{
	pid_t child = fork();
	MUST(child);
	return child;
}

static inline struct place tree_here(void)
{
	return (struct place){ getpid(), getppid(), getsid(0), getpgrp() };
}

/* It has what it wants to keep. Returns its number. */
static inline int tree_up(void)
{
	return atomic_fetch_add(&board->up, 1);
}

static inline void tree_await_up(int count)
{
	TREE_AWAIT(board->up >= count, "set-up: %d of %d processes are there", board->up, count);
}

/* In every process, after its own check: nobody ends before all have looked, because an end changes the parent of others. */
static inline void tree_well(void)
{
	atomic_fetch_add(&board->well, 1);
	TREE_AWAIT(board->well >= board->up, "%d of %d processes are well", board->well, board->up);
}

/* Waits for a child that must have ended well. */
static inline void tree_reap(pid_t child)
{
	int status = -1;
	pid_t got;
	while ((got = waitpid(child, &status, __WALL)) == -1 && errno == EINTR)
		;
	CHECK(got == child, "wait for %d: %s", child, strerror(errno));
	CHECK(status == 0, "child %d ended with status %x", child, status);
}

/* All children that are left. */
static inline void tree_reap_all(void)
{
	int status;
	for (pid_t child; (child = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR;)
		CHECK(child == -1 || status == 0, "child %d ended with status %x", child, status);
}
#endif
