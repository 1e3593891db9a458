/*
 * Holds: TCP connections between two sockets of its own, as the argument says: "closed" one of each family and a listening socket with
 * connections that nobody accepted. Checks: after the restore (--tcp-close) they are new sockets, and the listening one goes on.
 */
#include "victim.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	if (!strcmp(victim_argument(argc, argv, 1), "closed"))
		closed();
	fail("unknown argument");
}
