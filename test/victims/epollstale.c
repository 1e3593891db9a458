/*
 * Holds: files that an epoll watches under numbers which lead elsewhere now, while duplicates of them live. "closed": under a number that
 * is free, under two that have other files, one of them watched too, and under the number of the epoll itself. "forked": the only
 * duplicate is in a child, which has the epoll too; the parent has another file under the number. Checks: events and their data, that
 * each stands under its old number and no other, and that those that have the numbers now are as they were.
 */
#include "victim.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* struct epoll_params, since Linux 6.9. */
struct params {
	uint32_t usecs;
	uint16_t budget;
	uint8_t prefer, pad;
};
enum { EPIOCSPARAMS_ = 0x40088a01 };
static const unsigned long EPIOCGPARAMS_ = 0x80088a02;

static int instance;

static void add(int fd, uint64_t data)
{
	struct epoll_event event = { EPOLLIN, { .u64 = data } };
	MUST(epoll_ctl(instance, EPOLL_CTL_ADD, fd, &event));
}

/* Whether exactly the member with this data is ready; 0 = none is. */
static bool ready(uint64_t data)
{
	struct epoll_event events[8];
	int count = epoll_wait(instance, events, 8, 0);
	return data ? count == 1 && events[0].data.u64 == data : count == 0;
}

/* Writes to an eventfd, looks at the epoll, and empties it. */
static bool wakes(int event, uint64_t data)
{
	uint64_t one = 1, got;
	return write(event, &one, 8) == 8 && ready(data) && read(event, &got, 8) == 8 && ready(0);
}

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	MUST(fd);
	return fd;
}

/* An eventfd that is watched under a number of its own, and has another one besides. */
static int watched(int *number, uint64_t data)
{
	int fd = event();
	add(fd, data);
	*number = fd;
	int other = dup(fd);
	MUST(other);
	return other;
}

static void closed(const char *folder)
{
	char path[256];
	struct epoll_event again = { EPOLLIN, { .u64 = 0x30 } };
	struct params set = { 50, 32, 1, 0 }, is = { 0 };
	struct flock lock = { .l_type = F_WRLCK }, seen = lock;
	int gone, file, both, own, now = event();
	MUST(instance = epoll_create1(EPOLL_CLOEXEC));
	int first = watched(&gone, 0x1);
	int second = watched(&file, 0x2);
	int third = watched(&both, 0x3);
	int fourth = watched(&own, 0x4);
	snprintf(path, sizeof path, "%s/locked", folder);
	int opened = open(path, O_RDWR | O_CREAT, 0600);
	MUST(opened);
	MUST(write(opened, "abcdef", 6));
	MUST(dup3(opened, file, O_CLOEXEC));
	MUST(close(opened));
	MUST(fcntl(file, F_SETLK, &lock));
	MUST(dup2(now, both));
	add(both, 0x33);
	MUST(close(gone));
	MUST(dup2(instance, own));
	MUST(close(instance));
	instance = own;
	bool polls = ioctl(instance, EPIOCSPARAMS_, &set) == 0;
	victim_ready();
	victim_wait();

	CHECK(!polls || (ioctl(instance, EPIOCGPARAMS_, &is) == 0 && memcmp(&is, &set, sizeof is) == 0), "it polls otherwise");
	CHECK(wakes(first, 0x1), "closed: no event with its data");
	CHECK(wakes(second, 0x2), "a file in its place: no event with its data");
	CHECK(wakes(third, 0x3), "another member in its place: no event with its data");
	CHECK(wakes(now, 0x33), "the member in its place: no event with its data");
	CHECK(wakes(fourth, 0x4), "the epoll in its place: no event with its data");
	CHECK(fcntl(gone, F_GETFD) < 0, "fd %d is open", gone);
	CHECK(fcntl(file, F_GETFD) == FD_CLOEXEC && lseek(file, 0, SEEK_CUR) == 6, "the file in its place is not as it was");
	if (fork() == 0)
		_exit(fcntl(file, F_GETLK, &seen) == 0 && seen.l_type == F_WRLCK ? 0 : 1);
	int status;
	CHECK(wait(&status) > 0 && status == 0, "the lock of the file in its place is lost");
	CHECK(epoll_ctl(instance, EPOLL_CTL_DEL, first, NULL) < 0 && errno == ENOENT, "it stands under the duplicate's number");
	CHECK(dup2(first, gone) == gone, "dup2: %s", strerror(errno));
	CHECK(epoll_ctl(instance, EPOLL_CTL_DEL, gone, NULL) == 0, "it does not stand under its old number: %s", strerror(errno));
	CHECK(epoll_ctl(instance, EPOLL_CTL_MOD, both, &again) == 0 && wakes(now, 0x30) && wakes(third, 0x3), "MOD changes another member");
	CHECK(fcntl(instance, F_GETFD) == 0, "the epoll is not as it was");
}

static void forked(void)
{
	int number, other[2], answer[2], ask[2];
	char byte;
	MUST(pipe(answer));
	MUST(pipe(ask));
	MUST(instance = epoll_create1(0));
	number = event();
	add(number, 0x5);
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		uint64_t one = 1;
		close(ask[1]);
		while (read(ask[0], &byte, 1) == 1)
			if (write(number, &one, 8) != 8 || write(answer[1], "w", 1) != 1)
				_exit(1);
		_exit(0);
	}
	MUST(close(ask[0]));
	MUST(pipe(other));
	MUST(dup2(other[0], number));
	victim_ready();
	victim_wait();

	CHECK(ready(0), "something is ready");
	CHECK(write(other[1], "o", 1) == 1 && ready(0), "the file in its place is watched");
	CHECK(write(ask[1], "?", 1) == 1 && read(answer[0], &byte, 1) == 1, "the child does not answer");
	CHECK(ready(0x5), "no event of what the child has");
	CHECK(close(ask[1]) == 0 && waitpid(child, NULL, 0) == child, "the child does not end: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	if (strcmp(argv[2], "closed") == 0)
		closed(argv[3]);
	else
		forked();
	ok();
}
