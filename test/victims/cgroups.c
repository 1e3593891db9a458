/*
 * cgroups: joins cgroups and expects to be in the same ones afterwards. Arguments: directories that the process joins; after "--" those
 * that its second thread joins alone; after another "--" those that a child process joins. The directories exist; whoever made them
 * removes them.
 */
#include "victim.h"
#include <sys/wait.h>

static int divides[3], found;
static char **arguments;
static char there[2][4096];
static pthread_barrier_t joined;

static void join_cgroup(const char *directory, const char *file, int task)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		fail("set-up: open %s: %s", path, strerror(errno));
	CHECK(dprintf(fd, "%d", task) > 0, "set-up: write %s: %s", path, strerror(errno));
	close(fd);
}

static const char *thread_file(const char *directory)
{
	char path[512];
	snprintf(path, sizeof path, "%s/cgroup.threads", directory);
	return access(path, F_OK) == 0 ? "cgroup.threads" : "tasks";
}

static void look(char *text, const char *who)
{
	char now[4096];
	victim_read("/proc/thread-self/cgroup", now, sizeof now);
	if (!*text)
		strcpy(text, now);
	/* The first line that differs: a whole list would not fit. */
	for (char *was = text, *is = now; strcmp(was, is) != 0; was = strchr(was, '\n') + 1, is = strchr(is, '\n') + 1) {
		int a = strcspn(was, "\n"), b = strcspn(is, "\n");
		CHECK(a == b && strncmp(was, is, a) == 0, "%s was in %.*s and is in %.*s", who, a, was, b, is);
	}
}

static void *second(void *unused)
{
	(void)unused;
	for (int i = divides[0] + 1; i < divides[1]; i++)
		join_cgroup(arguments[i], thread_file(arguments[i]), gettid());
	look(there[1], "the thread");
	pthread_barrier_wait(&joined);
	victim_wait();
	look(there[1], "the thread");
	return NULL;
}

static pid_t start_child(void)
{
	int ready[2];
	MUST(pipe(ready));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		close(ready[0]);
		for (int i = divides[1] + 1; i < divides[2]; i++)
			join_cgroup(arguments[i], "cgroup.procs", getpid());
		look(there[0], "the child");
		close(ready[1]);
		victim_wait();
		look(there[0], "the child");
		_exit(0);
	}
	char end;
	close(ready[1]);
	/* End of file: the child has closed its end. */
	MUST(read(ready[0], &end, 1));
	close(ready[0]);
	return child;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	arguments = argv;
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--") == 0 && found < 2)
			divides[found++] = i;
	bool family = found == 2;
	while (found < 3)
		divides[found++] = argc;
	pid_t child = family ? start_child() : 0;
	for (int i = 2; i < divides[0]; i++)
		join_cgroup(argv[i], "cgroup.procs", getpid());
	pthread_barrier_init(&joined, NULL, 2);
	pthread_t thread = victim_thread(second, NULL);
	pthread_barrier_wait(&joined);
	look(there[0], "the process");
	victim_ready();
	victim_wait();
	look(there[0], "the process");
	victim_join(thread);
	int status = 0;
	if (child)
		CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with status %#x", status);
	ok();
}
