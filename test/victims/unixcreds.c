/*
 * Holds: a socket pair and a listener that were made as another user, a connection to it, and messages from a child and from another
 * user to a socket that is told its senders. Checks: SO_PEERCRED of each, SCM_CREDENTIALS of each message. Argument: an empty folder.
 */
#include "tree.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { USER = 1000, GROUP = 1001 };

static void expect_peer(int fd, uid_t uid, gid_t gid, const char *what)
{
	struct ucred peer = { -1, -1, -1 };
	socklen_t size = sizeof peer;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, "%s: %s", what, strerror(errno));
	CHECK(peer.uid == uid && peer.gid == gid && peer.pid == getpid(), "%s: peer %d is %u:%u, was %d %u:%u", what, peer.pid, peer.uid, peer.gid,
	      getpid(), uid, gid);
}

static void put(int fd, const char *text, struct ucred as)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof as)];
	} control = { .head = { CMSG_LEN(sizeof as), SOL_SOCKET, SCM_CREDENTIALS } };
	struct iovec part = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	memcpy(CMSG_DATA(&control.head), &as, sizeof as);
	CHECK(sendmsg(fd, &message, 0) == (ssize_t)part.iov_len, "set-up: sendmsg: %s", strerror(errno));
}

static void take(int fd, const char *want, struct ucred who)
{
	union {
		struct cmsghdr head;
		char room[256];
	} control;
	char found[100];
	struct iovec part = { found, sizeof found };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%zd bytes, not \"%s\": %s", got, want, strerror(errno));
	struct ucred is;
	CHECK(message.msg_controllen > 0 && control.head.cmsg_type == SCM_CREDENTIALS, "no sender came with \"%s\"", want);
	memcpy(&is, CMSG_DATA(&control.head), sizeof is);
	CHECK(is.pid == who.pid && is.uid == who.uid && is.gid == who.gid, "\"%s\" is from %d %u:%u, was from %d %u:%u", want, is.pid, is.uid,
	      is.gid, who.pid, who.uid, who.gid);
}

int main(int argc, char **argv)
{
	int pair[2], told[2], stream[2], listener, client, one = 1;
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	tree_begin(argc, argv);
	snprintf(path.sun_path, sizeof path.sun_path, "%s/server", victim_argument(argc, argv, 1));
	MUST(listener = socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(listener, (void *)&path, sizeof path));
	MUST(setresgid(-1, GROUP, -1));
	MUST(setresuid(-1, USER, -1));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	MUST(listen(listener, 3));
	MUST(setresuid(-1, 0, -1));
	MUST(setresgid(-1, 0, -1));
	MUST(client = socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(connect(client, (void *)&path, sizeof path));
	int server = accept(listener, NULL, NULL);
	MUST(server);
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, told));
	MUST(setsockopt(told[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	MUST(setsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	struct ucred child = { 0, 7, 8 }, other = { getpid(), 1234, 4321 }, mine = { getpid(), 0, 0 };
	if ((child.pid = tree_fork()) == 0) {
		child.pid = getpid();
		put(told[0], "from the child", child);
		tree_up();
		victim_wait();
		_exit(0);
	}
	tree_await_up(1);
	put(told[0], "from another", other);
	MUST(write(told[0], "from me", 7));
	put(stream[0], "mine", mine);
	put(stream[0], "other", other);
	victim_ready();
	victim_wait();
	expect_peer(pair[0], USER, GROUP, "the pair");
	expect_peer(pair[1], USER, GROUP, "the pair");
	expect_peer(client, USER, GROUP, "the client");
	expect_peer(server, 0, 0, "the accepted socket");
	take(told[1], "from the child", child);
	take(told[1], "from another", other);
	take(told[1], "from me", mine);
	take(stream[1], "mine", mine);
	take(stream[1], "other", other);
	tree_reap(child.pid);
	ok();
}
