/* A program for ../../build/single-file.ts: says how it was started, what it sees and what it has open, and ends with status 7. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
	puts("constructor");
}

static void end(void)
{
	puts("atexit");
}

static __thread int mine = 5;

int main(int argc, char **argv, char **envp)
{
	char exe[4096] = "", name[300];
	atexit(end);
	for (int i = 1; i < argc; i++)
		printf("argument %s\n", argv[i]);
	for (char **at = envp; *at; at++)
		if (strncmp(*at, "LD_", 3) == 0 || strncmp(*at, "LX_", 3) == 0)
			printf("environment %s\n", *at);
	if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0)
		exe[0] = 0;
	printf("exe %s\n", exe);
	printf("thread %d\n", mine);
	printf("root %.0f\n", cbrt(27.0 * argc / argc));
	printf("interpreter %s\n", getauxval(AT_BASE) ? "yes" : "no");
	DIR *open = opendir("/proc/self/fd");
	for (struct dirent *entry; open && (entry = readdir(open));)
		if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != dirfd(open))
			printf("descriptor %s\n", entry->d_name);
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(exe, sizeof exe, maps))
		if (sscanf(exe, "%*s %*s %*s %*s %*s %299s", name) == 1 && strstr(name, ".so"))
			printf("mapped %s\n", name);
	if (argc > 1 && strcmp(argv[1], "limit") == 0) {
		struct rlimit limit;
		sigset_t blocked;
		getrlimit(RLIMIT_FSIZE, &limit);
		sigprocmask(SIG_BLOCK, NULL, &blocked);
		printf("limit %lld %lld blocked %d\n", (long long)limit.rlim_cur, (long long)limit.rlim_max, sigismember(&blocked, SIGXFSZ));
	}
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "kill") == 0)
		kill(getpid(), SIGUSR1);
	return 7;
}
