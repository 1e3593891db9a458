/*
 * Holds: a robust mutex owned by a thread, each thread's robust list and clear_child_tid address.
 * Checks: the list heads are as before, the owner's death is seen, pthread_join works.
 */
#include "victim.h"
#include <linux/futex.h>

static pthread_mutex_t robust;
static volatile pid_t owner_tid;

static void list_of(pid_t tid, void **head, size_t *length)
{
	MUST((int)syscall(SYS_get_robust_list, tid, head, length));
}

static void *own(void *unused)
{
	pthread_mutex_lock(&robust);
	owner_tid = gettid();
	while (!victim_go)
		pause_ms(10);
	return unused; /* dies without unlocking */
}

static void *wait_for(void *unused)
{
	int error = pthread_mutex_lock(&robust);
	CHECK(error == EOWNERDEAD, "lock of a dead owner's mutex: %s", strerror(error));
	pthread_mutex_consistent(&robust);
	pthread_mutex_unlock(&robust);
	return unused;
}

int main(int argc, char **argv)
{
	void *before[2], *after[2];
	size_t length[2];
	victim_begin(argc, argv);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_t owner = victim_thread(own, NULL);
	while (!owner_tid)
		pause_ms(1);
	pthread_t waiter = victim_thread(wait_for, NULL);
	list_of(0, &before[0], &length[0]);
	list_of(owner_tid, &before[1], &length[1]);
	pause_ms(20);
	victim_ready();
	victim_wait();
	list_of(0, &after[0], &length[0]);
	CHECK(after[0] == before[0], "main thread's robust list is %p, was %p", after[0], before[0]);
	victim_join(owner);
	victim_join(waiter);
	CHECK(before[1] != NULL, "set-up: the owner has no robust list");
	ok();
}
