/* Holds: one object that a dump refuses, named by the argument (see main). Checks: the object is still there and the process well. */
#include "victim.h"
#ifdef __x86_64__
#include <asm/ldt.h>
#endif
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void *last_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static volatile char selector = SYSCALL_DISPATCH_FILTER_BLOCK;
static volatile int dispatched, on, done;

static void on_dispatched(int unused)
{
	(void)unused;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW; /* or its own return is dispatched too */
	dispatched++;
}

/* Every system call of this thread is sent to the handler, and it makes none. */
static void *dispatching(void *unused)
{
	MUST(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector));
	on = 1;
	while (!done)
		;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	return unused;
}

int main(int argc, char **argv)
{
	int pair[2] = { -1, -1 }, other[2] = { -1, -1 }, fd = -1;
	pid_t headless = 0;
	pthread_t thread = 0;
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	bool sockets = !strcmp(kind, "socket");
	if (!strcmp(kind, "watch without a handle")) {
		MUST(fd = inotify_init1(0));
		MUST(inotify_add_watch(fd, "/proc/version", IN_ATTRIB));
	} else if (!strcmp(kind, "pidfd of init")) {
		MUST(fd = syscall(SYS_pidfd_open, 1, 0));
	} else if (!strcmp(kind, "netlink with messages")) {
		struct sockaddr_nl name = { .nl_family = AF_NETLINK };
		socklen_t length = sizeof name;
		MUST(fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK));
		MUST(bind(fd, (struct sockaddr *)&name, sizeof name));
		MUST(getsockname(fd, (struct sockaddr *)&name, &length));
		MUST(sendto(fd, &name, sizeof name, 0, (struct sockaddr *)&name, sizeof name));
	} else if (!strcmp(kind, "ended process")) {
		char path[40];
		pid_t child = fork();
		if (child == 0) {
			pause();
			_exit(0);
		}
		snprintf(path, sizeof path, "/proc/%d/fdinfo/0", child);
		MUST(fd = open(path, O_RDONLY));
		MUST(kill(child, SIGKILL));
		MUST(waitpid(child, NULL, 0));
	} else if (!strcmp(kind, "mount attached nowhere")) {
		if ((fd = syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE)) < 0)
			skip("mounts cannot be cloned here");
	} else if (!strcmp(kind, "gone device")) {
		char path[60];
		struct ifreq request = { .ifr_name = "victim%d", .ifr_flags = IFF_TUN };
		int device = open("/dev/net/tun", O_RDWR);
		if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
			skip("no device can be made with /dev/net/tun");
		snprintf(path, sizeof path, "/sys/class/net/%s", request.ifr_name);
		fd = open(path, O_RDONLY | O_DIRECTORY);
		close(device);
		if (fd < 0)
			skip("/sys does not show devices of this network namespace");
	} else if (sockets || !strcmp(kind, "pipe to outside")) {
		MUST(sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair));
		if (sockets)
			MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, other));
		/* A grandchild whose parent ends at once belongs to init: it is no part of the tree. */
		pid_t child = fork();
		if (child == 0) {
			if (fork() == 0) {
				while (!victim_asked())
					pause_ms(20);
				/* The other end of the pipe is still needed after the question. */
				pause_ms(300);
			}
			_exit(3);
		}
		int status;
		CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3, "set-up: the child ended with %x", status);
		/* With one end outside only, the pipe is kept. */
		if (sockets) {
			close(pair[0]);
			close(other[0]);
		}
	} else if (!strcmp(kind, "outer timer")) {
		struct sigevent none = { .sigev_notify = SIGEV_NONE };
		timer_t timer;
		clockid_t clock;
		CHECK(clock_getcpuclockid(1, &clock) == 0, "no clock of process 1");
		MUST(timer_create(clock, &none, &timer));
#ifdef __x86_64__
	} else if (!strcmp(kind, "ldt")) {
		struct user_desc segment = { .entry_number = 1, .base_addr = 0x10000, .limit = 0xfff, .seg_32bit = 1, .useable = 1 };
		if (syscall(SYS_modify_ldt, 0x11, &segment, sizeof segment) == -1 && errno == ENOSYS)
			skip("this kernel has no modify_ldt");
#endif
	} else if (!strcmp(kind, "dispatched calls")) {
		signal(SIGSYS, on_dispatched);
		thread = victim_thread(dispatching, NULL);
		while (!on)
			pause_ms(1);
	} else if (!strcmp(kind, "ended leader")) {
		MUST(headless = fork());
		if (headless == 0) {
			pthread_t thread;
			pthread_create(&thread, NULL, last_thread, NULL);
			pthread_exit(NULL);
		}
		pause_ms(100);
	}
	victim_ready();
	victim_wait();
	if (headless) {
		int status;
		CHECK(kill(headless, 0) == 0 && waitpid(headless, &status, WNOHANG) == 0, "the child: %s", strerror(errno));
		kill(headless, SIGKILL);
		CHECK(waitpid(headless, &status, 0) == headless && WTERMSIG(status) == SIGKILL, "the child ended with %x", status);
	}
	if (!strcmp(kind, "watch without a handle"))
		CHECK(inotify_add_watch(fd, "/", IN_CREATE) > 0, "inotify: %s", strerror(errno));
	if (sockets)
		CHECK(write(other[1], "s", 1) == 1, "the socket: %s", strerror(errno));
	if (sockets || !strcmp(kind, "pipe to outside"))
		CHECK(write(pair[1], "p", 1) == 1, "the pipe: %s", strerror(errno));
	if (thread) {
		done = 1;
		victim_join(thread);
		CHECK(dispatched == 0, "%d system calls that were not its own were sent to it", dispatched);
	}
	ok();
}
