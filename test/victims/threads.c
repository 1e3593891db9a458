/* Holds: nine threads, each in another wait. Checks: each gets exactly what it waits for, and all can be joined. */
#include "victim.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, condition_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t started;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static bool said;
static int read_pipe[2], poll_pipe[2], event;
static __thread long mark;

static void begin(long number)
{
	mark = number;
	pthread_barrier_wait(&started);
}

static void end(long number)
{
	CHECK(mark == number, "thread-local variable of thread %ld holds %ld", number, mark);
}

static void *in_mutex(void *unused)
{
	begin(1);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	end(1);
	return unused;
}

static void *in_condition(void *unused)
{
	begin(2);
	pthread_mutex_lock(&condition_lock);
	while (!said)
		pthread_cond_wait(&condition, &condition_lock);
	pthread_mutex_unlock(&condition_lock);
	end(2);
	return unused;
}

static void *in_semaphore(void *unused)
{
	begin(3);
	CHECK(sem_wait(&semaphore) == 0, "sem_wait: %s", strerror(errno));
	end(3);
	return unused;
}

static void *in_sleep(void *unused)
{
	begin(4);
	while (!victim_go)
		pause_ms(700);
	end(4);
	return unused;
}

static void *in_read(void *unused)
{
	begin(5);
	char byte = 0;
	ssize_t got = read(read_pipe[0], &byte, 1);
	CHECK(got == 1 && byte == 'r', "read gave %zd, byte %d: %s", got, byte, strerror(errno));
	end(5);
	return unused;
}

static void *in_poll(void *unused)
{
	begin(6);
	struct pollfd wanted = { poll_pipe[0], POLLIN, 0 };
	int got = poll(&wanted, 1, -1);
	CHECK(got == 1 && wanted.revents == POLLIN, "poll gave %d: %s", got, strerror(errno));
	end(6);
	return unused;
}

static void *in_epoll(void *unused)
{
	int instance = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event wanted = { EPOLLIN, { .u64 = 0x1122334455667788 } }, got = { 0 };
	epoll_ctl(instance, EPOLL_CTL_ADD, event, &wanted);
	begin(7);
	/* epoll_wait is never restarted by the kernel after a stop, so a loop as every program has one. */
	int count;
	while ((count = epoll_wait(instance, &got, 1, -1)) == -1 && errno == EINTR)
		;
	CHECK(count == 1 && got.data.u64 == wanted.data.u64, "epoll_wait gave %d, data %lx", count, (long)got.data.u64);
	end(7);
	return unused;
}

static void *in_loop(void *unused)
{
	begin(8);
	volatile uint64_t first = 7, second = 7;
	while (!victim_go) {
		uint64_t a = first, b = second;
		CHECK(victim_random(&a) == victim_random(&b), "computation went wrong");
		first = a, second = b;
	}
	end(8);
	return unused;
}

static void *in_rwlock(void *unused)
{
	begin(9);
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	end(9);
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	void *(*const bodies[])(void *) = { in_mutex, in_condition, in_semaphore, in_sleep, in_read, in_poll, in_epoll, in_loop, in_rwlock };
	enum { COUNT = sizeof bodies / sizeof *bodies };
	pthread_t threads[COUNT];
	MUST(pipe(read_pipe));
	MUST(pipe(poll_pipe));
	MUST(event = eventfd(0, 0));
	sem_init(&semaphore, 0, 0);
	pthread_mutex_lock(&lock);
	pthread_rwlock_wrlock(&rwlock);
	pthread_barrier_init(&started, NULL, COUNT + 1);
	for (int i = 0; i < COUNT; i++)
		threads[i] = victim_thread(bodies[i], NULL);
	begin(0);
	pause_ms(50);
	victim_ready();
	victim_wait();
	end(0);

	uint64_t one = 1;
	pthread_mutex_unlock(&lock);
	pthread_rwlock_unlock(&rwlock);
	pthread_mutex_lock(&condition_lock);
	said = true;
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&condition_lock);
	sem_post(&semaphore);
	CHECK(write(read_pipe[1], "r", 1) == 1 && write(poll_pipe[1], "p", 1) == 1, "write to a pipe: %s", strerror(errno));
	CHECK(write(event, &one, 8) == 8, "write to the eventfd: %s", strerror(errno));
	for (int i = 0; i < COUNT; i++)
		victim_join(threads[i]);
	ok();
}
