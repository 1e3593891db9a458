/*
 * Holds, by the argument: "exits", two threads beside the leader, one of which ends the process with status 7 as soon as the ask file is there;
 * "execs", the same, but it executes another program that does; "kills", a child that its sister kills then, and their parent waits for. All within
 * microseconds of a restore, while other threads are still to be let go.
 */
#include "victim.h"
#include <sys/wait.h>

static const char *mode;
static volatile bool begun;

static void spin(void)
{
	begun = true;
	while (access(victim_ask, F_OK))
		;
}

static void *act(void *unused)
{
	spin();
	if (!strcmp(mode, "execs"))
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
	_exit(7);
	return unused;
}

static void *rest(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	mode = victim_argument(argc, argv, 1);
	if (strcmp(mode, "kills")) {
		victim_thread(act, NULL);
		victim_thread(rest, NULL);
		while (!begun)
			pause_ms(1);
		victim_ready();
		rest(NULL);
	}
	pid_t child = fork();
	MUST(child);
	if (child == 0)
		rest(NULL);
	pid_t sister = fork();
	MUST(sister);
	if (sister == 0) {
		spin();
		_exit(kill(child, SIGKILL) < 0);
	}
	victim_ready();
	int status;
	MUST(waitpid(sister, &status, 0));
	CHECK(status == 0, "the sister ended with %x", status);
	MUST(waitpid(child, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %x", status);
	_exit(7);
}
