/*
 * Holds: descriptors of a POSIX message queue: one that reads without waiting, one that writes, with a copy, and one that both a child and its
 * parent have; an epoll that watches it. With "notify" it is to be told of the next message; with "unlinked" the queue has no name any more.
 * Checks: what each of them may do, that messages are still there in their order, and that the copy has the flags of its original.
 */
#include "victim.h"
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static char name[64];

static void take(mqd_t queue, const char *wanted, unsigned priority)
{
	char text[32] = "";
	unsigned found = 0;
	CHECK(mq_receive(queue, text, sizeof text, &found) == (ssize_t)strlen(wanted) + 1, "mq_receive: %s", strerror(errno));
	CHECK(!strcmp(text, wanted) && found == priority, "received \"%s\" of %u, not \"%s\" of %u", text, found, wanted, priority);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	snprintf(name, sizeof name, "/victim %d", getpid());
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 32 };
	mqd_t reader, writer, both, copy;
	MUST(both = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0640, &attributes));
	MUST(reader = mq_open(name, O_RDONLY | O_NONBLOCK));
	MUST(writer = mq_open(name, O_WRONLY));
	MUST(copy = dup(writer));
	MUST(mq_send(writer, "low", 4, 1));
	MUST(mq_send(writer, "high", 5, 9));
	int instance;
	MUST(instance = epoll_create1(0));
	struct epoll_event wanted = { EPOLLIN, { .u64 = 5 } }, got;
	MUST(epoll_ctl(instance, EPOLL_CTL_ADD, reader, &wanted));
	if (!strcmp(kind, "notify")) {
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG };
		MUST(mq_notify(both, &event));
	}
	if (!strcmp(kind, "unlinked"))
		MUST(mq_unlink(name));
	pid_t child = fork();
	if (child == 0) {
		while (!victim_asked())
			pause_ms(20);
		_exit(mq_send(both, "child", 6, 5) == 0 ? 0 : 1);
	}
	MUST(child);
	victim_ready();
	victim_wait();

	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	CHECK(epoll_wait(instance, &got, 1, 1000) == 1 && got.data.u64 == 5, "the epoll does not see the queue");
	CHECK(mq_send(reader, "x", 2, 1) == -1 && errno == EBADF, "the reader can write");
	char text[32];
	CHECK(mq_receive(writer, text, sizeof text, NULL) == -1 && errno == EBADF, "the writer can read");
	take(reader, "high", 9);
	take(both, "child", 5);
	take(reader, "low", 1);
	CHECK(mq_receive(reader, text, sizeof text, NULL) == -1 && errno == EAGAIN, "the reader waits");
	struct mq_attr set = { .mq_flags = O_NONBLOCK };
	CHECK(mq_setattr(writer, &set, NULL) == 0 && mq_getattr(copy, &set) == 0, "mq_setattr: %s", strerror(errno));
	CHECK(set.mq_flags == O_NONBLOCK, "the copy is no copy any more");
	CHECK(set.mq_maxmsg == 4 && set.mq_msgsize == 32 && set.mq_curmsgs == 0, "the queue is another one");
	CHECK((fcntl(reader, F_GETFD) & FD_CLOEXEC) && !(fcntl(copy, F_GETFD) & FD_CLOEXEC), "close-on-exec is not as it was");
	mq_unlink(name);
	ok();
}
