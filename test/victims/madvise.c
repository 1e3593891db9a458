/*
 * Holds: one mapping for each advice and lock that /proc/self/smaps shows in VmFlags. Checks: the flags of each are as before,
 * locked pages are in memory. Argument "guard": guard regions (Linux 6.13) still fault, in a locked area too; "shared guard": those of
 * shared memory (Linux 6.15).
 */
#include "victim.h"
#include <setjmp.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
enum { PAGE = 4096, BYTES = 16 * PAGE, HUGE = 4 << 20 };

static const struct {
	const char *name;
	int advice;
} rows[] = {
	{ "DONTFORK", MADV_DONTFORK },	   { "WIPEONFORK", MADV_WIPEONFORK }, { "MERGEABLE", MADV_MERGEABLE },
	{ "HUGEPAGE", MADV_HUGEPAGE },	   { "NOHUGEPAGE", MADV_NOHUGEPAGE }, { "DONTDUMP", MADV_DONTDUMP },
	{ "RANDOM", MADV_RANDOM },	   { "SEQUENTIAL", MADV_SEQUENTIAL }, { "mlock", -1 },
	{ "mlock2 MLOCK_ONFAULT", -2 },	   { "MADV_NORMAL", MADV_NORMAL },
};
enum { ROWS = sizeof rows / sizeof *rows };
static char *at[ROWS], smaps[1 << 18];
static char before[ROWS][200], after[ROWS][200];
static sigjmp_buf back;

static void on_fault(int unused)
{
	(void)unused;
	siglongjmp(back, 1);
}

static void flags_of(char *address, char *flags)
{
	char start[40];
	victim_read("/proc/self/smaps", smaps, sizeof smaps);
	snprintf(start, sizeof start, "%lx-", (unsigned long)address);
	char *line = strstr(smaps, start);
	CHECK(line, "no mapping at %s", start);
	line = strstr(line, "VmFlags:");
	CHECK(line, "no VmFlags after %s", start);
	snprintf(flags, 200, "%.*s", (int)strcspn(line, "\n"), line);
	/* sd = soft-dirty, set by every new mapping; not a property of the program. */
	for (char *soft; (soft = strstr(flags, " sd"));)
		memmove(soft, soft + 3, strlen(soft + 3) + 1);
}

/* Four pages, the second of which is a guard; NULL where the kernel makes none. */
static char *guarded(int kind)
{
	char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
	victim_fill(pages, 4 * PAGE, 55);
	return madvise(pages + PAGE, PAGE, MADV_GUARD_INSTALL) == 0 ? pages : NULL;
}

static void check_guarded(const char *pages, const char *what)
{
	victim_same(pages, PAGE, 55, "page before the guard");
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile const char *)(pages + PAGE);
		fail("the guard region can be read: %s", what);
	}
	CHECK(pages[2 * PAGE] || pages[2 * PAGE + 1], "the page behind the guard is empty: %s", what);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	for (int i = 0; i < ROWS; i++) {
		size_t bytes = rows[i].advice == MADV_HUGEPAGE ? HUGE : BYTES;
		/* A gap between the rows keeps the kernel from merging them. */
		char *room = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		at[i] = mmap(room + PAGE, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		MUST(at[i] == MAP_FAILED ? -1 : 0);
		if (rows[i].advice == -1)
			MUST(mlock(at[i], bytes));
		else if (rows[i].advice == -2)
			MUST((int)syscall(SYS_mlock2, at[i], bytes, 1));
		else if (madvise(at[i], bytes, rows[i].advice) == -1)
			CHECK(errno == EINVAL, "set-up: madvise %s: %s", rows[i].name, strerror(errno));
		victim_fill(at[i], bytes / 2, i + 1);
		flags_of(at[i], before[i]);
	}
	const char *kind = victim_argument(argc, argv, 1);
	bool shared = !strcmp(kind, "shared guard"), private = !strcmp(kind, "guard");
	char *guard = shared || private ? guarded(shared ? MAP_SHARED : MAP_PRIVATE) : NULL, *locked = guard ? guarded(MAP_PRIVATE) : NULL;
	if (locked) /* the lock stands, though no page can be put under the guard */
		CHECK(mlock(locked, 4 * PAGE) == -1 && errno == ENOMEM, "set-up: mlock of a guard: %s", strerror(errno));
	struct sigaction action = { .sa_handler = on_fault };
	sigaction(SIGSEGV, &action, NULL);
	victim_ready();
	victim_wait();

	for (int i = 0; i < ROWS; i++) {
		flags_of(at[i], after[i]);
		CHECK(!strcmp(before[i], after[i]), "%s: %s, was %s", rows[i].name, after[i], before[i]);
		victim_same(at[i], (rows[i].advice == MADV_HUGEPAGE ? HUGE : BYTES) / 2, i + 1, rows[i].name);
	}
	unsigned char present[BYTES / PAGE];
	mincore(at[8], BYTES, present);
	for (size_t page = 0; page < sizeof present; page++)
		CHECK(present[page] & 1, "page %zu of the locked mapping is not in memory", page);
	if ((shared || private) && !guard)
		skip("this kernel makes no such guard");
	if (guard) {
		check_guarded(guard, kind);
		check_guarded(locked, "locked");
	}
	ok();
}
