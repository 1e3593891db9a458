/*
 * Holds: descriptors in flight through unix sockets: of files that are open besides, and of such that are in flight alone: an eventfd,
 * both ends of a pipe with data. Argument "sockets": sockets in flight, with data in their own queues and a file in those; "cycle": a
 * socket in its own queue; "bounds": bytes of a stream before those that a descriptor comes with; "epoll": an epoll, which cannot be kept
 * there. Checks: what arrives, with which byte or packet, what it leads to. Last argument: an empty folder.
 */
#include "victim.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char found[1000];

static void put(int through, const char *text, int count, const int *fds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} control;
	struct iovec part = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (count > 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * count);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * count);
	}
	CHECK(sendmsg(through, &message, MSG_NOSIGNAL) == (ssize_t)strlen(text), "set-up: sendmsg: %s", strerror(errno));
}

/* Takes one message; it must be this text with that many descriptors. */
static void take(int from, const char *want, int count, int *fds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} control;
	struct iovec part = { found, strlen(want) ? strlen(want) : sizeof found };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(from, &message, MSG_DONTWAIT);
	CHECK(got == (ssize_t)strlen(want) && !memcmp(found, want, got), "%zd bytes, not \"%s\": %s", got, want, strerror(errno));
	int came = 0;
	for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
		if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS) {
			came = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			CHECK(came == count, "%d descriptors came with \"%s\", not %d", came, want, count);
			memcpy(fds, CMSG_DATA(one), came * sizeof(int));
		}
	CHECK(came == count, "%d descriptors came with \"%s\", not %d", came, want, count);
}

static void hold_files(bool bounds)
{
	int stream[2], dgram[2], kept[2], flying[2], counter, fds[3];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram));
	MUST(pipe(kept));
	MUST(pipe(flying));
	MUST(counter = eventfd(41, 0));
	if (bounds)
		put(stream[0], "plain", 0, NULL);
	put(stream[0], "with one", 1, &kept[0]);
	put(stream[0], "more", 0, NULL);
	MUST(write(flying[1], "flying", 6));
	put(dgram[0], "pipe", 2, flying);
	put(dgram[0], "counter", 1, &counter);
	close(flying[0]), close(flying[1]), close(counter);
	victim_ready();
	victim_wait();
	if (bounds)
		take(stream[1], "plain", 0, fds);
	take(stream[1], "with one", 1, fds);
	take(stream[1], "more", 0, fds + 1);
	CHECK(write(kept[1], "k", 1) == 1 && read(fds[0], found, 1) == 1 && *found == 'k', "the pipe that came leads elsewhere");
	take(dgram[1], "pipe", 2, fds);
	CHECK(read(fds[0], found, 10) == 6 && !memcmp(found, "flying", 6), "the pipe in flight lost its data");
	CHECK(write(fds[1], "w", 1) == 1 && read(fds[0], found, 1) == 1, "the ends of the pipe in flight are not one pipe's");
	take(dgram[1], "counter", 1, fds);
	uint64_t value = 0;
	CHECK(read(fds[0], &value, 8) == 8 && value == 41, "the counter in flight is %lu", value);
	ok();
}

static void hold_sockets(const char *folder)
{
	int carrier[2], inner[2], whole[2], file, fds[3];
	char path[300];
	snprintf(path, sizeof path, "%s/file", folder);
	MUST(file = open(path, O_RDWR | O_CREAT, 0600));
	MUST(write(file, "0123456789", 10));
	MUST(lseek(file, 4, SEEK_SET));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, carrier));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, inner));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, whole));
	put(inner[0], "for the one in flight", 0, NULL);
	put(whole[0], "packet", 1, &file);
	put(carrier[0], "one end", 1, &inner[1]);
	put(carrier[0], "both ends", 2, whole);
	close(inner[1]), close(whole[0]), close(whole[1]), close(file);
	victim_ready();
	victim_wait();
	take(carrier[1], "one end", 1, fds);
	take(fds[0], "for the one in flight", 0, NULL);
	put(inner[0], "later", 0, NULL);
	take(fds[0], "later", 0, NULL);
	take(carrier[1], "both ends", 2, fds);
	int last;
	take(fds[1], "packet", 1, &last);
	CHECK(read(last, found, 3) == 3 && !memcmp(found, "456", 3), "the file in flight is at another place");
	put(fds[0], "new", 0, NULL);
	take(fds[1], "new", 0, NULL);
	ok();
}

static void hold_epoll(void)
{
	int ends[2], epoll, fds[1];
	struct epoll_event event = { EPOLLIN, { .u64 = 7 } };
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	MUST(epoll = epoll_create1(0));
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	put(ends[0], "epoll", 1, &epoll);
	close(epoll);
	victim_ready();
	victim_wait();
	take(ends[1], "epoll", 1, fds);
	put(ends[1], "event", 0, NULL);
	CHECK(epoll_wait(fds[0], &event, 1, 0) == 1 && event.data.u64 == 7, "the epoll gives nothing");
	ok();
}

static void hold_cycle(void)
{
	int ends[2], fds[3];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	put(ends[0], "myself", 2, ends);
	victim_ready();
	victim_wait();
	take(ends[1], "myself", 2, fds);
	put(fds[0], "through", 0, NULL);
	take(ends[1], "through", 0, NULL);
	put(fds[1], "back", 0, NULL);
	take(ends[0], "back", 0, NULL);
	ok();
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	if (!strcmp(kind, "sockets"))
		hold_sockets(victim_argument(argc, argv, 2));
	else if (!strcmp(kind, "cycle"))
		hold_cycle();
	else if (!strcmp(kind, "epoll"))
		hold_epoll();
	hold_files(!strcmp(kind, "bounds"));
}
