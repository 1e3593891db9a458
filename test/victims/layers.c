/*
 * Holds: files of a folder (argument) that were there before it ran, on overlayfs in a lower layer: "read" for reading, mapped, locked,
 * a directory and the working directory; "copied" that were copied up since, because somebody writes to them; "deleted" that were
 * removed since, the program and a mapping and the working directory among them; "moved" that were renamed, replaced or linked since.
 * "shared" and "longer" have mappings of a copied file that cannot be kept. "make" makes these files. Checks: contents through descriptors and mappings, and that what is open stands at its name.
 */
#include "victim.h"
#include <sys/file.h>
#include <sys/stat.h>

enum { SIZE = 5 * 4096 };

static char base[256], text[SIZE];

static const char *at(const char *name)
{
	return victim_path(base, name);
}

static int opened(const char *name, int flags)
{
	int fd;
	MUST(fd = open(at(name), flags, 0644));
	return fd;
}

static char *mapped(int fd, int sharing)
{
	char *map = mmap(NULL, SIZE, PROT_READ, sharing, fd, 0);
	CHECK(map != MAP_FAILED, "set-up: mmap: %s", strerror(errno));
	for (int i = 0; i < SIZE; i += 4096)
		CHECK(map[i] == text[i], "set-up: the mapping has something else");
	return map;
}

static void wait_for_it(void)
{
	victim_ready();
	victim_wait();
}

static void holds(int fd, const char *wanted, const char *what)
{
	static char now[SIZE];
	ssize_t length = pread(fd, now, SIZE, 0);
	CHECK(length == SIZE, "%s: %zd bytes can be read: %s", what, length, strerror(errno));
	CHECK(!memcmp(now, wanted, SIZE), "%s has other bytes", what);
}

/* A descriptor and a name lead to one file. */
static void stands(int fd, const char *name)
{
	struct stat open, named;
	CHECK(fstat(fd, &open) == 0 && stat(at(name), &named) == 0, "%s: %s", name, strerror(errno));
	CHECK(open.st_ino == named.st_ino && open.st_dev == named.st_dev, "%s is another file than the open one", name);
}

static void hold_read(void)
{
	int fd = opened("data", O_RDONLY), folder = opened("folder", O_RDONLY | O_DIRECTORY), path = opened("other", O_PATH);
	MUST(lseek(fd, 777, SEEK_SET));
	MUST(flock(fd, LOCK_SH));
	char *map = mapped(fd, MAP_PRIVATE);
	MUST(chdir(at("folder")));
	wait_for_it();
	CHECK(lseek(fd, 0, SEEK_CUR) == 777, "the offset is %ld", lseek(fd, 0, SEEK_CUR));
	holds(fd, text, "a file of the lower layer");
	stands(fd, "data"), stands(folder, "folder"), stands(path, "other");
	CHECK(!memcmp(map, text, SIZE), "the mapping has other bytes");
	int other = opened("data", O_RDONLY);
	CHECK(flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "the lock is lost");
	CHECK(access("inside", R_OK) == 0, "the working directory: %s", strerror(errno));
}

static void hold_copied(void)
{
	static char seen[SIZE], changed[SIZE];
	int fd = opened("data", O_RDONLY), one = opened("one", O_RDONLY), two = opened("two", O_RDONLY);
	char *map = mapped(fd, MAP_PRIVATE);
	int writer = opened("data", O_RDWR), other = opened("one", O_RDWR);
	memcpy(changed, text, SIZE);
	changed[4096] ^= 1;
	MUST(pwrite(writer, changed, SIZE, 0));
	MUST(pwrite(other, changed, SIZE, 0));
	/* On overlayfs the mapping is still that of the lower layer, and names of one file are two files now. */
	memcpy(seen, map, SIZE);
	bool apart = pread(two, text, SIZE, 0) == SIZE && memcmp(text, changed, SIZE);
	wait_for_it();
	holds(fd, changed, "a file that was copied up"), holds(writer, changed, "its copy"), holds(one, changed, "one of two names");
	holds(two, apart ? text : changed, "the other name");
	CHECK(!memcmp(map, seen, SIZE), "the mapping has other bytes than before");
	stands(fd, "data"), stands(writer, "data"), stands(one, "one"), stands(two, "two");
	text[0] ^= 1;
	CHECK(pwrite(writer, text, 1, 0) == 1, "write: %s", strerror(errno));
	changed[0] ^= 1;
	holds(fd, changed, "a file that was copied up, written to");
}

/* Of these mappings a restore could show no more than the copy. */
static void hold_older(bool is_shared)
{
	static char seen[SIZE];
	char *map = mapped(opened("data", O_RDONLY), is_shared ? MAP_SHARED : MAP_PRIVATE);
	int writer = opened("data", O_RDWR);
	if (is_shared)
		MUST(pwrite(writer, "other", 5, 0));
	else
		MUST(ftruncate(writer, 4096));
	memcpy(seen, map, SIZE);
	wait_for_it();
	CHECK(!memcmp(map, seen, SIZE), "the mapping has other bytes than before");
}

static void hold_deleted(const char *program)
{
	int fd = opened("data", O_RDONLY), map_fd = opened("other", O_RDONLY), folder = opened("folder", O_RDONLY | O_DIRECTORY);
	char *map = mapped(map_fd, MAP_PRIVATE);
	close(map_fd);
	MUST(chdir(at("folder")));
	MUST(unlink("inside"));
	MUST(rmdir(at("folder")));
	MUST(unlink(at("data")));
	MUST(unlink(at("other")));
	MUST(unlink(program));
	wait_for_it();
	struct stat now;
	char link[512] = "";
	holds(fd, text, "a deleted file");
	CHECK(fstat(folder, &now) == 0 && S_ISDIR(now.st_mode), "a deleted folder: %s", strerror(errno));
	CHECK(stat(".", &now) == 0 && open("new", O_WRONLY | O_CREAT, 0600) == -1 && errno == ENOENT, "the working directory is there again");
	CHECK(!memcmp(map, text, SIZE), "the mapping has other bytes");
	CHECK(readlink("/proc/self/exe", link, sizeof link - 1) > 10 && strstr(link, " (deleted)"), "the program is %s", link);
	CHECK(access(at("data"), F_OK) == -1 && access(at("folder"), F_OK) == -1 && access(program, F_OK) == -1, "a name is there again");
}

static void hold_moved(void)
{
	int fd = opened("data", O_RDONLY), replaced = opened("other", O_RDONLY), one = opened("one", O_RDONLY);
	MUST(rename(at("data"), at("new")));
	MUST(rename(at("two"), at("other")));
	MUST(link(at("one"), at("three")));
	MUST(unlink(at("one")));
	wait_for_it();
	struct stat now, open;
	holds(fd, text, "a renamed file"), holds(replaced, text, "a replaced file"), holds(one, text, "a linked file");
	stands(fd, "new"), stands(one, "three");
	CHECK(stat(at("other"), &now) == 0 && fstat(replaced, &open) == 0 && now.st_ino != open.st_ino, "a replaced file has its name again");
	CHECK(access(at("data"), F_OK) == -1, "the old name is there again");
}

/* What is to be there before. */
static void make(void)
{
	for (int i = 0; i < 3; i++) {
		int fd = open(at((const char *[]){ "data", "other", "one" }[i]), O_WRONLY | O_CREAT | O_EXCL, 0644);
		CHECK(fd != -1 && write(fd, text, SIZE) == SIZE, "make: %s", strerror(errno));
		close(fd);
	}
	MUST(link(at("one"), at("two")));
	MUST(mkdir(at("folder"), 0755));
	close(opened("folder/inside", O_WRONLY | O_CREAT));
}

int main(int argc, char **argv)
{
	const char *mode = victim_argument(argc, argv, 2);
	victim_begin(argc, argv);
	snprintf(base, sizeof base, "%s", victim_argument(argc, argv, 1));
	victim_fill(text, sizeof text, 5);
	if (!strcmp(mode, "make")) {
		make();
		ok();
	}
	holds(opened("data", O_RDONLY | O_CLOEXEC), text, "set-up: data");
	if (!strcmp(mode, "read"))
		hold_read();
	else if (!strcmp(mode, "copied"))
		hold_copied();
	else if (!strcmp(mode, "shared") || !strcmp(mode, "longer"))
		hold_older(!strcmp(mode, "shared"));
	else if (!strcmp(mode, "deleted"))
		hold_deleted(argv[0]);
	else
		hold_moved();
	ok();
}
