/*
 * Holds: a sleep and a timer that end at a time of CLOCK_MONOTONIC and CLOCK_BOOTTIME, and descriptors of such timers, in a child; all of it looks at both clocks again and
 * again. Checks: neither clock ever steps by more than 4.5 s, whatever happens to the program, or back; vDSO and system call agree; sleep and
 * timer end at their time.
 */
#include "victim.h"
#include <sys/timerfd.h>
#include <sys/wait.h>

#define NAP 2.0
#define STEP 4.5
#define LATE 3.0
#define FAR 1000

static double now(clockid_t clock)
{
	struct timespec time;
	MUST(clock_gettime(clock, &time));
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double called(clockid_t clock)
{
	struct timespec time;
	MUST((int)syscall(SYS_clock_gettime, clock, &time));
	return time.tv_sec + time.tv_nsec / 1e9;
}

static struct timespec spec(double seconds)
{
	return (struct timespec){ (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };
}

/* A descriptor of a timer that ends at this time. */
static int far(clockid_t clock, double end)
{
	int fd;
	MUST(fd = timerfd_create(clock, 0));
	MUST(timerfd_settime(fd, TFD_TIMER_ABSTIME, &(struct itimerspec){ .it_value = spec(end) }, NULL));
	return fd;
}

static void is_left(int fd, clockid_t clock, double end)
{
	struct itimerspec left;
	MUST(timerfd_gettime(fd, &left));
	double late = left.it_value.tv_sec + left.it_value.tv_nsec / 1e9 - (end - now(clock));
	CHECK(late > -LATE && late < LATE, "the descriptor of clock %d ends %f s late", clock, late);
}

static double wanted, woke, rang;

static void on_timer(int number)
{
	(void)number;
	rang = now(CLOCK_BOOTTIME);
}

static void *sleeper(void *unused)
{
	struct timespec end = spec(wanted);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	woke = now(CLOCK_MONOTONIC);
	return unused;
}

/* Looks at the clocks until the test asks, and until `done` is not 0 any more. */
static void watch(const char *who, const double *done)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	double last[2] = { now(clocks[0]), now(clocks[1]) };
	for (int round = 0; !victim_asked() || (done && *done == 0 && round < 3000); round++) {
		for (int i = 0; i < 2; i++) {
			double time = now(clocks[i]), kernel = called(clocks[i]);
			CHECK(time >= last[i] && time - last[i] < STEP, "%s: clock %d stepped from %f to %f", who, clocks[i], last[i], time);
			CHECK(kernel - time > -0.001 && kernel - time < STEP, "%s: clock %d: vDSO says %f, kernel %f", who, clocks[i], time, kernel);
			last[i] = time;
		}
		pause_ms(10);
	}
}

static void be_child(int ready)
{
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	signal(SIGUSR1, on_timer);
	wanted = now(CLOCK_MONOTONIC) + NAP;
	double ring = now(CLOCK_BOOTTIME) + NAP, end = now(CLOCK_MONOTONIC) + FAR, boot_end = now(CLOCK_BOOTTIME) + FAR;
	int monotonic = far(CLOCK_MONOTONIC, end), boottime = far(CLOCK_BOOTTIME, boot_end);
	MUST(timer_create(CLOCK_BOOTTIME, &event, &timer));
	MUST(timer_settime(timer, TIMER_ABSTIME, &(struct itimerspec){ .it_value = spec(ring) }, NULL));
	pthread_t thread = victim_thread(sleeper, NULL);
	MUST(write(ready, "", 1));
	watch("the child", &rang);
	victim_join(thread);
	is_left(monotonic, CLOCK_MONOTONIC, end);
	is_left(boottime, CLOCK_BOOTTIME, boot_end);
	CHECK(woke - wanted >= 0 && woke - wanted < LATE, "the sleep ended %f s late", woke - wanted);
	CHECK(rang - ring > -0.01 && rang - ring < LATE, "the timer rang %f s late", rang - ring);
	_exit(0);
}

int main(int argc, char **argv)
{
	int ends[2], status;
	char byte;
	victim_begin(argc, argv);
	MUST(pipe(ends));
	pid_t child = fork();
	MUST(child);
	if (child == 0)
		be_child(ends[1]);
	MUST(read(ends[0], &byte, 1));
	victim_ready();
	watch("the parent", NULL);
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	ok();
}
