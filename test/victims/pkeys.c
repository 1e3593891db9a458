/*
 * Holds: memory under protection keys, one of them write-protected by the rights of a thread, one given back while an area still has it;
 * memory of code alone, for which the kernel takes a key itself; a second thread with other rights; a child of the same memory, and one
 * from before it, which has that very key for memory of its own.
 * Checks: keys of areas and of the process, who may do what with which area, and what the areas hold.
 */
#include "victim.h"
#include <setjmp.h>
#include <sys/wait.h>

enum { SIZE = 2 * 4096, FULL, READ, GIVEN_BACK, CODE, AREAS };
enum { NO_ACCESS = 1, NO_WRITE = 2 };

static unsigned char *areas[AREAS + 1];
static int keys[AREAS + 1];
static volatile int *go;
static sigjmp_buf after;
static volatile int cause;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	cause = info->si_code == 4 /* SEGV_PKUERR */ ? (int)info->si_pkey : -1;
	siglongjmp(after, 1);
}

static uint32_t rights(void)
{
	uint32_t a, d;
	__asm__ volatile("rdpkru" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static void set_all_rights(uint32_t a)
{
	__asm__ volatile("wrpkru" : : "a"(a), "c"(0), "d"(0) : "memory");
}

static void set_rights(int key, uint32_t own)
{
	set_all_rights((rights() & ~(3u << 2 * key)) | own << 2 * key);
}

/* The key that stood against an access; 0 = none. A signal handler begins with the rights of a new program. */
static int denied(unsigned char *at, int writes)
{
	volatile uint32_t before = rights();
	cause = 0;
	if (!sigsetjmp(after, 1)) {
		if (writes)
			*(volatile unsigned char *)at = *(volatile unsigned char *)at;
		else
			(void)*(volatile unsigned char *)at;
	}
	set_all_rights(before);
	return cause;
}

static int key_of(void *address)
{
	char line[256];
	unsigned long start = 0, end;
	int key = -1;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	CHECK(smaps, "no smaps: %s", strerror(errno));
	while (fgets(line, sizeof line, smaps)) {
		unsigned long first;
		if (sscanf(line, "%lx-%lx ", &first, &end) == 2)
			start = first;
		else if (start == (unsigned long)address && sscanf(line, "ProtectionKey: %d", &key) == 1)
			break;
	}
	fclose(smaps);
	return key;
}

static int answer(void)
{
	int (*code)(void) = (int (*)(void))areas[CODE];
	return code();
}

static void check(const char *who, int reads_full)
{
	for (int i = FULL; i < AREAS; i++)
		CHECK(key_of(areas[i]) == keys[i], "%s: area %d has key %d, had %d", who, i - FULL, key_of(areas[i]), keys[i]);
	CHECK(denied(areas[FULL], 1) == (reads_full ? 0 : keys[FULL]), "%s: area 0: key %d stands against writing", who, cause);
	CHECK(denied(areas[READ], 0) == 0, "%s: area 1 cannot be read: key %d", who, cause);
	CHECK(denied(areas[READ], 1) == keys[READ], "%s: key %d stands against writing to area 1", who, cause);
	CHECK(denied(areas[CODE], 0) == keys[CODE], "%s: key %d stands against reading code", who, cause);
	CHECK(answer() == 42, "%s: the code answers %d", who, answer());
}

static void check_contents(const char *who)
{
	unsigned char wanted[SIZE];
	for (int i = FULL; i < CODE; i++) {
		set_rights(keys[i], 0);
		victim_fill(wanted, SIZE, i);
		CHECK(!memcmp(areas[i], wanted, SIZE), "%s: area %d holds something else", who, i - FULL);
	}
	/* The first key was given back before another was allocated: now it is free, and so is the one that was given back last. */
	long first = syscall(SYS_pkey_alloc, 0, 0), second = syscall(SYS_pkey_alloc, 0, 0);
	CHECK(first == keys[GIVEN_BACK] && second == keys[GIVEN_BACK] + 1, "%s: free keys are %ld and %ld", who, first, second);
}

static void *second(void *unused)
{
	set_rights(keys[FULL], NO_ACCESS);
	go[1] = 1;
	while (!go[0])
		;
	check("second thread", 0);
	return unused;
}

static void make(int which, uint32_t rights)
{
	areas[which] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(areas[which] != MAP_FAILED, "set-up: mmap");
	victim_fill(areas[which], SIZE, which);
	keys[which] = syscall(SYS_pkey_alloc, 0, 0);
	if (keys[which] < 0)
		skip("this CPU or kernel has no protection keys");
	MUST(syscall(SYS_pkey_mprotect, areas[which], SIZE, PROT_READ | PROT_WRITE, keys[which]));
	set_rights(keys[which], rights);
}

static pid_t before_all(void)
{
	pid_t child = fork();
	MUST(child);
	if (child)
		return child;
	make(FULL, NO_WRITE);
	go[3] = 1;
	while (!go[0])
		pause_ms(1);
	CHECK(key_of(areas[FULL]) == keys[FULL], "first child: its area has key %d, had %d", key_of(areas[FULL]), keys[FULL]);
	CHECK(denied(areas[FULL], 1) == keys[FULL], "first child: key %d stands against writing", cause);
	CHECK(syscall(SYS_pkey_alloc, 0, 0) == keys[FULL] + 1, "first child: another key is free");
	_exit(0);
}

int main(int argc, char **argv)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int status;
	victim_begin(argc, argv);
	go = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	MUST(sigaction(SIGSEGV, &action, NULL));
	long gap = syscall(SYS_pkey_alloc, 0, 0);
	if (gap < 0)
		skip("this CPU or kernel has no protection keys");
	MUST(syscall(SYS_pkey_free, gap));
	pid_t first = before_all();
	gap = syscall(SYS_pkey_alloc, 0, 0);
	make(FULL, 0);
	make(READ, NO_WRITE);
	MUST(syscall(SYS_pkey_free, gap));
	/* The kernel takes the key that is free: number 1. */
	areas[CODE] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(areas[CODE], code, sizeof code);
	MUST(mprotect(areas[CODE], SIZE, PROT_EXEC));
	keys[CODE] = key_of(areas[CODE]);
	make(GIVEN_BACK, 0);
	MUST(syscall(SYS_pkey_free, keys[GIVEN_BACK]));
	pid_t child = fork();
	MUST(child);
	if (!child) {
		go[2] = 1;
		while (!go[0])
			pause_ms(1);
		check("child", 1);
		check_contents("child");
		_exit(0);
	}
	pthread_t thread = victim_thread(second, NULL);
	while (!go[1] || !go[2] || !go[3])
		pause_ms(1);
	victim_ready();
	victim_wait();
	go[0] = 1;
	victim_join(thread);
	check("main thread", 1);
	check_contents("main thread");
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with status %x", status);
	CHECK(waitpid(first, &status, 0) == first && status == 0, "the first child ended with status %x", status);
	ok();
}
