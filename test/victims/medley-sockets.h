/* Kinds of medley.c: sockets, and descriptors that are on their way through them. */
#ifndef MEDLEY_SOCKETS_H
#define MEDLEY_SOCKETS_H
#include "medley-files.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

static const int unix_types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

static bool make_pair(struct thing *thing)
{
	int type = unix_types[roll(3)];
	DO(socketpair(AF_UNIX, type | (heads() ? SOCK_NONBLOCK : 0), 0, thing->fd));
	for (int side = 0; side < 2; side++) {
		int yes = 1, size = 4096 << roll(5);
		if (roll(4) == 0)
			DO(setsockopt(thing->fd[side], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
		if (roll(4) == 0)
			DO(setsockopt(thing->fd[side], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes));
		thing->n[side] = heads() ? 0 : (1 + roll(200)) * 8;
		if (thing->n[side])
			write_pattern(thing, thing->fd[!side], thing->n[side]);
	}
	thing->fd[0] = placed(thing, thing->fd[0]);
	switch (roll(6)) {
	case 0:
		shutdown(thing->fd[0], SHUT_WR);
		break;
	case 1:
		if (type == SOCK_DGRAM || thing->n[1] == 0) {
			close(thing->fd[1]);
			thing->fd[1] = -1;
		}
	}
	return true;
}

static void take_pair(struct thing *thing)
{
	char text[4000];
	for (int side = 0; side < 2; side++)
		if (thing->fd[side] != -1 && thing->n[side]) {
			ssize_t got = recv(thing->fd[side], text, sizeof text, MSG_DONTWAIT);
			SEE(got == thing->n[side], "side %d: %zd bytes, not %ld", side, got, thing->n[side]);
			same_pattern(thing, text, got, thing->seed, "queued");
		}
}

/* The name of a unix socket: in the folder, or abstract, which is found in any root directory and by anybody. */
static socklen_t unix_name(struct thing *thing, struct sockaddr_un *name, bool abstract)
{
	fresh_name(thing);
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (heads() && !abstract)
		strcpy(name->sun_path, thing->path);
	else
		snprintf(name->sun_path + 1, 100, "medley-%d-%d", getpid(), files_made);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name->sun_path + !*name->sun_path);
}

/* A listener, with a client that is accepted, one that waits, or none. */
static bool make_listener(struct thing *thing)
{
	struct sockaddr_un name;
	int type = heads() ? SOCK_STREAM : SOCK_SEQPACKET;
	socklen_t length = unix_name(thing, &name, false);
	DO(thing->fd[0] = socket(AF_UNIX, type, 0));
	DO(bind(thing->fd[0], (void *)&name, length));
	DO(listen(thing->fd[0], 1 + roll(10)));
	int clients = roll(3);
	if (clients > 0) {
		DO(thing->fd[1] = socket(AF_UNIX, type, 0));
		DO(connect(thing->fd[1], (void *)&name, length));
	}
	if (clients > 1) {
		DO(thing->fd[2] = accept(thing->fd[0], NULL, NULL));
		thing->n[0] = 64;
		write_pattern(thing, thing->fd[1], 64);
	} else
		thing->n[1] = clients;
	if (*name.sun_path && roll(3) == 0)
		DO(unlink(name.sun_path));
	return true;
}

static void take_listener(struct thing *thing)
{
	if (thing->n[0] && thing->fd[2] != -1)
		read_pattern(thing, thing->fd[2], 64, "queued");
	if (thing->n[1] && thing->fd[0] != -1) {
		DO(thing->fd[2] = accept(thing->fd[0], NULL, NULL));
		write_pattern(thing, thing->fd[2], 80);
		if (thing->fd[1] != -1)
			read_pattern(thing, thing->fd[1], 80, "new");
	}
}

/* Datagrams: one with a name, one connected to it. */
static bool make_datagrams(struct thing *thing)
{
	struct sockaddr_un name;
	socklen_t length = unix_name(thing, &name, false);
	DO(thing->fd[0] = socket(AF_UNIX, SOCK_DGRAM, 0));
	DO(bind(thing->fd[0], (void *)&name, length));
	DO(thing->fd[1] = socket(AF_UNIX, SOCK_DGRAM, 0));
	DO(connect(thing->fd[1], (void *)&name, length));
	thing->n[0] = roll(8);
	for (int i = 0; i < thing->n[0]; i++)
		write_pattern(thing, thing->fd[1], 8 * (i + 1));
	return true;
}

static void take_datagrams(struct thing *thing)
{
	char text[200];
	for (int i = 0; i < thing->n[0] && thing->fd[0] != -1; i++) {
		ssize_t got = recv(thing->fd[0], text, sizeof text, MSG_DONTWAIT);
		SEE(got == 8 * (i + 1), "datagram %d: %zd %s", i, got, strerror(errno));
		same_pattern(thing, text, got, thing->seed, "datagram");
	}
}

static void send_descriptors(const struct thing *thing, int through, const int *fds, int count)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(8 * sizeof(int))]; } control = { 0 };
	struct iovec data = { (void *)"x", 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	SEE(sendmsg(through, &message, 0) == 1, "sendmsg: %s", strerror(errno));
}

static int receive_descriptors(const struct thing *thing, int from, int *fds)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(8 * sizeof(int))]; } control;
	char text[4];
	struct iovec data = { text, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(from, &message, MSG_DONTWAIT);
	SEE(got == 1 && message.msg_controllen, "recvmsg: %zd %s", got, strerror(errno));
	int count = (control.head.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(&control.head), count * sizeof(int));
	return count;
}

/* Descriptors in flight: some that nobody has otherwise, some of other things, the pair itself. */
static bool make_rights(struct thing *thing)
{
	int fds[6], count = 0, inner[2];
	DO(socketpair(AF_UNIX, unix_types[roll(3)], 0, thing->fd));
	/* A pipe with something in it, which only this queue has. */
	DO(pipe(inner));
	write_pattern(thing, inner[1], 160);
	close(inner[1]);
	fds[count++] = inner[0];
	int memory = is_left_out("memfd-in-flight") ? fresh_file(thing, O_RDWR, 0) : memfd_create("in flight", 0);
	write_pattern(thing, memory, 320);
	if (*thing->path && heads())
		DO(unlink(thing->path));
	fds[count++] = memory;
	thing->n[0] = roll(5);
	if (thing->n[0] == 1)
		fds[count++] = thing->fd[0];
	if (thing->n[0] == 2)
		fds[count++] = thing->fd[1];
	if (thing->n[0] == 3)
		fds[count++] = fresh_file(thing, O_RDWR, 64);
	if (thing->n[0] == 4) {
		/* A socket in flight that has descriptors in flight. */
		int below[2];
		DO(socketpair(AF_UNIX, SOCK_STREAM, 0, below));
		send_descriptors(thing, below[0], &memory, 1);
		fds[count++] = below[1];
		if (heads())
			fds[count++] = below[0];
		else
			close(below[0]);
		send_descriptors(thing, thing->fd[0], fds, count);
		close(below[1]);
		if (count == 4)
			close(below[0]);
	} else
		send_descriptors(thing, thing->fd[0], fds, count);
	if (thing->n[0] == 3)
		close(fds[2]);
	close(inner[0]);
	close(memory);
	thing->n[1] = count;
	thing->fd[1] = placed(thing, thing->fd[1]);
	if (roll(3) == 0 && thing->n[0] != 4) {
		close(thing->fd[0]);
		thing->fd[0] = -1;
	}
	return true;
}

static void take_rights(struct thing *thing)
{
	int fds[8], inner[8];
	char text[320];
	if (thing->fd[1] == -1)
		return;
	SEE(receive_descriptors(thing, thing->fd[1], fds) == thing->n[1], "not %ld descriptors", thing->n[1]);
	read_pattern(thing, fds[0], 160, "the pipe in flight");
	SEE(pread(fds[1], text, 320, 0) == 320, "the memory in flight");
	same_pattern(thing, text, 320, thing->seed, "the memory in flight");
	SEE(lseek(fds[1], 0, SEEK_CUR) == 320, "the position of the memory in flight");
	if (thing->n[0] == 1 && thing->fd[0] != -1)
		SEE(syscall(SYS_kcmp, getpid(), getpid(), 0, fds[2], thing->fd[0]) == 0, "the sender in flight is another one");
	if (thing->n[0] == 2)
		SEE(syscall(SYS_kcmp, getpid(), getpid(), 0, fds[2], thing->fd[1]) == 0, "the receiver in its queue is another one");
	if (thing->n[0] == 4) {
		SEE(receive_descriptors(thing, fds[2], inner) == 1, "nothing in flight in the socket in flight");
		SEE(syscall(SYS_kcmp, getpid(), getpid(), 0, fds[1], inner[0]) == 0, "the memory is another one");
	}
}

static bool make_udp(struct thing *thing)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof name;
	DO(thing->fd[0] = socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(thing->fd[0], (void *)&name, size));
	DO(getsockname(thing->fd[0], (void *)&name, &size));
	DO(thing->fd[1] = socket(AF_INET, SOCK_DGRAM, 0));
	DO(connect(thing->fd[1], (void *)&name, size));
	return true;
}

static void take_udp(struct thing *thing)
{
	char text[100];
	if (thing->fd[0] == -1 || thing->fd[1] == -1)
		return;
	write_pattern(thing, thing->fd[1], 64);
	SEE(recv(thing->fd[0], text, sizeof text, 0) == 64, "datagram");
}

/* A listener on the loopback; with it a connection, both ends here, with bytes on their way. */
static bool make_tcp(struct thing *thing)
{
	bool six = heads();
	union { struct sockaddr_in four; struct sockaddr_in6 six; } name = { .four = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } } };
	socklen_t size = sizeof name.four;
	int yes = 1;
	if (six) {
		name.six = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		size = sizeof name.six;
	}
	DO(thing->fd[0] = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	if (heads())
		DO(setsockopt(thing->fd[0], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
	DO(bind(thing->fd[0], (void *)&name, size));
	if (roll(5) == 0)
		return true;
	DO(listen(thing->fd[0], 3));
	if (!heads())
		return true;
	DO(getsockname(thing->fd[0], (void *)&name, &size));
	DO(thing->fd[1] = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	DO(connect(thing->fd[1], (void *)&name, size));
	DO(thing->fd[2] = accept(thing->fd[0], NULL, NULL));
	if (heads())
		DO(setsockopt(thing->fd[1], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes));
	thing->n[0] = 8 * (1 + roll(500));
	write_pattern(thing, thing->fd[1], thing->n[0]);
	if (heads()) {
		thing->n[1] = 8 * (1 + roll(500));
		write_pattern(thing, thing->fd[2], thing->n[1]);
	}
	if (roll(3) == 0) {
		shutdown(thing->fd[1], SHUT_WR);
		thing->n[2] = 1;
	}
	return true;
}

static void take_tcp(struct thing *thing)
{
	char end;
	if (thing->fd[2] != -1 && thing->n[0]) {
		read_pattern(thing, thing->fd[2], thing->n[0], "queued");
		if (thing->n[2])
			SEE(read(thing->fd[2], &end, 1) == 0, "no end");
	}
	if (thing->fd[1] != -1 && thing->n[1])
		read_pattern(thing, thing->fd[1], thing->n[1], "queued back");
}

static bool make_netlink(struct thing *thing)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = roll(4) };
	DO(thing->fd[0] = placed(thing, socket(AF_NETLINK, SOCK_RAW, 15)));
	if (heads())
		DO(bind(thing->fd[0], (void *)&name, sizeof name));
	return true;
}
#endif
