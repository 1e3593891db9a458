/* Kinds of medley.c: memory. n[0] is the length, n[1] the first byte that is looked at, n[2] how many are. */
#ifndef MEDLEY_MEMORY_H
#define MEDLEY_MEMORY_H
#include "medley.h"
#include <sys/shm.h>

enum { PAGE = 4096 };

static char *map_filled(struct thing *thing, long pages, int flags, int fd)
{
	thing->n[0] = pages * PAGE;
	thing->at = at_or_end(thing, mmap(NULL, thing->n[0], PROT_READ | PROT_WRITE, flags, fd, 0));
	victim_fill(thing->at, thing->n[0], thing->seed);
	return thing->at;
}

/* A private area that advice, protection and holes were done to. */
static bool make_private(struct thing *thing)
{
	static const int advice[] = { MADV_DONTDUMP, MADV_SEQUENTIAL, MADV_RANDOM, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD,
		MADV_WILLNEED };
	long pages = 6 + roll(40);
	map_filled(thing, pages, MAP_PRIVATE | MAP_ANONYMOUS | (roll(3) ? 0 : MAP_NORESERVE), -1);
	for (int i = roll(4); i > 0; i--)
		madvise(thing->at + roll(pages / 2) * PAGE, (1 + roll(pages / 2)) * PAGE, advice[roll(8)]);
	if (heads())
		DO(mprotect(thing->at, thing->n[0], PROT_READ));
	if (roll(3) == 0)
		DO(mprotect(thing->at + roll(pages) * PAGE, PAGE, PROT_READ | PROT_EXEC));
	if (roll(4) == 0)
		mlock(thing->at, 2 * PAGE);
	if (roll(4) == 0)
		prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, thing->at, 3 * PAGE, "a name");
	thing->n[2] = thing->n[0];
	return true;
}

static void look_memory(struct thing *thing)
{
	if (!thing->at)
		return;
	uint64_t seed = thing->seed;
	const uint64_t *word = (void *)thing->at;
	for (long i = 0; i < (thing->n[1] + thing->n[2]) / 8; i++) {
		uint64_t want = victim_random(&seed);
		SEE(i < thing->n[1] / 8 || word[i] == want, "byte %ld of %ld differs", i * 8, thing->n[0]);
	}
}

/* What is left when parts of it were unmapped, moved, made inaccessible. */
static bool make_cut(struct thing *thing)
{
	long pages = 8 + roll(20);
	map_filled(thing, pages, (heads() ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1);
	long half = pages / 2 * PAGE;
	switch (roll(4)) {
	case 0:
		DO(munmap(thing->at, half));
		thing->n[1] = half;
		break;
	case 1:
		DO(munmap(thing->at + half, PAGE));
		thing->n[2] = half;
		return true;
	case 2:
		DO(mprotect(thing->at + half, PAGE, PROT_NONE));
		thing->n[2] = half;
		return true;
	default: {
		/* Moved whole; then its middle by itself. */
		char *there = at_or_end(thing, mmap(NULL, 4 * thing->n[0], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		thing->at = at_or_end(thing, mremap(thing->at, thing->n[0], thing->n[0], MREMAP_MAYMOVE | MREMAP_FIXED, there + PAGE));
		at_or_end(thing, mremap(thing->at + half, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there + 3 * thing->n[0]));
		thing->n[2] = half;
		return true;
	}
	}
	thing->n[2] = thing->n[0] - thing->n[1];
	return true;
}

/* A file, seen shared or private, some of its pages changed; its name may go. */
static bool make_mapped_file(struct thing *thing)
{
	long pages = 2 + roll(8);
	bool shared = heads();
	int fd = fresh_file(thing, O_RDWR, pages * PAGE);
	thing->at = at_or_end(thing, mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0));
	thing->n[0] = thing->n[2] = pages * PAGE;
	if (!shared) {
		/* Private pages: the whole pattern of another seed. */
		thing->seed ^= 0x55;
		victim_fill(thing->at, thing->n[0], thing->seed);
	}
	if (heads())
		DO(mprotect(thing->at + PAGE, PAGE, PROT_READ));
	if (roll(3) == 0)
		DO(unlink(thing->path));
	if (heads())
		close(fd);
	else
		thing->fd[0] = fd;
	return true;
}

/* Memory that those who are forked from now on share: all see the same word. */
static bool make_shared(struct thing *thing)
{
	map_filled(thing, 2 + roll(10), MAP_SHARED | MAP_ANONYMOUS, -1);
	if (heads())
		DO(mprotect(thing->at + PAGE, PAGE, PROT_READ));
	thing->n[2] = thing->n[0];
	return true;
}

static bool make_segment(struct thing *thing)
{
	long pages = 1 + roll(10);
	int id = shmget(IPC_PRIVATE, pages * PAGE, 0600);
	if (id == -1)
		return false;
	thing->at = shmat(id, NULL, 0);
	DO(thing->at == (void *)-1 ? -1 : 0);
	thing->n[0] = thing->n[2] = pages * PAGE;
	victim_fill(thing->at, thing->n[0], thing->seed);
	if (heads())
		DO(shmctl(id, IPC_RMID, NULL));
	else {
		thing->n[3] = id + 1;
		int at = atomic_fetch_add(&common->segments, 1);
		SEE(at < 64, "too many segments");
		common->segment[at] = id;
	}
	if (heads())
		at_or_end(thing, shmat(id, NULL, SHM_RDONLY));
	return true;
}

static bool make_huge(struct thing *thing)
{
	thing->at = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (thing->at == MAP_FAILED)
		return false;
	thing->n[0] = thing->n[2] = 2 << 20;
	victim_fill(thing->at, thing->n[0], thing->seed);
	return true;
}

static bool make_growsdown(struct thing *thing)
{
	char *room = at_or_end(thing, mmap(NULL, 600 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	DO(munmap(room, 600 * PAGE));
	thing->at = at_or_end(thing, mmap(room + 500 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0));
	for (int i = 0; i < 9; i++)
		((volatile char *)thing->at)[-i * PAGE] = 1;
	thing->at -= 8 * PAGE;
	thing->n[0] = thing->n[2] = 12 * PAGE;
	victim_fill(thing->at, thing->n[0], thing->seed);
	return true;
}

/* Guard pages, or pages that may go at any time. */
static bool make_guards(struct thing *thing)
{
	map_filled(thing, 12, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	thing->n[2] = 6 * PAGE;
	if (madvise(thing->at + 7 * PAGE, 2 * PAGE, 102) == -1)
		thing->n[2] = 12 * PAGE;
	return true;
}

/* Not inherited, or empty in a child. */
static bool make_unforked(struct thing *thing)
{
	map_filled(thing, 5, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	DO(madvise(thing->at, 5 * PAGE, heads() ? MADV_DONTFORK : MADV_WIPEONFORK));
	thing->n[2] = thing->n[0];
	return true;
}
#endif
