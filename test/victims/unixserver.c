/*
 * Holds: a server below the root that listens by path and by an abstract name, with connections from its parent, from a sibling and from
 * itself, a sibling that waits to be accepted, and datagrams from two processes to a third. Checks: data in both directions, new
 * connections, end of file when a client is gone. First argument: an empty folder.
 */
#include "tree.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un path = { .sun_family = AF_UNIX }, mailbox = { .sun_family = AF_UNIX };
static char found[1000];

static int connected(int type, const struct sockaddr_un *to)
{
	int fd;
	MUST(fd = socket(AF_UNIX, type, 0));
	CHECK(connect(fd, (const void *)to, sizeof *to) == 0, "connect: %s", strerror(errno));
	return fd;
}

static int bound(int type, const struct sockaddr_un *at)
{
	int fd;
	MUST(fd = socket(AF_UNIX, type, 0));
	MUST(bind(fd, (const void *)at, sizeof *at));
	return fd;
}

static void put(int fd, const char *text)
{
	CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "send \"%s\": %s", text, strerror(errno));
}

static void expect(int fd, const char *want)
{
	int length = strlen(want), got = 0;
	while (got < length) {
		ssize_t part = recv(fd, found + got, length - got, 0);
		CHECK(part > 0, "\"%s\": %s after %d bytes", want, part ? strerror(errno) : "end", got);
		got += part;
	}
	CHECK(!memcmp(found, want, length), "\"%s\" differs", want);
}

static int taken(int listener)
{
	int fd = accept(listener, NULL, NULL);
	CHECK(fd != -1, "accept: %s", strerror(errno));
	return fd;
}

static void serve(int listener)
{
	int box = bound(SOCK_DGRAM, &mailbox);
	MUST(listen(listener, 8));
	board->count[0] = 1;
	int parent = taken(listener), sibling = taken(listener);
	put(parent, "welcome, parent");
	put(sibling, "welcome, sibling");
	int mine = connected(SOCK_STREAM, &path), self = taken(listener);
	put(mine, "to myself");
	board->count[0] = 2;
	tree_up();
	victim_wait();
	expect(parent, "question");
	put(parent, "reply");
	expect(self, "to myself");
	int late = taken(listener);
	expect(late, "let me in");
	int fresh = taken(listener);
	expect(fresh, "new one");
	expect(box, "letter");
	expect(box, "postcard");
	CHECK(read(sibling, found, 1) == 0, "the sibling is still there");
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t child[3];
	tree_begin(argc, argv);
	snprintf(path.sun_path, sizeof path.sun_path, "%s/server", victim_argument(argc, argv, 1));
	snprintf(mailbox.sun_path + 1, sizeof mailbox.sun_path - 1, "victim-%d", getpid());
	if ((child[0] = tree_fork()) == 0)
		serve(bound(SOCK_STREAM, &path));
	TREE_AWAIT(board->count[0] == 1, "set-up: no server");
	int server = connected(SOCK_STREAM, &path), letters = connected(SOCK_DGRAM, &mailbox);
	put(server, "question");
	put(letters, "letter");
	if ((child[1] = tree_fork()) == 0) {
		close(server), close(letters);
		int fd = connected(SOCK_STREAM, &path);
		tree_up();
		victim_wait();
		expect(fd, "welcome, sibling");
		_exit(0);
	}
	TREE_AWAIT(board->count[0] == 2, "set-up: the server is not ready");
	if ((child[2] = tree_fork()) == 0) {
		close(server), close(letters);
		int waiting = connected(SOCK_STREAM, &path), cards = connected(SOCK_DGRAM, &mailbox);
		put(cards, "postcard");
		tree_up();
		victim_wait();
		put(waiting, "let me in");
		tree_up();
		TREE_AWAIT(board->up >= 5, "nobody else came");
		_exit(0);
	}
	tree_await_up(3);
	victim_ready();
	victim_wait();
	expect(server, "welcome, parent");
	expect(server, "reply");
	put(connected(SOCK_STREAM, &path), "new one");
	tree_up();
	tree_reap(child[1]);
	tree_reap(child[2]);
	tree_reap(child[0]);
	ok();
}
