/*
 * Holds: a TCP connection with something unread that no image keeps, as the argument says. "urgent": an urgent byte; "mark": one that was
 * read before the others; "inline": one that stands among the others; "ended": bytes of a connection that both ends have ended. Checks:
 * after a refusal all of it is there. "reset": an error that the program was not told of.
 * "flying": a connection that is in the queue of a unix socket alone.
 */
#include "victim.h"
#include <netinet/in.h>
#include <sys/socket.h>

static char found[16];

static void expect_part(int fd, const char *want, int flags)
{
	ssize_t got = recv(fd, found, sizeof found, flags);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%zd bytes came, not \"%s\": %s", got, want, strerror(errno));
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server, on = 1;
	MUST(bind(listener, (struct sockaddr *)&at, size));
	MUST(listen(listener, 1));
	MUST(getsockname(listener, (struct sockaddr *)&at, &size));
	MUST(connect(client, (struct sockaddr *)&at, size));
	MUST(server = accept(listener, NULL, NULL));
	bool mark = !strcmp(kind, "mark"), is_inline = !strcmp(kind, "inline"), ended = !strcmp(kind, "ended"), reset = !strcmp(kind, "reset");
	bool flying = !strcmp(kind, "flying");
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec part = { found, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int ends[2];
	if (is_inline)
		MUST(setsockopt(server, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
	MUST(send(client, "abc", 3, 0));
	if (flying) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		memcpy(CMSG_DATA(&control.head), &server, sizeof(int));
		MUST(sendmsg(ends[0], &message, 0));
		close(server);
	} else if (!ended && !reset) {
		MUST(send(client, "U", 1, MSG_OOB));
		MUST(send(client, "def", 3, 0));
	}
	if (reset)
		close(server);
	if (ended) {
		MUST(shutdown(client, SHUT_WR));
		MUST(shutdown(server, SHUT_WR));
	}
	pause_ms(100);
	if (mark)
		expect_part(server, "U", MSG_OOB);
	victim_ready();
	victim_wait();
	if (reset)
		ok();
	if (flying) {
		message.msg_controllen = sizeof control;
		CHECK(recvmsg(ends[1], &message, 0) == 1, "recvmsg: %s", strerror(errno));
		memcpy(&server, CMSG_DATA(&control.head), sizeof(int));
	}
	if (!strcmp(kind, "urgent"))
		expect_part(server, "U", MSG_OOB);
	expect_part(server, "abc", MSG_DONTWAIT);
	if (flying)
		ok();
	if (!ended)
		expect_part(server, is_inline ? "Udef" : "def", MSG_DONTWAIT);
	else
		expect_part(server, "", MSG_DONTWAIT);
	ok();
}
