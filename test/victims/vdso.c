/*
 * Asks for the time and the CPU through the vdso, in threads that do nothing else: by libc, whose pointers are as old as the program, by
 * pointers of its own, and by looking the functions up anew at the end, as a libc does that looks for them when they are first called. Each
 * answer must lie between those of two system calls. With "rarely", the threads sleep between their calls.
 */
#include "victim.h"
#include <elf.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

typedef int clock_function(clockid_t, struct timespec *);
typedef int day_function(struct timeval *, void *);
typedef long cpu_function(unsigned *, unsigned *, void *);
typedef time_t time_function(time_t *);
typedef ssize_t random_function(void *, size_t, unsigned, void *, size_t);

static struct functions {
	clock_function *clock;
	clock_function *resolution;
	day_function *day;
	cpu_function *cpu;
	time_function *time;
	random_function *random;
} cached;

static void *look_up(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!base)
		return NULL;
	const Elf64_Ehdr *head = (const void *)base;
	const Elf64_Phdr *part = (const void *)(base + head->e_phoff);
	const Elf64_Dyn *dynamic = NULL;
	for (int i = 0; i < head->e_phnum; i++)
		if (part[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)(base + part[i].p_offset);
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			symbols = (const void *)(base + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_STRTAB)
			strings = base + dynamic->d_un.d_ptr;
	}
	/* The strings follow the symbols. */
	for (const Elf64_Sym *one = symbols; one && (const char *)(one + 1) <= strings; one++)
		if (one->st_shndx != SHN_UNDEF && !strcmp(strings + one->st_name, name))
			return (void *)(base + one->st_value);
	return NULL;
}

static struct functions find(void)
{
	return (struct functions){
		.clock = look_up("__vdso_clock_gettime"),
		.resolution = look_up("__vdso_clock_getres"),
		.day = look_up("__vdso_gettimeofday"),
		.cpu = look_up("__vdso_getcpu"),
		.time = look_up("__vdso_time"),
		.random = look_up("__vdso_getrandom"),
	};
}

static int64_t nanoseconds(const struct timespec *time)
{
	return time->tv_sec * 1000000000ll + time->tv_nsec;
}

static int64_t asked(clockid_t clock)
{
	struct timespec now;
	CHECK(syscall(SYS_clock_gettime, clock, &now) == 0, "clock_gettime %d: %s", clock, strerror(errno));
	return nanoseconds(&now);
}

/* One look at a clock. */
static void check_clock(clock_function *function, clockid_t clock, const char *how)
{
	struct timespec now = { 0, 0 };
	int64_t before = asked(clock);
	CHECK(function(clock, &now) == 0, "%s of clock %d failed", how, clock);
	int64_t after = asked(clock);
	CHECK(nanoseconds(&now) >= before && nanoseconds(&now) <= after, "%s of clock %d says %lld, not %lld to %lld", how, clock,
	      (long long)nanoseconds(&now), (long long)before, (long long)after);
}

static void check_day(day_function *function, const char *how)
{
	struct timeval now = { 0, 0 };
	int64_t before = asked(CLOCK_REALTIME) / 1000;
	CHECK(function(&now, NULL) == 0, "%s failed", how);
	int64_t after = asked(CLOCK_REALTIME) / 1000, said = now.tv_sec * 1000000ll + now.tv_usec;
	CHECK(said >= before && said <= after, "%s says %lld, not %lld to %lld", how, (long long)said, (long long)before, (long long)after);
}

static void check_time(time_function *function, const char *how)
{
	/* time(2) counts by the coarse clock. */
	int64_t before = asked(CLOCK_REALTIME_COARSE) / 1000000000, said = function(NULL), after = asked(CLOCK_REALTIME) / 1000000000;
	CHECK(said >= before && said <= after, "%s says %lld, not %lld to %lld", how, (long long)said, (long long)before, (long long)after);
}

static void check_cpu(cpu_function *function, unsigned pinned, const char *how)
{
	unsigned cpu = ~0u, node = ~0u;
	CHECK(function(&cpu, &node, NULL) == 0, "%s failed", how);
	CHECK(cpu == pinned, "%s says CPU %u, the thread is pinned to %u", how, cpu, pinned);
}

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_TAI };

static void check_all(const struct functions *with, const char *how)
{
	cpu_set_t set;
	CHECK(sched_getaffinity(0, sizeof set, &set) == 0, "sched_getaffinity: %s", strerror(errno));
	unsigned pinned = 0;
	while (pinned < CPU_SETSIZE && !CPU_ISSET(pinned, &set))
		pinned++;
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		if (with->clock)
			check_clock(with->clock, clocks[i], how);
		check_clock(clock_gettime, clocks[i], "libc");
	}
	if (with->day)
		check_day(with->day, how);
	check_day((day_function *)gettimeofday, "libc's gettimeofday");
	if (with->time)
		check_time(with->time, how);
	check_time(time, "libc's time");
	if (with->cpu && CPU_COUNT(&set) == 1)
		check_cpu(with->cpu, pinned, how);
	char random[32];
	if (with->random)
		CHECK(with->random(random, sizeof random, 0, NULL, 0) == sizeof random, "%s of random bytes failed", how);
	struct timespec resolution = { -1, -1 };
	if (with->resolution)
		CHECK(with->resolution(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec > 0,
		      "%s of the resolution says %ld.%ld", how, (long)resolution.tv_sec, resolution.tv_nsec);
}

static void pin(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	MUST(sched_setaffinity(0, sizeof set, &set));
}

static volatile bool busy = true;
static volatile long rounds[3];

/* Nearly all its time in one function of the vdso. Once at least: on a busy machine a thread may be asked before it has begun. */
static void *hurry(void *number)
{
	struct timespec last = { 0, 0 }, now;
	do {
		CHECK(cached.clock(CLOCK_MONOTONIC, &now) == 0, "clock_gettime failed");
		CHECK(nanoseconds(&now) >= nanoseconds(&last), "the monotonic clock went from %lld to %lld", (long long)nanoseconds(&last),
		      (long long)nanoseconds(&now));
		last = now;
		rounds[(long)number]++;
		if (!busy)
			pause_ms(20);
	} while (!victim_go);
	return NULL;
}

static void *compare(void *number)
{
	pin();
	do {
		check_all(&cached, "a cached pointer");
		rounds[(long)number]++;
		pause_ms(busy ? 1 : 20);
	} while (!victim_go);
	return NULL;
}

/* The page of before the vdso, where the kernel has it: time(2) at its second entry. Documentation/admin-guide/kernel-parameters.txt, vsyscall= */
static void check_vsyscall(void)
{
	char maps[65536];
	victim_read("/proc/self/maps", maps, sizeof maps);
	if (strstr(maps, "[vsyscall]"))
		check_time((time_function *)0xffffffffff600400, "the vsyscall page");
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	cached = find();
	if (!cached.clock)
		skip("this kernel has no vdso");
	busy = strcmp(victim_argument(argc, argv, 1), "rarely") != 0;
	check_all(&cached, "a pointer");
	check_vsyscall();
	pthread_t threads[3];
	for (long i = 0; i < 3; i++)
		threads[i] = victim_thread(i < 2 ? hurry : compare, (void *)i);
	victim_ready();
	victim_wait();
	long before[3] = { rounds[0], rounds[1], rounds[2] };
	for (int i = 0; i < 3; i++) {
		victim_join(threads[i]);
		CHECK(rounds[i] >= before[i] && rounds[i] > 0, "thread %d did not run", i);
	}
	struct functions anew = find();
	CHECK(anew.clock == cached.clock, "the vdso is elsewhere");
	check_all(&anew, "a pointer that was looked up anew");
	check_vsyscall();
	pin();
	check_all(&anew, "a pointer in the first thread");
	ok();
}
