/*
 * Holds: files of two folders (arguments) which have the same names and, on btrfs in a subvolume and its snapshot, the same numbers: open,
 * mapped, locked and watched; with "unlink" the latter have another name only. Checks: that each is still that of its folder.
 */
#include "victim.h"
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static struct twin {
	const char *folder;
	int fd, wd;
	char *map;
} twins[2];

static int opened(const struct twin *twin, const char *name, int flags)
{
	int fd;
	MUST(fd = open(victim_path(twin->folder, name), flags));
	return fd;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	int watcher = inotify_init1(IN_NONBLOCK);
	MUST(watcher);
	struct stat stats[2];
	for (int i = 0; i < 2; i++) {
		struct twin *twin = &twins[i];
		twin->folder = victim_argument(argc, argv, 1 + i);
		twin->fd = opened(twin, "data", O_RDONLY);
		twin->map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, twin->fd, 0);
		CHECK(twin->map != MAP_FAILED, "set-up: mmap: %s", strerror(errno));
		MUST(flock(twin->fd, i ? LOCK_EX : LOCK_SH));
		MUST(twin->wd = inotify_add_watch(watcher, victim_path(twin->folder, "watched"), IN_MODIFY));
		MUST(fstat(twin->fd, &stats[i]));
	}
	CHECK(twins[0].wd != twins[1].wd && *twins[0].map != *twins[1].map, "set-up: the files are one");
	bool is_renamed = !strcmp(victim_argument(argc, argv, 3), "unlink");
	for (int i = 0; is_renamed && i < 2; i++)
		MUST(unlink(victim_path(twins[i].folder, "watched")));
	if (stats[0].st_ino != stats[1].st_ino)
		skip("the files have numbers of their own");
	char first[2] = { *twins[0].map, *twins[1].map };
	victim_ready();
	victim_wait();
	for (int i = 0; i < 2; i++) {
		struct twin *twin = &twins[i];
		struct inotify_event event[2];
		struct stat open, named;
		char byte;
		CHECK(pread(twin->fd, &byte, 1, 0) == 1 && byte == first[i], "open file %d has other bytes", i);
		CHECK(*twin->map == first[i], "mapping %d has other bytes", i);
		CHECK(fstat(twin->fd, &open) == 0 && stat(victim_path(twin->folder, "data"), &named) == 0, "stat: %s", strerror(errno));
		CHECK(open.st_dev == named.st_dev && open.st_ino == named.st_ino, "open file %d is another", i);
		int other = opened(twin, "data", O_RDONLY);
		CHECK((flock(other, LOCK_SH | LOCK_NB) == 0) == (i == 0), "lock %d is another", i);
		close(other);
		int writer = opened(twin, is_renamed ? "second" : "watched", O_WRONLY);
		CHECK(write(writer, "x", 1) == 1, "write: %s", strerror(errno));
		close(writer);
		CHECK(read(watcher, event, sizeof event) == sizeof *event && event->wd == twin->wd, "file %d is watched by %d", i, event->wd);
	}
	ok();
}
