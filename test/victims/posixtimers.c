/*
 * Holds: POSIX timers with gaps between their ids: SIGEV_SIGNAL with a value, SIGEV_NONE, SIGEV_THREAD_ID, periodic and one-shot,
 * on three clocks, one disarmed. Argument "cpu": on the clocks of CPU time, of the process, a thread and a child, and on CLOCK_TAI;
 * "own": of the thread that made them; "ended": of one that has ended.
 * Checks: ids, intervals, time left, and that signals still come to the right thread with the value.
 */
#include "victim.h"
#include <sys/wait.h>
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TIMERS = 6, TICK = 5 };
static int id[TIMERS];
static pid_t other_tid;
static volatile int ticks, ticks_elsewhere, others_timer = -1;
static void *volatile value;

static void on_tick(int unused, siginfo_t *info, void *context)
{
	(void)unused, (void)context;
	value = info->si_value.sival_ptr;
	if (gettid() == other_tid)
		ticks++;
	else
		ticks_elsewhere++;
}

static int create(clockid_t clock, int notify, int signal, void *with);

static void *other(void *own)
{
	other_tid = gettid();
	if (own)
		others_timer = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 54, NULL);
	while (!victim_go)
		pause_ms(5);
	pause_ms(400);
	while (own && others_timer != -1) /* its clock ends with it */
		pause_ms(5);
	return own;
}

static int create(clockid_t clock, int notify, int signal, void *with)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = signal, .sigev_value.sival_ptr = with };
	int made = -1;
	if (notify & SIGEV_THREAD_ID)
		event.sigev_notify_thread_id = other_tid;
	MUST((int)syscall(SYS_timer_create, clock, &event, &made));
	return made;
}

/* Clocks of the CPU time of a thread and of another process. Kernel: include/linux/posix-timers_types.h */
static clockid_t thread_clock(pid_t tid)
{
	return (~(clockid_t)tid << 3) | 6;
}

static clockid_t process_clock(pid_t pid)
{
	return (~(clockid_t)pid << 3) | 2;
}

/* Nanoseconds that are left of a timer. */
static long left(int timer)
{
	struct itimerspec now;
	MUST((int)syscall(SYS_timer_gettime, timer, &now));
	return now.it_value.tv_sec * 1000000000 + now.it_value.tv_nsec;
}

/* Two timers of "the CPU time of the thread that made it": that of the busy thread runs, that of the other stands nearly still. */
static void own(void)
{
	enum { BUSY = 300000000 };
	struct itimerspec far = { .it_value.tv_sec = 500 };
	int timer = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 55, NULL);
	while (others_timer == -1)
		pause_ms(1);
	MUST((int)syscall(SYS_timer_settime, timer, 0, &far, NULL));
	MUST((int)syscall(SYS_timer_settime, others_timer, 0, &far, NULL));
	victim_ready();
	victim_wait();
	long mine = left(timer), others = left(others_timer);
	CHECK(mine > 400000000000 && others > 400000000000, "%ld and %ld ns are left of 500 s", mine, others);
	for (long end = victim_clock() + 20; mine - left(timer) < BUSY;)
		CHECK(victim_clock() < end, "the timer of this thread's CPU time stands still");
	CHECK(others - left(others_timer) < BUSY / 2, "the timer of another thread's CPU time runs with this one");
	others_timer = -1;
}

static void *ending(void *unused)
{
	while (!others_timer)
		pause_ms(1);
	return unused;
}

static void ended(void)
{
	clockid_t clock;
	others_timer = 0;
	pthread_t thread = victim_thread(ending, NULL);
	CHECK(pthread_getcpuclockid(thread, &clock) == 0, "no clock");
	int timer = create(clock, SIGEV_NONE, 0, NULL);
	others_timer = 1;
	victim_join(thread);
	victim_ready();
	victim_wait();
	CHECK(left(timer) == 0, "it is armed");
}

static void cpu(void)
{
	enum { CLOCKS = 5, SOON = 56, FAR = 500 };
	pid_t child = fork();
	MUST(child);
	if (child == 0)
		victim_wait(), _exit(0);
	const clockid_t clocks[CLOCKS] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, thread_clock(other_tid), process_clock(child), CLOCK_TAI };
	struct itimerspec far = { { 7, 0 }, { FAR, 0 } }, soon = { { 0, 0 }, { 0, 200000000 } }, now;
	for (int i = 0; i < CLOCKS; i++) {
		id[i] = create(clocks[i], SIGEV_SIGNAL, 50 + i, NULL);
		MUST((int)syscall(SYS_timer_settime, id[i], 0, &far, NULL));
	}
	int once = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SOON, (void *)0x56);
	MUST((int)syscall(SYS_timer_settime, once, 0, &soon, NULL));
	victim_ready();
	victim_wait();
	for (int i = 0; i < CLOCKS; i++) {
		CHECK(syscall(SYS_timer_gettime, id[i], &now) == 0, "timer %d: %s", i, strerror(errno));
		CHECK(now.it_interval.tv_sec == 7 && now.it_value.tv_sec > FAR - 60 && now.it_value.tv_sec <= FAR, "timer %d has %ld s left", i,
		      now.it_value.tv_sec);
	}
	for (long end = victim_clock() + 20; ticks + ticks_elsewhere == 0 && victim_clock() < end;)
		;
	CHECK(value == (void *)0x56, "the CPU time has not run out: %p", value);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
}

int main(int argc, char **argv)
{
	static const struct {
		clockid_t clock;
		int notify, signal;
		long first, every; /* milliseconds */
	} rows[TIMERS] = {
		{ CLOCK_REALTIME, SIGEV_SIGNAL, 50, 500000, 7000 },   { CLOCK_MONOTONIC, SIGEV_NONE, 0, 600000, 0 },
		{ CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 0, 0 },     { CLOCK_BOOTTIME, SIGEV_SIGNAL, 51, 700000, 9000 },
		{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 52, 800000, 12345 }, { CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, 53, 20, 20 },
	};
	victim_begin(argc, argv);
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(53, &action, NULL);
	const char *kind = victim_argument(argc, argv, 1);
	pthread_t thread = victim_thread(other, strcmp(kind, "own") ? NULL : &id);
	while (!other_tid)
		pause_ms(1);
	if (*kind) {
		sigaction(56, &action, NULL);
		!strcmp(kind, "cpu") ? cpu() : !strcmp(kind, "own") ? own() : ended();
		victim_join(thread);
		ok();
	}
	for (int i = 0; i < TIMERS; i++) {
		int unwanted = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, NULL);
		id[i] = create(rows[i].clock, rows[i].notify, rows[i].signal, (void *)(0x900000000 + i));
		MUST((int)syscall(SYS_timer_delete, unwanted));
		struct itimerspec when = { { rows[i].every / 1000, rows[i].every % 1000 * 1000000 },
					   { rows[i].first / 1000, rows[i].first % 1000 * 1000000 } };
		MUST((int)syscall(SYS_timer_settime, id[i], 0, &when, NULL));
	}
	victim_ready();
	victim_wait();

	for (int i = 0; i < TIMERS; i++) {
		struct itimerspec now;
		CHECK(syscall(SYS_timer_gettime, id[i], &now) == 0, "timer %d of id %d: %s", i, id[i], strerror(errno));
		long every = now.it_interval.tv_sec * 1000 + now.it_interval.tv_nsec / 1000000;
		long left = now.it_value.tv_sec * 1000 + now.it_value.tv_nsec / 1000000;
		CHECK(every == rows[i].every, "timer %d repeats every %ld ms, not %ld", i, every, rows[i].every);
		CHECK(left <= rows[i].first && left >= rows[i].first - 60000, "timer %d has %ld ms left of %ld", i, left, rows[i].first);
		CHECK((rows[i].first == 0) == (left == 0 && i != TICK), "timer %d is armed or disarmed wrongly", i);
	}
	int before = ticks;
	pause_ms(200);
	CHECK(ticks >= before + 4, "the 20 ms timer came %d times in 200 ms", ticks - before);
	CHECK(ticks_elsewhere == 0, "%d signals came to another thread", ticks_elsewhere);
	CHECK(value == (void *)(0x900000000 + TICK), "the timer's value is %p", value);
	int fresh = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, NULL);
	for (int i = 0; i < TIMERS; i++)
		CHECK(fresh != id[i], "a new timer got the id of an old one");
	victim_join(thread);
	ok();
}
