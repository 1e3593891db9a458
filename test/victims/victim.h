/*
 * What every victim shares: it sets its object up, says READY, waits without changing its state until the file named by
 * its first argument exists, looks at its object again, and prints OK or FAIL with the reason.
 */
#ifndef VICTIM_H
#define VICTIM_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *victim_ask;
static volatile bool victim_go;
static long victim_end;

/* One write, no stdio buffer: what is printed before a dump must not be printed again after the restore. */
static inline void victim_say(const char *format, va_list list)
{
	char line[512];
	int length = vsnprintf(line, sizeof line - 1, format, list);
	if (length > (int)sizeof line - 2)
		length = sizeof line - 2;
	line[length] = '\n';
	if (write(1, line, length + 1) < 0)
		_exit(2);
}

__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	victim_say(format, list);
	va_end(list);
}

/* Ends the victim: a line that starts with FAIL, status 1. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...)
{
	char text[480] = "FAIL ";
	va_list list;
	va_start(list, format);
	vsnprintf(text + 5, sizeof text - 5, format, list);
	va_end(list);
	say("%s", text);
	_exit(1);
}

/* Ends the victim when it cannot hold its object on this machine: a line that starts with SKIP, status 0. */
__attribute__((noreturn)) static inline void skip(const char *reason)
{
	say("SKIP %s", reason);
	_exit(0);
}

__attribute__((noreturn)) static inline void ok(void)
{
	say("OK");
	_exit(0);
}

#define CHECK(condition, ...)              \
	do {                               \
		if (!(condition))          \
			fail(__VA_ARGS__); \
	} while (0)

/* For set-up calls, which must work before READY. */
#define MUST(call) CHECK((call) != -1, "set-up: %s: %s", #call, strerror(errno))

static inline void pause_ms(long milliseconds)
{
	struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

/* Seconds, by a real system call: only clocks.c is about the vDSO. */
static inline long victim_clock(void)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* First statement of main: a session of its own, so that nothing of the test's session is part of the dump. */
static inline void victim_begin(int argc, char **argv)
{
	if (argc < 2)
		fail("usage: %s ASK-FILE [ARGUMENT...]", argv[0]);
	victim_ask = argv[1];
	const char *seconds = getenv("VICTIM_SECONDS");
	victim_end = victim_clock() + (seconds ? strtol(seconds, NULL, 10) : 1200);
	setsid();
}

/* Arguments count from 1: before them is the ASK-FILE. "" when there are fewer. */
static inline const char *victim_argument(int argc, char **argv, int index)
{
	return argc > index + 1 ? argv[index + 1] : "";
}

/* A file of a folder. Valid until four more are asked for. */
static inline const char *victim_path(const char *folder, const char *name)
{
	static char paths[4][512];
	static int turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

/* The row of a table that is called `name`; its first member is `const char *name`. */
static inline const void *victim_row(const void *rows, size_t bytes, size_t size, const char *name)
{
	for (size_t at = 0; at < bytes; at += size) {
		const char *const *row = (const void *)((const char *)rows + at);
		if (!strcmp(*row, name))
			return row;
	}
	CHECK(false, "no row is named %s", name);
	return NULL;
}
#define VICTIM_ROW(rows, name) victim_row(rows, sizeof rows, sizeof *rows, name)

static inline void victim_ready(void)
{
	say("READY");
}

static inline bool victim_asked(void)
{
	/* Forgotten by a test that was killed: end, rather than live for ever. */
	if (victim_clock() > victim_end)
		_exit(3);
	return access(victim_ask, F_OK) == 0;
}

/* Sleeps until the test asks; other threads see victim_go. */
static inline void victim_wait(void)
{
	while (!victim_asked())
		pause_ms(20);
	victim_go = true;
}

static inline pthread_t victim_thread(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, body, argument);
	CHECK(error == 0, "set-up: pthread_create: %s", strerror(error));
	return thread;
}

static inline void victim_join(pthread_t thread)
{
	int error = pthread_join(thread, NULL);
	CHECK(error == 0, "pthread_join: %s", strerror(error));
}

/* xorshift: fills memory so that a lost or misplaced page shows. */
static inline uint64_t victim_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static inline void victim_fill(void *at, size_t bytes, uint64_t seed)
{
	uint64_t *word = at;
	for (size_t i = 0; i < bytes / 8; i++)
		word[i] = victim_random(&seed);
}

static inline void victim_same(const void *at, size_t bytes, uint64_t seed, const char *what)
{
	const uint64_t *word = at;
	for (size_t i = 0; i < bytes / 8; i++)
		if (word[i] != victim_random(&seed))
			fail("%s: byte %zu of %zu differs", what, i * 8, bytes);
}

/* Reads a small file of /proc whole. Returns its length; the buffer ends with 0. */
static inline size_t victim_read(const char *path, char *buffer, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd != -1, "open %s: %s", path, strerror(errno));
	size_t length = 0;
	for (ssize_t part; (part = read(fd, buffer + length, room - 1 - length)) > 0;)
		length += part;
	buffer[length] = 0;
	close(fd);
	return length;
}

static inline double victim_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}
#endif
