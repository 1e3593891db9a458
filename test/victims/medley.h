/*
 * What the parts of medley.c share: things that a process holds, dice, and one page that all processes see. A thing is made by one process;
 * those that it forks hold it too. All of them look at it; only who made it takes out what is in it.
 */
#ifndef MEDLEY_H
#define MEDLEY_H
#include "tree.h"
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct thing;

struct kind {
	const char *name;
	/* False: this machine has no such thing. */
	bool (*make)(struct thing *);
	void (*look)(struct thing *);
	void (*take)(struct thing *);
	/* A child of fork(2) does not have it. */
	bool alone;
	/* Its descriptors must stay where they are. */
	bool fixed;
};

struct thing {
	const struct kind *kind;
	uint64_t seed;
	bool mine, pinned;
	int fd[4];
	long n[6];
	char *at;
	char path[400];
};

enum { MOST_THINGS = 300 };

/* One for the whole tree. */
static struct {
	atomic_int members, stopping, stopped, arrived[6], turn, segments, queues;
	atomic_bool go, failed;
	int segment[64];
	char queue[64][40];
} *common;

static struct thing things[MOST_THINGS];
static int held;
static uint64_t dice;
static char node[40] = "0", folder[300];
static int files_made;
/* It has a child that it must be able to signal. */
static bool signals_others;
static int proc = -1, folder_fd = -1;

static char **without;

static bool is_left_out(const char *name)
{
	for (char **word = without; *word; word++)
		if (!strcmp(*word, name))
			return true;
	return false;
}

static inline int roll(int sides)
{
	return (victim_random(&dice) >> 20) % sides;
}

static inline bool heads(void)
{
	return roll(2);
}

/* Says what is wrong, of which process and thing, and has all others end too. */
__attribute__((noreturn, format(printf, 2, 3))) static void wrong(const struct thing *thing, const char *format, ...)
{
	char text[380];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	bool first = !atomic_exchange(&common->failed, true);
	if (first)
		say("FAIL %s node %s (%d) %s %d: %s", common->go ? "asked" : "set-up", node, getpid(), thing ? thing->kind->name : "process",
		    thing ? (int)(thing - things) : 0, text);
	_exit(1);
}
#define SEE(condition, ...)                        \
	do {                                       \
		if (!(condition))                  \
			wrong(thing, __VA_ARGS__); \
	} while (0)
#define DO(call) SEE((call) != -1, "%s: %s", #call, strerror(errno))

static inline void *at_or_end(const struct thing *thing, void *at)
{
	SEE(at != MAP_FAILED, "mmap: %s", strerror(errno));
	return at;
}

/* Another number for a descriptor, sometimes, and sometimes one that execve(2) closes. */
static inline int placed(const struct thing *thing, int fd)
{
	if (roll(3) == 0) {
		int other = fcntl(fd, heads() ? F_DUPFD : F_DUPFD_CLOEXEC, 60 + roll(500));
		SEE(other != -1, "F_DUPFD: %s", strerror(errno));
		close(fd);
		fd = other;
	}
	if (roll(5) == 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* A name of its own in the folder. */
static inline const char *fresh_name(struct thing *thing)
{
	snprintf(thing->path, sizeof thing->path, "%s/%s-%d", folder, node, files_made++);
	return thing->path;
}

/* A file with `size` bytes of the thing's pattern; size is a multiple of 8. */
static inline int fresh_file(struct thing *thing, int flags, long size)
{
	static char text[65536];
	int fd = open(fresh_name(thing), O_CREAT | O_EXCL | O_RDWR, 0600 | (roll(8) * 011));
	SEE(fd != -1, "open %s: %s", thing->path, strerror(errno));
	victim_fill(text, size, thing->seed);
	SEE(write(fd, text, size) == size, "write: %s", strerror(errno));
	close(fd);
	DO(fd = open(thing->path, flags));
	return fd;
}

static inline void write_pattern(const struct thing *thing, int fd, long size)
{
	char text[size + 8];
	victim_fill(text, size, thing->seed);
	ssize_t got = write(fd, text, size);
	SEE(got == size, "write of %ld: %zd %s", size, got, strerror(errno));
}

static inline void same_pattern(const struct thing *thing, const void *at, long size, uint64_t seed, const char *what)
{
	const uint64_t *word = at;
	for (long i = 0; i < size / 8; i++)
		SEE(word[i] == victim_random(&seed), "%s: byte %ld of %ld differs", what, i * 8, size);
}

static inline void read_pattern(const struct thing *thing, int fd, long size, const char *what)
{
	char text[size + 8];
	for (long got = 0; got < size;) {
		ssize_t part = read(fd, text + got, size - got);
		SEE(part > 0, "%s: %s after %ld of %ld bytes", what, part ? strerror(errno) : "end", got, size);
		got += part;
	}
	same_pattern(thing, text, size, thing->seed, what);
}

static inline int readable(int fd)
{
	int bytes = -1;
	ioctl(fd, FIONREAD, &bytes);
	return bytes;
}

/* Waits for all processes, each of which has done something. */
static inline void meet(int point)
{
	long end = victim_clock() + 12;
	atomic_fetch_add(&common->arrived[point], 1);
	while (common->arrived[point] < common->members) {
		if (common->failed)
			_exit(1);
		if (victim_clock() > end)
			wrong(NULL, "%d of %d processes came to point %d", common->arrived[point], common->members, point);
		pause_ms(2);
	}
}

/* One process at a time: others may share its descriptors. */
static inline void take_turn(void)
{
	int nobody = 0;
	while (!atomic_compare_exchange_strong(&common->turn, &nobody, getpid())) {
		nobody = 0;
		if (common->failed)
			_exit(1);
		pause_ms(1);
	}
}

static inline void end_turn(void)
{
	common->turn = 0;
}

/* A number of words that follow a name in a file of /proc/self. */
static inline size_t slurp(const char *name, char *buffer, size_t room)
{
	char path[300];
	snprintf(path, sizeof path, "%d/%s", getpid(), name);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	*buffer = 0;
	if (fd == -1)
		return snprintf(buffer, room, "%s: %s\n", name, strerror(errno));
	for (ssize_t part; (part = read(fd, buffer + length, room - 1 - length)) > 0;)
		length += part;
	buffer[length] = 0;
	close(fd);
	return length;
}

/* Does a thread wait in the kernel? */
static inline void await_asleep(const struct thing *thing, pid_t tid)
{
	long end = victim_clock() + 20;
	for (;;) {
		char path[80], text[400] = "";
		snprintf(path, sizeof path, "%d/stat", tid);
		int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
		if (fd != -1) {
			if (read(fd, text, sizeof text - 1) < 0)
				*text = 0;
			close(fd);
		}
		char *state = strrchr(text, ')');
		if (state && (state[2] == 'S' || state[2] == 'T'))
			return;
		SEE(victim_clock() < end, "task %d does not sleep: %s", tid, state ? state : "gone");
		pause_ms(1);
	}
}
#endif
