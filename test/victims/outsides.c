/*
 * Holds at 20 (and 21) what leads out of the tree, by argument: "pipes" the reading end of one pipe and the writing end of another, "socket"
 * one end of a socket pair ("socket queued": with something queued, which it wants to be lost), "terminal" a pseudo-terminal whose master is outside, "file" the file "own" of the second argument, an empty
 * folder, which it may remove, "log" the file "log" for appending, "device" /dev/loop-control; or what somebody outside has too: "memory", which is
 * anonymous, "connection" of TCP, to itself, "listener" of TCP, "pair" of unix sockets with both ends here. Checks: what it reads there ("queued" at first, of pipes and files), and
 * writes "told" there.
 */
#include "victim.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Somebody outside has these until the program is gone. Its parent ends at once: it is no part of the tree. */
static void hold(int a, int b, const char *queued)
{
	int ready[2];
	char word;
	MUST(pipe(ready));
	pid_t child = fork();
	if (child == 0) {
		if (fork() == 0) {
			/* A group of the program's would keep its PID taken. */
			MUST(setsid());
			for (int fd = 3; fd < 30; fd++)
				if (fd != a && fd != b && fd != ready[1])
					close(fd);
			if (*queued)
				MUST(write(a, queued, strlen(queued)));
			MUST(write(ready[1], "r", 1));
			close(ready[1]);
			while (!victim_asked()) {
				struct pollfd waiting[2] = { { a, 0, 0 }, { b, 0, 0 } };
				if (poll(waiting, 2, 20) > 0)
					break;
			}
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
	close(ready[1]);
	CHECK(read(ready[0], &word, 1) == 1, "set-up: nobody is outside");
	close(ready[0]);
	close(a);
	if (b >= 0)
		close(b);
}

static void expect(int fd, const char *text)
{
	char found[100] = "";
	struct pollfd waiting = { fd, POLLIN, 0 };
	for (size_t got = 0; got < strlen(text);) {
		CHECK(poll(&waiting, 1, 5000) > 0, "nothing comes after \"%s\"", found);
		ssize_t part = read(fd, found + got, strlen(text) - got);
		CHECK(part > 0, "read: %s after \"%s\"", part ? strerror(errno) : "end of file", found);
		got += part;
	}
	CHECK(!strcmp(found, text), "it reads \"%s\" and not \"%s\"", found, text);
}

/* A connection over the loopback: one end at 20, which somebody outside has too, the other at 21. */
static void connect_itself(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int listener, client, server;
	MUST(listener = socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(listener, (struct sockaddr *)&address, length));
	MUST(listen(listener, 1));
	MUST(getsockname(listener, (struct sockaddr *)&address, &length));
	MUST(client = socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(client, (struct sockaddr *)&address, length));
	MUST(server = accept(listener, NULL, NULL));
	close(listener);
	MUST(dup2(server, 20));
	MUST(dup2(client, 21));
	close(client);
	hold(server, -1, "");
	MUST(write(21, "fresh", 5));
}

int main(int argc, char **argv)
{
	int in[2], out[2], fd = -1;
	char path[4200];
	victim_begin(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	const char *kind = victim_argument(argc, argv, 1);
	const char *folder = victim_argument(argc, argv, 2);
	bool pipes = !strncmp(kind, "pipes", 5), queued = !strcmp(kind, "pipes queued");
	if (pipes) {
		MUST(pipe(in));
		MUST(pipe(out));
		MUST(fcntl(in[0], F_SETFL, O_NONBLOCK));
		MUST(dup2(in[0], 20));
		MUST(dup2(out[1], 21));
		close(in[0]);
		close(out[1]);
		hold(in[1], out[0], queued ? "queued" : "");
	} else if (!strncmp(kind, "socket", 6)) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, in));
		MUST(dup2(in[0], 20));
		close(in[0]);
		hold(in[1], -1, kind[6] ? "queued" : "");
	} else if (!strcmp(kind, "terminal")) {
		MUST(fd = posix_openpt(O_RDWR | O_NOCTTY));
		MUST(grantpt(fd));
		MUST(unlockpt(fd));
		MUST(dup2(open(ptsname(fd), O_RDWR | O_NOCTTY), 20));
		close(3 + (fd == 3));
		hold(fd, -1, "");
	} else if (!strcmp(kind, "connection")) {
		connect_itself();
	} else if (!strcmp(kind, "listener")) {
		int accepts = 0;
		socklen_t length = sizeof accepts;
		MUST(fd = socket(AF_INET, SOCK_STREAM, 0));
		MUST(listen(fd, 1));
		MUST(dup2(fd, 20));
		hold(fd, -1, "");
		victim_ready();
		victim_wait();
		CHECK(getsockopt(20, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0 && accepts, "it does not listen");
		ok();
	} else if (!strcmp(kind, "pair")) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, in));
		MUST(dup2(in[0], 20));
		MUST(dup2(in[1], 21));
		close(in[0]);
		hold(in[1], -1, "");
		MUST(write(21, "fresh", 5));
	} else if (!strcmp(kind, "memory")) {
		char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		MUST(memory == MAP_FAILED ? -1 : 0);
		victim_fill(memory, 4096, 3);
		hold(eventfd(0, 0), -1, "");
		victim_ready();
		victim_wait();
		victim_same(memory, 4096, 3, "the memory");
		ok();
	} else if (!strcmp(kind, "device")) {
		fd = open("/dev/loop-control", O_RDWR | O_NONBLOCK);
		if (fd < 0)
			skip("/dev/loop-control cannot be opened");
		MUST(dup2(fd, 20));
		close(fd);
	} else {
		bool log = !strcmp(kind, "log");
		snprintf(path, sizeof path, "%s/%s", folder, log ? "log" : "own");
		MUST(fd = open(path, O_CREAT | (log ? O_WRONLY | O_APPEND : O_RDWR), 0600));
		MUST(write(fd, "queued fresh", 12));
		MUST(dup2(fd, 20));
		close(fd);
		if (!log)
			MUST(lseek(20, 6, SEEK_SET));
	}
	victim_ready();
	victim_wait();
	if (pipes)
		CHECK(fcntl(20, F_GETFL) & O_NONBLOCK, "the pipe's flags are %o", fcntl(20, F_GETFL));
	if (queued)
		expect(20, "queued");
	if (!strcmp(kind, "device")) {
		CHECK(read(20, path, 1) == -1 && errno == EINVAL, "the device, which cannot be read: %s", strerror(errno));
		ok();
	}
	if (strcmp(kind, "log"))
		expect(20, !strcmp(kind, "terminal") ? "fresh\n" : !strcmp(kind, "file") ? " fresh" : "fresh");
	MUST(write(pipes ? 21 : 20, "told", 4));
	ok();
}
