/* Holds: nothing but the use of the vDSO. Checks: the clocks go on, agree with the system calls, and getcpu answers. */
#include "victim.h"
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

static double call(clockid_t clock)
{
	struct timespec now;
	MUST((int)syscall(SYS_clock_gettime, clock, &now));
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_TAI };
	double before[5];
	struct timespec now;
	struct timeval day;
	victim_begin(argc, argv);
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	CHECK(vdso && !memcmp(vdso, "\177ELF", 4), "set-up: no vDSO");
	for (int i = 0; i < 5; i++) {
		clock_gettime(clocks[i], &now);
		before[i] = now.tv_sec + now.tv_nsec / 1e9;
	}
	victim_ready();
	victim_wait();
	CHECK((char *)getauxval(AT_SYSINFO_EHDR) == vdso && !memcmp(vdso, "\177ELF", 4), "the vDSO is not at %p", (void *)vdso);
	for (int i = 0; i < 5; i++) {
		CHECK(clock_gettime(clocks[i], &now) == 0, "clock %d: %s", clocks[i], strerror(errno));
		double after = now.tv_sec + now.tv_nsec / 1e9, kernel = call(clocks[i]);
		CHECK(after >= before[i], "clock %d went from %f to %f", clocks[i], before[i], after);
		CHECK(kernel - after > -0.001 && kernel - after < 0.5, "clock %d: vDSO says %f, kernel %f", clocks[i], after, kernel);
	}
	CHECK(gettimeofday(&day, NULL) == 0, "gettimeofday: %s", strerror(errno));
	/* time() goes by the last tick: just after a full second it is behind. */
	time_t coarse = time(NULL);
	CHECK(coarse >= day.tv_sec - 1 && coarse <= day.tv_sec + 1, "time says %ld, gettimeofday %ld", (long)coarse, (long)day.tv_sec);
	CHECK(sched_getcpu() >= 0, "getcpu: %s", strerror(errno));
	ok();
}
