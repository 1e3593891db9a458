/*
 * Holds: one thing that two processes share, named by the argument: "files", "fs", "root" (directories, with another root), "vm", "sighand" by
 * clone(2), "asleep" as "vm" with a parent in long sleeps, "offset" by fork, "memory" anonymous and a memfd; with "headless" the parent's
 * first thread has ended. Checks: what one changes, the other sees; for offset also kcmp(2).
 */
#include "tree.h"
#include <linux/kcmp.h>
#include <sys/stat.h>

static char *memory, *second;
static volatile int private_word = 5;
static volatile int handled;
static int file = -1;
static pid_t parent;

/* Steps of the two after the question. */
static void step(int number)
{
	board->count[0] = number;
}

static void await_step(int number)
{
	TREE_AWAIT(board->count[0] >= number, "step %d is not reached", number);
}

static void on_usr1(int unused)
{
	(void)unused;
	handled++;
}

static void on_usr2(int unused)
{
	(void)unused;
	handled += 10;
}

static bool same(int type, long mine, long theirs)
{
	return syscall(SYS_kcmp, getpid(), parent, type, mine, theirs) == 0;
}

/* Each returns in the child with step 2 done, and checks in the parent what the child did. */
static int child_files(void *unused)
{
	tree_up();
	victim_wait();
	await_step(1);
	CHECK(same(KCMP_FILES, 0, 0), "the descriptor table is no longer shared");
	CHECK(dup2(file, 77) == 77, "dup2: %s", strerror(errno));
	step(2);
	await_step(3);
	CHECK(fcntl(78, F_GETFD) != -1, "a descriptor that the parent opened is not there");
	(void)unused;
	return 0;
}

static void parent_files(void)
{
	step(1);
	await_step(2);
	CHECK(fcntl(77, F_GETFD) != -1, "a descriptor that the child opened is not there");
	dup2(file, 78);
	step(3);
}

static int child_fs(void *unused)
{
	char here[300];
	tree_up();
	victim_wait();
	await_step(1);
	CHECK(same(KCMP_FS, 0, 0), "directories are no longer shared");
	MUST(chdir("/usr"));
	umask(0123);
	step(2);
	await_step(3);
	CHECK(getcwd(here, sizeof here) && !strcmp(here, "/"), "the child is in %s", here);
	(void)unused;
	return 0;
}

static void parent_fs(void)
{
	char here[300];
	step(1);
	await_step(2);
	CHECK(getcwd(here, sizeof here) && !strcmp(here, "/usr"), "the parent is in %s", here);
	CHECK(umask(0) == 0123, "the mask is not shared");
	MUST(chdir("/"));
	step(3);
}

enum { OWN = 60 };

/* Files of its own, whose names its root directory hides from it after the restore as before. */
static int child_root(void *unused)
{
	int own[OWN];
	char name[20], byte;
	for (int i = 0; i < OWN; i++) {
		snprintf(name, sizeof name, "/own-%d", i);
		MUST(own[i] = open(name, O_RDWR | O_CREAT, 0600));
		MUST(pwrite(own[i], &i, 1, 0));
	}
	tree_up();
	victim_wait();
	CHECK(same(KCMP_FS, 0, 0), "directories are no longer shared");
	for (int i = 0; i < OWN; i++)
		CHECK(pread(own[i], &byte, 1, 0) == 1 && byte == i, "file %d: %s", i, strerror(errno));
	CHECK(access("/own-0", F_OK) == 0, "another root directory");
	(void)unused;
	return 0;
}

static void parent_root(void)
{
	CHECK(access("/own-0", F_OK) == 0, "the parent has another root directory");
}

static int child_vm(void *unused)
{
	tree_up();
	victim_wait();
	await_step(1);
	CHECK(same(KCMP_VM, 0, 0), "memory is no longer shared");
	private_word = 6;
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*memory = 66;
	step(2);
	await_step(3);
	CHECK(private_word == 7, "a word is %d", private_word);
	(void)unused;
	return 0;
}

static void parent_vm(void)
{
	step(1);
	await_step(2);
	CHECK(private_word == 6 && *memory == 66, "memory that the child wrote reads %d", private_word);
	private_word = 7;
	step(3);
}

static int child_sighand(void *unused)
{
	tree_up();
	victim_wait();
	await_step(1);
	CHECK(same(KCMP_SIGHAND, 0, 0), "handlers are no longer shared");
	signal(SIGUSR1, on_usr2);
	step(2);
	(void)unused;
	return 0;
}

static void parent_sighand(void)
{
	raise(SIGUSR1);
	CHECK(handled == 1, "the handler was not called");
	step(1);
	await_step(2);
	raise(SIGUSR1);
	CHECK(handled == 11, "the handler that the child set was not called");
}

static int child_offset(void *unused)
{
	char text[9] = "";
	tree_up();
	victim_wait();
	await_step(1);
	CHECK(same(KCMP_FILE, file, file), "the file description is no longer shared");
	CHECK(read(file, text, 4) == 4 && !strcmp(text, "4567"), "the child reads \"%s\"", text);
	step(2);
	(void)unused;
	return 0;
}

static void parent_offset(void)
{
	char text[9] = "";
	CHECK(read(file, text, 4) == 4 && !strcmp(text, "0123"), "the parent reads \"%s\"", text);
	step(1);
	await_step(2);
	CHECK(read(file, text, 4) == 4 && !strcmp(text, "89ab"), "the parent reads \"%s\" after the child", text);
}

static int child_memory(void *unused)
{
	tree_up();
	victim_wait();
	victim_same(memory, 20 * 4096, 9, "anonymous shared memory");
	victim_same(second, 20 * 4096, 10, "the memfd");
	await_step(1);
	CHECK(memory[4096] == 11 && second[4096] == 12, "what the parent wrote is not there");
	memory[8192] = 13;
	second[8192] = 14;
	step(2);
	(void)unused;
	return 0;
}

static void parent_memory(void)
{
	victim_same(memory, 20 * 4096, 9, "anonymous shared memory");
	pause_ms(200); /* the child looks first */
	memory[4096] = 11;
	second[4096] = 12;
	step(1);
	await_step(2);
	CHECK(memory[8192] == 13 && second[8192] == 14, "what the child wrote is not there");
}

static char *shared_memory(int fd, int seed)
{
	char *at = mmap(NULL, 20 * 4096, PROT_READ | PROT_WRITE, fd == -1 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	MUST(at == MAP_FAILED ? -1 : 0);
	victim_fill(at, 20 * 4096, seed);
	return at;
}

struct row {
	const char *name;
	int flags;
	int (*child)(void *);
	void (*parent)(void);
};

static pid_t child;

static void *hold(void *row)
{
	tree_await_up(1);
	victim_ready();
	while (!strcmp(((const struct row *)row)->name, "asleep") && !victim_asked())
		pause_ms(2000);
	victim_wait();
	((const struct row *)row)->parent();
	tree_reap(child);
	ok();
}

int main(int argc, char **argv)
{
	static const struct row rows[] = {
		{ "files", CLONE_FILES, child_files, parent_files },
		{ "fs", CLONE_FS, child_fs, parent_fs },
		{ "root", CLONE_FS, child_root, parent_root },
		{ "vm", CLONE_VM, child_vm, parent_vm },
		{ "asleep", CLONE_VM, child_vm, parent_vm },
		{ "sighand", CLONE_VM | CLONE_SIGHAND, child_sighand, parent_sighand },
		{ "offset", 0, child_offset, parent_offset },
		{ "memory", 0, child_memory, parent_memory },
	};
	static char stack[65536] __attribute__((aligned(16)));
	char path[300];
	tree_begin(argc, argv);
	parent = getpid();
	const char *what = victim_argument(argc, argv, 1);
	snprintf(path, sizeof path, "%s/shared", victim_argument(argc, argv, 2));
	MUST(file = open(path, O_RDWR | O_CREAT, 0600));
	MUST(write(file, "0123456789abcdef", 16));
	MUST((int)lseek(file, 0, SEEK_SET));
	signal(SIGUSR1, on_usr1);
	if (!strcmp(what, "memory")) {
		memory = shared_memory(-1, 9);
		int fd = memfd_create("shared", 0);
		MUST(ftruncate(fd, 20 * 4096));
		second = shared_memory(fd, 10);
		close(fd);
	}
	if (!strcmp(what, "root")) {
		/* The folder that has the file to be asked by. */
		snprintf(path, sizeof path, "%s/..", victim_argument(argc, argv, 2));
		MUST(chroot(path));
		MUST(chdir("/"));
		victim_ask = "/ask";
	}
	const struct row *row = VICTIM_ROW(rows, what);
	child = row->flags ? clone(row->child, stack + sizeof stack, row->flags | SIGCHLD, NULL) : tree_fork();
	MUST(child);
	if (child == 0)
		_exit(row->child(NULL));
	if (strcmp(victim_argument(argc, argv, 3), "headless"))
		hold((void *)row);
	victim_thread(hold, (void *)row);
	syscall(SYS_exit, 0);
}
