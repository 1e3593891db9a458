/*
 * Holds: the three interval timers, far in the future, or with argument "tick" a real timer every 30 ms.
 * Checks: intervals and what is left of them; that the ticking goes on.
 */
#include "victim.h"
#include <sys/time.h>

static volatile int ticks;

static void on_tick(int unused)
{
	(void)unused;
	ticks++;
}

int main(int argc, char **argv)
{
	static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
	bool tick = !strcmp(victim_argument(argc, argv, 1), "tick");
	victim_begin(argc, argv);
	signal(SIGALRM, on_tick);
	if (tick) {
		struct itimerval every = { { 0, 30000 }, { 0, 30000 } };
		MUST(setitimer(ITIMER_REAL, &every, NULL));
	} else {
		for (int i = 0; i < 3; i++) {
			struct itimerval far = { { 70 + i, 123 }, { 1000 * (i + 1), 500 } };
			MUST(setitimer(which[i], &far, NULL));
		}
	}
	victim_ready();
	victim_wait();
	if (tick) {
		int before = ticks;
		pause_ms(200);
		CHECK(ticks >= before + 3, "the timer ticked %d times in 200 ms", ticks - before);
		ok();
	}
	for (int i = 0; i < 3; i++) {
		struct itimerval now;
		MUST(getitimer(which[i], &now));
		long start = 1000 * (i + 1);
		CHECK(now.it_interval.tv_sec == 70 + i, "timer %d repeats every %ld s", i, now.it_interval.tv_sec);
		CHECK(labs(now.it_interval.tv_usec - 123) < 1000 * 11, "timer %d repeats every .%06ld s", i, now.it_interval.tv_usec);
		CHECK(now.it_value.tv_sec <= start && now.it_value.tv_sec > start - 60, "timer %d: %ld s are left of %ld", i,
		      now.it_value.tv_sec, start);
	}
	ok();
}
