/*
 * Holds: unix socket pairs with both ends inside: stream, dgram and seqpacket with data in both directions, empty, nonblocking, a
 * duplicated end, shut-down halves, ends whose peers are gone. Argument "options": options away from their defaults instead, and "all" of
 * them; "lone": a dgram socket whose peer is gone; "reset": a peer that was closed with data unread; "empty": packets of no bytes; "named":
 * automatic names; "urgent", "inline", "error" and "early" are refused. Checks: data and its bounds, flags, ends of file, errors, options.
 */
#include "victim.h"
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>

static char text[150000], found[150000];

static int bytes_in(int fd)
{
	int bytes = -1;
	MUST(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

static void pair(int type, int ends[2])
{
	MUST(socketpair(AF_UNIX, type, 0, ends));
}

static void expect_packet(int fd, const char *want, const char *what)
{
	ssize_t got = recv(fd, found, sizeof found, MSG_DONTWAIT);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%s: %zd bytes, not \"%s\": %s", what, got, want, strerror(errno));
}

static void expect_nothing(int fd, const char *what)
{
	CHECK(recv(fd, found, sizeof found, MSG_DONTWAIT) == -1 && errno == EAGAIN, "%s: something is left", what);
}

static void expect_bytes(int fd, const char *want, int length, const char *what)
{
	CHECK(bytes_in(fd) == length, "%s: %d bytes, not %d", what, bytes_in(fd), length);
	for (int got = 0; got < length;) {
		ssize_t part = recv(fd, found + got, length - got, MSG_DONTWAIT);
		CHECK(part > 0, "%s: %s after %d bytes", what, part ? strerror(errno) : "end", got);
		got += part;
	}
	CHECK(!memcmp(found, want, length), "%s: data differs", what);
}

static void hold_pairs(void)
{
	int stream[2], dgram[2], packets[2], quick[2], shut[2], both[2], orphan[2], lone_packets[2];
	pair(SOCK_STREAM, stream);
	MUST(write(stream[0], text, 100000));
	MUST(write(stream[0], text + 100000, 7));
	MUST(write(stream[1], "back", 4));
	int twin = dup(stream[1]);
	MUST(twin);
	pair(SOCK_DGRAM, dgram);
	MUST(write(dgram[0], "one", 3));
	MUST(write(dgram[0], "three", 5));
	MUST(write(dgram[0], "two", 3));
	MUST(write(dgram[1], "answer", 6));
	pair(SOCK_SEQPACKET, packets);
	MUST(write(packets[1], "alpha", 5));
	MUST(write(packets[1], "be", 2));
	pair(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, quick);
	pair(SOCK_STREAM, shut);
	MUST(write(shut[0], "last", 4));
	MUST(shutdown(shut[0], SHUT_WR));
	pair(SOCK_DGRAM, both);
	MUST(write(both[0], "kept", 4));
	MUST(shutdown(both[1], SHUT_RDWR));
	pair(SOCK_STREAM, orphan);
	MUST(write(orphan[1], "inherited", 9));
	close(orphan[1]);
	pair(SOCK_SEQPACKET, lone_packets);
	MUST(write(lone_packets[1], "zzz", 3));
	close(lone_packets[1]);
	int flags[2] = { fcntl(quick[0], F_GETFL), fcntl(stream[0], F_GETFL) };
	victim_ready();
	victim_wait();

	expect_bytes(stream[1], text, 100007, "stream");
	expect_bytes(stream[0], "back", 4, "stream backwards");
	CHECK(write(twin, "t", 1) == 1, "the duplicated end: %s", strerror(errno));
	expect_bytes(stream[0], "t", 1, "the duplicated end");
	CHECK(write(stream[0], "more", 4) == 4, "write: %s", strerror(errno));
	expect_bytes(stream[1], "more", 4, "stream afterwards");
	expect_packet(dgram[1], "one", "dgram");
	expect_packet(dgram[1], "three", "dgram");
	expect_packet(dgram[1], "two", "dgram");
	expect_nothing(dgram[1], "dgram");
	expect_packet(dgram[0], "answer", "dgram backwards");
	CHECK(write(dgram[1], "more", 4) == 4, "write: %s", strerror(errno));
	expect_packet(dgram[0], "more", "dgram afterwards");
	expect_packet(packets[0], "alpha", "seqpacket");
	expect_packet(packets[0], "be", "seqpacket");
	expect_nothing(packets[0], "seqpacket");
	CHECK(fcntl(quick[0], F_GETFL) == flags[0] && fcntl(stream[0], F_GETFL) == flags[1], "flags are %o and %o", fcntl(quick[0], F_GETFL),
	      fcntl(stream[0], F_GETFL));
	CHECK(fcntl(quick[1], F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	CHECK(read(quick[0], found, 1) == -1 && errno == EAGAIN, "the empty pair gives something");
	expect_bytes(shut[1], "last", 4, "half-closed");
	CHECK(read(shut[1], found, 1) == 0, "the half-closed stream does not end");
	CHECK(send(shut[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "the half-closed stream can be written");
	CHECK(write(shut[1], "up", 2) == 2, "the other half: %s", strerror(errno));
	expect_bytes(shut[0], "up", 2, "the other half");
	CHECK(send(both[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "a peer that reads no more can be written to");
	expect_packet(both[1], "kept", "a dgram socket that was shut down");
	expect_bytes(orphan[0], "inherited", 9, "stream without a peer");
	CHECK(read(orphan[0], found, 1) == 0, "a stream without a peer does not end");
	CHECK(send(orphan[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "a stream without a peer can be written");
	expect_packet(lone_packets[0], "zzz", "seqpacket without a peer");
	CHECK(recv(lone_packets[0], found, 1, MSG_DONTWAIT) == 0, "seqpacket without a peer does not end");
	ok();
}

static void hold_lone(void)
{
	int ends[2];
	pair(SOCK_DGRAM, ends);
	MUST(write(ends[1], "x", 1));
	MUST(write(ends[1], "yy", 2));
	close(ends[1]);
	victim_ready();
	victim_wait();
	expect_packet(ends[0], "x", "dgram without a peer");
	expect_packet(ends[0], "yy", "dgram without a peer");
	expect_nothing(ends[0], "dgram without a peer");
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == ECONNREFUSED, "a dgram socket without a peer: %s", strerror(errno));
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == ENOTCONN, "afterwards: %s", strerror(errno));
	ok();
}

/* Packets of no bytes between others, which a look by offset passes over. */
static void hold_empty(void)
{
	int ends[2], packets[2];
	pair(SOCK_SEQPACKET, packets);
	MUST(send(packets[0], "", 0, 0));
	MUST(send(packets[0], "rest", 4, 0));
	close(packets[0]);
	pair(SOCK_DGRAM, ends);
	MUST(send(ends[0], "", 0, 0));
	MUST(send(ends[0], "a", 1, 0));
	MUST(send(ends[0], "", 0, 0));
	MUST(send(ends[0], "b", 1, 0));
	victim_ready();
	victim_wait();
	expect_packet(ends[1], "", "first");
	expect_packet(ends[1], "a", "second");
	expect_packet(ends[1], "", "third");
	expect_packet(ends[1], "b", "fourth");
	expect_nothing(ends[1], "empty packets");
	expect_packet(packets[1], "", "the first of a peer that has gone");
	expect_packet(packets[1], "rest", "what is behind it");
	ok();
}

/* A stream whose peer was closed with something unread: one ECONNRESET is due. */
static void hold_reset(void)
{
	int ends[2];
	pair(SOCK_STREAM, ends);
	MUST(write(ends[1], "rest", 4));
	MUST(write(ends[0], "unread", 6));
	close(ends[1]);
	victim_ready();
	victim_wait();
	struct pollfd poll_fd = { ends[0], POLLIN, 0 };
	CHECK(poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == (POLLIN | POLLHUP | POLLERR), "events are %x", poll_fd.revents);
	int error = 0;
	socklen_t size = sizeof error;
	CHECK(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNRESET, "the error is %d", error);
	expect_bytes(ends[0], "rest", 4, "reset stream");
	CHECK(read(ends[0], found, 1) == 0, "the stream does not end");
	ok();
}

/* What a dump refuses: an urgent byte, an error that is due on packets, data sent to a listener that has not accepted its sender. */
static void hold_refused(const char *kind)
{
	int ends[2], server, on = !strcmp(kind, "inline");
	if (!strcmp(kind, "urgent") || on) {
		pair(SOCK_STREAM, ends);
		MUST(setsockopt(ends[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
		if (send(ends[0], "ab", 2, MSG_OOB) == -1)
			skip("this kernel has no urgent bytes in unix sockets");
	} else if (!strcmp(kind, "error")) {
		pair(SOCK_SEQPACKET, ends);
		MUST(write(ends[0], "unread", 6));
		close(ends[1]);
	} else {
		struct sockaddr address = { AF_UNIX, "\0" };
		socklen_t length = sizeof address;
		MUST(server = socket(AF_UNIX, SOCK_STREAM, 0));
		MUST(bind(server, &address, sizeof address.sa_family));
		MUST(getsockname(server, &address, &length));
		MUST(listen(server, 1));
		MUST(ends[0] = socket(AF_UNIX, SOCK_STREAM, 0));
		MUST(connect(ends[0], &address, length));
		MUST(write(ends[0], "early", 5));
	}
	victim_ready();
	victim_wait();
	if (!strcmp(kind, "urgent")) {
		CHECK(recv(ends[1], found, 1, MSG_OOB) == 1 && *found == 'b', "the urgent byte is lost: %s", strerror(errno));
		ok();
	}
	if (on) {
		expect_packet(ends[1], "a", "what is before the urgent byte");
		expect_packet(ends[1], "b", "the urgent byte");
		ok();
	}
	if (!strcmp(kind, "error")) {
		CHECK(recv(ends[0], found, 1, MSG_DONTWAIT) == -1 && errno == ECONNRESET, "the error is %s", strerror(errno));
		ok();
	}
	int accepted = accept(server, NULL, NULL);
	CHECK(accepted != -1, "accept: %s", strerror(errno));
	expect_packet(accepted, "early", "a client's data");
	ok();
}

static void expect_named(int fd, const struct sockaddr_un *want, const char *what)
{
	struct sockaddr_un now;
	socklen_t size = sizeof now;
	MUST(getsockname(fd, (void *)&now, &size));
	CHECK(size == sizeof(sa_family_t) + 6 && !memcmp(now.sun_path, want->sun_path, 6), "%s has another name, of %d bytes", what, (int)size);
}

/* Names that the kernel gives for SO_PASSCRED with the first packet: of a pair's ends, and of one whose peer has gone. */
static void hold_named(void)
{
	int ends[3], gone, on = 1;
	struct sockaddr_un names[3];
	pair(SOCK_SEQPACKET, ends);
	int lone[2];
	pair(SOCK_SEQPACKET, lone);
	ends[2] = lone[0];
	gone = lone[1];
	for (int i = 0; i < 3; i++) {
		socklen_t size = sizeof *names;
		MUST(setsockopt(ends[i], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
		MUST(write(ends[i], "named", 5));
		MUST(getsockname(ends[i], (void *)&names[i], &size));
		CHECK(size == sizeof(sa_family_t) + 6, "set-up: a name of %d bytes", (int)size);
	}
	MUST(read(gone, found, sizeof found));
	close(gone);
	victim_ready();
	victim_wait();
	expect_named(ends[0], &names[0], "the first end");
	expect_named(ends[1], &names[1], "the second end");
	expect_named(ends[2], &names[2], "the end without a peer");
	expect_packet(ends[0], "named", "to the first end");
	expect_packet(ends[1], "named", "to the second end");
	ok();
}

static const struct {
	const char *name;
	int option, set, want;
} numbers[] = {
	{ "SO_SNDBUF", SO_SNDBUF, 20000, 40000 },
	{ "SO_RCVBUF", SO_RCVBUF, 30000, 60000 },
	{ "SO_PASSCRED", SO_PASSCRED, 1, 1 },
	{ "SO_PASSSEC", SO_PASSSEC, 1, 1 },
	{ "SO_PRIORITY", SO_PRIORITY, 5, 5 },
	{ "SO_RCVLOWAT", SO_RCVLOWAT, 3, 3 },
	{ "SO_MARK", SO_MARK, 77, 77 },
	{ "SO_KEEPALIVE", SO_KEEPALIVE, 1, 1 },
	{ "SO_OOBINLINE", SO_OOBINLINE, 1, 1 },
	{ "SO_BROADCAST", SO_BROADCAST, 1, 1 },
	{ "SO_REUSEADDR", SO_REUSEADDR, 1, 1 },
	{ "SO_PEEK_OFF", SO_PEEK_OFF, 2, 2 },
};
/* The last ones, which CRIU does not set. */
enum { OURS = 2 };
/* SO_PASSPIDFD (Linux 6.5) and SO_PASSRIGHTS (6.16), where the kernel has them; SO_TIMESTAMPNS and SO_RXQ_OVFL. */
static const int newer[][2] = { { 76, 1 }, { 83, 0 }, { 35, 1 }, { 40, 1 } };

static void hold_options(bool all)
{
	size_t count = sizeof numbers / sizeof *numbers - (all ? 0 : OURS);
	int ends[2], plain[2], value;
	socklen_t size = sizeof value;
	pair(SOCK_STREAM, ends);
	pair(SOCK_STREAM, plain);
	for (size_t i = 0; i < count; i++)
		MUST(setsockopt(ends[0], SOL_SOCKET, numbers[i].option, &numbers[i].set, sizeof(int)));
	for (size_t i = 0; all && i < sizeof newer / sizeof *newer; i++)
		if (setsockopt(ends[0], SOL_SOCKET, newer[i][0], &newer[i][1], sizeof(int)) == -1)
			CHECK(errno == ENOPROTOOPT, "set-up: option %d: %s", newer[i][0], strerror(errno));
	struct timeval receive = { 12, 340000 }, send_time = { 5, 0 }, time;
	MUST(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof receive));
	MUST(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &send_time, sizeof send_time));
	struct linger linger = { 1, 9 };
	MUST(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
	int untouched;
	MUST(getsockopt(plain[0], SOL_SOCKET, SO_SNDBUF, &untouched, &size));
	victim_ready();
	victim_wait();
	for (size_t i = 0; i < count; i++) {
		value = -1;
		CHECK(getsockopt(ends[0], SOL_SOCKET, numbers[i].option, &value, &size) == 0, "%s: %s", numbers[i].name, strerror(errno));
		CHECK(value == numbers[i].want, "%s is %d, was %d", numbers[i].name, value, numbers[i].want);
	}
	size = sizeof time;
	CHECK(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, &size) == 0 && time.tv_sec == 12 && time.tv_usec == 340000,
	      "SO_RCVTIMEO is %ld.%06ld", time.tv_sec, time.tv_usec);
	CHECK(getsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &time, &size) == 0 && time.tv_sec == 5, "SO_SNDTIMEO is %ld", time.tv_sec);
	memset(&linger, 0, sizeof linger);
	size = sizeof linger;
	CHECK(getsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff == 1 && linger.l_linger == 9, "SO_LINGER is %d",
	      linger.l_linger);
	size = sizeof value;
	CHECK(getsockopt(plain[0], SOL_SOCKET, SO_SNDBUF, &value, &size) == 0 && value == untouched, "SO_SNDBUF is %d, was %d", value, untouched);
	CHECK(getsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &value, &size) == 0 && value == 0, "the other end has SO_PASSCRED");
	for (size_t i = 0; all && i < sizeof newer / sizeof *newer; i++)
		CHECK(getsockopt(ends[0], SOL_SOCKET, newer[i][0], &value, &size) == -1 || value == newer[i][1], "option %d is %d", newer[i][0],
		      value);
	ok();
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	victim_fill(text, sizeof text, 23);
	const char *kind = victim_argument(argc, argv, 1);
	if (!strcmp(kind, "options"))
		hold_options(!strcmp(victim_argument(argc, argv, 2), "all"));
	else if (!strcmp(kind, "lone"))
		hold_lone();
	else if (!strcmp(kind, "reset"))
		hold_reset();
	else if (!strcmp(kind, "empty"))
		hold_empty();
	else if (!strcmp(kind, "named"))
		hold_named();
	else if (*kind)
		hold_refused(kind);
	hold_pairs();
}
