/*
 * Holds: processes with their parents, sessions and groups, arranged as the argument says: leaders alive and gone, jobs of a shell, orphans
 * that a subreaper adopted, nested subreapers, "chain N", "forest WIDTH DEPTH", "fan N". Checks: each has the place it had; a subreaper adopts again.
 */
#include "tree.h"

static pid_t root;

/* A member's life: it notes its place, waits for the question, and looks again. */
static void live(void)
{
	struct place then = tree_here();
	int slot = tree_up();
	board->places[slot] = then;
	if (then.pid == root)
		victim_ready();
	victim_wait();
	struct place now = tree_here();
	/* Whoever restores is the new parent of the root. */
	if (then.pid == root)
		board->places[slot].ppid = then.ppid = now.ppid;
	CHECK(!memcmp(&then, &now, sizeof now), "process %d has parent %d, session %d, group %d; had %d, %d, %d", now.pid, now.ppid, now.sid,
	      now.pgid, then.ppid, then.sid, then.pgid);
	CHECK(!memcmp(&then, &board->places[slot], sizeof then), "shared memory is no longer shared");
	tree_well();
}

/* As a parent of others. */
static void live_and_reap(void)
{
	live();
	tree_reap_all();
	_exit(0);
}

/* A child that only lives. */
static pid_t plain(void)
{
	pid_t child = tree_fork();
	if (child == 0) {
		live();
		_exit(0);
	}
	return child;
}

/* An orphan notes its place when it has its new parent. */
static pid_t orphan(pid_t from)
{
	pid_t child = tree_fork();
	if (child == 0) {
		TREE_AWAIT(getppid() != from, "set-up: process %d has not been adopted", getpid());
		live();
		_exit(0);
	}
	return child;
}

static void leader_alive(void)
{
	if (tree_fork() == 0) {
		setsid();
		plain();
		pid_t own_group = tree_fork();
		if (own_group == 0) {
			setpgid(0, 0);
			plain();
			live_and_reap();
		}
		live_and_reap();
	}
}

static void leader_gone(void)
{
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t leader = tree_fork();
	if (leader == 0) {
		setsid();
		orphan(getpid());
		pid_t other = tree_fork();
		if (other == 0) {
			setpgid(0, 0);
			TREE_AWAIT(getppid() != getsid(0), "set-up: process %d has not been adopted", getpid());
			plain();
			live_and_reap();
		}
		TREE_AWAIT(getpgid(other) == other, "set-up: no group");
		_exit(0);
	}
	tree_reap(leader);
}

static void group_leader_gone(void)
{
	pid_t leader = tree_fork();
	if (leader == 0) {
		setpgid(0, 0);
		while (board->count[0] < 2)
			pause_ms(2);
		_exit(0);
	}
	TREE_AWAIT(getpgid(leader) == leader, "set-up: no group");
	for (int i = 0; i < 2; i++) {
		pid_t member = tree_fork();
		if (member == 0) {
			MUST(setpgid(0, leader));
			board->count[0]++;
			TREE_AWAIT(kill(leader, 0) == -1, "set-up: the leader lives");
			live();
			_exit(0);
		}
	}
	tree_reap(leader);
}

/* Two pipelines of a shell with job control, each a group of its own. */
static void jobs(void)
{
	for (int job = 0; job < 2; job++) {
		pid_t first = tree_fork();
		if (first == 0) {
			setpgid(0, 0);
			live();
			_exit(0);
		}
		setpgid(first, first);
		for (int i = 0; i < 2; i++) {
			pid_t next = tree_fork();
			if (next == 0) {
				MUST(setpgid(0, first));
				live();
				_exit(0);
			}
			setpgid(next, first);
		}
		}
}

/* A group that changed hands: its leader went to another one and the members stayed. */
static void group_left(void)
{
	pid_t leader = tree_fork();
	if (leader == 0) {
		setpgid(0, 0);
		while (board->count[1] < 1)
			pause_ms(2);
		MUST(setpgid(0, getppid()));
		live();
		_exit(0);
	}
	TREE_AWAIT(getpgid(leader) == leader, "set-up: no group");
	if (tree_fork() == 0) {
		MUST(setpgid(0, leader));
		board->count[1]++;
		TREE_AWAIT(getpgid(leader) != leader, "set-up: the leader stays");
		live();
		_exit(0);
	}
}

/* Gets an orphan from a child that ends at once. */
static void adopt_one(void)
{
	pid_t middle = tree_fork();
	if (middle == 0) {
		orphan(getpid());
		_exit(0);
	}
	tree_reap(middle);
}

static void subreapers(void)
{
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	if (tree_fork() == 0) {
		MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
		adopt_one();
		pid_t plain_middle = tree_fork();
		if (plain_middle == 0) {
			/* No subreaper itself: what it loses goes to its parent. */
			adopt_one();
			live_and_reap();
		}
		live();
		tree_reap_all();
		pid_t self = getpid(), middle = tree_fork();
		if (middle == 0) {
			middle = getpid();
			if (tree_fork() == 0) {
				TREE_AWAIT(getppid() != middle, "nobody adopted process %d", getpid());
				CHECK(getppid() == self, "process %d was adopted by %d, not by the subreaper %d", getpid(), getppid(), self);
				_exit(0);
			}
			_exit(0);
		}
		tree_reap_all();
		_exit(0);
	}
	adopt_one();
}

static int width, depth;

static void chain(void)
{
	for (int i = 0; i < width; i++)
		if (tree_fork() != 0) {
			if (i == 0)
				return;
			live_and_reap();
		}
	live();
	_exit(0);
}

static void forest(void)
{
	for (int i = 0; i < width; i++)
		if (tree_fork() == 0) {
			if (--depth > 0)
				forest();
			live_and_reap();
		}
}

static int power(void)
{
	int all = 0, level = 1;
	for (int i = 0; i < depth; i++)
		all += level *= width;
	return all;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(void);
		int members;
	} rows[] = {
		{ "leader-alive", leader_alive, 4 }, { "leader-gone", leader_gone, 3 }, { "group-leader-gone", group_leader_gone, 2 },
		{ "jobs", jobs, 6 },                 { "group-left", group_left, 2 },   { "subreapers", subreapers, 5 },
		{ "chain", chain, 0 },               { "forest", forest, 0 },
	};
	tree_begin(argc, argv);
	root = getpid();
	const char *what = victim_argument(argc, argv, 1);
	width = atoi(victim_argument(argc, argv, 2));
	depth = atoi(victim_argument(argc, argv, 3));
	int members = !strcmp(what, "chain") ? width : power();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (!strcmp(what, rows[i].name) || (!strcmp(what, "all") && rows[i].members)) {
			rows[i].make();
			members += rows[i].members;
		}
	tree_await_up(members);
	live();
	tree_reap_all();
	ok();
}
