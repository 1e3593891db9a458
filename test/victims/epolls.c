/*
 * Holds: an epoll instance with level, edge and one-shot members on pipes and an eventfd, each with 64 bits of data, and an instance
 * inside an instance. Checks: which events come, their data, and that later ones come too.
 */
#include "victim.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int instance, outer;

static void add(int to, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { events, { .u64 = data } };
	MUST(epoll_ctl(to, EPOLL_CTL_ADD, fd, &event));
}

/* The events of the member with this data that are ready now; 0 = not ready. */
static uint32_t ready(int of, uint64_t data)
{
	struct epoll_event events[16];
	uint32_t found = 0;
	int count = epoll_wait(of, events, 16, 0);
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 == data)
			found = events[i].events;
	return found;
}

int main(int argc, char **argv)
{
	int level[2], once[2], edge[2], event;
	uint64_t one = 1;
	char byte;
	victim_begin(argc, argv);
	MUST(instance = epoll_create1(EPOLL_CLOEXEC));
	MUST(outer = epoll_create1(0));
	MUST(pipe(level));
	MUST(pipe(once));
	MUST(pipe(edge));
	MUST(event = eventfd(0, EFD_NONBLOCK));
	MUST(write(level[1], "l", 1));
	MUST(write(once[1], "o", 1));
	add(instance, level[0], EPOLLIN, 0x1111111122222222);
	add(instance, once[0], EPOLLIN | EPOLLONESHOT, 0x3333333344444444);
	add(instance, edge[0], EPOLLIN | EPOLLET, 0x5555555566666666);
	add(instance, event, EPOLLIN | EPOLLRDHUP, 0x7777777788888888);
	add(outer, instance, EPOLLIN, 0x99);
	CHECK(ready(instance, 0x3333333344444444) == EPOLLIN, "set-up: the one-shot member is not ready");
	victim_ready();
	victim_wait();

	CHECK(fcntl(instance, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	CHECK(ready(outer, 0x99) == EPOLLIN, "the instance inside an instance is not ready");
	CHECK(ready(instance, 0x1111111122222222) == EPOLLIN, "the level member is not ready");
	CHECK(read(level[0], &byte, 1) == 1, "read: %s", strerror(errno));
	CHECK(ready(instance, 0x1111111122222222) == 0, "the level member stays ready");
	CHECK(ready(instance, 0x3333333344444444) == 0, "the one-shot member is armed again");
	CHECK(ready(instance, 0x5555555566666666) == 0, "the empty edge member is ready");
	CHECK(write(edge[1], "e", 1) == 1 && ready(instance, 0x5555555566666666) == EPOLLIN, "the edge member does not become ready");
	CHECK(ready(instance, 0x5555555566666666) == 0, "the edge member is ready twice");
	CHECK(write(event, &one, 8) == 8 && ready(instance, 0x7777777788888888) == EPOLLIN, "the eventfd does not become ready");
	struct epoll_event again = { EPOLLIN | EPOLLONESHOT, { .u64 = 5 } };
	CHECK(epoll_ctl(instance, EPOLL_CTL_MOD, once[0], &again) == 0, "EPOLL_CTL_MOD: %s", strerror(errno));
	CHECK(ready(instance, 5) == EPOLLIN, "the one-shot member cannot be armed again");
	CHECK(epoll_ctl(instance, EPOLL_CTL_DEL, event, NULL) == 0, "EPOLL_CTL_DEL: %s", strerror(errno));
	ok();
}
