/*
 * Holds: itself as a memory file, from which it was executed; with "kept" the descriptor of it too, which can be written.
 * Checks: that its executable is that file still, with its content, and with "kept" that the descriptor leads to it.
 */
#include "victim.h"
#include <sys/sendfile.h>
#include <sys/stat.h>

static const char INSIDE[] = "VICTIM_INSIDE";

static void become(char **argv, bool kept)
{
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = memfd_create("itself", kept ? 0 : MFD_CLOEXEC);
	struct stat stat;
	char number[16];
	MUST(own | fd);
	MUST(fstat(own, &stat));
	for (off_t left = stat.st_size; left > 0;) {
		ssize_t moved = sendfile(fd, own, NULL, left);
		CHECK(moved > 0, "set-up: sendfile: %s", strerror(errno));
		left -= moved;
	}
	snprintf(number, sizeof number, "%d", fd);
	setenv(INSIDE, number, 1);
	/* Not fexecve, which some kernels answer with ENOENT in a root without a parent. */
	char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	execve(path, argv, environ);
	fail("set-up: execve: %s", strerror(errno));
}

static void same(const struct stat *before)
{
	struct stat now;
	char link[64] = "";
	CHECK(readlink("/proc/self/exe", link, sizeof link - 1) > 0 && !strcmp(link, "/memfd:itself (deleted)"), "it runs \"%s\"", link);
	CHECK(stat("/proc/self/exe", &now) == 0 && now.st_size == before->st_size && now.st_mode == before->st_mode, "size %ld, mode %o",
	      (long)now.st_size, now.st_mode);
}

int main(int argc, char **argv)
{
	bool kept = !strcmp(victim_argument(argc, argv, 1), "kept");
	const char *inside = getenv(INSIDE);
	if (!inside)
		become(argv, kept);
	victim_begin(argc, argv);
	struct stat before, file, after;
	char magic[4];
	int fd = atoi(inside);
	off_t position = 0;
	MUST(stat("/proc/self/exe", &before));
	if (kept)
		MUST(position = lseek(fd, 0, SEEK_CUR));
	victim_ready();
	victim_wait();

	same(&before);
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(own != -1 && pread(own, magic, 4, 0) == 4 && !memcmp(magic, "\177ELF", 4), "it is no executable");
	if (kept) {
		CHECK(fstat(fd, &file) == 0 && fstat(own, &after) == 0 && file.st_ino == after.st_ino, "the descriptor leads to another file");
		CHECK(lseek(fd, 0, SEEK_CUR) == position && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR, "it stands at %ld", (long)position);
		CHECK(write(fd, "x", 1) == 1, "it cannot be written: %s", strerror(errno));
	}
	ok();
}
