/*
 * Holds: children that have ended and nobody has waited for: exit statuses, deaths by signals, leaders of a session and a group that have
 * members left, one below a grandchild. Checks: each gives its status once, in any order, with the right siginfo; no SIGCHLD comes by itself.
 */
#include "tree.h"

static volatile int sigchld;

static void on_child(int unused)
{
	(void)unused;
	sigchld++;
}

static const int ends[] = { 0, 1, 7, 77, 128, 200, 255, -SIGHUP, -SIGINT, -SIGQUIT, -SIGABRT, -SIGKILL, -SIGUSR1, -SIGSEGV, -SIGTERM, -SIGSYS, -34, -64 };
enum { ENDS = sizeof ends / sizeof *ends };

static pid_t dead(int end)
{
	pid_t child = tree_fork();
	if (child != 0)
		return child;
	prctl(PR_SET_NAME, "deceased");
	if (end >= 0)
		_exit(end);
	signal(-end, SIG_DFL);
	kill(getpid(), -end);
	_exit(99);
}

static char state_of(pid_t pid)
{
	char path[40], text[300];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	victim_read(path, text, sizeof text);
	return strrchr(text, ')')[2];
}

static void await_zombie(pid_t pid)
{
	TREE_AWAIT(state_of(pid) == 'Z', "set-up: process %d lives", pid);
}

static void expect_end(pid_t pid, int end)
{
	char path[40], name[40];
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	victim_read(path, name, sizeof name);
	CHECK(!strcmp(name, "deceased\n"), "zombie %d is called %s", pid, name);
	siginfo_t info;
	int status;
	CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0, "waitid for %d: %s", pid, strerror(errno));
	CHECK(info.si_code == (end < 0 ? CLD_KILLED : CLD_EXITED) && info.si_status == abs(end), "process %d has code %d and status %d, not %d",
	      pid, info.si_code, info.si_status, end);
	CHECK(waitpid(pid, &status, 0) == pid, "wait for %d: %s", pid, strerror(errno));
	CHECK(status == (end < 0 ? -end : end << 8), "process %d ended with %x, not %d", pid, status, end);
	CHECK(waitpid(pid, &status, WNOHANG) == -1 && errno == ECHILD, "process %d can be waited for twice", pid);
}

int main(int argc, char **argv)
{
	pid_t pids[ENDS];
	struct rlimit { unsigned long now, most; } none = { 0, 0 };
	tree_begin(argc, argv);
	syscall(SYS_setrlimit, 4 /* RLIMIT_CORE */, &none);
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < ENDS; i++)
		pids[i] = dead(ends[i]);
	/* The leader of a session is dead, its member lives; the member's own group has a dead leader. */
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t leader = tree_fork();
	if (leader == 0) {
		setsid();
		prctl(PR_SET_NAME, "deceased");
		if (tree_fork() == 0) {
			TREE_AWAIT(state_of(getsid(0)) == 'Z', "set-up: the leader lives");
			pid_t first = tree_fork();
			if (first == 0) {
				setpgid(0, 0);
				prctl(PR_SET_NAME, "deceased");
				while (board->count[0] == 0)
					pause_ms(2);
				_exit(5);
			}
			setpgid(first, first);
			MUST(setpgid(0, first));
			board->count[0] = 1;
			await_zombie(first);
			struct place then = tree_here();
			tree_up();
			victim_wait();
			struct place now = tree_here();
			CHECK(!memcmp(&then, &now, sizeof now), "the member has parent %d, session %d, group %d; had %d, %d, %d", now.ppid, now.sid,
			      now.pgid, then.ppid, then.sid, then.pgid);
			expect_end(first, 5);
			TREE_AWAIT(board->count[1], "the root has not looked");
			_exit(0);
		}
		_exit(33);
	}
	for (int i = 0; i < ENDS; i++)
		await_zombie(pids[i]);
	await_zombie(leader);
	tree_await_up(1);
	/* A zombie shows before its parent is told. */
	pause_ms(200);
	int before = sigchld;
	victim_ready();
	victim_wait();
	CHECK(sigchld == before, "SIGCHLD came %d times by itself", sigchld - before);
	board->count[1] = 1;
	for (int i = ENDS - 1; i >= 0; i--)
		expect_end(pids[i], ends[i]);
	expect_end(leader, 33);
	tree_reap_all();
	ok();
}
