/*
 * Holds: eventfds: a small counter, nonblocking; with argument "huge" a counter above 32 bits, with "semaphore" one in semaphore mode.
 * Checks: counters and what read returns.
 */
#include "victim.h"
#include <sys/eventfd.h>

static uint64_t take(int fd)
{
	uint64_t value = 0;
	return read(fd, &value, 8) == 8 ? value : UINT64_MAX;
}

int main(int argc, char **argv)
{
	bool semaphores = !strcmp(victim_argument(argc, argv, 1), "semaphore");
	int small, large, semaphore = -1;
	uint64_t huge = strcmp(victim_argument(argc, argv, 1), "huge") ? 77777 : 0x123456789abcdef0;
	victim_begin(argc, argv);
	MUST(small = eventfd(7, EFD_CLOEXEC));
	MUST(large = eventfd(0, EFD_NONBLOCK));
	MUST(write(large, &huge, 8));
	if (semaphores)
		MUST(semaphore = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	victim_ready();
	victim_wait();
	CHECK(fcntl(small, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	uint64_t value = take(small);
	CHECK(value == 7, "the counter is %lu, was 7", value);
	value = take(large);
	CHECK(value == huge, "the counter is %lx, was %lx", value, huge);
	CHECK(take(large) == UINT64_MAX && errno == EAGAIN, "an empty nonblocking eventfd gives something");
	for (int i = 0; semaphores && i < 3; i++)
		CHECK((value = take(semaphore)) == 1, "semaphore read %d gave %lx", i, value);
	ok();
}
