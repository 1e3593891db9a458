/* Holds: /dev/null, zero, full, random and urandom. Checks: each still does what it is for. */
#include "victim.h"
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *const paths[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
static const int minors[] = { 3, 5, 7, 8, 9 };

int main(int argc, char **argv)
{
	int fd[5];
	struct stat file;
	char bytes[64] = "something", other[64] = "";
	victim_begin(argc, argv);
	for (int i = 0; i < 5; i++)
		MUST(fd[i] = open(paths[i], O_RDWR | (i % 2 ? O_CLOEXEC : O_NONBLOCK)));
	victim_ready();
	victim_wait();
	for (int i = 0; i < 5; i++) {
		CHECK(fstat(fd[i], &file) == 0 && S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, minors[i]), "fd %d is not %s", fd[i], paths[i]);
		CHECK((fcntl(fd[i], F_GETFD) != 0) == (i % 2), "%s: close-on-exec is lost or new", paths[i]);
	}
	CHECK(read(fd[0], bytes, 10) == 0 && write(fd[0], bytes, 10) == 10, "/dev/null");
	CHECK(read(fd[1], bytes, 64) == 64 && !memcmp(bytes, other, 64), "/dev/zero");
	CHECK(write(fd[2], bytes, 1) == -1 && errno == ENOSPC, "/dev/full");
	CHECK(read(fd[3], bytes, 32) == 32 && read(fd[4], other, 32) == 32 && memcmp(bytes, other, 32), "/dev/random or /dev/urandom");
	ok();
}
