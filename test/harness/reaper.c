/*
 * Runs a command as the reaper of all that the command leaves behind, so that an ended process gives its PID back at once. PID 1 of some
 * machines looks only every few seconds, and a test that restores a process waits for its PID. Ends as the command ends.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1))
		return 127;
	pid_t command = fork();
	if (command == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		return 127;
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	for (;;) {
		int status;
		pid_t ended = wait(&status);
		if (ended < 0)
			return 127;
		if (ended == command)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}
