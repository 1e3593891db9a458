/*
 * Holds: pipes between siblings and cousins, an inherited epoll and eventfd, spread over four processes so that nobody has all ends.
 * Checks: data that was in the pipes, data that is written now, end of file when the last writer is gone, events and counts seen by all.
 */
#include "tree.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <poll.h>

static char text[30000], found[30000];

static void expect_bytes(int fd, const char *want, int length)
{
	for (int got = 0; got < length;) {
		ssize_t part = read(fd, found + got, length - got);
		CHECK(part > 0, "read: %s after %d bytes", part ? strerror(errno) : "end", got);
		got += part;
	}
	CHECK(!memcmp(found, want, length), "%d bytes differ", length);
}

static void expect_end(int fd)
{
	CHECK(read(fd, found, 1) == 0, "no end of file");
}

int main(int argc, char **argv)
{
	int down[2], across[2], cousin[2], events, counter;
	pid_t child[3];
	tree_begin(argc, argv);
	victim_fill(text, sizeof text, 5);
	MUST(pipe(down));
	MUST(pipe(across));
	MUST(pipe(cousin));
	MUST(write(across[1], text, sizeof text));
	MUST(counter = eventfd(40, 0));
	MUST(events = epoll_create1(0));
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1234567890 };
	MUST(epoll_ctl(events, EPOLL_CTL_ADD, counter, &event));

	/* First: writes across and to the cousin's pipe, which it has no reader of. */
	if ((child[0] = tree_fork()) == 0) {
		close(down[0]), close(down[1]), close(across[0]), close(cousin[0]);
		tree_up();
		victim_wait();
		CHECK(write(across[1], text, 5000) == 5000, "write: %s", strerror(errno));
		CHECK(write(cousin[1], "cousin", 6) == 6, "write to the cousin: %s", strerror(errno));
		uint64_t one = 1;
		CHECK(write(counter, &one, 8) == 8, "eventfd: %s", strerror(errno));
		_exit(0);
	}
	/* Second: reads across; below it is a cousin of the first, which reads from it. */
	if ((child[1] = tree_fork()) == 0) {
		close(down[0]), close(down[1]), close(across[1]), close(cousin[1]);
		if ((child[0] = tree_fork()) == 0) {
			close(across[0]);
			tree_up();
			victim_wait();
			expect_bytes(cousin[0], "cousin", 6);
			expect_end(cousin[0]);
			_exit(0);
		}
		close(cousin[0]);
		tree_up();
		victim_wait();
		expect_bytes(across[0], text, sizeof text);
		expect_bytes(across[0], text, 5000);
		expect_end(across[0]);
		tree_reap(child[0]);
		_exit(0);
	}
	close(across[0]), close(across[1]), close(cousin[0]), close(cousin[1]);
	/* Third: asleep in a read from the parent. */
	if ((child[2] = tree_fork()) == 0) {
		close(down[1]);
		tree_up();
		expect_bytes(down[0], "now", 3);
		expect_end(down[0]);
		CHECK(epoll_wait(events, &event, 1, 0) == 1 && event.data.u64 == 0x1234567890, "the inherited epoll gives nothing");
		_exit(0);
	}
	close(down[0]);
	tree_await_up(4);
	victim_ready();
	victim_wait();
	tree_reap(child[0]);
	tree_reap(child[1]);
	CHECK(write(down[1], "now", 3) == 3, "write down: %s", strerror(errno));
	close(down[1]);
	tree_reap(child[2]);
	uint64_t count;
	CHECK(read(counter, &count, 8) == 8 && count == 41, "the counter is %lu", count);
	CHECK(epoll_wait(events, &event, 1, 0) == 0, "the epoll has an event too many");
	ok();
}
