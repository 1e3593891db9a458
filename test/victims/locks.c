/*
 * Holds file locks of the kind that the first argument names, on files in a folder (the second): "flock", "posix", "ofd", "lease"; a child
 * shares some and has its own, with "shared" through its parent's open file. "waiters": three children that wait for locks of their parent. "brief": one lock only.
 * Checks: what /proc says of each descriptor's locks is as it was; the locks keep others out; who waited gets the lock when it is free.
 */
#include "tree.h"
#include <sys/file.h>
#include <sys/stat.h>

static const char *folder;
static char before[300][1024];

static int open_in(const char *name, int flags)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, flags, 0644);
	MUST(fd);
	return fd;
}

static void locks_of(int fd, char *text)
{
	char path[64], info[4096];
	*text = 0;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	victim_read(path, info, sizeof info);
	for (char *line = strtok(info, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "lock:", 5))
			strcat(strcat(text, line), "\n");
}

static void note(int fd, bool locked)
{
	locks_of(fd, before[fd]);
	CHECK(!!*before[fd] == locked, "set-up: fd %d has locks: %s", fd, before[fd]);
}

static void same(int fd)
{
	char now[1024];
	locks_of(fd, now);
	CHECK(!strcmp(now, before[fd]), "locks of fd %d were\n%sand are\n%s", fd, before[fd], now);
}

static void range(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	MUST(fcntl(fd, command, &lock));
}

/* Looked at by somebody else: another process, or another open file. */
static int holder(int fd, int command, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	CHECK(fcntl(fd, command, &lock) == 0, "F_GETLK: %s", strerror(errno));
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static void flocks(void)
{
	int writer = open_in("a", O_RDWR | O_CREAT), reader = open_in("b", O_RDONLY | O_CREAT), other = open_in("a", O_RDONLY);
	int directory = open_in(".", O_RDONLY | O_DIRECTORY);
	MUST(flock(writer, LOCK_EX));
	MUST(flock(reader, LOCK_SH));
	MUST(flock(directory, LOCK_EX));
	int twin = dup(writer);
	pid_t child = tree_fork();
	if (child == 0) {
		note(writer, true);
		tree_up();
		victim_wait();
		same(writer);
		_exit(0);
	}
	tree_await_up(1);
	note(writer, true);
	note(twin, true);
	note(reader, true);
	note(other, false);
	note(directory, true);
	victim_ready();
	victim_wait();
	tree_reap(child);
	same(writer);
	same(twin);
	same(reader);
	same(other);
	same(directory);
	CHECK(flock(other, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK, "another open file gets the lock too");
	MUST(flock(twin, LOCK_UN));
	CHECK(flock(other, LOCK_EX | LOCK_NB) == 0, "the duplicate does not hold the same lock: %s", strerror(errno));
}

/* @param shared the child locks through the open file of its parent */
static void posix(int set, int get, bool shared)
{
	bool open_file = set == F_OFD_SETLK;
	int fd = open_in("a", O_RDWR | O_CREAT), reader = open_in("b", O_RDONLY | O_CREAT);
	range(fd, set, F_WRLCK, 100, 50);
	range(fd, set, F_RDLCK, 1000000000000, 0);
	range(reader, set, F_RDLCK, 0, 10);
	pid_t child = tree_fork();
	if (child == 0) {
		int own = shared ? fd : open_in("a", O_RDWR);
		range(own, set, F_WRLCK, 200, 1);
		note(own, true);
		tree_up();
		victim_wait();
		same(own);
		CHECK(holder(own, get, 120) == (open_file ? -1 : getppid()), "byte 120 is held by %d", holder(own, get, 120));
		CHECK(holder(own, get, 99) == 0 && holder(own, get, 150) == 0, "too much is locked");
		board->count[0] = 1;
		TREE_AWAIT(board->count[1] == 1, "the parent says nothing");
		_exit(0);
	}
	tree_await_up(1);
	note(fd, true);
	note(reader, true);
	victim_ready();
	victim_wait();
	same(fd);
	same(reader);
	CHECK(holder(fd, get, 200) == (open_file ? -1 : child), "byte 200 is held by %d", holder(fd, get, 200));
	TREE_AWAIT(board->count[0] == 1, "the child says nothing");
	board->count[1] = 1;
	tree_reap(child);
}

static volatile int broken;
static void on_break(int signal)
{
	broken = signal;
}

static void leases(void)
{
	close(open_in("a", O_RDWR | O_CREAT));
	close(open_in("b", O_RDWR | O_CREAT));
	int reader = open_in("a", O_RDONLY), writer = open_in("b", O_RDWR);
	signal(SIGRTMIN + 3, on_break);
	MUST(fcntl(reader, F_SETLEASE, F_RDLCK));
	MUST(fcntl(writer, F_SETLEASE, F_WRLCK));
	MUST(fcntl(writer, F_SETSIG, SIGRTMIN + 3));
	note(reader, true);
	note(writer, true);
	victim_ready();
	victim_wait();
	same(reader);
	same(writer);
	CHECK(broken == 0, "somebody has opened the file");
	char path[512];
	snprintf(path, sizeof path, "%s/b", folder);
	CHECK(open(path, O_RDONLY | O_NONBLOCK) == -1 && errno == EWOULDBLOCK, "the lease does not keep others out: %s", strerror(errno));
	for (int i = 0; i < 100 && !broken; i++)
		pause_ms(10);
	CHECK(broken == SIGRTMIN + 3, "no signal says that somebody wants the file: %d", broken);
	MUST(fcntl(writer, F_SETLEASE, F_UNLCK));
}

static void waiters(void)
{
	int whole = open_in("a", O_RDWR | O_CREAT), part = open_in("b", O_RDWR | O_CREAT), file = open_in("c", O_RDWR | O_CREAT);
	MUST(flock(whole, LOCK_EX));
	range(part, F_SETLK, F_WRLCK, 0, 10);
	range(file, F_OFD_SETLK, F_WRLCK, 0, 10);
	pid_t children[3];
	for (int i = 0; i < 3; i++)
		if ((children[i] = tree_fork()) == 0) {
			int own = open_in(i == 0 ? "a" : i == 1 ? "b" : "c", O_RDWR);
			tree_up();
			if (i)
				range(own, i == 1 ? F_SETLKW : F_OFD_SETLKW, F_RDLCK, 5, 1);
			else
				CHECK(flock(own, LOCK_SH) == 0, "the wait for the lock ended: %s", strerror(errno));
			CHECK(board->count[0] == 1, "waiter %d got the lock while it was held", i);
			_exit(0);
		}
	tree_await_up(3);
	pause_ms(50);
	note(whole, true);
	note(part, true);
	note(file, true);
	victim_ready();
	victim_wait();
	same(whole);
	same(part);
	same(file);
	pause_ms(50);
	board->count[0] = 1;
	MUST(flock(whole, LOCK_UN));
	range(part, F_SETLK, F_UNLCK, 0, 0);
	range(file, F_OFD_SETLK, F_UNLCK, 0, 0);
	for (int i = 0; i < 3; i++)
		tree_reap(children[i]);
}

int main(int argc, char **argv)
{
	const char *what = victim_argument(argc, argv, 1);
	if (!strcmp(what, "lease") || !strcmp(what, "brief"))
		victim_begin(argc, argv);
	else
		tree_begin(argc, argv);
	folder = victim_argument(argc, argv, 2);
	if (!strcmp(what, "flock"))
		flocks();
	else if (!strcmp(what, "posix"))
		posix(F_SETLK, F_GETLK, false);
	else if (!strcmp(what, "shared"))
		posix(F_SETLK, F_GETLK, true);
	else if (!strcmp(what, "ofd"))
		posix(F_OFD_SETLK, F_OFD_GETLK, false);
	else if (!strcmp(what, "lease"))
		leases();
	else if (!strcmp(what, "waiters"))
		waiters();
	else {
		int fd = open_in("a", O_RDWR | O_CREAT);
		MUST(flock(fd, LOCK_EX));
		note(fd, true);
		victim_ready();
		victim_wait();
		same(fd);
	}
	ok();
}
