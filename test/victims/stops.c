/*
 * Holds: children stopped by SIGSTOP, SIGTSTP and SIGTTIN, one with threads; one whose parent has not looked yet; a stopped parent with a stopped child.
 * Checks: they are still stopped, nobody is told so twice, SIGCONT lets them go on, and their threads too.
 */
#include "tree.h"

enum { KINDS = 5 };
static volatile int sigchld, continued;

static void on_child(int unused)
{
	(void)unused;
	sigchld++;
}

static void on_continue(int unused)
{
	(void)unused;
	continued++;
}

static void *count(void *at)
{
	while (true) {
		atomic_fetch_add((atomic_long *)at, 1);
		pause_ms(1);
	}
	return NULL;
}

static char state_of(pid_t pid)
{
	char path[40], text[300];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	victim_read(path, text, sizeof text);
	return strrchr(text, ')')[2];
}

static void stop_with(pid_t pid, int signal)
{
	MUST(kill(pid, signal));
	TREE_AWAIT(state_of(pid) == 'T', "set-up: process %d does not stop", pid);
}

static void child(int kind)
{
	pid_t below = 0;
	signal(SIGCONT, on_continue);
	if (kind == 3) {
		victim_thread(count, &board->count[0]);
		victim_thread(count, &board->count[1]);
	}
	if (kind == 4) {
		signal(SIGCHLD, on_child);
		below = tree_fork();
		if (below == 0) {
			board->count[2] = 1;
			while (!continued)
				pause_ms(1);
			_exit(0);
		}
		TREE_AWAIT(board->count[2], "set-up: no grandchild");
		stop_with(below, SIGSTOP);
		int status;
		CHECK(waitpid(below, &status, WUNTRACED) == below && WIFSTOPPED(status), "set-up: %x", status);
		/* The kernel lets a stop be seen before it sends the signal. */
		TREE_AWAIT(sigchld > 0, "set-up: no SIGCHLD");
		sigchld = 0;
	}
	tree_up();
	while (!continued)
		pause_ms(1);
	if (below) {
		CHECK(sigchld == 0, "the stopped parent got SIGCHLD");
		CHECK(state_of(below) == 'T', "the stopped grandchild is in state %c", state_of(below));
		CHECK(waitpid(below, NULL, WUNTRACED | WNOHANG) == 0, "the stop of the grandchild is told twice");
		kill(below, SIGCONT);
		tree_reap(below);
	}
	long before = board->count[0];
	if (kind == 3)
		TREE_AWAIT(board->count[0] > before + 3 && board->count[1] > 3, "the threads stay stopped");
	_exit(0);
}

int main(int argc, char **argv)
{
	static const int signals[KINDS] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGSTOP, SIGSTOP };
	pid_t pids[KINDS];
	int status;
	tree_begin(argc, argv);
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	sigaction(SIGCHLD, &action, NULL);
	for (int i = 0; i < KINDS; i++) {
		pids[i] = tree_fork();
		if (pids[i] == 0)
			child(i);
		/* An orphaned process group ignores the terminal's stops, and this one is not: its parent is in another group of the session. */
		setpgid(pids[i], pids[i]);
	}
	tree_await_up(KINDS);
	for (int i = 0; i < KINDS; i++) {
		stop_with(pids[i], signals[i]);
		/* The second one's stop is not looked at yet. */
		if (i != 1)
			CHECK(waitpid(pids[i], &status, WUNTRACED) == pids[i] && status == (signals[i] << 8 | 0x7f), "set-up: status %x", status);
	}
	long counted = board->count[0];
	int before = sigchld;
	victim_ready();
	victim_wait();
	CHECK(sigchld == before, "SIGCHLD came %d times by itself", sigchld - before);
	CHECK(board->count[0] == counted, "a thread of a stopped process went on");
	for (int i = 0; i < KINDS; i++) {
		CHECK(state_of(pids[i]) == 'T', "stopped child %d is in state %c", i, state_of(pids[i]));
		pid_t told = waitpid(pids[i], &status, WUNTRACED | WNOHANG);
		if (i == 1)
			CHECK(told == pids[i] && WIFSTOPPED(status), "the stop nobody looked at is %d, %x", told, status);
		else
			CHECK(told == 0, "the stop of child %d is told twice", i);
	}
	for (int i = 0; i < KINDS; i++)
		MUST(kill(pids[i], SIGCONT));
	for (int i = 0; i < KINDS; i++)
		tree_reap(pids[i]);
	ok();
}
