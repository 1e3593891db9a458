/*
 * A container: its own namespaces, a root made of the mounts that it is told, and a PID 1 that reaps. Ends when its caller ends, and with it
 * all that is inside. Built static: it keeps nothing of the machine's in sight.
 *
 *   container --init OUTPUT PROGRAM ARGUMENT...     the PID 1 alone, of a container that somebody else makes
 *   container NAMESPACES LAST-PID ROOT [TYPE SOURCE TARGET FLAGS DATA]... [-- OUTPUT PROGRAM ARGUMENT...]
 *
 * NAMESPACES: letters of m(ount) p(id) i(pc) u(ts) n(et) c(group). LAST-PID: the first process inside gets the next PID ("0": as it comes).
 * TARGET: below ROOT, where a folder or file is. TYPE "bind", "remount" and "link" (a symbolic link) are made as they say, others are file
 * systems. FLAGS: "ro" or "-". PROGRAM is started with OUTPUT, a path inside, as its standard output, in a session of its own.
 * Says "PID n" of its PID 1, a number of the machine, and READY when all is made, or FAIL and why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int answer, const char *what, const char *path)
{
	if (answer != -1)
		return;
	printf("FAIL %s %s: %s\n", what, path, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	must(fd, "open", path);
	must(write(fd, text, strlen(text)), "write", path);
	close(fd);
}

static void mount_one(const char *root, char **words)
{
	const char *type = words[0], *source = words[1], *data = strcmp(words[4], "-") ? words[4] : NULL;
	unsigned long flags = strcmp(words[3], "ro") ? 0 : MS_RDONLY;
	char target[4096];
	snprintf(target, sizeof target, "%s%s", root, words[2]);
	if (!strcmp(type, "link"))
		return must(symlink(source, target), "symlink", target);
	if (!strcmp(type, "remount"))
		return must(mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, data), "remount", target);
	if (strcmp(type, "bind"))
		return must(mount(source, target, type, flags, data), "mount", target);
	must(mount(source, target, NULL, MS_BIND, NULL), "bind", target);
}

static void move_in(const char *root)
{
	must(chdir(root), "chdir", root);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root", root);
	must(umount2(".", MNT_DETACH), "umount", "the machine's root");
	must(chdir("/"), "chdir", "/");
}

static void start(char **words)
{
	pid_t child = fork();
	must(child, "fork", words[1]);
	if (child > 0)
		return;
	setsid();
	int input = open("/dev/null", O_RDONLY), output = open(words[0], O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (input < 0 || output < 0)
		_exit(126);
	dup2(input, 0);
	dup2(output, 1);
	dup2(output, 2);
	close_range(3, ~0U, 0);
	execv(words[1], words + 1);
	_exit(127);
}

/* Starts a program, if there is one, and reaps whatever ends. */
__attribute__((noreturn)) static void keep(char **words)
{
	sigset_t ended;
	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	if (words)
		start(words);
	sigprocmask(SIG_BLOCK, &ended, NULL);
	close_range(3, ~0U, 0);
	printf("READY\n");
	fflush(stdout);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sigwaitinfo(&ended, NULL);
	}
}

static void be_init(int argc, char **argv)
{
	char *root = argv[3], **last = argv + argc, **words = argv + 4;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), "make private", "/");
	must(mount(root, root, NULL, MS_BIND, NULL), "bind", root);
	for (; words < last && strcmp(*words, "--"); words += 5)
		mount_one(root, words);
	if (strcmp(argv[2], "0"))
		write_text("/proc/sys/kernel/ns_last_pid", argv[2]);
	move_in(root);
	keep(words < last ? words + 1 : NULL);
}

int main(int argc, char **argv)
{
	static const struct { char letter; int flag; } all[] = { { 'm', CLONE_NEWNS }, { 'p', CLONE_NEWPID }, { 'i', CLONE_NEWIPC },
		{ 'u', CLONE_NEWUTS }, { 'n', CLONE_NEWNET }, { 'c', CLONE_NEWCGROUP } };
	int flags = 0;
	if (argc < 4)
		return 2;
	if (!strcmp(argv[1], "--init"))
		keep(argv + 2);
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		if (strchr(argv[1], all[i].letter))
			flags |= all[i].flag;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(unshare(flags), "unshare", argv[1]);
	pid_t init = fork();
	must(init, "fork", "PID 1");
	if (init == 0)
		be_init(argc, argv);
	printf("PID %d\n", init);
	fflush(stdout);
	int status;
	while (waitpid(init, &status, 0) < 0 && errno == EINTR)
		;
	return 1;
}
