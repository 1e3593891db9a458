/*
 * Lets the kernel judge: reads cases (u32 instructions of a filter, the filter, u32 number and u64[6] arguments of a call) from the file of
 * its argument, installs each filter in a child that makes the call, and prints what errno the call had, a line a case.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	FILE *cases = argc > 1 ? fopen(argv[1], "r") : NULL;
	int *answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t count, number;
	uint64_t args[6];
	static struct sock_filter code[4096];
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	while (cases && fread(&count, 4, 1, cases) == 1) {
		if (fread(code, sizeof *code, count, cases) != count || fread(&number, 4, 1, cases) != 1 || fread(args, 8, 6, cases) != 6)
			return 2;
		*answer = -1;
		pid_t child = fork();
		if (child == 0) {
			struct sock_fprog program = { count, code };
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
				*answer = -errno;
			else
				*answer = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) == -1 ? errno : 0;
			/* No system call: the filter may forbid any of them. */
			__builtin_trap();
		}
		waitpid(child, NULL, 0);
		printf("%d\n", *answer);
	}
	return 0;
}
