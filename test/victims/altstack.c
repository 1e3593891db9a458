/*
 * Holds: three threads with alternate signal stacks: one not in use, one that runs a handler on it while dumped, one with
 * SS_AUTODISARM. Checks: sigaltstack tells the same, the handler returns to where it was, later signals use the stack.
 */
#include "victim.h"
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

enum { BYTES = 65536 };
static char stacks[3][BYTES];
static __thread int number;
static __thread volatile int seen_on;
static volatile int ready;

static int on_which(void)
{
	char here;
	for (int i = 0; i < 3; i++)
		if (&here > stacks[i] && &here < stacks[i] + BYTES)
			return i;
	return -1;
}

static void quick(int unused)
{
	(void)unused;
	seen_on = on_which();
}

static void slow(int unused)
{
	(void)unused;
	stack_t current;
	ready++;
	while (!victim_go)
		pause_ms(10);
	CHECK(on_which() == number, "the handler runs on stack %d, not %d", on_which(), number);
	sigaltstack(NULL, &current);
	CHECK(current.ss_flags == SS_ONSTACK, "inside the handler the stack's flags are %x", current.ss_flags);
	seen_on = on_which();
}

static void *hold(void *argument)
{
	number = (long)argument;
	stack_t mine = { stacks[number], number == 2 ? (int)SS_AUTODISARM : 0, BYTES }, after;
	MUST(sigaltstack(&mine, NULL));
	if (number == 1) {
		seen_on = -2;
		pthread_kill(pthread_self(), SIGUSR2);
		CHECK(seen_on == 1, "the long handler ended on %d", seen_on);
	} else {
		ready++;
		while (!victim_go)
			pause_ms(10);
	}
	MUST(sigaltstack(NULL, &after));
	CHECK(after.ss_sp == mine.ss_sp && after.ss_size == mine.ss_size && after.ss_flags == mine.ss_flags,
	      "stack %d: %p %zu %x", number, after.ss_sp, after.ss_size, after.ss_flags);
	for (int i = 0; i < 2; i++) {
		seen_on = -2;
		pthread_kill(pthread_self(), SIGUSR1);
		CHECK(seen_on == number, "a handler of thread %d ran on stack %d", number, seen_on);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	victim_begin(argc, argv);
	struct sigaction action = { .sa_handler = quick, .sa_flags = SA_ONSTACK };
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = slow;
	sigaction(SIGUSR2, &action, NULL);
	for (long i = 0; i < 3; i++)
		threads[i] = victim_thread(hold, (void *)i);
	while (ready < 3)
		pause_ms(1);
	victim_ready();
	victim_wait();
	for (int i = 0; i < 3; i++)
		victim_join(threads[i]);
	ok();
}
