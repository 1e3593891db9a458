/*
 * A process to trace. Prints "name value" lines, then "ready", and stays until it is killed.
 *   idle              one thread in pause
 *   crowd N           N threads more, in pause
 *   areas             as many areas as the kernel allows
 *   areas less        one less
 *   spawning          threads that are born and end all the time
 *   states            threads in different calls and loops that check themselves; see struct board
 *   memory            pages of every kind, by name
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Every thread counts its rounds in a word of its own, and what went wrong in `errors`; `interrupted` counts EINTR answers. */
static struct board {
	volatile uint64_t spins, sleeps, passes, errors, interrupted;
} board;

static void say(const char *name, uint64_t value)
{
	printf("%s 0x%lx\n", name, value);
}

static pthread_t begin(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 16);
	if (pthread_create(&thread, &small, body, argument))
		abort();
	return thread;
}

static void *rest(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *brief(void *unused)
{
	struct timespec time = { 0, 300000 };
	nanosleep(&time, NULL);
	return unused;
}

/* Gives birth all the time: to a short-lived thread and to its own successor. */
static void *parent(void *unused)
{
	pthread_detach(pthread_self());
	pthread_detach(begin(brief, NULL));
	struct timespec time = { 0, 100000 };
	nanosleep(&time, NULL);
	begin(parent, NULL);
	board.passes++;
	return unused;
}

/* Holds patterns in general and vector registers through a long loop without any call. */
static void *spin(void *unused)
{
	static const uint64_t pattern[2] __attribute__((aligned(16))) = { 0x0123456789abcdef, 0xfedcba9876543210 };
	for (;;) {
		uint64_t found[2] __attribute__((aligned(16))), general = 0, count = 100000;
		__asm__ volatile("movdqa %[pattern], %%xmm15\n	movdqa %%xmm15, %%xmm3\n"
				 "movabs $0x1122334455667788, %%r12\n	mov %%r12, %%r11\n	std\n"
				 "1: dec %[count]\n	jnz 1b\n"
				 "cld\n	pxor %%xmm15, %%xmm3\n	sub %%r12, %%r11\n"
				 "movdqa %%xmm15, %[found]\n	mov %%r12, %[general]\n"
				 "movq %%xmm3, %%r12\n	or %%r12, %%r11\n	add %%r11, %[general]\n"
				 : [found] "=m"(found), [general] "=r"(general), [count] "+r"(count)
				 : [pattern] "m"(pattern)
				 : "r11", "r12", "xmm3", "xmm15", "cc");
		if (memcmp(found, pattern, 16) || general != 0x1122334455667788)
			board.errors++;
		board.spins++;
	}
	return unused;
}

/* Relative sleeps: early is wrong, and so is an answer of EINTR. */
static void *sleeper(void *unused)
{
	for (;;) {
		struct timespec before, after, time = { 0, 40000000 };
		clock_gettime(CLOCK_MONOTONIC, &before);
		if (syscall(SYS_nanosleep, &time, NULL))
			board.interrupted++;
		clock_gettime(CLOCK_MONOTONIC, &after);
		if ((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 40000000)
			board.errors++;
		board.sleeps++;
	}
	return unused;
}

static int there[2], back[2], silent[2];

static void *echo(void *unused)
{
	uint64_t value;
	for (;;)
		if (read(there[0], &value, 8) != 8 || write(back[1], &value, 8) != 8)
			board.errors++;
	return unused;
}

static void *player(void *unused)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (uint64_t sent = 1, got; ; sent++) {
		if (write(there[1], &sent, 8) != 8 || read(back[0], &got, 8) != 8 || got != sent)
			board.errors++;
		board.passes++;
		struct timespec time = { 0, 1000000 };
		nanosleep(&time, NULL);
	}
	return unused;
}

static void states(void)
{
	if (pipe(there) || pipe(back) || pipe(silent))
		abort();
	say("board", (uint64_t)&board);
	begin(spin, NULL);
	begin(sleeper, NULL);
	begin(echo, NULL);
	begin(player, NULL);
	puts("ready");
	fflush(stdout);
	for (;;) {
		char byte;
		if (read(silent[0], &byte, 1) != 1)
			board.errors++;
	}
}

static char *pages(int count, int protection, int flags, int fd)
{
	char *at = mmap(NULL, count * 4096, protection, flags, fd, 0);
	if (at == MAP_FAILED)
		abort();
	return at;
}

static void memory(const char *path)
{
	int anonymous = MAP_PRIVATE | MAP_ANONYMOUS, both = PROT_READ | PROT_WRITE;
	/* anonymous: page 0 untouched, 1 read only (the zero page), 2 written, 3 written and dropped, 4 and 5 written */
	char *mixed = pages(6, both, anonymous, -1);
	volatile char seen = mixed[4096];
	(void)seen;
	for (int page = 2; page < 6; page++)
		memset(mixed + page * 4096, 'a' + page, 4096);
	madvise(mixed + 3 * 4096, 4096, MADV_DONTNEED);
	say("mixed", (uint64_t)mixed);
	/* private file: page 0 untouched, 1 read, 2 written */
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char block[4096];
	for (int page = 0; page < 4; page++) {
		memset(block, 'A' + page, sizeof block);
		if (write(fd, block, sizeof block) != sizeof block)
			abort();
	}
	char *file = pages(4, both, MAP_PRIVATE, fd);
	seen = file[4096];
	file[2 * 4096] = 'w';
	say("file", (uint64_t)file);
	/* no access at all, but contents */
	char *hidden = pages(3, both, anonymous, -1);
	memset(hidden, 'h', 3 * 4096);
	mprotect(hidden + 4096, 4096, PROT_NONE);
	say("hidden", (uint64_t)hidden);
	char *constant = pages(1, both, anonymous, -1);
	memset(constant, 'c', 4096);
	mprotect(constant, 4096, PROT_READ);
	say("constant", (uint64_t)constant);
	char *guarded = pages(4, both, anonymous, -1);
	memset(guarded, 'g', 4 * 4096);
	say("guarded", madvise(guarded + 4096, 4096, 102 /* MADV_GUARD_INSTALL */) ? 0 : (uint64_t)guarded);
	/* shared: pages 1 and 4 of 6 written */
	char *shared = pages(6, both, MAP_SHARED | MAP_ANONYMOUS, -1);
	memset(shared + 4096, 's', 4096);
	memset(shared + 4 * 4096, 'S', 4096);
	say("shared", (uint64_t)shared);
	char *fenced = pages(4, both, MAP_SHARED | MAP_ANONYMOUS, -1);
	memset(fenced, 'f', 4 * 4096);
	say("fenced", madvise(fenced + 2 * 4096, 4096, 102) ? 0 : (uint64_t)fenced);
	int memfd = memfd_create("named", MFD_ALLOW_SEALING);
	if (ftruncate(memfd, 3 * 4096 + 100) || pwrite(memfd, "tail", 4, 3 * 4096 + 50) != 4)
		abort();
	fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	say("memfd", (uint64_t)pages(4, both, MAP_SHARED, memfd));
	/* many pieces: every second page of 10,000 written, more than one PAGEMAP_SCAN tells */
	char *pieces = pages(10000, both, anonymous | MAP_NORESERVE, -1);
	madvise(pieces, 10000 * 4096, MADV_NOHUGEPAGE);
	for (int page = 0; page < 10000; page += 2)
		memcpy(pieces + page * 4096, &page, sizeof page);
	say("pieces", (uint64_t)pieces);
	char *large = pages(800, both, anonymous, -1);
	for (uint32_t word = 0; word < 800 * 1024; word++)
		((uint32_t *)large)[word] = word * 2654435761u;
	say("large", (uint64_t)large);
	say("nowhere", (uint64_t)pages(1, PROT_NONE, anonymous, -1));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "idle";
	alarm(600); /* forgotten by a test that was killed */
	if (!strcmp(mode, "states"))
		states();
	if (!strcmp(mode, "memory"))
		memory(argv[2]);
	if (!strcmp(mode, "crowd"))
		for (int i = 0; i < atoi(argv[2]); i++)
			begin(rest, NULL);
	if (!strcmp(mode, "areas")) {
		void *last = NULL, *made;
		for (int i = 0; (made = mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED; i++)
			last = made;
		if (argc > 2)
			munmap(last, 2 * 4096); /* the other one is for what is printed */
	}
	if (!strcmp(mode, "spawning")) {
		say("board", (uint64_t)&board);
		for (int i = 0; i < 4; i++)
			begin(parent, NULL);
	}
	puts("ready");
	fflush(stdout);
	rest(NULL);
}
