/*
 * Holds: a terminal emulator with a session in it, three processes. This one holds the master; a child leads the session that the terminal
 * controls, has it open as /dev/tty and shares that with its own child, which is the foreground job.
 * Checks: ^C reaches the job alone, everybody's terminal is the same, the job has a controlling terminal, output arrives.
 */
#include "victim.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

static volatile sig_atomic_t interrupts;

static void on_interrupt(int number)
{
	(void)number;
	interrupts++;
}

static void check_terminal(const char *who, int tty, pid_t session, pid_t foreground)
{
	char path[64];
	struct stat device;
	CHECK(getsid(0) == session, "%s is in session %d, was in %d", who, getsid(0), session);
	CHECK(tcgetsid(tty) == session, "%s: the terminal controls session %d", who, tcgetsid(tty));
	CHECK(tcgetpgrp(tty) == foreground, "%s: group %d is in the foreground, was %d", who, tcgetpgrp(tty), foreground);
	CHECK(ttyname_r(0, path, sizeof path) == 0 && !strncmp(path, "/dev/pts/", 9), "%s: standard input is no terminal", who);
	CHECK(fstat(tty, &device) == 0 && device.st_rdev == makedev(5, 0), "%s: /dev/tty is device %x", who, (unsigned)device.st_rdev);
	int again = open("/dev/tty", O_RDWR);
	CHECK(again != -1, "%s: open /dev/tty: %s", who, strerror(errno));
}

static void be_job(int tty, pid_t session)
{
	setpgid(0, 0);
	MUST(write(tty, "j", 1));
	victim_wait();
	check_terminal("the job", tty, session, getpid());
	for (int i = 0; i < 500 && !interrupts; i++)
		pause_ms(10);
	CHECK(interrupts == 1, "^C came %d times to the job", interrupts);
	CHECK(write(1, "job\n", 4) == 4, "the job cannot write: %s", strerror(errno));
	_exit(0);
}

static void be_leader(const char *slave)
{
	int status;
	MUST(setsid());
	int fd = open(slave, O_RDWR);
	MUST(fd);
	MUST(ioctl(fd, TIOCSCTTY, 0));
	dup2(fd, 0);
	int tty = open("/dev/tty", O_RDWR);
	MUST(tty);
	signal(SIGTTOU, SIG_IGN);
	pid_t job = fork();
	MUST(job);
	if (job == 0)
		be_job(tty, getppid());
	setpgid(job, job);
	MUST(tcsetpgrp(tty, job));
	MUST(write(tty, "l", 1));
	victim_wait();
	check_terminal("the leader", tty, getpid(), job);
	CHECK(waitpid(job, &status, 0) == job && status == 0, "the job ended with %x", status);
	CHECK(interrupts == 0, "^C came to the leader");
	_exit(0);
}

int main(int argc, char **argv)
{
	char text[64], path[32];
	int number, status, got = 0;
	struct sigaction action = { .sa_handler = on_interrupt };
	victim_begin(argc, argv);
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master == -1)
		skip("no pseudo-terminals");
	MUST(unlockpt(master));
	MUST(ioctl(master, TIOCGPTN, &number));
	snprintf(path, sizeof path, "/dev/pts/%d", number);
	sigaction(SIGINT, &action, NULL);
	pid_t leader = fork();
	MUST(leader);
	if (leader == 0) {
		close(master);
		be_leader(path);
	}
	while (got < 2) {
		ssize_t part = read(master, text, sizeof text);
		MUST(part);
		got += part;
	}
	victim_ready();
	victim_wait();
	pause_ms(200);
	CHECK(write(master, "\3", 1) == 1, "write ^C: %s", strerror(errno));
	CHECK(waitpid(leader, &status, 0) == leader, "waitpid: %s", strerror(errno));
	CHECK(status == 0, "the leader ended with %x", status);
	CHECK(interrupts == 0, "^C came to the emulator");
	ok();
}
