/* Holds: a directory in the middle of readdir. Argument: an empty folder. Checks: every name comes exactly once. */
#include "victim.h"
#include <dirent.h>

enum { NAMES = 300 };
static int seen[NAMES];

static int next(DIR *directory)
{
	struct dirent *entry;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != 'n')
			continue;
		seen[atoi(entry->d_name + 1)]++;
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	char path[512];
	for (int i = 0; i < NAMES; i++) {
		snprintf(path, sizeof path, "%s/n%d-and-a-long-name-so-that-one-buffer-is-not-enough-for-all-of-them", victim_argument(argc, argv, 1), i);
		int fd = open(path, O_CREAT | O_WRONLY, 0600);
		MUST(fd);
		close(fd);
	}
	DIR *directory = opendir(victim_argument(argc, argv, 1));
	MUST(directory ? 0 : -1);
	for (int i = 0; i < NAMES / 2; i++)
		next(directory);
	victim_ready();
	victim_wait();
	while (next(directory))
		;
	for (int i = 0; i < NAMES; i++)
		CHECK(seen[i] == 1, "name %d came %d times", i, seen[i]);
	ok();
}
