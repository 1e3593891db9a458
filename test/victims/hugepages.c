/*
 * Holds: huge pages of hugetlbfs (MAP_HUGETLB and its relatives) of 2 MiB, at most 8 of them; by its argument
 *   private  anonymous areas: reserved and not, without access, locked, with advice, with a hole; with "policy" bound to a node
 *   shared   anonymous memory that a child has too
 *   memfd    memory files: sealed, mapped twice and privately, without a mapping, empty; with "exact" also which pages they have
 *   fork     pages that a child shares copy-on-write, and has changed one of
 *   sysv     System V segments: one that is removed, one that is not, attached for reading
 *   file     a file of the mount that the next argument names
 *   deleted  the same, without its name; "open": and without a mapping
 *   gib      one page of 1 GiB
 * Checks: contents, page sizes, flags, seals; pages that were absent are absent still, and can be had.
 */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4
#endif
enum { MIB2 = 21 << 26, MPOL_BIND = 2, MPOL_F_ADDR = 2, AREAS = 16 };
#define HUGE (2ul << 20)

static char *map(size_t bytes, int flags, int fd)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED && (errno == ENOMEM || errno == EINVAL))
		skip("there are no huge pages");
	CHECK(at != MAP_FAILED, "mmap: %s", strerror(errno));
	return at;
}

/* Entry of a page in pagemap; without a look at the page, which would make it. */
static uint64_t entry_of(pid_t pid, const char *page)
{
	char path[64];
	uint64_t entry = 0;
	snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd);
	CHECK(pread(fd, &entry, sizeof entry, (uintptr_t)page / 4096 * 8) == sizeof entry, "pagemap is short");
	close(fd);
	return entry;
}

static bool present(const char *page)
{
	return entry_of(getpid(), page) >> 63;
}

/* Frame of a page, 0 where it is absent or not told. */
static uint64_t frame(pid_t pid, const char *page)
{
	uint64_t entry = entry_of(pid, page);
	return entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
}

/* Bounds, access, page size and flags of our areas of huge pages, as smaps shows them. */
static void describe(char *text, size_t room)
{
	char line[512], bounds[64] = "", size[64] = "";
	FILE *smaps = fopen("/proc/self/smaps", "re");
	CHECK(smaps, "smaps: %s", strerror(errno));
	*text = 0;
	while (fgets(line, sizeof line, smaps)) {
		if (line[0] < 'A' || line[0] > 'Z')
			snprintf(bounds, sizeof bounds, "%.32s", line);
		else if (!strncmp(line, "KernelPageSize:", 15))
			snprintf(size, sizeof size, "%.40s", line);
		else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " ht"))
			snprintf(text + strlen(text), room - strlen(text), "%s %s %s", bounds, size, line);
	}
	fclose(smaps);
}

static void same_areas(const char *before)
{
	static char now[AREAS * 256];
	describe(now, sizeof now);
	for (size_t i = 0; before[i] || now[i]; i++)
		if (before[i] != now[i])
			fail("areas differ: \"%.100s\" was \"%.100s\"", now + (i < 60 ? 0 : i - 60), before + (i < 60 ? 0 : i - 60));
}

static char areas[AREAS * 256];

static void wait_asked(void)
{
	describe(areas, sizeof areas);
	victim_ready();
	victim_wait();
	same_areas(areas);
}

static void private_areas(bool bind)
{
	const int way = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MIB2;
	unsigned long node = 1, found = 0;
	int mode = -1;
	char *area = map(3 * HUGE, way, -1), *unreserved = map(2 * HUGE, way | MAP_NORESERVE, -1);
	char *holed = map(3 * HUGE, way, -1), *hidden;
	victim_fill(area + HUGE, HUGE, 1);
	MUST(madvise(area, 3 * HUGE, MADV_DONTDUMP));
	MUST(madvise(area, 3 * HUGE, MADV_SEQUENTIAL));
	bool bound = bind && syscall(SYS_mbind, area, 3 * HUGE, MPOL_BIND, &node, 2, 0) == 0;
	victim_fill(unreserved + HUGE, HUGE, 2);
	/* Needs no page: it is there. */
	MUST(mlock(unreserved + HUGE, HUGE));
	victim_fill(holed, HUGE, 3);
	victim_fill(holed + 2 * HUGE, HUGE, 4);
	MUST(munmap(holed + HUGE, HUGE));
	hidden = map(HUGE, way, -1);
	victim_fill(hidden, HUGE, 5);
	MUST(mprotect(hidden, HUGE, PROT_NONE));
	wait_asked();

	CHECK(!present(area) && present(area + HUGE) && !present(area + 2 * HUGE), "pages of the area are %d %d %d", present(area),
	      present(area + HUGE), present(area + 2 * HUGE));
	CHECK(!present(unreserved) && present(unreserved + HUGE), "pages without a promise are %d %d", present(unreserved),
	      present(unreserved + HUGE));
	victim_same(area + HUGE, HUGE, 1, "the area");
	victim_same(unreserved + HUGE, HUGE, 2, "the area without a promise");
	victim_same(holed, HUGE, 3, "the part before the hole");
	victim_same(holed + 2 * HUGE, HUGE, 4, "the part behind the hole");
	MUST(mprotect(hidden, HUGE, PROT_READ));
	victim_same(hidden, HUGE, 5, "the area without access");
	if (bound) {
		MUST(syscall(SYS_get_mempolicy, &mode, &found, 64, area, MPOL_F_ADDR));
		CHECK(mode == MPOL_BIND && found == 1, "the policy is %d of %lx", mode, found);
	}
	area[0] = area[2 * HUGE] = 1;
	CHECK(area[1] == 0 && area[2 * HUGE + 1] == 0, "an absent page held something");
}

static void shared_area(void)
{
	char *area = map(3 * HUGE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MIB2, -1);
	victim_fill(area, HUGE, 6);
	victim_fill(area + 2 * HUGE, HUGE, 7);
	int go[2], status;
	MUST(pipe(go));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		char word;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		MUST(munmap(area, HUGE));
		close(go[1]);
		while (read(go[0], &word, 1) == 1)
			;
		area[HUGE] = area[2 * HUGE] + 1;
		_exit(0);
	}
	close(go[0]);
	wait_asked();

	victim_same(area, HUGE, 6, "the first page");
	victim_same(area + 2 * HUGE, HUGE, 7, "the last page");
	area[2 * HUGE] = 41;
	close(go[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	CHECK(area[HUGE] == 42, "the child has another memory: %d", area[HUGE]);
}

static int file(const char *name, unsigned flags, off_t size)
{
	int fd = memfd_create(name, flags | MFD_HUGETLB | MIB2);
	if (fd == -1)
		skip("there are no memory files of huge pages");
	MUST(ftruncate(fd, size));
	return fd;
}

static void memory_files(bool exact)
{
	int mapped = file("mapped", MFD_ALLOW_SEALING, 3 * HUGE), lone = file("lone", MFD_CLOEXEC, 2 * HUGE), empty = file("empty", 0, 0);
	char *all = map(3 * HUGE, MAP_SHARED, mapped), *again = map(HUGE, MAP_SHARED, mapped), *own = map(2 * HUGE, MAP_PRIVATE, mapped);
	victim_fill(all, HUGE, 8);
	victim_fill(all + 2 * HUGE, HUGE, 9);
	own[5] = 55;
	char *once = map(HUGE, MAP_SHARED, lone), read_back[64];
	victim_fill(once, HUGE, 10);
	MUST(munmap(once, HUGE));
	MUST(lseek(lone, 4096, SEEK_SET));
	MUST(fcntl(mapped, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	MUST(fchmod(lone, 0640));
	struct stat before[2], after[2];
	MUST(fstat(mapped, &before[0]) | fstat(lone, &before[1]));
	wait_asked();

	victim_same(all, HUGE, 8, "the first page");
	victim_same(all + 2 * HUGE, HUGE, 9, "the last page");
	CHECK(own[5] == 55 && !memcmp(own + 6, all + 6, HUGE - 6), "the private mapping differs");
	MUST(fstat(mapped, &after[0]) | fstat(lone, &after[1]));
	for (int i = 0; i < 2; i++) {
		CHECK(after[i].st_size == before[i].st_size && after[i].st_mode == before[i].st_mode, "size %ld mode %o", (long)after[i].st_size,
		      after[i].st_mode);
		CHECK(!exact || after[i].st_blocks == before[i].st_blocks, "file %d has %ld blocks, had %ld", i, (long)after[i].st_blocks,
		      (long)before[i].st_blocks);
	}
	CHECK(fcntl(mapped, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW), "seals are %x", fcntl(mapped, F_GET_SEALS));
	CHECK(fstat(empty, &after[0]) == 0 && after[0].st_size == 0 && after[0].st_blksize == HUGE, "the empty one has other pages");
	CHECK(lseek(lone, 0, SEEK_CUR) == 4096 && read(lone, read_back, sizeof read_back) == sizeof read_back, "the lone one cannot be read");
	once = map(HUGE, MAP_SHARED, lone);
	victim_same(once, HUGE, 10, "the lone one");
	CHECK(!memcmp(once + 4096, read_back, sizeof read_back), "its position is another");
	all[0] = again[1] = 77;
	CHECK(again[0] == 77 && all[1] == 77 && own[0] != 78, "the mappings are of two memories");
	CHECK(all[HUGE] == 0, "an absent page holds something");
}

static void forked(void)
{
	char *area = map(4 * HUGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MIB2, -1);
	for (int page = 0; page < 3; page++)
		victim_fill(area + page * HUGE, HUGE, 11 + page);
	int go[2], status;
	MUST(pipe(go));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		char word;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		area[HUGE] = 'c';
		close(go[1]);
		victim_fill(area + 3 * HUGE, 4096, 20);
		while (read(go[0], &word, 1) == 1)
			;
		victim_same(area, HUGE, 11, "the child's first page");
		victim_same(area + 3 * HUGE, 4096, 20, "the child's own page");
		_exit(area[HUGE] == 'c' ? 0 : 1);
	}
	close(go[0]);
	while (!(entry_of(child, area + 3 * HUGE) >> 63))
		pause_ms(5);
	wait_asked();

	uint64_t shared = 0;
	for (int page = 0; page < 3; page++)
		shared |= (uint64_t)(frame(getpid(), area + page * HUGE) == frame(child, area + page * HUGE)) << page;
	CHECK(shared == 5 || !frame(getpid(), area), "of three pages these are shared: %lx", shared);
	CHECK(!present(area + 3 * HUGE), "the parent has a page that only the child touched");
	for (int page = 0; page < 3; page++)
		victim_same(area + page * HUGE, HUGE, 11 + page, "a page of the parent");
	memset(area, 0, HUGE);
	/* The pool may have no page for it, and then the child would lose its own: which the kernel does, and no restore. */
	close(go[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
}

static void segments(void)
{
	int kept = shmget(IPC_PRIVATE, HUGE + 5, IPC_CREAT | SHM_HUGETLB | MIB2 | 0640);
	int gone = shmget(IPC_PRIVATE, 2 * HUGE, IPC_CREAT | SHM_HUGETLB | MIB2 | 0600);
	if (kept == -1 || gone == -1)
		skip("there are no System V segments of huge pages");
	char *first = shmat(kept, NULL, 0), *second = shmat(gone, NULL, 0), *reading;
	MUST(first == (void *)-1 || second == (void *)-1 ? -1 : 0);
	victim_fill(first, HUGE, 14);
	victim_fill(second + HUGE, HUGE, 15);
	reading = shmat(gone, NULL, SHM_RDONLY);
	MUST(reading == (void *)-1 ? -1 : 0);
	MUST(munmap(reading, HUGE));
	MUST(shmctl(gone, IPC_RMID, NULL));
	wait_asked();

	struct shmid_ds now;
	victim_same(first, HUGE, 14, "the segment");
	victim_same(second + HUGE, HUGE, 15, "the removed segment");
	second[HUGE] = 9;
	CHECK(reading[HUGE] == 9, "the removed segment is two");
	CHECK(first[HUGE] == 0 && second[0] == 0, "an absent page holds something");
	CHECK(shmctl(kept, IPC_STAT, &now) == 0 && now.shm_segsz == HUGE + 5 && now.shm_nattch == 1, "it is not as it was");
	CHECK(shmctl(gone, IPC_STAT, &now) == 0 && now.shm_nattch == 2 && now.shm_perm.mode & SHM_DEST, "the removed one is not as it was");
	MUST(shmdt(first) | shmdt(second) | shmdt(reading));
	MUST(shmctl(kept, IPC_RMID, NULL));
}

static void mounted(const char *folder, bool deleted, bool unmapped)
{
	const char *path = victim_path(folder, "huge");
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	MUST(fd);
	MUST(ftruncate(fd, 2 * HUGE));
	char *all = map(2 * HUGE, MAP_SHARED, fd), *own = map(HUGE, MAP_PRIVATE, fd);
	victim_fill(all, HUGE, 16);
	own[3] = 33;
	if (deleted)
		MUST(unlink(path));
	if (unmapped)
		MUST(munmap(all, 2 * HUGE) | munmap(own, HUGE));
	else
		MUST(close(fd));
	wait_asked();
	if (unmapped)
		return;

	victim_same(all, HUGE, 16, "the file");
	CHECK(own[3] == 33 && !memcmp(own + 4, all + 4, HUGE - 4), "the private mapping differs");
	all[HUGE] = 1;
	MUST(deleted ? 0 : unlink(path));
}

static void gigantic(void)
{
	char *area = map(1ul << 30, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << 26, -1);
	victim_fill(area + (512 << 20), 1 << 20, 17);
	wait_asked();
	victim_same(area + (512 << 20), 1 << 20, 17, "the page");
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1), *more = victim_argument(argc, argv, 2);
	if (!strcmp(kind, "private"))
		private_areas(!strcmp(more, "policy"));
	else if (!strcmp(kind, "shared"))
		shared_area();
	else if (!strcmp(kind, "memfd"))
		memory_files(!strcmp(more, "exact"));
	else if (!strcmp(kind, "fork"))
		forked();
	else if (!strcmp(kind, "sysv"))
		segments();
	else if (!strcmp(kind, "gib"))
		gigantic();
	else if (!strcmp(kind, "file") || !strcmp(kind, "deleted") || !strcmp(kind, "open"))
		mounted(more, kind[0] != 'f', kind[0] == 'o');
	else
		fail("no kind is named %s", kind);
	ok();
}
