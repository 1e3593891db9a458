/*
 * Holds: netlink sockets: bound by the kernel, a member of groups by bind and by option, above 32 too, with options; one of kernel events;
 * one connected to the kernel; a new one.
 * Checks: ports, groups, options, flags, that questions are answered and that a message to a group comes.
 */
#include "victim.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static int make(int type, int protocol)
{
	int fd;
	MUST(fd = socket(AF_NETLINK, type, protocol));
	return fd;
}

static struct sockaddr_nl name_of(int fd)
{
	struct sockaddr_nl name = { 0 };
	socklen_t length = sizeof name;
	CHECK(getsockname(fd, (struct sockaddr *)&name, &length) == 0, "getsockname: %s", strerror(errno));
	return name;
}

static int option(int fd, int level, int which)
{
	int value = -1;
	socklen_t length = sizeof value;
	CHECK(getsockopt(fd, level, which, &value, &length) == 0, "option %d: %s", which, strerror(errno));
	return value;
}

/* Asks for the loopback device; the socket has no peer or the kernel. */
static void ask(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg body;
	} question = { { sizeof question, RTM_GETLINK, NLM_F_REQUEST, 42, 0 }, { .ifi_index = 1 } };
	char answer[16384];
	CHECK(send(fd, &question, sizeof question, 0) == sizeof question, "send: %s", strerror(errno));
	ssize_t got = recv(fd, answer, sizeof answer, 0);
	struct nlmsghdr *head = (struct nlmsghdr *)answer;
	CHECK(got >= (ssize_t)sizeof *head && head->nlmsg_type == RTM_NEWLINK && head->nlmsg_seq == 42, "answer: %zd, type %d", got, head->nlmsg_type);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	bool more = !strcmp(victim_argument(argc, argv, 1), "more");
	int bound = make(SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_USERSOCK), plain = make(SOCK_RAW, NETLINK_ROUTE);
	int events = make(SOCK_RAW, NETLINK_KOBJECT_UEVENT), fresh = make(SOCK_RAW, NETLINK_SOCK_DIAG), on = 1;
	int joined = more ? make(SOCK_RAW, NETLINK_ROUTE) : -1;
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = 5 };
	MUST(bind(bound, (struct sockaddr *)&name, sizeof name));
	/* Of kernel events only those that udev passes on, in group 2: what the test machine tells does not come into the queue. */
	name = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_groups = 2 };
	MUST(bind(events, (struct sockaddr *)&name, sizeof name));
	name.nl_groups = 0;
	if (more)
		MUST(connect(plain, (struct sockaddr *)&(struct sockaddr_nl){ .nl_family = AF_NETLINK }, sizeof name));
	else
		MUST(bind(plain, (struct sockaddr *)&name, sizeof name));
	if (more) {
		MUST(setsockopt(plain, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on));
		MUST(setsockopt(plain, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof on));
		MUST(setsockopt(plain, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
		MUST(setsockopt(plain, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
		int group = RTNLGRP_NEXTHOP;
		CHECK(group == 32, "set-up: the group has number %d", group);
		group = 33;
		MUST(setsockopt(joined, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
	}
	int size = 50000;
	MUST(setsockopt(plain, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
	struct sockaddr_nl before[] = { name_of(bound), name_of(plain), name_of(events), name_of(fresh) };
	size = option(plain, SOL_SOCKET, SO_RCVBUF);
	victim_ready();
	victim_wait();
	int all[] = { bound, plain, events, fresh };
	for (int i = 0; i < 4; i++) {
		struct sockaddr_nl now = name_of(all[i]);
		CHECK(now.nl_pid == before[i].nl_pid && now.nl_groups == before[i].nl_groups, "socket %d: port %u, groups %x", i, now.nl_pid, now.nl_groups);
	}
	CHECK(fcntl(bound, F_GETFD) == FD_CLOEXEC && fcntl(bound, F_GETFL) & O_NONBLOCK, "flags are lost");
	CHECK(option(plain, SOL_SOCKET, SO_RCVBUF) == size, "the buffer is of %d bytes", option(plain, SOL_SOCKET, SO_RCVBUF));
	CHECK(option(fresh, SOL_SOCKET, SO_PROTOCOL) == NETLINK_SOCK_DIAG, "the new one is of another protocol");
	if (more) {
		CHECK(option(plain, SOL_NETLINK, NETLINK_EXT_ACK) == 1 && option(plain, SOL_NETLINK, NETLINK_PKTINFO) == 1, "options are lost");
		CHECK(option(plain, SOL_SOCKET, SO_TIMESTAMP) == 1 && option(plain, SOL_SOCKET, SO_REUSEADDR) == 1, "options of every socket are lost");
		uint32_t groups[16] = { 0 };
		socklen_t length = sizeof groups;
		CHECK(getsockopt(joined, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &length) == 0, "memberships: %s", strerror(errno));
		CHECK(groups[0] == 0 && groups[1] == 1, "memberships %x %x", groups[0], groups[1]);
		CHECK(name_of(joined).nl_pid == 0, "a socket without a port has got one");
	}
	ask(plain);
	int sender = make(SOCK_RAW, NETLINK_USERSOCK);
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 4 };
	struct nlmsghdr message = { sizeof message, 99, 0, 7, 0 }, came = { 0 };
	/* Told to the group, and then refused by port 0, which is the kernel's and nobody's for this protocol. */
	ssize_t sent = sendto(sender, &message, sizeof message, 0, (struct sockaddr *)&group, sizeof group);
	CHECK(sent == sizeof message || errno == ECONNREFUSED, "sendto: %s", strerror(errno));
	CHECK(recv(bound, &came, sizeof came, 0) == sizeof came && came.nlmsg_type == 99, "the group's message does not come: %s", strerror(errno));
	ok();
}
