/*
 * Holds: its own working directory, and with argument 2 = "chroot" its own root. Argument 1: an existing folder.
 * The file to ask with is then looked up inside the new root. Checks: both directories are the same ones.
 */
#include "victim.h"
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct stat here, top, here_after, top_after;
	char where[512], where_after[512];
	victim_begin(argc, argv);
	if (!strcmp(victim_argument(argc, argv, 2), "chroot")) {
		MUST(chroot(victim_argument(argc, argv, 1)));
		MUST(chdir("/"));
		victim_ask = "/ask";
		MUST(mkdir("/deep", 0700) == -1 && errno != EEXIST ? -1 : 0);
		MUST(chdir("/deep"));
	} else {
		MUST(chdir(victim_argument(argc, argv, 1)));
	}
	MUST(stat(".", &here));
	MUST(stat("/", &top));
	MUST(getcwd(where, sizeof where) ? 0 : -1);
	victim_ready();
	victim_wait();
	MUST(stat(".", &here_after));
	MUST(stat("/", &top_after));
	MUST(getcwd(where_after, sizeof where_after) ? 0 : -1);
	CHECK(here.st_ino == here_after.st_ino && here.st_dev == here_after.st_dev, "the working directory is another one");
	CHECK(top.st_ino == top_after.st_ino && top.st_dev == top_after.st_dev, "the root is another one");
	CHECK(!strcmp(where, where_after), "getcwd says %s, said %s", where_after, where);
	ok();
}
