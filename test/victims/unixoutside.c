/*
 * Holds: sockets that are connected to a server outside the tree: by argument "dgram" one that sends to it, "stream" a connection
 * by name, "pair" one end of a socket pair. Checks: what is sent to a name arrives, and a connection to one is answered; that of a pair has ended. Prints the inodes of the
 * server's end and of its own first. Second argument: an empty folder.
 */
#include "victim.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct sockaddr_un path = { .sun_family = AF_UNIX };
static char text[100];

static int server_end(int type, bool pair, int *other)
{
	int fd, ends[2];
	if (pair) {
		MUST(socketpair(AF_UNIX, type, 0, ends));
		*other = ends[1];
		return ends[0];
	}
	MUST(fd = socket(AF_UNIX, type, 0));
	MUST(bind(fd, (void *)&path, sizeof path));
	if (type == SOCK_STREAM)
		MUST(listen(fd, 5));
	return fd;
}

/* Has the other end, and says nothing. */
static void hold(int fd, int other, int line)
{
	struct stat is;
	close(other);
	MUST(fstat(fd, &is));
	MUST(dprintf(line, "%lu", is.st_ino));
	while (!victim_asked())
		pause_ms(20);
	pause_ms(500);
	_exit(0);
}

/* Answers whatever comes, on any connection; what a datagram says goes into a file. */
static void serve(int type, int fd, int line)
{
	int clients[8] = { 0 }, count = 0;
	bool told = false;
	for (;;) {
		struct pollfd waiting[9] = { { fd, POLLIN, 0 } };
		struct stat is;
		for (int i = 0; i < count; i++)
			waiting[i + 1] = (struct pollfd){ clients[i], POLLIN, 0 };
		if (!told && (type == SOCK_DGRAM || count > 0)) {
			MUST(fstat(type == SOCK_DGRAM ? fd : clients[0], &is));
			MUST(dprintf(line, "%lu", is.st_ino));
			told = true;
		}
		if (poll(waiting, count + 1, 3000) == 0 && victim_asked())
			_exit(0);
		for (int i = 0; i < count; i++) {
			ssize_t got = waiting[i + 1].revents ? read(clients[i], text, sizeof text) : 0;
			if (got > 0 && write(clients[i], text, got) != got)
				_exit(1);
			if (waiting[i + 1].revents && got <= 0)
				clients[i] = -1;
		}
		if (waiting[0].revents && type == SOCK_STREAM && count < 8)
			clients[count++] = accept(fd, NULL, NULL);
		if (waiting[0].revents && type == SOCK_DGRAM) {
			ssize_t got = read(fd, text, sizeof text);
			int file = openat(AT_FDCWD, "got", O_WRONLY | O_CREAT | O_APPEND, 0600);
			if (got <= 0 || write(file, text, got) != got)
				_exit(1);
			close(file);
		}
	}
}

int main(int argc, char **argv)
{
	int fd = -1, line[2], status;
	victim_begin(argc, argv);
	int type = strcmp(victim_argument(argc, argv, 1), "dgram") ? SOCK_STREAM : SOCK_DGRAM;
	snprintf(path.sun_path, sizeof path.sun_path, "%s/outside", victim_argument(argc, argv, 2));
	MUST(pipe(line));
	bool pair = !strcmp(victim_argument(argc, argv, 1), "pair");
	int listener = server_end(type, pair, &fd);
	/* A grandchild whose parent ends at once belongs to init: it is no part of the tree. */
	pid_t child = fork();
	if (child == 0) {
		setsid();
		if (fork() == 0)
			pair ? hold(listener, fd, line[1]) : serve(type, listener, line[1]);
		_exit(0);
	}
	MUST(waitpid(child, &status, 0));
	close(listener);
	if (!pair) {
		MUST(fd = socket(AF_UNIX, type, 0));
		MUST(connect(fd, (void *)&path, sizeof path));
	}
	ssize_t length = read(line[0], text, sizeof text - 1);
	CHECK(length > 0, "set-up: no word from the server");
	text[length] = 0;
	close(line[0]), close(line[1]);
	struct stat own;
	MUST(fstat(fd, &own));
	say("PEER %s OWN %lu", text, own.st_ino);
	victim_ready();
	victim_wait();
	if (pair) {
		struct pollfd end = { fd, POLLIN, 0 };
		CHECK(poll(&end, 1, 0) == 1 && read(fd, text, 1) == 0, "the connection has not ended");
		CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "the connection takes data: %s", strerror(errno));
		ok();
	}
	struct sockaddr_un peer;
	socklen_t size = sizeof peer;
	CHECK(getpeername(fd, (void *)&peer, &size) == 0 && !strcmp(peer.sun_path, path.sun_path), "the peer is %s", strerror(errno));
	CHECK(send(fd, "ping", 4, MSG_NOSIGNAL) == 4, "send: %s", strerror(errno));
	if (type == SOCK_STREAM) {
		CHECK(recv(fd, text, sizeof text, 0) == 4 && !memcmp(text, "ping", 4), "no answer: %s", strerror(errno));
		ok();
	}
	for (int tries = 0; tries < 500 && access("got", F_OK); tries++)
		pause_ms(10);
	victim_read("got", text, sizeof text);
	CHECK(!strcmp(text, "ping"), "\"%s\" has arrived", text);
	ok();
}
