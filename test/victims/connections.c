/*
 * Holds: TCP connections, as the argument says. "closed": one of each family and a listening socket with connections that nobody accepted;
 * checks that after the restore (--tcp-close) they are new sockets, and the listening one goes on. "held": idle, with data in every queue,
 * half closed; checks that every byte is there once. "stream": two processes that send each other numbers without end; "listen PORT-FILE"
 * and "connect ADDRESS PORT": one of the two alone. Both check every byte, and when asked, that all that was sent came.
 */
#include "victim.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

static socklen_t any_port(struct sockaddr_storage *at, int family)
{
	memset(at, 0, sizeof *at);
	at->ss_family = family;
	if (family == AF_INET) {
		((struct sockaddr_in *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(struct sockaddr_in);
	}
	((struct sockaddr_in6 *)at)->sin6_addr = in6addr_loopback;
	return sizeof(struct sockaddr_in6);
}

static int listening(int family, struct sockaddr_storage *at, socklen_t *size)
{
	int fd = socket(family, SOCK_STREAM, 0);
	*size = any_port(at, family);
	MUST(bind(fd, (struct sockaddr *)at, *size));
	MUST(listen(fd, 8));
	MUST(getsockname(fd, (struct sockaddr *)at, size));
	return fd;
}

static int joined(struct sockaddr_storage *at, socklen_t size)
{
	int fd = socket(at->ss_family, SOCK_STREAM, 0);
	MUST(connect(fd, (struct sockaddr *)at, size));
	return fd;
}

static void closed(void)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct sockaddr_storage at[2];
	socklen_t size[2];
	int listener[2], client[2], server[2], waiting[2], on = 1;
	char byte;
	for (int i = 0; i < 2; i++) {
		listener[i] = listening(families[i], &at[i], &size[i]);
		client[i] = joined(&at[i], size[i]);
		MUST(server[i] = accept4(listener[i], NULL, NULL, SOCK_NONBLOCK));
		MUST(setsockopt(server[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
		MUST(write(client[i], "lost", 4));
		waiting[i] = joined(&at[i], size[i]);
		MUST(fcntl(listener[i], F_SETFL, O_NONBLOCK));
	}
	victim_ready();
	victim_wait();
	for (int i = 0; i < 2; i++) {
		socklen_t length = sizeof on;
		CHECK(read(client[i], &byte, 1) == -1 && errno == ENOTCONN, "the client is connected");
		CHECK(read(server[i], &byte, 1) == -1 && errno == ENOTCONN, "the server is connected");
		CHECK(read(waiting[i], &byte, 1) == -1 && errno == ENOTCONN, "who waited is connected");
		CHECK(accept(listener[i], NULL, NULL) == -1 && errno == EAGAIN, "a connection is there: %s", strerror(errno));
		CHECK(fcntl(server[i], F_GETFL) & O_NONBLOCK, "O_NONBLOCK is lost");
		CHECK(getsockopt(server[i], IPPROTO_TCP, TCP_NODELAY, &on, &length) == 0 && on == 1, "TCP_NODELAY is lost");
		CHECK(connect(client[i], (struct sockaddr *)&at[i], size[i]) == 0, "connect: %s", strerror(errno));
		CHECK(accept(listener[i], NULL, NULL) != -1, "accept: %s", strerror(errno));
	}
	ok();
}


static void exactly(int fd, const char *text, size_t length, const char *what)
{
	char *found = malloc(length + 1);
	for (size_t got = 0; got < length;) {
		ssize_t part = recv(fd, found + got, length - got, 0);
		CHECK(part > 0, "%s: %zu of %zu bytes came: %s", what, got, length, part ? strerror(errno) : "the end");
		got += part;
	}
	CHECK(!memcmp(found, text, length), "%s: other bytes came", what);
	free(found);
}

static void ended(int fd, const char *what)
{
	char byte;
	CHECK(recv(fd, &byte, 1, 0) == 0, "%s: it has not ended", what);
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof info;
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "TCP_INFO: %s", strerror(errno));
	return info.tcpi_state;
}

/* IPv4, IPv6, and a client of IPv4 at a server of both. */
static void pair(int kind, int *client, int *server)
{
	struct sockaddr_storage at;
	socklen_t size;
	int off = 0, fd = socket(kind ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	size = any_port(&at, kind ? AF_INET6 : AF_INET);
	if (kind == 2) {
		MUST(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off));
		((struct sockaddr_in6 *)&at)->sin6_addr = in6addr_any;
	}
	MUST(bind(fd, (struct sockaddr *)&at, size));
	MUST(listen(fd, 1));
	MUST(getsockname(fd, (struct sockaddr *)&at, &size));
	if (kind == 2) {
		int port = ((struct sockaddr_in6 *)&at)->sin6_port;
		size = any_port(&at, AF_INET);
		((struct sockaddr_in *)&at)->sin_port = port;
	}
	*client = joined(&at, size);
	MUST(*server = accept(fd, NULL, NULL));
	close(fd);
}

enum { IDLE, QUEUED, FULL, HALF, OTHER_HALF, BOTH, DRAINED, SCENES };

static void held(void)
{
	static char text[SCENES][3][2][1 << 16];
	static int client[SCENES][3], server[SCENES][3], states[SCENES][3][2], filled[SCENES][3];
	for (int scene = 0; scene < SCENES; scene++)
		for (int kind = 0; kind < 3; kind++) {
			int *c = &client[scene][kind], *s = &server[scene][kind], on = 1;
			pair(kind, c, s);
			victim_fill(text[scene][kind], sizeof text[scene][kind], 7 + scene * 3 + kind);
			if (scene == QUEUED || scene == HALF || scene == BOTH) {
				MUST(write(*c, text[scene][kind][0], 20000));
				MUST(write(*s, text[scene][kind][1], 40000));
			}
			if (scene == FULL) {
				/* More than the other end takes: some of it is not sent yet. */
				MUST(fcntl(*c, F_SETFL, O_NONBLOCK));
				for (ssize_t part; (part = write(*c, text[scene][kind][0] + filled[scene][kind] % 65536,
								 65536 - filled[scene][kind] % 65536)) > 0;)
					filled[scene][kind] += part;
				MUST(fcntl(*c, F_SETFL, 0));
			}
			MUST(setsockopt(*s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
			if (scene == HALF || scene == BOTH)
				MUST(shutdown(*c, SHUT_WR));
			if (scene == OTHER_HALF)
				MUST(shutdown(*s, SHUT_WR));
			if (scene == DRAINED)
				MUST(shutdown(*s, SHUT_RD));
		}
	pause_ms(100);
	for (int scene = 0; scene < SCENES; scene++)
		for (int kind = 0; kind < 3; kind++) {
			states[scene][kind][0] = state_of(client[scene][kind]);
			states[scene][kind][1] = state_of(server[scene][kind]);
		}
	victim_ready();
	victim_wait();
	for (int scene = 0; scene < SCENES; scene++)
		for (int kind = 0; kind < 3; kind++) {
			int c = client[scene][kind], s = server[scene][kind];
			char what[40], byte;
			snprintf(what, sizeof what, "scene %d of kind %d", scene, kind);
			CHECK(state_of(c) == states[scene][kind][0] && state_of(s) == states[scene][kind][1], "%s: states were %d %d, are %d %d", what,
			      states[scene][kind][0], states[scene][kind][1], state_of(c), state_of(s));
			if (scene == QUEUED || scene == HALF || scene == BOTH) {
				exactly(s, text[scene][kind][0], 20000, what);
				exactly(c, text[scene][kind][1], 40000, what);
			}
			for (int done = 0; done < filled[scene][kind];) {
				int part = filled[scene][kind] - done < 65536 ? filled[scene][kind] - done : 65536;
				exactly(s, text[scene][kind][0], part, what);
				done += part;
			}
			if (scene == HALF || scene == BOTH)
				ended(s, what);
			if (scene == OTHER_HALF)
				ended(c, what);
			if (scene != OTHER_HALF) {
				CHECK(write(s, "s", 1) == 1, "%s: write: %s", what, strerror(errno));
				exactly(c, "s", 1, what);
			} else
				CHECK(write(c, "c", 1) == 1 && recv(s, &byte, 1, 0) == 1 && byte == 'c', "%s: the other way", what);
			if (scene == BOTH) {
				CHECK(shutdown(s, SHUT_WR) == 0, "%s: shutdown: %s", what, strerror(errno));
				ended(c, what);
			}
		}
	ok();
}

static bool patient;

/* With "patient": the tool was killed in the moment in which the connection was in its hands, and somebody lets it go at once. */
static bool in_passing(void)
{
	static int times;
	if (errno == EAGAIN)
		return true;
	if (!patient || (errno != EPERM && errno != EINVAL) || times++ == 20000)
		return false;
	pause_ms(1);
	return true;
}

/* Sends its numbers and checks the other's, until it is asked; then both tell their ends. */
static void talk(int fd, uint64_t mine, uint64_t theirs)
{
	static uint64_t out[512], in[4096];
	uint64_t sent = 0, got = 0;
	size_t pending = 0, head = 0, partial = 0;
	bool closing = false;
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	for (;;) {
		struct pollfd one = { .fd = fd, .events = POLLIN | (closing ? 0 : POLLOUT) };
		CHECK(poll(&one, 1, 20) != -1 || errno == EINTR, "poll: %s", strerror(errno));
		if (one.revents & POLLIN) {
			ssize_t part = read(fd, (char *)in + partial, sizeof in - partial);
			CHECK(part >= 0 || in_passing(), "read after %lu bytes: %s", (unsigned long)got, strerror(errno));
			if (part == 0) {
				CHECK(partial == 0, "the end came amid a number");
				break;
			}
			if (part > 0) {
				got += part;
				size_t bytes = partial + part, words = bytes / 8;
				for (size_t i = 0; i < words; i++)
					CHECK(in[i] == victim_random(&theirs), "another number came near byte %lu", (unsigned long)got);
				partial = bytes % 8;
				memmove(in, in + words, partial);
			}
		}
		if (!closing && pending == 0 && victim_asked()) {
			closing = true;
			MUST(shutdown(fd, SHUT_WR));
		}
		if (closing || !(one.revents & POLLOUT))
			continue;
		if (pending == 0) {
			for (size_t i = 0; i < sizeof out / 8; i++)
				out[i] = victim_random(&mine);
			pending = sizeof out;
			head = 0;
		}
		ssize_t part = write(fd, (char *)out + head, pending);
		CHECK(part > 0 || in_passing(), "write after %lu bytes: %s", (unsigned long)sent, strerror(errno));
		if (part > 0) {
			sent += part;
			head += part;
			pending -= part;
		}
	}
	CHECK(got > 0, "nothing came");
	/* The other's end may come before ours is told: what is left of ours must still go. */
	for (; pending > 0;) {
		ssize_t part = write(fd, (char *)out + head, pending);
		CHECK(part > 0 || errno == EAGAIN, "write at the end: %s", strerror(errno));
		pending -= part > 0 ? part : 0;
		head += part > 0 ? part : 0;
		pause_ms(1);
	}
	shutdown(fd, SHUT_WR);
}

static void stream(void)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd = listening(AF_INET, &at, &size), peer;
	pid_t child = fork();
	if (child == 0) {
		close(fd);
		talk(joined(&at, size), 11, 22);
		_exit(0);
	}
	MUST(peer = accept(fd, NULL, NULL));
	victim_ready();
	talk(peer, 22, 11);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	ok();
}

static void listen_alone(const char *path)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd, peer;
	memset(&at, 0, sizeof at);
	at.ss_family = AF_INET;
	MUST(fd = socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(fd, (struct sockaddr *)&at, sizeof(struct sockaddr_in)));
	MUST(listen(fd, 1));
	size = sizeof at;
	MUST(getsockname(fd, (struct sockaddr *)&at, &size));
	char port[16];
	int file = open(path, O_WRONLY | O_CREAT, 0600), length = snprintf(port, sizeof port, "%d", ntohs(((struct sockaddr_in *)&at)->sin_port));
	MUST(write(file, port, length));
	close(file);
	victim_ready();
	MUST(peer = accept(fd, NULL, NULL));
	talk(peer, 22, 11);
	ok();
}

static void connect_alone(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(inet_pton(AF_INET, address, &at.sin_addr) == 1, "set-up: address %s", address);
	MUST(connect(fd, (struct sockaddr *)&at, sizeof at));
	victim_ready();
	talk(fd, 11, 22);
	ok();
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	patient = !strcmp(victim_argument(argc, argv, 2), "patient");
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(kind, "closed"))
		closed();
	if (!strcmp(kind, "held"))
		held();
	if (!strcmp(kind, "stream"))
		stream();
	if (!strcmp(kind, "listen"))
		listen_alone(victim_argument(argc, argv, 2));
	if (!strcmp(kind, "connect"))
		connect_alone(victim_argument(argc, argv, 2), victim_argument(argc, argv, 3));
	fail("unknown argument");
}
