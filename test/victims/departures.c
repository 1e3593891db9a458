/*
 * Holds: files in /proc of a child that has ended: its folder, a text, one at its end, one that writes, its memory at an offset, a link.
 * What still tells: its mounts. With "fd", its folder of descriptors alone, of which fstat(2) tells nothing. Checks: each tells that the
 * process is gone, as before, and stands where it stood.
 * With "thread", the folder of descriptors of a thread that has ended; with another name, that file of a child, which had a network of
 * its own if the name is of net: a dump refuses them.
 */
#include "tree.h"
#include <sched.h>

static char text[16384], mounted[16384];
static pid_t child;

static int open_of(const char *name, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d%s", child, name);
	int fd = open(path, flags);
	CHECK(fd != -1, "set-up: %s: %s", path, strerror(errno));
	return fd;
}

static void end_child(void)
{
	board->count[0] = 1;
	tree_reap(child);
}

static void check_name(int fd, const char *name)
{
	char link[64], path[64], target[128];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	snprintf(path, sizeof path, "/proc/%d%s", child, name);
	ssize_t length = readlink(link, target, sizeof target - 1);
	CHECK(length > 0, "%s: %s", link, strerror(errno));
	target[length] = 0;
	CHECK(!strcmp(target, path), "%s is %s", path, target);
}

static void check_gone(int fd, const char *what, int error)
{
	ssize_t length = read(fd, text, sizeof text);
	CHECK(length == -1 && errno == error, "%s: %zd, %s", what, length, length == -1 ? strerror(errno) : text);
}

static _Noreturn void check_descriptors(int fds)
{
	victim_ready();
	victim_wait();
	check_name(fds, "/fd");
	CHECK(getdents64(fds, text, sizeof text) <= 0, "the descriptors are there");
	ok();
}

static void *of_thread(void *fd)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%ld/fd", (long)syscall(SYS_gettid));
	MUST(*(int *)fd = open(path, O_RDONLY | O_DIRECTORY));
	return NULL;
}

static _Noreturn void goes_on(void)
{
	victim_ready();
	victim_wait();
	ok();
}

int main(int argc, char **argv)
{
	tree_begin(argc, argv);
	const char *only = victim_argument(argc, argv, 1);
	int fds;
	if (!strcmp(only, "thread")) {
		victim_join(victim_thread(of_thread, &fds));
		goes_on();
	}
	if ((child = tree_fork()) == 0) {
		if (!strncmp(only, "net/", 4) && unshare(CLONE_NEWNET) == -1)
			board->count[1] = errno;
		tree_up();
		TREE_AWAIT(board->count[0] == 1, "the parent says nothing");
		_exit(0);
	}
	tree_await_up(1);
	if (board->count[1])
		skip(strerror(board->count[1]));
	if (*only) {
		snprintf(text, sizeof text, "/%s", only);
		fds = open_of(text, O_RDONLY);
		end_child();
		if (!strcmp(only, "fd"))
			check_descriptors(fds);
		goes_on();
	}
	int folder = open_of("", O_RDONLY | O_DIRECTORY), status = open_of("/status", O_RDONLY);
	int leader = open_of("/task", O_RDONLY | O_DIRECTORY), score = open_of("/oom_score_adj", O_RDWR), memory = open_of("/mem", O_RDONLY);
	int limits = open_of("/limits", O_RDONLY), pages = open_of("/pagemap", O_RDONLY), mounts = open_of("/mountinfo", O_RDONLY);
	int twin, root = open_of("/root", O_PATH | O_NOFOLLOW);
	MUST(twin = dup(status));
	ssize_t length, part;
	for (length = 0; (part = read(limits, text, sizeof text)) > 0; length += part)
		;
	CHECK(part == 0, "set-up: limits: %s", strerror(errno));
	MUST(lseek(memory, 4096, SEEK_SET));
	MUST(lseek(pages, 4096, SEEK_SET));
	MUST(read(mounts, text, 20));
	end_child();
	victim_ready();
	victim_wait();
	check_name(folder, " (deleted)");
	check_name(root, "/root");
	check_gone(status, "status", ESRCH);
	check_gone(folder, "the folder", EISDIR);
	CHECK(getdents64(folder, text, sizeof text) == -1 && errno == ENOENT, "the folder: %s", strerror(errno));
	CHECK(getdents64(leader, text, sizeof text) <= 0, "the threads are there");
	CHECK(write(score, "17", 2) == -1 && errno == ESRCH, "oom_score_adj: %s", strerror(errno));
	CHECK(read(memory, text, 1) <= 0 && lseek(memory, 0, SEEK_CUR) == 4096, "mem: at %jd", (intmax_t)lseek(memory, 0, SEEK_CUR));
	CHECK(read(pages, text, 8) == 0 && lseek(pages, 0, SEEK_CUR) == 4096, "pagemap: at %jd", (intmax_t)lseek(pages, 0, SEEK_CUR));
	victim_read("/proc/self/mountinfo", mounted, sizeof mounted);
	CHECK(lseek(mounts, 0, SEEK_CUR) == 20 && (part = read(mounts, text, sizeof text)) > 0, "mountinfo: %s", strerror(errno));
	CHECK(!memcmp(text, mounted + 20, part), "other mounts");
	CHECK(lseek(limits, 0, SEEK_CUR) == length, "limits: at %jd of %zd", (intmax_t)lseek(limits, 0, SEEK_CUR), length);
	CHECK(read(limits, text, sizeof text) <= 0, "limits of somebody else: %s", text);
	CHECK(syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, status, twin) == 0, "two files");
	ok();
}
