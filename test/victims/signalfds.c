/*
 * Holds: signalfds over pending signals: of the process, with values, and of a thread; a duplicate with another mask; one in an epoll.
 * Checks: masks, flags, what read returns, that a new signal wakes the epoll.
 */
#include "victim.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>

static struct signalfd_siginfo take(int fd)
{
	struct signalfd_siginfo info = { 0 };
	ssize_t got = read(fd, &info, sizeof info);
	CHECK(got == sizeof info || (got == -1 && errno == EAGAIN), "read: %zd, %s", got, strerror(errno));
	return info;
}

static int make(int flags, int a, int b)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, a);
	sigaddset(&set, b);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd;
	MUST(fd = signalfd(-1, &set, flags));
	return fd;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	int first = make(SFD_NONBLOCK | SFD_CLOEXEC, SIGUSR1, SIGRTMIN + 3);
	int second = make(SFD_NONBLOCK, SIGUSR2, SIGRTMAX);
	int epoll;
	MUST(epoll = epoll_create1(0));
	struct epoll_event event = { EPOLLIN, { .u64 = 42 } };
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, second, &event));
	MUST(kill(getpid(), SIGUSR1));
	for (int i = 0; i < 3; i++)
		MUST(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 700 + i }));
	victim_ready();
	victim_wait();
	CHECK(fcntl(first, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	struct signalfd_siginfo info = take(first);
	CHECK(info.ssi_signo == SIGUSR1 && info.ssi_pid == (uint32_t)getpid(), "signal %u of %u came", info.ssi_signo, info.ssi_pid);
	for (int i = 0; i < 3; i++) {
		info = take(first);
		CHECK(info.ssi_signo == (uint32_t)SIGRTMIN + 3 && info.ssi_int == 700 + i, "signal %u with %d came", info.ssi_signo, info.ssi_int);
	}
	CHECK(take(first).ssi_signo == 0, "a signal came twice");
	CHECK(take(second).ssi_signo == 0, "a signal came from nowhere");
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0, "the epoll is ready without a signal");
	CHECK(raise(SIGRTMAX) == 0, "raise");
	CHECK(epoll_wait(epoll, &event, 1, 5000) == 1 && event.data.u64 == 42, "the epoll does not see the signal");
	CHECK(take(first).ssi_signo == 0, "the first has the mask of the second");
	CHECK(take(second).ssi_signo == (uint32_t)SIGRTMAX, "the new signal does not come");
	ok();
}
