/* Holds: an action of its own for each of the 64 signals: handlers, flags, masks, ignored, default. Checks: sigaction tells the same. */
#include "victim.h"

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static volatile int handled;

static void first(int signal)
{
	handled = signal;
}

static void second(int signal)
{
	handled = -signal;
}

static void get(int number, struct kernel_action *action)
{
	memset(action, 0, sizeof *action);
	MUST((int)syscall(SYS_rt_sigaction, number, NULL, action, 8));
}

int main(int argc, char **argv)
{
	static const int flags[] = { 0, SA_RESTART, SA_NODEFER | SA_ONSTACK, SA_RESETHAND, SA_NOCLDSTOP | SA_NOCLDWAIT };
	struct kernel_action before[65], after;
	victim_begin(argc, argv);
	for (int number = 1; number <= 64; number++) {
		if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33)
			continue;
		struct sigaction action = { .sa_flags = flags[number % 5] };
		action.sa_handler = number % 7 == 0 ? SIG_IGN : number % 7 == 1 ? SIG_DFL : number % 2 ? first : second;
		for (int other = 1; other <= 64; other++)
			if ((other * number) % 5 == 1)
				sigaddset(&action.sa_mask, other);
		MUST(sigaction(number, &action, NULL));
	}
	for (int number = 1; number <= 64; number++)
		get(number, &before[number]);
	victim_ready();
	victim_wait();
	for (int number = 1; number <= 64; number++) {
		get(number, &after);
		CHECK(after.handler == before[number].handler, "signal %d: handler %p, was %p", number, (void *)after.handler,
		      (void *)before[number].handler);
		CHECK(after.flags == before[number].flags, "signal %d: flags %lx, were %lx", number, after.flags, before[number].flags);
		CHECK(after.mask == before[number].mask, "signal %d: mask %lx, was %lx", number, after.mask, before[number].mask);
		CHECK(after.restorer == before[number].restorer, "signal %d: restorer differs", number);
	}
	raise(SIGUSR1);
	CHECK(handled == -SIGUSR1, "the handler of SIGUSR1 did not run: %d", handled);
	raise(40);
	CHECK(handled == -40, "the handler of signal 40 did not run: %d", handled);
	ok();
}
