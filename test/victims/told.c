/*
 * Holds: what a dump tells as lost, named by the argument: "dnotify", a directory that is watched by F_NOTIFY; "io", a child with the I/O
 * context of its parent (CLONE_IO). Checks: before the dump that it is there, afterwards that the rest is as it was.
 */
#include "victim.h"
#include <sched.h>
#include <sys/wait.h>

enum { PRIORITY = 2 << 13 | 6, WHO_PROCESS = 1, SIGNAL = 45 };
static volatile int signals;

static void on_signal(int unused)
{
	(void)unused;
	signals++;
}

static int child(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static char stack[65536];
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1), *folder = victim_argument(argc, argv, 2);
	int fd = -1;
	pid_t other = 0;
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGNAL, &action, NULL);
	if (!strcmp(kind, "dnotify")) {
		MUST(fd = open(folder, O_RDONLY | O_DIRECTORY));
		MUST(fcntl(fd, F_SETSIG, SIGNAL));
		if (fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT) == -1)
			skip("this kernel has no dnotify");
		MUST(close(creat(victim_path(folder, "made"), 0600)));
		CHECK(signals, "set-up: no signal");
	} else {
		if (syscall(SYS_ioprio_set, WHO_PROCESS, 0, PRIORITY) == -1)
			skip("this kernel has no I/O priorities");
		MUST(other = clone(child, stack + sizeof stack, SIGCHLD | CLONE_IO, NULL));
	}
	victim_ready();
	victim_wait();
	if (fd != -1)
		CHECK(fcntl(fd, F_GETSIG) == SIGNAL && fcntl(fd, F_GETOWN) == getpid(), "signal %d, owner %d", fcntl(fd, F_GETSIG), fcntl(fd, F_GETOWN));
	if (other) {
		CHECK(syscall(SYS_ioprio_get, WHO_PROCESS, 0) == PRIORITY, "the parent's I/O priority is another");
		CHECK(syscall(SYS_ioprio_get, WHO_PROCESS, other) == PRIORITY, "the child's I/O priority is another");
		MUST(kill(other, SIGKILL));
		MUST(waitpid(other, NULL, 0));
	}
	ok();
}
