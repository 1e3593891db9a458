/*
 * Holds: its main thread inside the system call named by the argument (see rows). Finite ones take 2 s.
 * Checks: the call does not tell that it was interrupted, does not return early, and gives what it was asked for.
 * A second thread wakes the calls that have no end.
 */
#include "victim.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/wait.h>

static const struct timespec two_seconds = { 2, 0 };
static int ends[2], event;
static uint32_t word;
static pthread_t main_thread;
static volatile int handled;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int unused)
{
	(void)unused;
	handled++;
}

static long futex(int operation, uint32_t value, const struct timespec *until, uint32_t bits)
{
	return syscall(SYS_futex, &word, operation, value, until, NULL, bits);
}

static void wake_write(void) { MUST(write(ends[1], "w", 1)); }
static void wake_event(void) { MUST(eventfd_write(event, 9)); }
static void wake_signal(void) { pthread_kill(main_thread, SIGUSR1); }
static void wake_queue(void) { pthread_sigqueue(main_thread, SIGRTMIN, (union sigval){ .sival_int = 42 }); }
static void wake_futex(void)
{
	word = 1;
	futex(FUTEX_WAKE_PRIVATE, 1, NULL, 0);
}
static void wake_mutex(void) { pthread_mutex_unlock(&mutex); }
static void wake_read(void)
{
	char drain[4096];
	while (read(ends[0], drain, sizeof drain) == sizeof drain)
		;
}

static void in_nanosleep(void)
{
	CHECK(nanosleep(&two_seconds, NULL) == 0, "nanosleep: %s", strerror(errno));
}
static void in_nanosleep_left(void)
{
	struct timespec left = { 77, 77 };
	CHECK(nanosleep(&two_seconds, &left) == 0, "nanosleep: %s, left %ld", strerror(errno), left.tv_sec);
}
static void in_clock_absolute(void)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 2;
	int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	CHECK(error == 0, "clock_nanosleep: %s", strerror(error));
}
static void in_clock_relative(void)
{
	int error = clock_nanosleep(CLOCK_BOOTTIME, 0, &two_seconds, NULL);
	CHECK(error == 0, "clock_nanosleep: %s", strerror(error));
}
static void in_futex(void)
{
	CHECK(futex(FUTEX_WAIT_PRIVATE, 0, NULL, 0) == 0 && word == 1, "futex: %s", strerror(errno));
}
static void in_futex_timeout(void)
{
	CHECK(futex(FUTEX_WAIT_PRIVATE, 0, &two_seconds, 0) == -1 && errno == ETIMEDOUT, "futex: %s", strerror(errno));
}
static void in_futex_absolute(void)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 2;
	CHECK(futex(FUTEX_WAIT_BITSET_PRIVATE, 0, &until, FUTEX_BITSET_MATCH_ANY) == -1 && errno == ETIMEDOUT, "futex: %s", strerror(errno));
}
static void in_mutex(void)
{
	CHECK(pthread_mutex_lock(&mutex) == 0, "pthread_mutex_lock");
}
static void in_poll(void)
{
	struct pollfd wanted = { ends[0], POLLIN, 0 };
	CHECK(poll(&wanted, 1, -1) == 1 && wanted.revents == POLLIN, "poll: %s", strerror(errno));
}
static void in_poll_timeout(void)
{
	struct pollfd wanted = { ends[0], POLLIN, 0 };
	int got = poll(&wanted, 1, 2000);
	CHECK(got == 0, "poll gave %d: %s", got, strerror(errno));
}
static void in_select(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	int got = select(ends[0] + 1, &set, NULL, NULL, NULL);
	CHECK(got == 1 && FD_ISSET(ends[0], &set), "select gave %d: %s", got, strerror(errno));
}
static void in_select_timeout(void)
{
	struct timeval time = { 2, 0 };
	int got = select(0, NULL, NULL, NULL, &time);
	CHECK(got == 0, "select gave %d: %s", got, strerror(errno));
}
static void in_read(void)
{
	char byte = 0;
	ssize_t got = read(ends[0], &byte, 1);
	CHECK(got == 1 && byte == 'w', "read gave %zd: %s", got, strerror(errno));
}
static void in_write(void)
{
	/* The pipe is full; the write completes when the waker has drained it. */
	ssize_t got = write(ends[1], "0123456789", 10);
	CHECK(got == 10, "write gave %zd: %s", got, strerror(errno));
}
static void in_read_event(void)
{
	eventfd_t value = 0;
	CHECK(eventfd_read(event, &value) == 0 && value == 9, "eventfd: %s", strerror(errno));
}
static void in_pause(void)
{
	CHECK(pause() == -1 && errno == EINTR && handled == 1, "pause ended without a signal: %d handled", handled);
}
static void in_sigsuspend(void)
{
	sigset_t none;
	sigemptyset(&none);
	CHECK(sigsuspend(&none) == -1 && errno == EINTR && handled == 1, "sigsuspend ended without a signal: %d handled", handled);
}
static void in_sigwaitinfo(void)
{
	sigset_t set;
	siginfo_t info = { 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	int got;
	/* The kernel itself answers EINTR after a stop (signal(7)), so a loop as every program has one. */
	while ((got = sigwaitinfo(&set, &info)) == -1 && errno == EINTR)
		;
	CHECK(got == SIGRTMIN && info.si_value.sival_int == 42, "sigwaitinfo gave %d: %s", got, strerror(errno));
}
static void in_epoll(void)
{
	int instance = epoll_create1(0);
	struct epoll_event wanted = { EPOLLIN, { .u64 = 3 } }, got;
	epoll_ctl(instance, EPOLL_CTL_ADD, ends[0], &wanted);
	int count;
	/* As above. */
	while ((count = epoll_wait(instance, &got, 1, -1)) == -1 && errno == EINTR)
		;
	CHECK(count == 1 && got.data.u64 == 3, "epoll_wait gave %d: %s", count, strerror(errno));
}

/* The same by numbers that are no constants in front of the call, as musl and glibc since 2.41 make them. */
static void in_poll_number(void)
{
	struct pollfd wanted = { ends[0], POLLIN, 0 };
	CHECK(syscall(SYS_poll, &wanted, 1, -1) == 1 && wanted.revents == POLLIN, "poll: %s", strerror(errno));
}
static void in_nanosleep_number(void)
{
	struct timespec left = { 77, 77 };
	CHECK(syscall(SYS_nanosleep, &two_seconds, &left) == 0, "nanosleep: %s, left %ld", strerror(errno), left.tv_sec);
}
static void in_clock_number(void)
{
	struct timespec left = { 77, 77 };
	CHECK(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &two_seconds, &left) == 0, "clock_nanosleep: %s", strerror(errno));
}

static const struct row {
	const char *name;
	void (*call)(void);
	void (*wake)(void); /* none: the call ends by itself after 2 s */
} rows[] = {
	{ "nanosleep", in_nanosleep, NULL },
	{ "nanosleep_left", in_nanosleep_left, NULL },
	{ "clock_absolute", in_clock_absolute, NULL },
	{ "clock_relative", in_clock_relative, NULL },
	{ "futex", in_futex, wake_futex },
	{ "futex_timeout", in_futex_timeout, NULL },
	{ "futex_absolute", in_futex_absolute, NULL },
	{ "mutex", in_mutex, wake_mutex },
	{ "poll", in_poll, wake_write },
	{ "poll_timeout", in_poll_timeout, NULL },
	{ "select", in_select, wake_write },
	{ "select_timeout", in_select_timeout, NULL },
	{ "read", in_read, wake_write },
	{ "write", in_write, wake_read },
	{ "eventfd", in_read_event, wake_event },
	{ "pause", in_pause, wake_signal },
	{ "sigsuspend", in_sigsuspend, wake_signal },
	{ "sigwaitinfo", in_sigwaitinfo, wake_queue },
	{ "epoll", in_epoll, wake_write },
	{ "poll_number", in_poll_number, wake_write },
	{ "nanosleep_number", in_nanosleep_number, NULL },
	{ "clock_number", in_clock_number, NULL },
};

static void *waker(void *argument)
{
	const struct row *row = argument;
	victim_wait();
	CHECK(!handled, "a handler ran before the wake");
	row->wake();
	return NULL;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const struct row *row = VICTIM_ROW(rows, victim_argument(argc, argv, 1));
	main_thread = pthread_self();
	signal(SIGUSR1, on_signal);
	MUST(pipe(ends));
	MUST(event = eventfd(0, 0));
	pthread_mutex_init(&mutex, NULL);
	if (row->call == in_sigwaitinfo) {
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
	if (row->call == in_mutex)
		pthread_mutex_lock(&mutex);
	if (row->call == in_write) {
		static char zeros[65536];
		MUST(write(ends[1], zeros, sizeof zeros));
	}
	pthread_t thread = 0;
	if (row->wake)
		thread = victim_thread(waker, (void *)row);
	double start = victim_seconds();
	victim_ready();
	row->call();
	double took = victim_seconds() - start;
	if (row->wake) {
		CHECK(victim_go, "%s returned after %.3f s, before it was woken", row->name, took);
		victim_join(thread);
	} else {
		CHECK(took >= 1.999, "%s returned after %.3f s of 2", row->name, took);
	}
	ok();
}
