/*
 * Holds: an inotify with watches whose numbers have gaps, on files, directories and several names of one file, some of which were renamed
 * since; in an epoll. With "shared" one that a child has too; with "flags" watches that end with their first event or with a name, and one
 * for nothing; with "deleted" watches on what has no name any more; with "queued" events that nobody has read.
 * Checks: what fdinfo says, that nothing is to be read, and then the events of each watch and the number of the next one.
 */
#include "victim.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif

static char base[256];
static union {
	char bytes[4096];
	struct inotify_event event;
} room;

static const char *at(const char *name)
{
	return victim_path(base, name);
}

static int file(const char *name)
{
	int fd;
	MUST(fd = open(at(name), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	return fd;
}

static void touch(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_APPEND);
	CHECK(fd != -1 && write(fd, "x", 1) == 1, "%s: %s", name, strerror(errno));
	close(fd);
}

static int watch(int fd, const char *name, uint32_t mask, int number)
{
	int wd;
	MUST(ioctl(fd, INOTIFY_IOC_SETNEXTWD, number));
	MUST(wd = inotify_add_watch(fd, at(name), mask));
	CHECK(wd == number, "set-up: %s got number %d", name, wd);
	return wd;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What fdinfo says of watches, in an order of its own. @param fields up to which word of a line: files made again differ in their inodes */
static void told(int fd, const char *end, char *text, size_t size)
{
	static char all[8192];
	char path[64], *lines[64];
	int count = 0;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	victim_read(path, all, sizeof all);
	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "inotify ", 8)) {
			char *stop = strstr(line, end);
			if (stop)
				*stop = 0;
			lines[count++] = line;
		}
	qsort(lines, count, sizeof *lines, by_text);
	*text = 0;
	for (int i = 0; i < count; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s\n", lines[i]);
}

static void silent(int fd, const char *when)
{
	ssize_t length = read(fd, &room, sizeof room);
	CHECK(length == -1 && errno == EAGAIN, "%s: watch %d has event %x %s", when, room.event.wd, room.event.mask,
	      room.event.len ? room.event.name : "");
}

/* One event, and no other. */
static void one(int fd, int wd, uint32_t mask, const char *name)
{
	ssize_t length = read(fd, &room, sizeof room);
	CHECK(length > 0, "watch %d: no event: %s", wd, strerror(errno));
	CHECK(room.event.wd == wd && room.event.mask == mask, "watch %d: event %x of %d", wd, room.event.mask, room.event.wd);
	CHECK(!strcmp(room.event.len ? room.event.name : "", name), "watch %d: the name is \"%s\"", wd, room.event.name);
	CHECK((size_t)length == sizeof room.event + room.event.len, "watch %d: more than one event", wd);
}

static char before[4096], after[4096];

static void same(int fd, const char *end)
{
	told(fd, end, after, sizeof after);
	CHECK(!strcmp(before, after), "%s was told, now %s", before, after);
}

static void hold_flags(int fd)
{
	file("once"), file("gone"), file("nothing");
	MUST(symlink("nowhere", at("link")));
	MUST(mkdir(at("folder"), 0755));
	int in = file("folder/in");
	int once = watch(fd, "once", IN_ATTRIB | IN_ONESHOT, 3);
	int named = watch(fd, "folder", IN_MODIFY | IN_EXCL_UNLINK, 4);
	watch(fd, "nothing", IN_DONT_FOLLOW, 5);
	int link = watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW, 6);
	told(fd, "\n", before, sizeof before);
	victim_ready();
	victim_wait();
	same(fd, "\n");
	silent(fd, "restored");
	CHECK(chmod(at("once"), 0600) == 0, "chmod: %s", strerror(errno));
	CHECK(read(fd, &room, sizeof room) == 2 * sizeof room.event, "a watch for one event says it otherwise");
	CHECK(room.event.wd == once && room.event.mask == IN_ATTRIB, "a watch for one event says %x", room.event.mask);
	CHECK(inotify_rm_watch(fd, once) == -1, "a watch for one event is still there");
	CHECK(write(in, "1", 1) == 1, "write: %s", strerror(errno));
	one(fd, named, IN_MODIFY, "in");
	CHECK(unlink(at("folder/in")) == 0 && write(in, "2", 1) == 1, "write: %s", strerror(errno));
	silent(fd, "a file without its name");
	struct timespec now[2] = { { 1, 0 }, { 1, 0 } };
	CHECK(utimensat(AT_FDCWD, at("link"), now, AT_SYMLINK_NOFOLLOW) == 0, "utimensat: %s", strerror(errno));
	one(fd, link, IN_ATTRIB, "");
	ok();
}

static void hold_deleted(int fd)
{
	int open_file = file("file"), folder;
	MUST(mkdir(at("folder"), 0755));
	MUST(folder = open(at("folder"), O_RDONLY | O_DIRECTORY));
	int on_file = watch(fd, "file", IN_MODIFY, 7);
	int on_folder = watch(fd, "folder", IN_ATTRIB, 9);
	MUST(unlink(at("file")));
	MUST(rmdir(at("folder")));
	while (read(fd, &room, sizeof room) > 0)
		;
	told(fd, " ino:", before, sizeof before);
	victim_ready();
	victim_wait();
	same(fd, " ino:");
	silent(fd, "restored");
	CHECK(write(open_file, "x", 1) == 1, "write: %s", strerror(errno));
	one(fd, on_file, IN_MODIFY, "");
	CHECK(fchmod(folder, 0700) == 0, "fchmod: %s", strerror(errno));
	one(fd, on_folder, IN_ATTRIB | IN_ISDIR, "");
	ok();
}

static void hold_queued(int fd)
{
	int length, first;
	file("file");
	int wd = watch(fd, "file", IN_MODIFY | IN_ATTRIB, 2);
	touch("file");
	pid_t me = getpid();
	MUST(ioctl(fd, FIONREAD, &first));
	int mark = open(at("mark"), O_WRONLY | O_CREAT, 0600);
	victim_ready();
	victim_wait();
	CHECK(ioctl(fd, FIONREAD, &length) == 0 && length == first, "%d bytes can be read, not %d", length, first);
	CHECK(read(fd, &room, sizeof room) == sizeof room.event, "there is more than one event");
	/* Left running it has them still; restored it is told that they were lost. */
	bool kept = room.event.wd == wd && room.event.mask == IN_MODIFY;
	CHECK(kept || (room.event.wd == -1 && room.event.mask == IN_Q_OVERFLOW), "event %x of watch %d", room.event.mask, room.event.wd);
	silent(fd, "afterwards");
	touch("file");
	one(fd, wd, IN_MODIFY, "");
	CHECK(getpid() == me && mark != -1, "the process is another");
	ok();
}

static void hold_shared(int fd)
{
	int status, pipes[2];
	char byte;
	file("file");
	int wd = watch(fd, "file", IN_MODIFY, 5);
	MUST(pipe(pipes));
	pid_t child = fork();
	if (child == 0) {
		CHECK(read(pipes[0], &byte, 1) == 1, "the pipe is broken");
		touch("file");
		one(fd, wd, IN_MODIFY, "");
		_exit(7);
	}
	victim_ready();
	victim_wait();
	silent(fd, "restored");
	CHECK(write(pipes[1], "g", 1) == 1 && waitpid(child, &status, 0) == child, "the child: %s", strerror(errno));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the child ended with %x", status);
	silent(fd, "what the child has read");
	touch("file");
	one(fd, wd, IN_MODIFY, "");
	ok();
}

int main(int argc, char **argv)
{
	const char *mode = victim_argument(argc, argv, 2);
	int fd, epoll;
	victim_begin(argc, argv);
	snprintf(base, sizeof base, "%s", victim_argument(argc, argv, 1));
	MUST(fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	if (!strcmp(mode, "flags"))
		hold_flags(fd);
	if (!strcmp(mode, "deleted"))
		hold_deleted(fd);
	if (!strcmp(mode, "queued"))
		hold_queued(fd);
	if (!strcmp(mode, "shared"))
		hold_shared(fd);
	close(file("plain")), close(file("old")), close(file("two"));
	MUST(mkdir(at("folder"), 0755));
	int plain = watch(fd, "plain", IN_MODIFY, 300);
	int folder = watch(fd, "folder", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO, 17);
	int renamed = watch(fd, "old", IN_MODIFY, 40);
	int linked = watch(fd, "two", IN_MODIFY, 16);
	int root;
	MUST(root = inotify_add_watch(fd, "/", IN_DELETE_SELF));
	MUST(rename(at("old"), at("new")));
	MUST(link(at("two"), at("three")));
	MUST(unlink(at("two")));
	MUST(epoll = epoll_create1(0));
	struct epoll_event event = { EPOLLIN, { .u64 = 0xabc } }, got;
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	told(fd, "\n", before, sizeof before);
	victim_ready();
	victim_wait();
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	CHECK(epoll_wait(epoll, &got, 1, 0) == 0, "something is to be read");
	same(fd, "\n");
	silent(fd, "restored");
	touch("plain");
	CHECK(epoll_wait(epoll, &got, 1, 1000) == 1 && got.data.u64 == 0xabc, "the epoll does not wake up");
	one(fd, plain, IN_MODIFY, "");
	close(file("folder/made"));
	one(fd, folder, IN_CREATE, "made");
	touch("new");
	one(fd, renamed, IN_MODIFY, "");
	touch("three");
	one(fd, linked, IN_MODIFY, "");
	int next = inotify_add_watch(fd, at("three"), IN_MODIFY);
	CHECK(next == linked, "a file that is watched got number %d", next);
	next = inotify_add_watch(fd, at("folder/made"), IN_MODIFY);
	CHECK(next > 0 && next != plain && next != folder && next != renamed && next != linked && next != root, "the next watch got number %d", next);
	CHECK(inotify_rm_watch(fd, folder) == 0, "inotify_rm_watch: %s", strerror(errno));
	one(fd, folder, IN_IGNORED, "");
	ok();
}
