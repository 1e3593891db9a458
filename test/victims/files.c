/*
 * Holds: open files of a folder (argument): an offset, two descriptors of one description, O_APPEND, close-on-exec, an owner with a
 * signal, a directory, a sparse descriptor number, O_PATH, read-only and write-only. Checks: flags, offsets and what can be done with each.
 */
#include "victim.h"
#include <sys/stat.h>

static const char *folder;
static bool open_before[1000];

static int open_in(const char *name, int flags)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, flags, 0640);
	MUST(fd);
	return fd;
}

static off_t offset(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	folder = victim_argument(argc, argv, 1);
	static char text[10000];
	victim_fill(text, sizeof text, 5);
	int writer = open_in("data", O_RDWR | O_CREAT | O_TRUNC);
	MUST(write(writer, text, sizeof text));
	MUST(lseek(writer, 4321, SEEK_SET));
	int twin = dup(writer);
	int reader = open_in("data", O_RDONLY | O_CLOEXEC);
	MUST(lseek(reader, 777, SEEK_SET));
	int far = dup3(reader, 900, O_CLOEXEC);
	MUST(far);
	int appender = open_in("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOATIME);
	MUST(write(appender, "one\n", 4));
	MUST(fcntl(appender, F_SETOWN, getpid()));
	MUST(fcntl(appender, F_SETSIG, SIGRTMIN + 5));
	int directory = open_in(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int path = open_in("data", O_PATH);
	int nonblocking = open_in("data", O_RDONLY | O_NONBLOCK);
	/* Not on a tmpfs before Linux 6.6. */
	fcntl(nonblocking, F_SETFL, O_NONBLOCK | O_DIRECT);
	const int fds[] = { writer, twin, reader, far, appender, directory, path, nonblocking, 0, 1, 2 };
	enum { FDS = sizeof fds / sizeof *fds };
	int status[FDS], descriptor[FDS];
	struct stat file[FDS], now;
	for (int i = 0; i < FDS; i++) {
		status[i] = fcntl(fds[i], F_GETFL);
		descriptor[i] = fcntl(fds[i], F_GETFD);
		MUST(fstat(fds[i], &file[i]));
	}
	for (int fd = 3; fd < 1000; fd++)
		open_before[fd] = fcntl(fd, F_GETFD) != -1;
	victim_ready();
	victim_wait();

	for (int i = 0; i < FDS; i++) {
		CHECK(fcntl(fds[i], F_GETFL) == status[i], "fd %d has flags 0%o, had 0%o", fds[i], fcntl(fds[i], F_GETFL), status[i]);
		CHECK(fcntl(fds[i], F_GETFD) == descriptor[i], "fd %d has descriptor flags %d", fds[i], fcntl(fds[i], F_GETFD));
		CHECK(fstat(fds[i], &now) == 0 && now.st_ino == file[i].st_ino && now.st_dev == file[i].st_dev, "fd %d is another file", fds[i]);
	}
	CHECK(offset(writer) == 4321 && offset(reader) == 777, "offsets are %ld and %ld", offset(writer), offset(reader));
	lseek(twin, 10, SEEK_SET);
	CHECK(offset(writer) == 10, "a duplicate no longer shares the offset: %ld", offset(writer));
	lseek(far, 20, SEEK_SET);
	CHECK(offset(reader) == 20 && offset(writer) == 10, "the far duplicate does not share the offset");
	char part[100];
	CHECK(read(reader, part, 100) == 100 && !memcmp(part, text + 20, 100), "read gives something else");
	CHECK(write(reader, "x", 1) == -1 && errno == EBADF, "the read-only descriptor can be written");
	CHECK(read(path, part, 1) == -1 && errno == EBADF, "the O_PATH descriptor can be read");
	CHECK(write(appender, "two\n", 4) == 4, "append: %s", strerror(errno));
	int log = open_in("log", O_RDONLY);
	CHECK(read(log, part, 100) == 8 && !memcmp(part, "one\ntwo\n", 8), "appending went elsewhere");
	CHECK(fcntl(appender, F_GETOWN) == getpid(), "owner is %d", fcntl(appender, F_GETOWN));
	CHECK(fcntl(appender, F_GETSIG) == SIGRTMIN + 5, "signal is %d", fcntl(appender, F_GETSIG));
	CHECK(faccessat(directory, "log", R_OK, 0) == 0, "openat through the directory: %s", strerror(errno));
	close(log);
	for (int fd = 3; fd < 1000; fd++)
		CHECK(open_before[fd] == (fcntl(fd, F_GETFD) != -1), "fd %d was %s", fd, open_before[fd] ? "open" : "closed");
	ok();
}
