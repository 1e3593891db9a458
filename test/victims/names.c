/* Holds: another name in each thread, with odd characters. Checks: prctl and /proc tell them. */
#include "victim.h"
#include <sys/prctl.h>

static const char *const names[] = { "main thread", "a", "fifteen-letters", "odd ) (\n\t%s", "" };
enum { NAMES = sizeof names / sizeof *names };

static void *hold(void *argument)
{
	const char *name = argument;
	char now[16], text[32];
	MUST(prctl(PR_SET_NAME, name));
	while (!victim_go)
		pause_ms(10);
	MUST(prctl(PR_GET_NAME, now));
	CHECK(!strcmp(now, name), "name is \"%s\", was \"%s\"", now, name);
	victim_read("/proc/thread-self/comm", text, sizeof text);
	CHECK(!strncmp(text, name, strlen(name)), "comm is \"%s\", was \"%s\"", text, name);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[NAMES];
	victim_begin(argc, argv);
	MUST(prctl(PR_SET_NAME, names[0]));
	for (int i = 1; i < NAMES; i++)
		threads[i] = victim_thread(hold, (void *)names[i]);
	pause_ms(20);
	victim_ready();
	victim_wait();
	hold((void *)names[0]);
	for (int i = 1; i < NAMES; i++)
		victim_join(threads[i]);
	ok();
}
