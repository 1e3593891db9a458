/*
 * Holds: files of the kernel: in /proc of itself and of a child (a folder, files of its network, which seem to be deleted when somebody else
 * looks them up), of the machine, at an offset, and in /sys. Checks: each leads to the same process and can be read, or written, as before.
 */
#include "tree.h"

static char text[16384];

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, flags);
	CHECK(fd != -1, "set-up: %s: %s", path, strerror(errno));
	return fd;
}

static const char *read_at_start(int fd, const char *what)
{
	ssize_t length = pread(fd, text, sizeof text - 1, 0);
	CHECK(length > 0, "%s: %s", what, strerror(errno));
	text[length] = 0;
	return text;
}

int main(int argc, char **argv)
{
	static volatile long word = 42;
	long found = 0;
	tree_begin(argc, argv);
	pid_t child = tree_fork(), own = getpid();
	if (child == 0) {
		MUST(prctl(PR_SET_NAME, "the child"));
		/* About itself, and its child has it too. */
		int mine = open_of(getpid(), "comm", O_RDONLY);
		pid_t below = tree_fork();
		tree_up();
		victim_wait();
		CHECK(!strcmp(read_at_start(mine, "comm of the child"), "the child\n"), "the name of another: %s", text);
		if (below == 0) {
			TREE_AWAIT(board->count[0] == 1, "the root says nothing");
			_exit(0);
		}
		tree_reap(below);
		TREE_AWAIT(board->count[0] == 1, "the parent says nothing");
		_exit(0);
	}
	tree_await_up(2);
	int folder = open_of(child, "", O_RDONLY | O_DIRECTORY), name = open_of(child, "comm", O_RDONLY), status = open_of(own, "status", O_RDONLY);
	int memory = open_of(own, "mem", O_RDWR), score = open_of(own, "oom_score_adj", O_RDWR), fds = open_of(own, "fd", O_RDONLY | O_DIRECTORY);
	int devices = open_of(own, "net/dev", O_RDONLY), routes = open_of(child, "net/route", O_RDONLY), machine, cpus, kernel;
	close(open_of(own, "net/dev", O_RDONLY));
	MUST(machine = open("/proc/meminfo", O_RDONLY));
	MUST(read(machine, text, 10));
	if ((cpus = open("/sys/devices/system/cpu/online", O_RDONLY)) != -1)
		MUST(kernel = open("/sys/kernel", O_RDONLY | O_DIRECTORY));
	victim_ready();
	victim_wait();
	CHECK(!strcmp(read_at_start(name, "comm"), "the child\n"), "the name of another: %s", text);
	int again = openat(folder, "comm", O_RDONLY);
	CHECK(again != -1 && !strcmp(read_at_start(again, "comm in the folder"), "the child\n"), "the folder of another: %s", text);
	char line[32];
	snprintf(line, sizeof line, "\nPid:\t%d\n", own);
	CHECK(strstr(read_at_start(status, "status"), line), "the status of another: %s", text);
	CHECK(pread(memory, &found, sizeof found, (off_t)&word) == sizeof found && found == 42, "mem: %ld, %s", found, strerror(errno));
	CHECK(pwrite(score, "17", 2, 0) == 2, "oom_score_adj: %s", strerror(errno));
	snprintf(line, sizeof line, "%d", fds);
	CHECK(faccessat(fds, line, F_OK, AT_SYMLINK_NOFOLLOW) == 0, "fd: %s", strerror(errno));
	CHECK(strstr(read_at_start(devices, "net/dev"), "lo:"), "net/dev: %s", text);
	CHECK(strstr(read_at_start(routes, "net/route"), "Iface"), "net/route: %s", text);
	CHECK(lseek(machine, 0, SEEK_CUR) == 10 && strstr(read_at_start(machine, "meminfo"), "MemTotal"), "meminfo: %s", text);
	if (cpus != -1) {
		CHECK(read_at_start(cpus, "cpu/online")[0] == '0', "cpu/online: %s", text);
		CHECK(faccessat(kernel, "mm", F_OK, 0) == 0, "/sys/kernel: %s", strerror(errno));
	}
	board->count[0] = 1;
	tree_reap(child);
	ok();
}
