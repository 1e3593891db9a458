/*
 * Holds: timerfds of three clocks: relative, absolute, periodic, never set, expired and not read; with "ticking" a periodic one with ticks
 * that nobody has read; with "alarm" those that wake the machine, and one that a change of the clock would cancel.
 * Checks: times left, flags, what read returns.
 */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/timerfd.h>

#ifndef CLOCK_REALTIME_ALARM
#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#endif
#define FAR 1000

static int make(clockid_t clock, int flags, int settime, long seconds, long nanoseconds, long interval_ns)
{
	struct timespec now = { 0, 0 };
	int fd;
	MUST(fd = timerfd_create(clock, flags));
	if (settime & TFD_TIMER_ABSTIME)
		clock_gettime(clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : clock, &now);
	struct itimerspec spec = { { interval_ns / 1000000000, interval_ns % 1000000000 }, { now.tv_sec + seconds, now.tv_nsec + nanoseconds } };
	if (spec.it_value.tv_nsec >= 1000000000)
		spec.it_value.tv_sec++, spec.it_value.tv_nsec -= 1000000000;
	MUST(timerfd_settime(fd, settime, &spec, NULL));
	return fd;
}

static uint64_t take(int fd)
{
	uint64_t ticks = 0;
	return read(fd, &ticks, 8) == 8 ? ticks : 0;
}

/* Seconds that were set at least a moment ago must be left, but for what the dump took. */
static void far(const char *what, int fd, long interval)
{
	struct itimerspec now;
	CHECK(timerfd_gettime(fd, &now) == 0, "%s: %s", what, strerror(errno));
	CHECK(now.it_value.tv_sec > FAR - 200 && now.it_value.tv_sec < FAR, "%s: %ld s are left", what, now.it_value.tv_sec);
	CHECK(now.it_interval.tv_sec == interval, "%s: the interval is %ld s", what, now.it_interval.tv_sec);
	CHECK(take(fd) == 0 && errno == EAGAIN, "%s: it has run out", what);
}

static void flags_are(const char *what, int fd, const char *flags)
{
	char path[64], text[1024], line[64];
	/* Before Linux 5.14 who has changed users may not read this of itself. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	victim_read(path, text, sizeof text);
	snprintf(line, sizeof line, "settime flags: %s\n", flags);
	CHECK(strstr(text, line), "%s: not set with %s", what, flags);
}

static void hold_ticking(void)
{
	enum { ROUND = 20000000 };
	uint64_t before, after;
	double from = victim_seconds();
	int ticking = make(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0, ROUND, ROUND);
	while (victim_seconds() < from + 0.1)
		pause_ms(10);
	before = (victim_seconds() - from) * 1e9 / ROUND;
	victim_ready();
	victim_wait();
	after = take(ticking);
	CHECK(after >= before, "%lu ticks, but there were %lu before", after, before);
	CHECK(after <= (victim_seconds() - from) * 1e9 / ROUND, "%lu ticks, more than time for", after);
	pause_ms(ROUND / 1000000 * 2);
	CHECK(take(ticking) > 0, "it has stopped");
	ok();
}

static void hold_alarm(void)
{
	int cancel = make(CLOCK_REALTIME, TFD_NONBLOCK, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, FAR, 0, 0);
	int wake = timerfd_create(CLOCK_REALTIME_ALARM, TFD_NONBLOCK);
	if (wake < 0)
		skip("this machine has no clock that wakes it");
	close(wake);
	wake = make(CLOCK_REALTIME_ALARM, TFD_NONBLOCK, TFD_TIMER_ABSTIME, FAR, 0, 0);
	int boot = make(CLOCK_BOOTTIME_ALARM, TFD_NONBLOCK, 0, FAR, 0, 500000000000);
	CHECK(setuid(12345) == 0, "set-up: setuid");
	victim_ready();
	victim_wait();
	far("cancel-on-set", cancel, 0);
	flags_are("cancel-on-set", cancel, "03");
	far("an alarm", wake, 0);
	flags_are("an alarm", wake, "01");
	far("a relative alarm", boot, 500);
	ok();
}

int main(int argc, char **argv)
{
	const char *mode = victim_argument(argc, argv, 1);
	victim_begin(argc, argv);
	if (!strcmp(mode, "ticking"))
		hold_ticking();
	if (!strcmp(mode, "alarm"))
		hold_alarm();
	int relative = make(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC, 0, FAR, 0, 0);
	int absolute = make(CLOCK_MONOTONIC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, FAR, 0, 0);
	int moment = make(CLOCK_REALTIME, TFD_NONBLOCK, TFD_TIMER_ABSTIME, FAR, 0, 0);
	int periodic = make(CLOCK_BOOTTIME, TFD_NONBLOCK, 0, FAR, 0, 500000000000);
	int expired = make(CLOCK_MONOTONIC, 0, 0, 0, 1000, 0);
	int unset, shared;
	MUST(unset = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
	MUST(shared = dup(relative));
	pause_ms(10);
	victim_ready();
	victim_wait();
	CHECK(fcntl(relative, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	far("relative", relative, 0);
	far("absolute", absolute, 0);
	flags_are("absolute", absolute, "01");
	far("of the day", moment, 0);
	flags_are("of the day", moment, "01");
	far("periodic", periodic, 500);
	CHECK(take(expired) == 1, "the tick is lost");
	CHECK(take(unset) == 0 && errno == EAGAIN, "one that was never set has run out");
	struct itimerspec soon = { { 0, 0 }, { 0, 1 } };
	CHECK(timerfd_settime(shared, 0, &soon, NULL) == 0, "timerfd_settime: %s", strerror(errno));
	pause_ms(10);
	CHECK(take(relative) == 1, "a duplicate is another timer");
	ok();
}
