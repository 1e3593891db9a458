/*
 * Holds: resource limits far below what is in use, the number of queued signals among them: the kernel then sends signals without siginfo.
 * Checks: the limits are as they were set.
 */
#include "victim.h"
#include <sys/resource.h>

static const struct {
	int resource;
	rlim_t value;
} tight[] = {
	{ RLIMIT_SIGPENDING, 0 }, { RLIMIT_NOFILE, 0 }, { RLIMIT_NPROC, 0 },    { RLIMIT_FSIZE, 4096 },
	{ RLIMIT_MEMLOCK, 0 },    { RLIMIT_STACK, 0 },  { RLIMIT_MSGQUEUE, 0 },
};

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	/* Nothing can be borrowed from such a program: dumps refuse it. */
	struct rlimit none = { 1, 1 };
	if (strcmp(victim_argument(argc, argv, 1), "data") == 0)
		MUST(setrlimit(RLIMIT_DATA, &none));
	if (strcmp(victim_argument(argc, argv, 1), "address space") == 0)
		MUST(setrlimit(RLIMIT_AS, &none));
	for (size_t i = 0; i < sizeof tight / sizeof *tight; i++) {
		struct rlimit limit = { tight[i].value, tight[i].value };
		MUST(setrlimit(tight[i].resource, &limit));
	}
	victim_ready();
	victim_wait();
	for (size_t i = 0; i < sizeof tight / sizeof *tight; i++) {
		struct rlimit limit;
		rlim_t want = tight[i].value;
		CHECK(getrlimit(tight[i].resource, &limit) == 0, "getrlimit: %s", strerror(errno));
		CHECK(limit.rlim_cur == want && limit.rlim_max == want, "limit %d is %lu of %lu", tight[i].resource, limit.rlim_cur, limit.rlim_max);
	}
	ok();
}
