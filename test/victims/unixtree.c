/*
 * Holds: unix socket pairs between parent and child, between siblings, and with one end that three processes share, with data in both
 * directions. Checks: data that was in the queues, data that is written now, bounds of packets, end of file when the last holder is gone.
 */
#include "tree.h"
#include <sys/socket.h>

static char text[60000], found[60000];

static void expect_bytes(int fd, const char *want, int length, const char *what)
{
	for (int got = 0; got < length;) {
		ssize_t part = read(fd, found + got, length - got);
		CHECK(part > 0, "%s: %s after %d bytes", what, part ? strerror(errno) : "end", got);
		got += part;
	}
	CHECK(!memcmp(found, want, length), "%s: %d bytes differ", what, length);
}

static void expect_packet(int fd, const char *want, const char *what)
{
	ssize_t got = recv(fd, found, sizeof found, 0);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%s: %zd bytes, not \"%s\"", what, got, want);
}

static void expect_end(int fd, const char *what)
{
	CHECK(read(fd, found, 1) == 0, "%s: no end of file", what);
}

int main(int argc, char **argv)
{
	int down[2], across[2], common[2];
	pid_t child[2];
	tree_begin(argc, argv);
	victim_fill(text, sizeof text, 5);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, down));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, across));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, common));
	MUST(write(down[0], text, sizeof text));
	MUST(write(down[1], "up", 2));
	MUST(write(across[0], "first", 5));
	MUST(write(across[0], "second one", 10));
	MUST(write(common[1], "for whoever", 11));
	MUST(write(common[1], "asks", 4));

	/* First: talks with the parent, and with its sibling over a pair that the parent does not keep. */
	if ((child[0] = tree_fork()) == 0) {
		close(down[0]), close(across[1]), close(common[1]);
		tree_up();
		victim_wait();
		expect_bytes(down[1], text, sizeof text, "from the parent");
		CHECK(write(down[1], "answer", 6) == 6, "write up: %s", strerror(errno));
		CHECK(send(across[0], "third", 5, 0) == 5, "write across: %s", strerror(errno));
		_exit(0);
	}
	if ((child[1] = tree_fork()) == 0) {
		close(down[0]), close(down[1]), close(across[0]), close(common[1]);
		tree_up();
		victim_wait();
		expect_packet(across[1], "first", "across");
		expect_packet(across[1], "second one", "across");
		expect_packet(across[1], "third", "across");
		expect_end(across[1], "across");
		expect_packet(common[0], "for whoever", "common");
		tree_up();
		_exit(0);
	}
	close(down[1]), close(across[0]), close(across[1]);
	tree_await_up(2);
	victim_ready();
	victim_wait();
	expect_bytes(down[0], "up", 2, "from the child");
	expect_bytes(down[0], "answer", 6, "from the child");
	tree_reap(child[0]);
	tree_reap(child[1]);
	expect_end(down[0], "down");
	expect_packet(common[0], "asks", "common");
	CHECK(recv(common[0], found, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "common: something is left");
	ok();
}
