/*
 * Holds: a thread inside the call named by the argument, on a System V semaphore or message queue or a POSIX message queue, until it is woken.
 * These objects belong to the namespace and outlive the process; each is there before and after.
 * Checks: the call goes on, without EINTR, until the waker does its part; what was queued is still there.
 */
#include "victim.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

static int sem, queue;
static mqd_t posix;
static char name[64];
struct letter {
	long type;
	char text[16];
};

static void in_semop(void)
{
	struct sembuf take = { 0, -1, 0 };
	/* The kernel itself answers EINTR after a stop (signal(7)). */
	int got = semop(sem, &take, 1);
	CHECK(got == 0, "semop: %s", strerror(errno));
}
static void in_semtimedop(void)
{
	struct sembuf take = { 0, -1, 0 };
	int got = semtimedop(sem, &take, 1, NULL);
	CHECK(got == 0, "semtimedop: %s", strerror(errno));
}
static void in_msgrcv(void)
{
	struct letter letter = { 0 };
	ssize_t got = msgrcv(queue, &letter, sizeof letter.text, 5, 0);
	CHECK(got == 16 && letter.type == 5 && !strcmp(letter.text, "wake"), "msgrcv gave %zd: %s", got, strerror(errno));
}
static void in_msgsnd(void)
{
	struct letter letter = { 5, "late" };
	CHECK(msgsnd(queue, &letter, sizeof letter.text, 0) == 0, "msgsnd: %s", strerror(errno));
}
static void in_mq_receive(void)
{
	char text[16] = "";
	ssize_t got = mq_receive(posix, text, sizeof text, NULL);
	CHECK(got == 5 && !strcmp(text, "wake"), "mq_receive gave %zd: %s", got, strerror(errno));
}
static void in_mq_timedreceive(void)
{
	char text[16] = "";
	struct timespec until = { time(NULL) + 1000, 0 };
	ssize_t got = mq_timedreceive(posix, text, sizeof text, NULL, &until);
	CHECK(got == 5 && !strcmp(text, "wake"), "mq_timedreceive gave %zd: %s", got, strerror(errno));
}
static void in_mq_send(void)
{
	CHECK(mq_send(posix, "late", 5, 1) == 0, "mq_send: %s", strerror(errno));
}

static void wake_sem(void)
{
	struct sembuf give = { 0, 1, 0 };
	CHECK(semop(sem, &give, 1) == 0, "wake: semop: %s", strerror(errno));
}
static void wake_msg(void)
{
	struct letter letter = { 5, "wake" };
	CHECK(msgsnd(queue, &letter, sizeof letter.text, 0) == 0, "wake: msgsnd: %s", strerror(errno));
}
static void take_msg(void)
{
	struct letter letter;
	CHECK(msgrcv(queue, &letter, sizeof letter.text, 1, IPC_NOWAIT) == 16 && !strcmp(letter.text, "full"), "wake: msgrcv: %s", strerror(errno));
}
static void wake_mq(void)
{
	CHECK(mq_send(posix, "wake", 5, 1) == 0, "wake: mq_send: %s", strerror(errno));
}
static void take_mq(void)
{
	char text[16];
	CHECK(mq_receive(posix, text, sizeof text, NULL) == 5 && !strcmp(text, "full"), "wake: mq_receive: %s", strerror(errno));
}

static const struct row {
	const char *name;
	void (*call)(void);
	void (*wake)(void);
	bool full;
} rows[] = {
	{ "semop", in_semop, wake_sem, false },
	{ "semtimedop", in_semtimedop, wake_sem, false },
	{ "msgrcv", in_msgrcv, wake_msg, false },
	{ "msgsnd", in_msgsnd, take_msg, true },
	{ "mq_receive", in_mq_receive, wake_mq, false },
	{ "mq_timedreceive", in_mq_timedreceive, wake_mq, false },
	{ "mq_send", in_mq_send, take_mq, true },
};

static void *body(void *argument)
{
	const struct row *row = argument;
	row->call();
	CHECK(victim_go, "%s returned before it was woken", row->name);
	return NULL;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const struct row *row = VICTIM_ROW(rows, victim_argument(argc, argv, 1));
	bool is_posix = !strncmp(row->name, "mq_", 3);
	if (is_posix) {
		snprintf(name, sizeof name, "/victim-%d", getpid());
		struct mq_attr attributes = { .mq_maxmsg = 1, .mq_msgsize = 16 };
		MUST(posix = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
		if (row->full)
			MUST(mq_send(posix, "full", 5, 1));
	} else {
		MUST(sem = semget(IPC_PRIVATE, 1, 0600));
		MUST(queue = msgget(IPC_PRIVATE, 0600));
		if (row->full) {
			struct msqid_ds set;
			MUST(msgctl(queue, IPC_STAT, &set));
			set.msg_qbytes = 16;
			MUST(msgctl(queue, IPC_SET, &set));
			struct letter letter = { 1, "full" };
			MUST(msgsnd(queue, &letter, sizeof letter.text, 0));
		}
	}
	pthread_t thread = victim_thread(body, (void *)row);
	pause_ms(50);
	victim_ready();
	victim_wait();
	row->wake();
	victim_join(thread);
	if (is_posix) {
		mq_unlink(name);
	} else {
		semctl(sem, 0, IPC_RMID);
		msgctl(queue, IPC_RMID, NULL);
	}
	ok();
}
