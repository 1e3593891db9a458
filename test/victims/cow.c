/*
 * Holds: memory that a parent and its child share copy-on-write after fork; the child has changed, dropped and protected pages of it.
 * Checks: contents on both sides, that unchanged pages are still the same page frames, and that a write on one side does not show on the other.
 */
#include "victim.h"
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 256, CHANGED = 10, DROPPED = 20, PROTECTED = 40 };

static char *area, *file;

/* Frame number of a page, 0 where it is not told or not present. */
static uint64_t frame(pid_t pid, const char *page)
{
	char path[64];
	uint64_t entry = 0;
	snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd);
	if (pread(fd, &entry, sizeof entry, (uintptr_t)page / PAGE * 8) != sizeof entry)
		fail("pagemap of %d is short", pid);
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static void check_child(void)
{
	for (int page = 0; page < PAGES; page++) {
		int want = page == DROPPED ? 0 : page == CHANGED ? 99 : page + 1;
		CHECK(area[page * PAGE + 7] == (char)want, "child's page %d is %d", page, area[page * PAGE + 7]);
	}
	CHECK(file[7] == 'f' && file[PAGE + 7] == 'c', "child's file pages are %c %c", file[7], file[PAGE + 7]);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	char path[512], looked[512];
	snprintf(looked, sizeof looked, "%s/looked", argv[2]);
	snprintf(path, sizeof path, "%s/file", argv[2]);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd);
	MUST(ftruncate(fd, 2 * PAGE));
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	MUST(area == MAP_FAILED || file == MAP_FAILED ? -1 : 0);
	for (int page = 0; page < PAGES; page++)
		area[page * PAGE + 7] = page + 1;
	file[7] = file[PAGE + 7] = 'f';
	int ready[2];
	MUST(pipe(ready));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		area[CHANGED * PAGE + 7] = 99;
		file[PAGE + 7] = 'c';
		MUST(madvise(area + DROPPED * PAGE, PAGE, MADV_DONTNEED));
		MUST(mprotect(area + PROTECTED * PAGE, PAGE, PROT_READ));
		close(ready[0]);
		close(ready[1]);
		/* Not the question itself, which the parent may answer between two looks of ours: it looks at the frames first, and says so. */
		while (access(looked, F_OK) != 0) {
			CHECK(victim_clock() < victim_end, "the child was not told to check");
			pause_ms(5);
		}
		check_child();
		area[7] = 55;
		_exit(area[7] == 55 ? 0 : 1);
	}
	close(ready[1]);
	char end;
	CHECK(read(ready[0], &end, 1) == 0, "the child did not get ready");
	victim_ready();
	victim_wait();

	int shared = 0, told = frame(getpid(), area + PAGE) != 0;
	for (int page = 0; page < PAGES; page++)
		shared += frame(getpid(), area + page * PAGE) == frame(child, area + page * PAGE);
	if (told)
		CHECK(shared >= PAGES - 3, "only %d of %d pages are shared", shared, PAGES);
	int word = creat(looked, 0600);
	MUST(word);
	close(word);
	int status;
	MUST(waitpid(child, &status, 0));
	CHECK(status == 0, "the child ended with %x", status);
	for (int page = 0; page < PAGES; page++)
		CHECK(area[page * PAGE + 7] == (char)(page + 1), "page %d is %d", page, area[page * PAGE + 7]);
	CHECK(file[7] == 'f' && file[PAGE + 7] == 'f', "file pages are %c %c", file[7], file[PAGE + 7]);
	ok();
}
