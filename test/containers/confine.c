/*
 * Runs a program under a seccomp filter.
 *
 *   confine PROGRAM...             as runtimes start all that is in a container: reboot(2) answers EPERM, all else is let through
 *   confine --offline PROGRAM...   a socket(2) of another family than unix and netlink kills; without a program it makes one
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define IF(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

static struct sock_filter usual[] = { LOAD(nr), UNLESS(SYS_reboot, 1), ANSWER(SECCOMP_RET_ERRNO | EPERM), ANSWER(SECCOMP_RET_ALLOW) };
static struct sock_filter offline[] = {
	LOAD(nr), UNLESS(SYS_socket, 4), LOAD(args[0]), IF(AF_UNIX, 2), IF(AF_NETLINK, 1), ANSWER(SECCOMP_RET_KILL_PROCESS), ANSWER(SECCOMP_RET_ALLOW),
};

int main(int argc, char **argv)
{
	int is_offline = argc > 1 && !strcmp(argv[1], "--offline");
	struct sock_fprog program = { is_offline ? sizeof offline / sizeof *offline : sizeof usual / sizeof *usual, is_offline ? offline : usual };
	argv += 1 + is_offline;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		return 125;
	if (!*argv)
		return socket(AF_INET, SOCK_STREAM, 0) >= 0;
	execv(*argv, argv);
	perror(*argv);
	return 126;
}
