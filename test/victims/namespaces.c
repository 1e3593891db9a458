/* Holds: its own namespaces, open, each kind at 20 and up; with the argument "time" that one alone. Checks: they are the ones it is in. */
#include "victim.h"
#include <sys/stat.h>

static const char *const names[] = { "pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time" };
#define COUNT (int)(sizeof names / sizeof *names)

int main(int argc, char **argv)
{
	char path[64];
	struct stat held, own;
	victim_begin(argc, argv);
	bool time = !strcmp(victim_argument(argc, argv, 1), "time");
	for (int i = time ? COUNT - 1 : 0; i < (time ? COUNT : COUNT - 1); i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		MUST(fd);
		MUST(dup3(fd, 20 + i, O_CLOEXEC));
		close(fd);
	}
	victim_ready();
	victim_wait();
	for (int i = time ? COUNT - 1 : 0; i < (time ? COUNT : COUNT - 1); i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		CHECK(fstat(20 + i, &held) == 0, "%s: %s", names[i], strerror(errno));
		MUST(stat(path, &own));
		CHECK(held.st_ino == own.st_ino && held.st_dev == own.st_dev, "%s: another namespace", names[i]);
		CHECK(fcntl(20 + i, F_GETFD) == FD_CLOEXEC, "%s: close-on-exec is lost", names[i]);
	}
	ok();
}
