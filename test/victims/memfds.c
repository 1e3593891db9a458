/*
 * Holds: memfds: two open files of one memory at different positions, read-only, sealed, sparse, empty, mapped, shared with a child.
 * Checks: contents, sizes, positions, flags, seals; that mappings, descriptors and processes see one memory.
 */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif
enum { PAGE = 4096 };

static int make(const char *name, unsigned flags, off_t size)
{
	int fd;
	MUST(fd = memfd_create(name, flags));
	MUST(ftruncate(fd, size));
	return fd;
}

static char *map(int fd, int prot)
{
	char *at = mmap(NULL, PAGE, prot, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED, "mmap: %s", strerror(errno));
	return at;
}

static void expect(int fd, const char *text, off_t position)
{
	char found[64] = { 0 };
	CHECK(lseek(fd, 0, SEEK_CUR) == position, "it stands at %ld, not %ld", (long)lseek(fd, 0, SEEK_CUR), (long)position);
	CHECK(read(fd, found, strlen(text)) == (ssize_t)strlen(text) && !strcmp(found, text), "it holds \"%s\", not \"%s\"", found, text);
}

static void named(int fd, const char *name)
{
	char path[64], link[300] = { 0 };
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CHECK(readlink(path, link, sizeof link - 1) > 0 && !strcmp(link, name), "it is called \"%s\"", link);
}

int main(int argc, char **argv)
{
	static char text[3 * PAGE];
	victim_begin(argc, argv);
	victim_fill(text, sizeof text, 5);
	int plain = make("plain", MFD_CLOEXEC, 0);
	MUST(write(plain, "0123456789", 10));
	MUST(lseek(plain, 3, SEEK_SET));
	int twin = dup(plain), other;
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", plain);
	MUST(other = open(path, O_RDONLY | O_NONBLOCK));
	MUST(lseek(other, 7, SEEK_SET));
	char *read_only = map(other, PROT_READ);
	int sealed = make("sealed (deleted)", MFD_ALLOW_SEALING, 100);
	MUST(pwrite(sealed, "kept", 4, 96));
	MUST(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	int future = make("future", MFD_ALLOW_SEALING, PAGE);
	char *writable = map(future, PROT_READ | PROT_WRITE);
	strcpy(writable, "before");
	MUST(fcntl(future, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	char *unwritable = strcmp(victim_argument(argc, argv, 1), "sealed") ? NULL : map(future, PROT_READ);
	int sparse = make("sparse", 0, 1l << 32);
	MUST(pwrite(sparse, text, sizeof text, (1l << 31) + 12345));
	int empty = make("", 0, 0);
	int shared = make("shared", 0, PAGE), answer[2];
	MUST(fchmod(shared, 0640));
	char *mapped = map(shared, PROT_READ | PROT_WRITE);
	MUST(pipe(answer));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char *own = map(shared, PROT_READ);
		char word;
		while (read(answer[0], &word, 1) == 1 && word != '.')
			;
		_exit(own[0] == 'm' && own[1] == 'w' && mapped[1] == 'w' ? 0 : own[0]);
	}
	strcpy(mapped, "x");
	struct stat before, after;
	MUST(fstat(shared, &before));
	int flags = fcntl(other, F_GETFL);
	victim_ready();
	victim_wait();

	CHECK(fcntl(plain, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0, "close-on-exec differs");
	CHECK(fcntl(other, F_GETFL) == flags, "flags are %o, were %o", fcntl(other, F_GETFL), flags);
	expect(twin, "34", 3);
	expect(plain, "56", 5);
	expect(other, "78", 7);
	CHECK(pwrite(plain, "!", 1, 9) == 1, "pwrite: %s", strerror(errno));
	expect(other, "!", 9);
	CHECK(write(other, "x", 1) == -1 && errno == EBADF, "the read-only one can be written");
	named(plain, "/memfd:plain (deleted)");
	named(sealed, "/memfd:sealed (deleted) (deleted)");
	named(empty, "/memfd: (deleted)");
	char found[sizeof text];
	CHECK(pread(sealed, found, 8, 96) == 4 && !memcmp(found, "kept", 4), "the sealed one has lost its content");
	CHECK(fcntl(sealed, F_GET_SEALS) == 15 && pwrite(sealed, "x", 1, 0) == -1 && errno == EPERM, "seals are %x", fcntl(sealed, F_GET_SEALS));
	CHECK(fcntl(future, F_GET_SEALS) == F_SEAL_FUTURE_WRITE, "seals of the mapped one are %x", fcntl(future, F_GET_SEALS));
	CHECK(!strcmp(writable, "before"), "the mapped one holds \"%s\"", writable);
	strcpy(writable, "after");
	CHECK(pread(future, found, 5, 0) == 5 && !memcmp(found, "after", 5), "the mapping is of another memory");
	CHECK(!unwritable || (!strcmp(unwritable, "after") && mprotect(unwritable, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES),
	      "what was mapped after the seal can be written");
	CHECK(fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL, "it can be sealed");
	CHECK(pread(sparse, found, sizeof found, (1l << 31) + 12345) == sizeof found && !memcmp(found, text, sizeof text), "the sparse one differs");
	CHECK(fstat(sparse, &after) == 0 && after.st_size == 1l << 32 && after.st_blocks < 100, "the sparse one has %ld blocks", (long)after.st_blocks);
	CHECK(fstat(shared, &after) == 0 && after.st_mode == before.st_mode && after.st_size == PAGE, "mode %o, size %ld", after.st_mode,
	      (long)after.st_size);
	CHECK(fstat(empty, &after) == 0 && after.st_size == 0, "the empty one has %ld bytes", (long)after.st_size);
	CHECK(read_only[0] == '0' && mprotect(read_only, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES, "a read-only mapping can be written");
	mapped[0] = 'm';
	CHECK(pwrite(shared, "w", 1, 1) == 1 && mapped[1] == 'w', "descriptor and mapping are of two memories");
	CHECK(write(answer[1], ".", 1) == 1, "write: %s", strerror(errno));
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child sees something else: %x", status);
	ok();
}
