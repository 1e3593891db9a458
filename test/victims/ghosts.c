/*
 * Holds what has lost its name, by the first argument, in a folder (the second):
 * "files": files with a hole, small ones, empty ones, one whose name was taken since, one whose folder is gone; by several descriptors,
 * mappings and processes; "exe": its own executable and a library; "cwd": its working directory; "folders": that and open ones, one in
 * another, and a file in one of them; "renamed", "moved": a file that has lost a name and has another in its folder, or elsewhere;
 * "unnamed": O_TMPFILE and O_PATH.
 * Checks: contents, offsets, flags, owner, mode, times, who shares a file with whom, names in /proc; and that nothing was left in the folder.
 */
#include "tree.h"
#include <dirent.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum { PIECE = 20000, FAR = 3000000, SIZE = FAR + PIECE, SMALL = 5000 };
static const char *folder;
static const struct timespec times[2] = { { 1111111111, 123456000 }, { 999999999, 654321000 } };

static const char *in_folder(const char *name)
{
	static char path[2][512];
	static int turn;
	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
	return path[turn];
}

static int open_in(const char *name, int flags)
{
	int fd = open(in_folder(name), flags, 0600);
	MUST(fd);
	return fd;
}

/* A file that was there and is not any more: its content starts at 0 and, of a large one, goes on behind a hole. */
static int make(const char *name, int size, uint64_t seed)
{
	static char text[PIECE];
	int fd = open_in(name, O_RDWR | O_CREAT | O_EXCL);
	if (size > 0) {
		victim_fill(text, sizeof text, seed);
		MUST(pwrite(fd, text, size < PIECE ? size : PIECE, 0));
	}
	if (size > PIECE) {
		victim_fill(text, sizeof text, seed + 1);
		MUST(pwrite(fd, text, PIECE, size - PIECE));
	}
	return fd;
}

static void check_content(int fd, int size, uint64_t seed, const char *what)
{
	static char text[PIECE];
	struct stat now;
	CHECK(fstat(fd, &now) == 0 && now.st_size == size && now.st_nlink == 0, "%s has %ld bytes, %ld names", what, now.st_size, now.st_nlink);
	int piece = size < PIECE ? size : PIECE;
	CHECK(pread(fd, text, piece, 0) == piece, "%s: %s", what, strerror(errno));
	victim_same(text, piece / 8 * 8, seed, what);
	if (size <= PIECE)
		return;
	CHECK(now.st_blocks * 512 < size / 2, "%s has lost its hole: %ld blocks", what, now.st_blocks);
	CHECK(pread(fd, text, PIECE, size - PIECE) == PIECE, "%s: %s", what, strerror(errno));
	victim_same(text, PIECE, seed + 1, what);
	CHECK(pread(fd, text, 100, size / 2) == 100 && !memcmp(text, (char[100]){ 0 }, 100), "%s: the hole is no hole", what);
}

static bool same_file(int a, int b)
{
	struct stat one, other;
	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

/* What the link of a descriptor says is as it was. */
static void check_link(int fd, const char *before)
{
	char link[64], now[600] = "";
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	CHECK(readlink(link, now, sizeof now - 1) > 0, "readlink: %s", strerror(errno));
	CHECK(!strcmp(now, before), "fd %d is \"%s\", was \"%s\"", fd, now, before);
}

static const char *deleted(const char *name)
{
	static char text[600];
	snprintf(text, sizeof text, "%s (deleted)", in_folder(name));
	return text;
}

static int names_in(const char *path)
{
	DIR *dir = opendir(path);
	CHECK(dir, "opendir: %s", strerror(errno));
	int count = 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void files(void)
{
	int fd = make("large", SIZE, 7), reader = open_in("large", O_RDONLY), appender = open_in("large", O_WRONLY | O_APPEND | O_CLOEXEC);
	int twin = dup(reader), path = open_in("large", O_PATH);
	MUST(fchown(fd, 12, 34));
	MUST(fchmod(fd, 04751));
	MUST(futimens(fd, times));
	MUST(lseek(fd, 4321, SEEK_SET));
	MUST(lseek(reader, 77, SEEK_SET));
	char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
	MUST(shared == MAP_FAILED || private == MAP_FAILED ? -1 : 0);
	MUST(unlink(in_folder("large")));
	private[4096] = 99;

	int small = make("small", SMALL, 9), empty = make("empty", 0, 0);
	MUST(unlink(in_folder("small")));
	MUST(unlink(in_folder("empty")));
	/* Nothing but a mapping leads to it. */
	int lone = make("lone", 4096, 11);
	char *alone = mmap(NULL, 4096, PROT_READ, MAP_SHARED, lone, 0);
	MUST(unlink(in_folder("lone")));
	MUST(close(lone));
	int old = make("taken", SMALL, 13);
	MUST(unlink(in_folder("taken")));
	close(make("taken", 100, 17));
	MUST(mkdir(in_folder("gone"), 0700));
	int lost = make("gone/deep", SMALL, 19);
	MUST(unlink(in_folder("gone/deep")));
	MUST(rmdir(in_folder("gone")));

	pid_t child = tree_fork();
	if (child == 0) {
		char link[64];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		int own = open(link, O_RDWR);
		MUST(own);
		MUST(dup2(own, 200));
		MUST(close(own));
		MUST(close(fd));
		tree_up();
		victim_wait();
		check_content(200, SIZE, 7, "the file of the child");
		board->count[1] = 1;
		TREE_AWAIT(board->count[0] == 1, "the parent says nothing");
		char byte = 0;
		CHECK(pread(200, &byte, 1, 5) == 1 && byte == 'P', "the child does not see what the parent wrote: %d", byte);
		_exit(0);
	}
	tree_await_up(1);
	MUST(dup2(old, 100));
	MUST(close(old));
	victim_ready();
	victim_wait();

	struct stat now;
	check_content(fd, SIZE, 7, "the large file");
	CHECK(fstat(fd, &now) == 0 && now.st_uid == 12 && now.st_gid == 34, "owner %d, group %d", now.st_uid, now.st_gid);
	CHECK((now.st_mode & 07777) == 04751, "mode 0%o", now.st_mode);
	CHECK(now.st_mtim.tv_sec == times[1].tv_sec && now.st_mtim.tv_nsec == times[1].tv_nsec, "modified %ld.%ld", now.st_mtim.tv_sec,
	      now.st_mtim.tv_nsec);
	CHECK(same_file(fd, reader) && same_file(fd, appender) && same_file(fd, path), "one file has become several");
	CHECK(lseek(fd, 0, SEEK_CUR) == 4321 && lseek(twin, 0, SEEK_CUR) == 77, "offsets %ld, %ld", lseek(fd, 0, SEEK_CUR), lseek(twin, 0, SEEK_CUR));
	CHECK((fcntl(appender, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND), "flags 0%o", fcntl(appender, F_GETFL));
	CHECK(write(reader, "x", 1) == -1 && errno == EBADF, "the read-only descriptor can be written");
	CHECK(private[4096] == 99 && private[0] == shared[0], "the private mapping has lost its change or its file");
	TREE_AWAIT(board->count[1] == 1, "the child says nothing");
	shared[5] = 'P';
	board->count[0] = 1;
	check_content(small, SMALL, 9, "the small file");
	check_content(empty, 0, 0, "the empty file");
	victim_same(alone, 4096, 11, "the file of a mapping alone");
	check_content(100, SMALL, 13, "the file whose name was taken");
	CHECK(stat(in_folder("taken"), &now) == 0 && now.st_size == 100, "the file that took the name has changed");
	check_content(lost, SMALL, 19, "the file whose folder is gone");
	CHECK(names_in(folder) == 1, "%d files in the folder", names_in(folder));
	check_link(fd, deleted("large"));
	check_link(lost, deleted("gone/deep"));
	tree_reap(child);
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	MUST(in);
	MUST(out);
	struct stat file;
	MUST(fstat(in, &file));
	MUST(sendfile(out, in, NULL, file.st_size));
	MUST(close(in));
	MUST(close(out));
}

static void exe(char **argv)
{
	if (!strstr(argv[0], "/renewed")) {
		char *program = strdup(in_folder("renewed"));
		copy("/proc/self/exe", program);
		argv[0] = program;
		execv(program, argv);
		fail("set-up: execv: %s", strerror(errno));
	}
	/* As an upgrade does it. */
	copy("/proc/self/exe", in_folder("new"));
	MUST(rename(in_folder("new"), in_folder("renewed")));
	int library = make("library", SMALL, 23);
	char *code = mmap(NULL, SMALL, PROT_READ | PROT_EXEC, MAP_PRIVATE, library, 0);
	MUST(code == MAP_FAILED ? -1 : 0);
	MUST(close(library));
	MUST(unlink(in_folder("library")));
	char before[600] = "", now[600] = "";
	MUST(readlink("/proc/self/exe", before, sizeof before - 1));
	struct stat file, new;
	MUST(stat("/proc/self/exe", &file));
	victim_ready();
	victim_wait();
	MUST(readlink("/proc/self/exe", now, sizeof now - 1));
	CHECK(strstr(now, "renewed") && strstr(now, " (deleted)"), "the executable is \"%s\", was \"%s\"", now, before);
	CHECK(stat("/proc/self/exe", &new) == 0 && new.st_size == file.st_size, "the executable has %ld bytes", new.st_size);
	victim_same(code, SMALL / 8 * 8, 23, "the library");
	CHECK(names_in(folder) == 1, "%d files in the folder", names_in(folder));
}

static void cwd(void)
{
	MUST(mkdir(in_folder("work"), 0710));
	MUST(chdir(in_folder("work")));
	MUST(rmdir(in_folder("work")));
	victim_ready();
	victim_wait();
	char now[600] = "";
	struct stat here;
	CHECK(readlink("/proc/self/cwd", now, sizeof now - 1) > 0 && !strcmp(now, deleted("work")), "the working directory is \"%s\"", now);
	CHECK(stat(".", &here) == 0 && (here.st_mode & 07777) == 0710 && here.st_nlink == 0, "mode 0%o, %ld names", here.st_mode, here.st_nlink);
	CHECK(names_in(folder) == 0, "%d files in the folder", names_in(folder));
}

/* A file that never had a name and gets one later; a symbolic link and a file that are open as names only, and have lost theirs. */
static void unnamed(void)
{
	static char text[SMALL];
	victim_fill(text, sizeof text, 37);
	int fd = open(folder, O_TMPFILE | O_RDWR, 0640);
	MUST(fd);
	MUST(write(fd, text, sizeof text));
	MUST(symlink("nowhere", in_folder("link")));
	int link = open_in("link", O_PATH | O_NOFOLLOW), closed = make("file", SMALL, 41), path = open_in("file", O_PATH);
	MUST(close(closed));
	MUST(unlink(in_folder("link")));
	MUST(unlink(in_folder("file")));
	victim_ready();
	victim_wait();
	check_content(fd, SMALL, 37, "the file without a name");
	CHECK(lseek(fd, 0, SEEK_CUR) == SMALL, "its offset is %ld", lseek(fd, 0, SEEK_CUR));
	char said[64] = "", magic[64];
	CHECK(readlinkat(link, "", said, sizeof said - 1) == 7 && !strcmp(said, "nowhere"), "the link says \"%s\": %s", said, strerror(errno));
	CHECK((fcntl(path, F_GETFL) & O_PATH) && read(path, said, 1) == -1 && errno == EBADF, "flags 0%o", fcntl(path, F_GETFL));
	snprintf(magic, sizeof magic, "/proc/self/fd/%d", path);
	int again = open(magic, O_RDONLY);
	CHECK(again != -1, "open through O_PATH: %s", strerror(errno));
	check_content(again, SMALL, 41, "the file behind O_PATH");
	snprintf(magic, sizeof magic, "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, magic, AT_FDCWD, in_folder("named"), AT_SYMLINK_FOLLOW) == 0, "it cannot get a name: %s", strerror(errno));
	CHECK(names_in(folder) == 1, "%d files in the folder", names_in(folder));
}

/* A file that has lost a name and has another one, in the same folder or elsewhere. */
static void renamed(const char *other)
{
	MUST(mkdir(in_folder("elsewhere"), 0700));
	int fd = make("old", SMALL, 31), reader = open_in("old", O_RDONLY);
	MUST(lseek(reader, 99, SEEK_SET));
	char *shared = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(shared == MAP_FAILED ? -1 : 0);
	MUST(link(in_folder("old"), in_folder(other)));
	MUST(unlink(in_folder("old")));
	struct stat before, now;
	MUST(fstat(fd, &before));
	int count = names_in(folder);
	victim_ready();
	victim_wait();
	CHECK(fstat(fd, &now) == 0 && now.st_ino == before.st_ino, "it is another file");
	CHECK(same_file(fd, reader) && lseek(reader, 0, SEEK_CUR) == 99, "it has become several");
	CHECK(stat(in_folder(other), &now) == 0 && now.st_ino == before.st_ino, "its other name is gone");
	shared[7] = 'S';
	char byte = 0;
	CHECK(pread(fd, &byte, 1, 7) == 1 && byte == 'S', "the mapping has another file");
	CHECK(access(in_folder("old"), F_OK) == -1, "the old name is back");
	/* A dump that lets the tree go on leaves the name that it gave until a restore. */
	CHECK(!strcmp(other, "elsewhere/new") || names_in(folder) == count, "%d files in the folder", names_in(folder));
}

static void folders(void)
{
	MUST(mkdir(in_folder("work"), 0710));
	MUST(mkdir(in_folder("work/deep"), 0700));
	MUST(chown(in_folder("work/deep"), 5, 6));
	MUST(chdir(in_folder("work/deep")));
	int work = open_in("work", O_RDONLY | O_DIRECTORY), file = make("work/deep/file", SMALL, 29);
	MUST(unlink(in_folder("work/deep/file")));
	MUST(rmdir(in_folder("work/deep")));
	MUST(rmdir(in_folder("work")));
	victim_ready();
	victim_wait();
	char now[600] = "";
	struct stat here;
	CHECK(getcwd(now, sizeof now) == NULL && errno == ENOENT, "the working directory is \"%s\"", now);
	CHECK(readlink("/proc/self/cwd", now, sizeof now - 1) > 0 && !strcmp(now, deleted("work/deep")), "the working directory is \"%s\"", now);
	CHECK(stat(".", &here) == 0 && here.st_uid == 5 && here.st_gid == 6 && here.st_nlink == 0, "it is owned by %d, %d", here.st_uid, here.st_gid);
	check_link(work, deleted("work"));
	CHECK(fstat(work, &here) == 0 && (here.st_mode & 07777) == 0710, "mode 0%o", here.st_mode);
	CHECK(open("new", O_WRONLY | O_CREAT, 0600) == -1 && errno == ENOENT, "a file can be made there");
	check_content(file, SMALL, 29, "the file");
	check_link(file, deleted("work/deep/file"));
	CHECK(names_in(folder) == 0, "%d files in the folder", names_in(folder));
}

int main(int argc, char **argv)
{
	const char *what = victim_argument(argc, argv, 1);
	if (strcmp(what, "files"))
		victim_begin(argc, argv);
	else
		tree_begin(argc, argv);
	folder = victim_argument(argc, argv, 2);
	if (!strcmp(what, "files"))
		files();
	else if (!strcmp(what, "exe"))
		exe(argv);
	else if (!strcmp(what, "cwd"))
		cwd();
	else if (!strcmp(what, "unnamed"))
		unnamed();
	else if (!strcmp(what, "renamed"))
		renamed("new");
	else if (!strcmp(what, "moved"))
		renamed("elsewhere/new");
	else
		folders();
	ok();
}
