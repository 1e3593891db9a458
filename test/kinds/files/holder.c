/* Holds open files of the kind that its first argument names, in the folder of its second, says so, and waits. It is killed with its starter. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) ({ __typeof__(call) got = (call); if (got == (__typeof__(call))-1) err(1, "%s", #call); got; })

static char text[70000];

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { events, { .u64 = data } };
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static int reopen(int fd, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return MUST(open(path, flags));
}

static pid_t idle_child(void)
{
	pid_t child = MUST(fork());
	if (child > 0)
		return child;
	MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
	for (;;)
		pause();
}

static void hold_files(void)
{
	int data = MUST(open("data", O_RDWR | O_CREAT, 0640));
	MUST(write(data, "0123456789", 10));
	MUST(lseek(data, 4, SEEK_SET));
	MUST(dup2(data, 40));
	int reader = MUST(open("data", O_RDONLY | O_CLOEXEC | O_NOATIME));
	int other = MUST(open("data", O_RDWR));
	MUST(lseek(other, 4, SEEK_SET)); /* alike, but not the same open file */
	MUST(dup3(reader, 30, 0));
	int log = MUST(open("log", O_WRONLY | O_CREAT | O_APPEND, 0600));
	MUST(write(log, "line\n", 5));
	MUST(setresuid(-1, 1000, -1));
	MUST(fcntl(log, F_SETOWN, getpid()));
	MUST(setresuid(-1, 0, -1));
	MUST(fcntl(log, F_SETSIG, SIGRTMIN + 5));
	MUST(open(".", O_RDONLY | O_DIRECTORY));
	MUST(open("data", O_PATH));
	MUST(symlink("data", "link"));
	MUST(open("link", O_PATH | O_NOFOLLOW));
	MUST(open("/dev/zero", O_RDWR | O_NONBLOCK));
	umask(027);
}

static void hold_pipes(void)
{
	int plain[2], big[2], both[2], many[2], last[2];
	MUST(pipe(plain));
	MUST(write(plain[1], "hello", 5));
	MUST(dup2(plain[1], 60));
	MUST(pipe2(big, O_NONBLOCK | O_CLOEXEC));
	MUST(fcntl(big[0], F_SETPIPE_SZ, 1 << 18));
	MUST(write(big[1], text, sizeof text));
	MUST(pipe(both));
	MUST(reopen(both[0], O_RDWR | O_NONBLOCK));
	MUST(write(both[1], "both", 4));
	close(both[0]);
	close(both[1]);
	MUST(pipe(many));
	MUST(reopen(many[0], O_RDONLY | O_NONBLOCK));
	MUST(reopen(many[0], O_WRONLY));
	MUST(fcntl(many[0], F_SETFL, O_ASYNC));
	MUST(pipe(last));
	MUST(write(last[1], "last", 4));
	close(last[1]);
}

static void hold_events(void)
{
	int ends[2];
	uint64_t huge = 0x123456789abcdef0;
	int semaphore = MUST(eventfd(7, EFD_SEMAPHORE));
	int large = MUST(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	MUST(write(large, &huge, 8));
	MUST(pipe(ends));
	int outer = MUST(epoll_create1(0)), inner = MUST(epoll_create1(EPOLL_CLOEXEC));
	watch(outer, inner, EPOLLIN, 1);
	watch(inner, ends[0], EPOLLIN | EPOLLET, 0x1111222233334444);
	watch(inner, semaphore, EPOLLIN | EPOLLONESHOT, 0xffffffffffffffff);
	watch(inner, large, EPOLLOUT | EPOLLIN, 5);
}

static void hold_refused(void)
{
	int ends[2];
	int packets = socket(AF_PACKET, SOCK_RAW, htons(0x88b5)), fanout = (getpid() & 0xffff) | PACKET_FANOUT_CBPF << 16;
	MUST(packets);
	MUST(setsockopt(packets, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof fanout));
	MUST(inotify_add_watch(MUST(inotify_init1(0)), "/proc/version", IN_ATTRIB));
	int gone = MUST(open("gone", O_RDWR | O_CREAT, 0600));
	MUST(gone);
	MUST(unlink("gone"));
	MUST(open("replaced", O_RDWR | O_CREAT, 0600));
	MUST(rename("replaced", "moved"));
	MUST(unlink("moved"));
	int locked = MUST(open("locked", O_RDWR | O_CREAT, 0600));
	MUST(flock(locked, LOCK_EX));
	MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	int epoll = MUST(epoll_create1(0)), event = MUST(eventfd(0, 0));
	watch(epoll, event, EPOLLIN, 0);
	int owned = MUST(open("owned", O_RDWR | O_CREAT, 0600));
	MUST(fcntl(owned, F_SETOWN, idle_child()));
	/* Now the child alone has it. */
	close(event);
}

/* The other end is held by a child. */
static void hold_shared_pipe(void)
{
	int ends[2];
	MUST(pipe(ends));
	pid_t child = idle_child();
	close(ends[1]);
	printf("child %d\n", child);
}

/* A child with a terminal of its own; the master stays here. */
static void hold_terminal(void)
{
	int master = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	MUST(grantpt(master));
	MUST(unlockpt(master));
	char name[64];
	MUST(ptsname_r(master, name, sizeof name) ? -1 : 0);
	struct winsize size = { 25, 81, 1, 2 };
	MUST(ioctl(master, TIOCSWINSZ, &size));
	int ready[2];
	MUST(pipe(ready));
	pid_t child = MUST(fork());
	if (child == 0) {
		MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
		MUST(setsid());
		close(master);
		close(0);
		MUST(open(name, O_RDWR));
		MUST(open("/dev/tty", O_RDWR));
		MUST(write(ready[1], "x", 1));
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	char byte;
	MUST(read(ready[0], &byte, 1));
	printf("child %d\n", child);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(1, "kind and folder are missing");
	MUST(chdir(argv[2]));
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i * 7 + i / 251;
	alarm(60);
	if (!strcmp(argv[1], "files"))
		hold_files();
	else if (!strcmp(argv[1], "pipes"))
		hold_pipes();
	else if (!strcmp(argv[1], "events"))
		hold_events();
	else if (!strcmp(argv[1], "refused"))
		hold_refused();
	else if (!strcmp(argv[1], "shared-pipe"))
		hold_shared_pipe();
	else if (!strcmp(argv[1], "terminal"))
		hold_terminal();
	else
		MUST(dup2(0, 900)); /* "empty": room for another's files */
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}
