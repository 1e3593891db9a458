/* Holds: a child that is traced by its parent and runs. Prints the child's PID after READY. Checks: the child still runs and is still traced. */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	pid_t child = fork();
	if (child == 0) {
		/* The ask file is the parent's; the child ends with it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (true)
			pause_ms(50);
	}
	MUST((int)ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL));
	say("CHILD %d", child);
	victim_ready();
	victim_wait();
	CHECK(kill(child, 0) == 0 && waitpid(child, NULL, WNOHANG | __WALL) == 0, "the traced child stopped or ended");
	MUST((int)ptrace(PTRACE_INTERRUPT, child, 0, 0));
	int status;
	CHECK(waitpid(child, &status, __WALL) == child && WIFSTOPPED(status), "the child is no longer ours to trace");
	ok();
}
