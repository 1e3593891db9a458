/*
 * Holds: a FIFO, both ends of a terminal, a pipe and a socket with O_ASYNC, each with a signal of its own. Checks: each still sends it when
 * something can be read, with the number of its descriptor; and a terminal that was opened with the flag, which signs nobody up, sends none.
 */
#include "victim.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>

enum { KINDS = 5, FIRST = 50 };
static int reader[KINDS], writer[KINDS], kinds;
static volatile int told[KINDS];

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	told[signal - FIRST] = info->si_fd;
}

static void add(int from, int into)
{
	reader[kinds] = from;
	writer[kinds] = into;
	MUST(fcntl(from, F_SETOWN, getpid()));
	MUST(fcntl(from, F_SETSIG, FIRST + kinds));
	MUST(fcntl(from, F_SETFL, fcntl(from, F_GETFL) | O_ASYNC | O_NONBLOCK));
	kinds++;
}

static void check(const char *when)
{
	for (int i = 0; i < kinds; i++) {
		char answer[64];
		told[i] = -1;
		MUST((int)write(writer[i], "x\n", 2));
		for (int waited = 0; told[i] == -1 && waited < 2000; waited++)
			pause_ms(1);
		CHECK(told[i] == reader[i], "%s: kind %d: told of descriptor %d, not %d", when, i, told[i], reader[i]);
		CHECK(fcntl(reader[i], F_GETFL) & O_ASYNC, "%s: kind %d: O_ASYNC is lost", when, i);
		while (read(reader[i], answer, sizeof answer) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	int pair[2], master, slave, fifo;
	struct termios raw;
	for (int i = 0; i < KINDS; i++)
		sigaction(FIRST + i, &action, NULL);
	const char *path = victim_path(victim_argument(argc, argv, 1), "fifo");
	MUST(mkfifo(path, 0600));
	MUST(fifo = open(path, O_RDWR));
	add(fifo, fifo);
	for (int i = 0; i < 2; i++) {
		MUST(master = posix_openpt(O_RDWR | O_NOCTTY));
		MUST(unlockpt(master));
		MUST(slave = open(ptsname(master), O_RDWR | O_NOCTTY));
		MUST(tcgetattr(slave, &raw));
		cfmakeraw(&raw);
		MUST(tcsetattr(slave, TCSANOW, &raw));
		add(i ? master : slave, i ? slave : master);
	}
	MUST(pipe(pair));
	add(pair[0], pair[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	add(pair[0], pair[1]);
	/* SIGIO ends who does not handle it. */
	MUST(master = posix_openpt(O_RDWR | O_NOCTTY));
	MUST(unlockpt(master));
	MUST(slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_ASYNC));
	check("set-up");
	victim_ready();
	victim_wait();
	check("now");
	MUST((int)write(master, "x\n", 2));
	pause_ms(20);
	CHECK(fcntl(slave, F_GETFL) & O_ASYNC && fcntl(slave, F_GETOWN) == 0, "flags %x, owner %d", fcntl(slave, F_GETFL), fcntl(slave, F_GETOWN));
	ok();
}
