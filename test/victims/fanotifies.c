/*
 * Holds: a fanotify with marks on files and on a mount, some of which ignore events. With "names" one that reports names in a directory, and
 * ignores by flags; with "filesystem" one of a whole file system; with "unprivileged" one that was made without rights; with "evictable"
 * a mark that does not keep its file in memory.
 * Checks: what fdinfo says, that nothing of its own is to be read, and then the events of each mark. Those of other processes do not count.
 */
#include "victim.h"
#include <linux/capability.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef FAN_MARK_FILESYSTEM
#define FAN_MARK_FILESYSTEM 0x100
#endif
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x200
#endif
#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x400
#endif
#ifndef FAN_REPORT_FID
#define FAN_REPORT_FID 0x200
#endif
#ifndef FAN_REPORT_DFID_NAME
#define FAN_REPORT_DFID_NAME 0xc00
#endif

static char base[256], before[4096], after[4096];

static const char *at(const char *name)
{
	return victim_path(base, name);
}

static void make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd != -1, "%s: %s", path, strerror(errno));
	close(fd);
}

static int group(unsigned flags, unsigned events)
{
	int fd = fanotify_init(flags, events);
	if (fd == -1 && (errno == EPERM || errno == EINVAL || errno == ENOSYS))
		skip("this kernel has no such fanotify, or it is not allowed");
	MUST(fd);
	return fd;
}

static void mark(int fd, unsigned flags, uint64_t mask, const char *path)
{
	int done = fanotify_mark(fd, flags, mask, AT_FDCWD, path);
	if (done == -1 && errno == EINVAL)
		skip("this kernel has no such mark");
	if (done == -1 && errno == ENODEV)
		skip("this kernel has no FSID for this file system");
	CHECK(done == 0, "set-up: a mark on %s: %s", path, strerror(errno));
}

static void told(int fd, char *text)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	victim_read(path, text, sizeof before);
	char *first = strstr(text, "fanotify ");
	CHECK(first, "no fanotify");
	memmove(text, first, strlen(first) + 1);
}

/* Masks of all events of this process that are to be read, one after the other in 16 bits each. */
static uint64_t taken(int fd)
{
	static union {
		char bytes[65536];
		struct fanotify_event_metadata event;
	} room;
	uint64_t masks = 0;
	for (ssize_t length; (length = read(fd, &room, sizeof room)) > 0;)
		for (struct fanotify_event_metadata *event = &room.event; FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
			if (event->pid == getpid())
				masks = masks << 16 | (event->mask & 0xffff);
			if (event->fd >= 0)
				close(event->fd);
		}
	return masks;
}

static void want(int fd, uint64_t masks, const char *what)
{
	uint64_t got = taken(fd);
	CHECK(got == masks, "%s: events %lx instead of %lx", what, (long)got, (long)masks);
}

/* The process ID in the one event that is to be read. */
static pid_t others_of(int fd)
{
	union {
		char bytes[4096];
		struct fanotify_event_metadata event;
	} room;
	ssize_t length = read(fd, &room, sizeof room);
	CHECK(length >= (ssize_t)sizeof room.event, "no event of the child: %s", strerror(errno));
	return room.event.pid;
}

static void give_up(int capability)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	MUST(syscall(SYS_capget, &header, data));
	data[capability / 32].effective &= ~(1u << capability % 32);
	data[capability / 32].permitted &= ~(1u << capability % 32);
	MUST(syscall(SYS_capset, &header, data));
}

static void pass(int fd)
{
	taken(fd);
	told(fd, before);
	victim_ready();
	victim_wait();
	told(fd, after);
	CHECK(!strcmp(before, after), "%s was told, now %s", before, after);
	want(fd, 0, "restored");
}

int main(int argc, char **argv)
{
	const char *mode = victim_argument(argc, argv, 2);
	char shared[64];
	int fd;
	victim_begin(argc, argv);
	snprintf(base, sizeof base, "%s", victim_argument(argc, argv, 1));
	snprintf(shared, sizeof shared, "/dev/shm/fanotifies-%d", getpid());
	if (access("/dev/shm", W_OK) != 0)
		skip("this machine has no /dev/shm");
	make(at("file"));
	if (!strcmp(mode, "names")) {
		MUST(mkdir(at("folder"), 0755));
		fd = group(FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_UNLIMITED_MARKS, O_RDONLY);
		mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_CREATE | FAN_DELETE | FAN_ONDIR | FAN_EVENT_ON_CHILD, at("folder"));
		mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_IGNORED_SURV_MODIFY, FAN_DELETE | FAN_EVENT_ON_CHILD, at("folder"));
		mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE, at("file"));
		pass(fd);
		make(at("folder/new"));
		want(fd, FAN_CREATE, "a new file");
		MUST(unlink(at("folder/new")));
		want(fd, 0, "what is ignored");
		make(at("file"));
		want(fd, FAN_CLOSE_WRITE, "the file");
	} else if (!strcmp(mode, "filesystem")) {
		fd = group(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
		mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_WRITE, "/dev/shm");
		mark(fd, FAN_MARK_ADD, FAN_OPEN, at("file"));
		pass(fd);
		make(shared), unlink(shared);
		want(fd, FAN_CLOSE_WRITE, "a file of the file system");
	} else if (!strcmp(mode, "unprivileged")) {
		MUST(setresuid(-1, 4321, -1));
		fd = group(FAN_REPORT_FID | FAN_NONBLOCK, 0);
		MUST(setresuid(-1, 0, -1));
		mark(fd, FAN_MARK_ADD, FAN_CLOSE_WRITE, at("file"));
		give_up(CAP_SYS_ADMIN);
		pass(fd);
		make(at("file"));
		want(fd, FAN_CLOSE_WRITE, "the file");
		/* With rights it would be told who the others are. */
		int status, child = fork();
		if (child == 0)
			make(at("file")), _exit(0);
		CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
		CHECK(others_of(fd) == 0, "it has rights now");
	} else if (!strcmp(mode, "evictable")) {
		fd = group(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
		mark(fd, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, at("file"));
		pass(fd);
		make(at("file"));
		want(fd, FAN_OPEN, "the file");
	} else {
		fd = group(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_LARGEFILE | O_NOATIME);
		make(at("second"));
		mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE_WRITE, at("file"));
		mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY, at("second"));
		mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, at("second"));
		mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE_WRITE, "/dev/shm");
		pass(fd);
		CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK, "its flags are lost");
		make(at("file"));
		want(fd, FAN_OPEN | FAN_CLOSE_WRITE, "the file");
		make(at("second"));
		want(fd, 0, "what is ignored");
		make(shared), unlink(shared);
		want(fd, FAN_CLOSE_WRITE, "a file of the mount");
	}
	ok();
}
