/*
 * Holds: descriptors of itself, of its parent, of a living child (twice, one of them non-blocking and in an epoll; with argument "thread" of
 * its first thread too), of a zombie, of two processes that have gone (of one of them twice); two that a child has inherited, and one that
 * the child's epoll watches.
 * Checks: who each leads to, by signals and by waiting; flags; that descriptors of one process are one file of pidfs, and those of two not;
 * that what was inherited is one open file still; that the epolls see the ends.
 */
#include "tree.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

enum { P_PIDFD_ = 3, KCMP_FILE_ = 0 };

static int open_pid(pid_t pid)
{
	int fd;
	MUST(fd = syscall(SYS_pidfd_open, pid, 0));
	return fd;
}

static bool ended(int fd)
{
	struct pollfd poll_ = { fd, POLLIN, 0 };
	return poll(&poll_, 1, 0) == 1;
}

static int tell(int fd, int signal)
{
	return syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == -1 ? errno : 0;
}

static ino_t inode(int fd)
{
	struct stat found;
	CHECK(fstat(fd, &found) == 0, "fstat %d: %s", fd, strerror(errno));
	return found.st_ino;
}

static int watch(int target, uint64_t data)
{
	int epoll;
	MUST(epoll = epoll_create1(0));
	struct epoll_event event = { EPOLLIN, { .u64 = data } };
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, target, &event));
	return epoll;
}

static void see(int epoll, uint64_t data)
{
	struct epoll_event event = { 0 };
	CHECK(epoll_wait(epoll, &event, 1, 10000) == 1 && event.data.u64 == data, "the epoll of %lu does not see the end", (long)data);
}

static void until_told(void)
{
	while (!board->count[0])
		pause_ms(2);
}

int main(int argc, char **argv)
{
	tree_begin(argc, argv);
	bool threads = !strcmp(victim_argument(argc, argv, 1), "thread");
	/* PIDFD_THREAD is O_EXCL. */
	if (threads && syscall(SYS_pidfd_open, getpid(), O_EXCL) == -1)
		skip("this kernel has no descriptors of threads");
	pid_t living = tree_fork();
	if (living == 0) {
		int parent = open_pid(getppid());
		tree_up();
		victim_wait();
		CHECK(tell(parent, 0) == 0 && !ended(parent), "the parent's descriptor is lost");
		tree_well();
		until_told();
		_exit(0);
	}
	pid_t zombie = tree_fork();
	if (zombie == 0)
		_exit(7);
	int dead[3], of_zombie = open_pid(zombie);
	for (int i = 0; i < 2; i++) {
		pid_t gone = tree_fork();
		if (gone == 0)
			_exit(0);
		dead[i] = open_pid(gone);
		if (i == 0)
			dead[2] = open_pid(gone);
		tree_reap(gone);
	}
	int self = open_pid(getpid()), first = open_pid(living), second = open_pid(living);
	int thread = threads ? syscall(SYS_pidfd_open, living, O_EXCL) : -1, thread_flags = fcntl(thread, F_GETFL);
	MUST(fcntl(second, F_SETFL, O_NONBLOCK));
	MUST(fcntl(dead[2], F_SETFL, O_NONBLOCK));
	MUST(fcntl(first, F_SETFD, 0));
	int epoll = watch(second, 5);
	pid_t heir = tree_fork();
	if (heir == 0) {
		int own = watch(first, 6);
		close(self);
		close(second);
		close(epoll);
		tree_up();
		victim_wait();
		CHECK(!ended(first), "the first has ended in the heir");
		CHECK(ended(dead[0]) && tell(dead[0], 0) == ESRCH, "who had gone lives in the heir");
		tree_well();
		see(own, 6);
		_exit(0);
	}
	bool distinct = inode(dead[0]) != inode(dead[1]);
	tree_up();
	tree_await_up(3);
	TREE_AWAIT(ended(of_zombie), "set-up: no zombie");
	victim_ready();
	victim_wait();
	CHECK(fcntl(self, F_GETFD) == FD_CLOEXEC && fcntl(first, F_GETFD) == 0, "close-on-exec is lost");
	CHECK(!(fcntl(first, F_GETFL) & O_NONBLOCK), "the first does not block");
	CHECK(fcntl(second, F_GETFL) & O_NONBLOCK, "the second blocks");
	CHECK(fcntl(dead[2], F_GETFL) & O_NONBLOCK && !(fcntl(dead[0], F_GETFL) & O_NONBLOCK), "flags of the dead are lost");
	CHECK(!threads || (fcntl(thread, F_GETFL) == thread_flags && tell(thread, 0) == 0), "the thread's descriptor has flags %o, had %o",
	      fcntl(thread, F_GETFL), thread_flags);
	for (int i = 0; i < 3; i++)
		CHECK(ended(dead[i]) && tell(dead[i], 0) == ESRCH, "dead %d lives", i);
	CHECK(inode(dead[0]) == inode(dead[2]), "two descriptors of one that has gone differ");
	CHECK(!distinct || inode(dead[0]) != inode(dead[1]), "two that have gone are one");
	CHECK(tell(self, 0) == 0 && !ended(self), "its own is lost");
	CHECK(inode(first) == inode(second) && (!distinct || inode(first) != inode(self)), "two processes are one");
	CHECK(syscall(SYS_kcmp, getpid(), heir, KCMP_FILE_, first, first) == 0, "the first is not shared");
	CHECK(syscall(SYS_kcmp, getpid(), heir, KCMP_FILE_, dead[0], dead[0]) == 0, "the dead one is not shared");
	CHECK(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE_, dead[0], dead[2]) > 0, "two open files are one");
	siginfo_t info = { 0 };
	CHECK(ended(of_zombie) && waitid(P_PIDFD_, of_zombie, &info, WEXITED) == 0 && info.si_status == 7, "the zombie: %d", info.si_status);
	CHECK(tell(of_zombie, 0) == ESRCH, "the zombie is still there");
	tree_well();
	CHECK(!ended(first) && !ended(second), "the child has ended");
	board->count[0] = 1;
	see(epoll, 5);
	CHECK(waitid(P_PIDFD_, first, &info, WEXITED) == 0 && info.si_pid == living && info.si_status == 0, "the child: %d", info.si_status);
	tree_reap_all();
	ok();
}
