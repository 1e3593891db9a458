/*
 * Holds a deleted file, in a folder (argument 1), that was asked about since: a FUSE server tells of the name by which it keeps such a file.
 * With "lower" (argument 2), the file is there before, in a lower layer of the folder. Checks: content and mode, and that it still has no name of its own.
 */
#include "victim.h"
#include <sys/stat.h>

int main(int argc, char **argv)
{
	char path[512], found[8] = "";
	int fd;
	struct stat now;
	victim_begin(argc, argv);
	snprintf(path, sizeof path, "%s/gone", victim_argument(argc, argv, 1));
	if (!strcmp(victim_argument(argc, argv, 2), "lower")) {
		MUST(fd = open(path, O_RDONLY));
	} else {
		MUST(fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0640));
		MUST(write(fd, "content", 7));
	}
	MUST(unlink(path));
	victim_ready();
	victim_wait();
	CHECK(pread(fd, found, sizeof found, 0) == 7 && !memcmp(found, "content", 7), "the content is \"%.8s\"", found);
	CHECK(fstat(fd, &now) == 0 && (now.st_mode & 07777) == 0640, "the mode is %o", now.st_mode);
	CHECK(access(path, F_OK) == -1 && errno == ENOENT, "the name is back");
	ok();
}
