/*
 * Holds: something that changes all the time, named by the argument: threads that end, files that are opened and closed, children, the
 * advice for an area of its own.
 * Checks: nothing of it ever failed. The advice is for the test to compare: the first word of "area" is 1 or 0 while it is surely in or out
 * of MADV_DONTFORK.
 */
#include "victim.h"
#include <sys/eventfd.h>
#include <sys/wait.h>

static void *short_life(void *unused)
{
	usleep(rand() % 1000);
	return unused;
}

static void threads(void)
{
	pthread_t born[12];
	for (int i = 0; i < 12; i++)
		born[i] = victim_thread(short_life, NULL);
	for (int i = 0; i < 12; i++)
		victim_join(born[i]);
}

static void *files(void *unused)
{
	while (!victim_go) {
		int both[2], file = open("/dev/null", O_RDONLY), counter = eventfd(0, 0), folder = open("/", O_RDONLY);
		CHECK(file != -1 && counter != -1 && folder != -1 && pipe(both) == 0, "open: %s", strerror(errno));
		close(file), close(counter), close(folder), close(both[0]), close(both[1]);
	}
	return unused;
}

static void children(void)
{
	usleep(rand() % 40000);
	pid_t child = fork();
	if (child == 0) {
		usleep(rand() % 40000);
		_exit(7);
	}
	int status = 0;
	pid_t ended = waitpid(child, &status, 0);
	CHECK(ended == child && WEXITSTATUS(status) == 7, "waitpid answered %d: %s", ended, strerror(errno));
}

static void advice(volatile long *area)
{
	for (int on = 1; on >= 0; on--) {
		*area = -1;
		CHECK(madvise((void *)area, 4096, on ? MADV_DONTFORK : MADV_DOFORK) == 0, "madvise: %s", strerror(errno));
		*area = on;
		for (volatile int spin = 0; spin < 100000; spin++)
			;
	}
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *what = victim_argument(argc, argv, 1);
	/* Neighbours that cannot be merged with it, so that the list of mappings stays the same. */
	char *room = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(room != MAP_FAILED && mprotect(room + 4096, 4096, PROT_READ | PROT_WRITE) == 0, "set-up: %s", strerror(errno));
	volatile long *area = (volatile long *)(room + 4096);
	if (*what == 'f')
		for (int i = 0; i < 4; i++)
			victim_thread(files, NULL);
	say("AREA %p", (void *)area);
	victim_ready();
	while (!victim_asked()) {
		if (*what == 't')
			threads();
		else if (*what == 'c')
			children();
		else if (*what == 'a')
			advice(area);
		else
			pause_ms(20);
	}
	victim_go = true;
	ok();
}
