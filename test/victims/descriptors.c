/*
 * Holds: as many open files as argument 1 says, each of a content and position of its own, in its working directory, and as many pipes as
 * argument 2 says, each with some bytes. For measurements. Checks: positions, and what is in the pipes.
 */
#include "victim.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	int files = atoi(victim_argument(argc, argv, 1)), pipes = atoi(victim_argument(argc, argv, 2)), number;
	struct rlimit limit;
	char name[40];
	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	int *file = calloc(files, sizeof *file), (*end)[2] = calloc(pipes, sizeof *end);
	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		MUST(file[i] = open(name, O_RDWR | O_CREAT, 0600));
		MUST(write(file[i], &i, sizeof i));
	}
	for (int i = 0; i < pipes; i++) {
		MUST(pipe(end[i]));
		MUST(write(end[i][1], &i, sizeof i));
	}
	victim_ready();
	victim_wait();
	for (int i = 0; i < files; i++)
		CHECK(lseek(file[i], 0, SEEK_CUR) == sizeof i && pread(file[i], &number, sizeof number, 0) == sizeof number && number == i,
		      "file %d is another one", i);
	for (int i = 0; i < pipes; i++)
		CHECK(read(end[i][0], &number, sizeof number) == sizeof number && number == i, "pipe %d is another one", i);
	ok();
}
