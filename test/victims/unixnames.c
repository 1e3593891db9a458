/*
 * Holds: unix sockets with names, by argument: "listen" listeners by path, by a path below another directory, by an abstract name;
 * "dgram" bound datagram sockets, one of an automatic name, with data and with one that sends to them; "accepted" connections by way of a
 * listener, with data; "names" of connections, which their ends have; "pending" clients that have not been accepted, "waiting" one;
 * "removed" sockets whose files are gone; "renamed" sockets whose files are elsewhere now, in the place of another file too; "replaced" one
 * whose file was removed, and another of its name; "shelved" two of one name, whose files are elsewhere; "strayed" one with a relative
 * name, renamed; "seqpacket" a listener of packets.
 * Checks: names, owner and permissions of files, that clients get in, data, order of clients. Second argument: an empty folder.
 */
#include "victim.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *folder;
static char found[1000];

struct address {
	struct sockaddr_un un;
	socklen_t length;
};

static struct address at_path(const char *format, const char *part)
{
	struct address address = { .un.sun_family = AF_UNIX };
	int length = snprintf(address.un.sun_path, sizeof address.un.sun_path, format, part);
	address.length = offsetof(struct sockaddr_un, sun_path) + length + 1;
	return address;
}

static struct address in_folder(const char *name)
{
	struct address address = { .un.sun_family = AF_UNIX };
	int length = snprintf(address.un.sun_path, sizeof address.un.sun_path, "%s/%s", folder, name);
	CHECK(length < (int)sizeof address.un.sun_path, "set-up: the folder's path is too long");
	address.length = offsetof(struct sockaddr_un, sun_path) + length + 1;
	return address;
}

static struct address abstract(const char *name)
{
	struct address address = { .un.sun_family = AF_UNIX };
	int length = snprintf(address.un.sun_path + 1, sizeof address.un.sun_path - 1, "victim-%d-%s", getpid(), name);
	address.length = offsetof(struct sockaddr_un, sun_path) + 1 + length;
	return address;
}

static int bound(int type, struct address address)
{
	int fd;
	MUST(fd = socket(AF_UNIX, type, 0));
	CHECK(bind(fd, (void *)&address.un, address.length) == 0, "set-up: bind %s: %s", address.un.sun_path, strerror(errno));
	return fd;
}

static int listening(int type, struct address address, int backlog)
{
	int fd = bound(type, address);
	MUST(listen(fd, backlog));
	return fd;
}

static int connected(int type, struct address address)
{
	int fd;
	MUST(fd = socket(AF_UNIX, type, 0));
	CHECK(connect(fd, (void *)&address.un, address.length) == 0, "connect %s: %s", address.un.sun_path, strerror(errno));
	return fd;
}

static void expect_name(int fd, struct address address, bool peer, const char *what)
{
	struct sockaddr_un is = { 0 };
	socklen_t length = sizeof is;
	CHECK((peer ? getpeername : getsockname)(fd, (void *)&is, &length) == 0, "%s: %s", what, strerror(errno));
	CHECK(length == address.length && !memcmp(&is, &address.un, length), "%s: the name has %u bytes and is \"%s\", was %u and \"%s\"", what,
	      length, is.sun_path, address.length, address.un.sun_path);
}

static void expect_packet(int fd, const char *want, const char *what)
{
	ssize_t got = recv(fd, found, sizeof found, MSG_DONTWAIT);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%s: %zd bytes, not \"%s\": %s", what, got, want, strerror(errno));
}

static void put(int fd, const char *text)
{
	CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "send: %s", strerror(errno));
}

/* A new client gets in. */
static void expect_service(int listener, int type, struct address address, const char *what)
{
	int client = connected(type, address);
	int server = accept(listener, NULL, NULL);
	CHECK(server != -1, "%s: accept: %s", what, strerror(errno));
	put(client, what);
	expect_packet(server, what, what);
	close(client), close(server);
}

static void expect_file(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat is;
	CHECK(lstat(path, &is) == 0, "%s: %s", path, strerror(errno));
	CHECK(is.st_mode == (S_IFSOCK | mode) && is.st_uid == uid && is.st_gid == gid, "%s: mode %o, owner %u:%u", path, is.st_mode, is.st_uid,
	      is.st_gid);
}

static void hold_listen(void)
{
	struct address plain = in_folder("plain"), hidden = abstract("hidden"), relative = at_path("%s", "below");
	int listener = listening(SOCK_STREAM, plain, 5), by_name = listening(SOCK_STREAM, hidden, 0);
	MUST(fcntl(listener, F_SETFL, O_NONBLOCK));
	MUST(chmod(plain.un.sun_path, 0640));
	MUST(chown(plain.un.sun_path, 1000, 1001));
	char home[200];
	MUST(getcwd(home, sizeof home) ? 0 : -1);
	struct address sub = in_folder("sub");
	MUST(mkdir(sub.un.sun_path, 0755));
	MUST(chdir(sub.un.sun_path));
	int below = listening(SOCK_STREAM, relative, 3);
	MUST(chdir(home));
	victim_ready();
	victim_wait();
	expect_name(listener, plain, false, "by path");
	expect_name(by_name, hidden, false, "by an abstract name");
	expect_name(below, relative, false, "by a relative path");
	expect_file(plain.un.sun_path, 0640, 1000, 1001);
	CHECK(accept(listener, NULL, NULL) == -1 && errno == EAGAIN, "somebody is there already");
	expect_service(listener, SOCK_STREAM, plain, "by path");
	expect_service(by_name, SOCK_STREAM, hidden, "by an abstract name");
	expect_service(below, SOCK_STREAM, in_folder("sub/below"), "by a relative path");
	/* The backlog: one client more than it says may wait. */
	int nonblocking;
	for (int i = 0; i < 6; i++)
		connected(SOCK_STREAM, plain);
	MUST(nonblocking = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CHECK(connect(nonblocking, (void *)&plain.un, plain.length) == -1 && errno == EAGAIN, "the backlog is larger than it was");
	ok();
}

static void hold_dgram(void)
{
	struct address path = in_folder("dgram"), name = abstract("dgram"), own = in_folder("sender");
	int receiver = bound(SOCK_DGRAM, path), other = bound(SOCK_DGRAM, name), sender = bound(SOCK_DGRAM, own);
	int second = connected(SOCK_DGRAM, path), automatic;
	MUST(connect(sender, (void *)&path.un, path.length));
	put(second, "from second");
	put(sender, "from sender");
	put(second, "again");
	MUST(automatic = socket(AF_UNIX, SOCK_DGRAM, 0));
	struct sockaddr_un none = { .sun_family = AF_UNIX };
	MUST(bind(automatic, (void *)&none, sizeof none.sun_family));
	struct address given = { .length = sizeof given.un };
	MUST(getsockname(automatic, (void *)&given.un, &given.length));
	CHECK(sendto(automatic, "to the name", 11, 0, (void *)&name.un, name.length) == 11, "set-up: sendto: %s", strerror(errno));
	victim_ready();
	victim_wait();
	expect_name(receiver, path, false, "dgram by path");
	expect_name(other, name, false, "dgram by an abstract name");
	expect_name(automatic, given, false, "dgram by an automatic name");
	expect_name(sender, own, false, "the sender");
	expect_name(sender, path, true, "whom it sends to");
	expect_packet(receiver, "from second", "dgram");
	expect_packet(receiver, "from sender", "dgram");
	expect_packet(receiver, "again", "dgram");
	expect_packet(other, "to the name", "dgram by an abstract name");
	put(sender, "later");
	put(second, "even later");
	expect_packet(receiver, "later", "dgram");
	expect_packet(receiver, "even later", "dgram");
	CHECK(sendto(other, "back", 4, 0, (void *)&given.un, given.length) == 4, "sendto: %s", strerror(errno));
	expect_packet(automatic, "back", "dgram by an automatic name");
	ok();
}

static void hold_accepted(int type, bool names)
{
	struct address path = in_folder("server"), mine = abstract("client");
	int listener = listening(type, path, 4), servers[3], clients[3];
	for (int i = 0; i < 3; i++) {
		MUST(clients[i] = socket(AF_UNIX, type, 0));
		if (i == 2 && names)
			MUST(bind(clients[i], (void *)&mine.un, mine.length));
		MUST(connect(clients[i], (void *)&path.un, path.length));
		MUST(servers[i] = accept(listener, NULL, NULL));
	}
	put(clients[0], "request");
	put(servers[0], "answer");
	put(servers[1], "last words");
	close(servers[1]);
	victim_ready();
	victim_wait();
	expect_packet(servers[0], "request", "server");
	expect_packet(clients[0], "answer", "client");
	expect_packet(clients[1], "last words", "client of one that is gone");
	CHECK(read(clients[1], found, 1) == 0, "no end of file");
	put(clients[2], "new");
	expect_packet(servers[2], "new", "server");
	expect_service(listener, type, path, "another client");
	for (int i = 0; i < 3 && names; i += 2) {
		expect_name(servers[i], path, false, "an accepted socket");
		expect_name(clients[i], path, true, "a client's peer");
	}
	if (names) {
		expect_name(clients[2], mine, false, "a client");
		expect_name(servers[2], mine, true, "an accepted socket's peer");
	}
	ok();
}

static void hold_pending(int count)
{
	struct address path = in_folder("server");
	int listener = listening(SOCK_STREAM, path, 8), clients[3];
	/* Descriptors in another order than that of the clients. */
	for (int i = count - 1; i >= 0; i--) {
		clients[i] = connected(SOCK_STREAM, path);
		MUST(dup2(clients[i], 40 + i));
		close(clients[i]);
	}
	victim_ready();
	victim_wait();
	for (int i = 0; i < count; i++)
		put(40 + i, i == 0 ? "zero" : i == 1 ? "one" : "two");
	for (int i = count - 1; i >= 0; i--) {
		int server = accept(listener, NULL, NULL);
		CHECK(server != -1, "accept: %s", strerror(errno));
		expect_packet(server, i == 0 ? "zero" : i == 1 ? "one" : "two", "a client in its turn");
	}
	MUST(fcntl(listener, F_SETFL, O_NONBLOCK));
	CHECK(accept(listener, NULL, NULL) == -1 && errno == EAGAIN, "a client too many");
	ok();
}

static void hold_removed(void)
{
	struct address path = in_folder("server"), other = in_folder("dgram");
	int listener = listening(SOCK_STREAM, path, 4), receiver = bound(SOCK_DGRAM, other), sender = connected(SOCK_DGRAM, other);
	put(sender, "before");
	MUST(unlink(path.un.sun_path));
	MUST(unlink(other.un.sun_path));
	victim_ready();
	victim_wait();
	CHECK(access(path.un.sun_path, F_OK) == -1 && access(other.un.sun_path, F_OK) == -1, "a file is there again");
	expect_name(listener, path, false, "a removed listener");
	expect_name(receiver, other, false, "a removed dgram socket");
	expect_packet(receiver, "before", "dgram");
	put(sender, "after");
	expect_packet(receiver, "after", "dgram");
	ok();
}

/* As servers do that take the place of others. */
static void hold_renamed(void)
{
	struct address path = in_folder("server.tmp"), other = in_folder("dgram.tmp"), now = in_folder("server"), there = in_folder("sub/dgram");
	struct address sub = in_folder("sub");
	MUST(mkdir(sub.un.sun_path, 0755));
	int listener = listening(SOCK_STREAM, path, 4), client = connected(SOCK_STREAM, path), server = accept(listener, NULL, NULL);
	int receiver = bound(SOCK_DGRAM, other), sender = connected(SOCK_DGRAM, other), before = bound(SOCK_STREAM, now);
	MUST(close(before));
	put(sender, "before");
	put(client, "to the server");
	MUST(chmod(path.un.sun_path, 0640));
	MUST(rename(path.un.sun_path, now.un.sun_path));
	MUST(rename(other.un.sun_path, there.un.sun_path));
	int waiting = connected(SOCK_STREAM, now);
	victim_ready();
	victim_wait();
	CHECK(access(path.un.sun_path, F_OK) == -1 && access(other.un.sun_path, F_OK) == -1, "a file is there again");
	expect_file(now.un.sun_path, 0640, getuid(), getgid());
	expect_name(listener, path, false, "a renamed listener");
	expect_name(receiver, other, false, "a renamed dgram socket");
	expect_name(client, path, true, "a client of a renamed listener");
	expect_packet(server, "to the server", "connected");
	int accepted = accept(listener, NULL, NULL);
	CHECK(accepted != -1, "the client that waits is gone: %s", strerror(errno));
	put(waiting, "waited");
	expect_packet(accepted, "waited", "a client that waits");
	expect_service(listener, SOCK_STREAM, now, "at the new name");
	expect_packet(receiver, "before", "dgram");
	put(sender, "after");
	expect_packet(receiver, "after", "dgram");
	put(connected(SOCK_DGRAM, there), "from a new one");
	expect_packet(receiver, "from a new one", "dgram");
	ok();
}

/* As servers do that begin anew, or publish one socket after the other, within one process. */
static void hold_namesakes(bool elsewhere)
{
	struct address path = in_folder("server"), places[] = { in_folder("one"), in_folder("two") };
	int listeners[2];
	for (int i = 0; i < 2; i++) {
		listeners[i] = listening(SOCK_STREAM, path, 4);
		if (elsewhere)
			MUST(rename(path.un.sun_path, places[i].un.sun_path));
		else if (i == 0)
			MUST(unlink(path.un.sun_path));
	}
	victim_ready();
	victim_wait();
	if (elsewhere)
		expect_service(listeners[0], SOCK_STREAM, places[0], "the first");
	expect_service(listeners[1], SOCK_STREAM, elsewhere ? places[1] : path, "the second");
	ok();
}

/* Its name counts from a directory that is not to be found any more. */
static void hold_strayed(void)
{
	MUST(chdir(folder));
	int listener = listening(SOCK_STREAM, at_path("%s", "server"), 4);
	MUST(rename("server", "elsewhere"));
	victim_ready();
	victim_wait();
	expect_service(listener, SOCK_STREAM, in_folder("elsewhere"), "renamed");
	ok();
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	folder = victim_argument(argc, argv, 2);
	const char *kind = victim_argument(argc, argv, 1);
	if (!strcmp(kind, "listen"))
		hold_listen();
	else if (!strcmp(kind, "dgram"))
		hold_dgram();
	else if (!strcmp(kind, "accepted"))
		hold_accepted(SOCK_STREAM, false);
	else if (!strcmp(kind, "names"))
		hold_accepted(SOCK_STREAM, true);
	else if (!strcmp(kind, "seqpacket"))
		hold_accepted(SOCK_SEQPACKET, false);
	else if (!strcmp(kind, "pending"))
		hold_pending(3);
	else if (!strcmp(kind, "waiting"))
		hold_pending(1);
	else if (!strcmp(kind, "removed"))
		hold_removed();
	else if (!strcmp(kind, "renamed"))
		hold_renamed();
	else if (!strcmp(kind, "replaced"))
		hold_namesakes(false);
	else if (!strcmp(kind, "shelved"))
		hold_namesakes(true);
	else if (!strcmp(kind, "strayed"))
		hold_strayed();
	fail("unknown kind %s", kind);
}
