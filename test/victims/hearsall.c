/*
 * Holds: handlers for all four signals that mean nothing by default, and the signal of the argument ignored ("PIPE", "TTOU"), as shells do.
 * Checks: no handler has run, the one that is ignored still is, and each handler runs once when its signal is raised.
 */
#include "victim.h"

static const int heard[] = { SIGURG, SIGWINCH, SIGCHLD, SIGCONT };
enum { HEARD = sizeof heard / sizeof *heard };
static volatile int calls[64];

static void note(int signal)
{
	calls[signal]++;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	int ignored = strcmp(victim_argument(argc, argv, 1), "TTOU") ? SIGPIPE : SIGTTOU;
	struct sigaction found;
	for (int i = 0; i < HEARD; i++)
		signal(heard[i], note);
	signal(ignored, SIG_IGN);
	victim_ready();
	victim_wait();
	MUST(sigaction(ignored, NULL, &found));
	CHECK(found.sa_handler == SIG_IGN, "signal %d is not ignored any more", ignored);
	for (int i = 0; i < HEARD; i++) {
		CHECK(calls[heard[i]] == 0, "signal %d came %d times", heard[i], calls[heard[i]]);
		raise(heard[i]);
		CHECK(calls[heard[i]] == 1, "signal %d was not heard", heard[i]);
	}
	ok();
}
