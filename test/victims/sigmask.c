/* Holds: another mask of blocked signals in each of four threads. Checks: each mask is as it was. */
#include "victim.h"

static void *hold(void *argument)
{
	long number = (long)argument;
	uint64_t mask = 0x0123456789abcdef >> number & ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1)), after = 0;
	MUST((int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
	while (!victim_go)
		if (number & 1)
			pause_ms(10);
	MUST((int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &after, 8));
	CHECK(after == mask, "thread %ld blocks %lx, blocked %lx", number, after, mask);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];
	victim_begin(argc, argv);
	for (long i = 0; i < 4; i++)
		threads[i] = victim_thread(hold, (void *)i);
	pause_ms(20);
	victim_ready();
	victim_wait();
	for (int i = 0; i < 4; i++)
		victim_join(threads[i]);
	ok();
}
