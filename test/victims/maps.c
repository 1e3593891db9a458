/*
 * Holds: one mapping of each kind: file private with copied pages, file shared, file read-only with an offset, past the end of
 * the file, anonymous private and shared, PROT_NONE with contents, holes between pages. Argument: a folder for its file.
 * Checks: contents, which pages follow the file, protections as /proc/self/maps tells them.
 */
#include "victim.h"
#include <setjmp.h>

enum { PAGE = 4096, PAGES = 16 };
static sigjmp_buf back;

static void on_fault(int unused)
{
	(void)unused;
	siglongjmp(back, 1);
}

static bool faults(volatile char *at, bool writing)
{
	if (sigsetjmp(back, 1))
		return true;
	if (writing)
		*at = 1;
	else
		(void)*at;
	return false;
}

static void *map(size_t pages, int protection, int flags, int fd, off_t offset)
{
	void *at = mmap(NULL, pages * PAGE, protection, flags, fd, offset);
	MUST(at == MAP_FAILED ? -1 : 0);
	return at;
}

static char before[1 << 16], after[1 << 16];

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	char path[256];
	snprintf(path, sizeof path, "%s/mapped", victim_argument(argc, argv, 1));
	static char contents[PAGES * PAGE];
	victim_fill(contents, sizeof contents, 99);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd);
	MUST(write(fd, contents, sizeof contents));

	char *private_file = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (int page = 1; page < PAGES; page += 2)
		victim_fill(private_file + page * PAGE, PAGE, page);
	char *shared_file = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *offset_file = map(4, PROT_READ, MAP_PRIVATE, fd, 5 * PAGE);
	char *shared_read = map(2, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	char *anonymous = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int page = 0; page < PAGES; page += 3)
		victim_fill(anonymous + page * PAGE, PAGE, page + 100);
	char *shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int page = 0; page < PAGES; page += 5)
		victim_fill(shared + page * PAGE, PAGE, page + 200);
	char *guarded = map(6, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	victim_fill(guarded, 6 * PAGE, 7);
	MUST(mprotect(guarded + 2 * PAGE, PAGE, PROT_NONE));
	MUST(mprotect(guarded + 5 * PAGE, PAGE, PROT_READ));
	char *code = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov $42,%eax; ret */
	MUST(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
	char *reserved = map(1 << 14, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *zeros = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)*(volatile char *)zeros;
	/* Last of all, or the kernel gives the hole to the next mapping. */
	MUST(munmap(guarded + 4 * PAGE, PAGE));

	struct sigaction action = { .sa_handler = on_fault };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	victim_read("/proc/self/maps", before, sizeof before);
	victim_ready();
	victim_wait();
	victim_read("/proc/self/maps", after, sizeof after);
	CHECK(!faults(zeros, true), "an anonymous page cannot be written");

	/* The kernel may place its own vvar pages elsewhere in size, never the program's mappings. */
	char *line_after = after;
	for (char *line = strtok(before, "\n"); line; line = strtok(NULL, "\n")) {
		/* Shared anonymous memory is a new object with a new inode number: only address, protection and offset count. */
		char *name = strstr(line, "/dev/zero (deleted)");
		size_t length = name ? strcspn(line, ":") - 2 : strlen(line);
		line[length] = 0;
		CHECK(strstr(line_after, line), "mapping is gone or different: %s", line);
		line_after = strstr(line_after, line) + length;
	}
	for (int page = 0; page < PAGES; page++) {
		if (page % 2)
			victim_same(private_file + page * PAGE, PAGE, page, "copied page of the private file mapping");
		else
			CHECK(!memcmp(private_file + page * PAGE, contents + page * PAGE, PAGE), "private file page %d differs", page);
	}
	CHECK(!memcmp(shared_file, contents, sizeof contents), "shared file mapping differs");
	CHECK(!memcmp(offset_file, contents + 5 * PAGE, 4 * PAGE), "file mapping with an offset differs");
	shared_file[6 * PAGE] ^= 1;
	char byte;
	CHECK(pread(fd, &byte, 1, 6 * PAGE) == 1 && byte == (char)(contents[6 * PAGE] ^ 1), "the shared mapping does not reach the file");
	CHECK(private_file[6 * PAGE] == byte && offset_file[PAGE] == byte, "an untouched private page does not follow the file");
	shared_file[2 * PAGE + 9] ^= 1;
	CHECK(shared_read[9] == shared_file[2 * PAGE + 9], "the read-only shared mapping does not follow the file");
	CHECK(faults(shared_read, true), "the read-only shared mapping can be written");
	for (int page = 0; page < PAGES; page++) {
		static const char zero[PAGE];
		if (page % 3 == 0)
			victim_same(anonymous + page * PAGE, PAGE, page + 100, "anonymous page");
		else
			CHECK(!memcmp(anonymous + page * PAGE, zero, PAGE), "untouched anonymous page %d is not zero", page);
		if (page % 5 == 0)
			victim_same(shared + page * PAGE, PAGE, page + 200, "shared anonymous page");
		else
			CHECK(!memcmp(shared + page * PAGE, zero, PAGE), "untouched shared page %d is not zero", page);
	}
	CHECK(faults(guarded + 2 * PAGE, false), "the guard page can be read");
	CHECK(faults(guarded + 4 * PAGE, false), "the hole can be read");
	CHECK(faults(guarded + 5 * PAGE, true), "the read-only page can be written");
	CHECK(faults(reserved, false), "reserved memory can be read");
	MUST(mprotect(guarded + 2 * PAGE, PAGE, PROT_READ));
	uint64_t seed = 7;
	for (int i = 0; i < 6 * PAGE / 8; i++) {
		uint64_t want = victim_random(&seed);
		if (i / (PAGE / 8) != 4)
			CHECK(((uint64_t *)guarded)[i] == want, "guarded mapping differs at byte %d", i * 8);
	}
	CHECK(((int (*)(void))code)() == 42, "code in an anonymous mapping does not run");
	ok();
}
