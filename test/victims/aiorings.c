/*
 * Holds: AIO rings, by system calls alone, for libaio is not everywhere: one with events that nobody has taken, one whose head and tail are
 * not at its start, one whose events go around its end, one that is full; made and destroyed ones in between, and one with an eventfd to tell
 * of events. With "waiting" a thread waits for events of another one.
 * With "forked" a child sees them, which has none of its own.
 * Checks: events, in order and each once; that the rings go on to work all the way round; heads and tails, as programs that read the ring
 * itself see them; that io_destroy(2) knows all of them.
 */
#include "victim.h"
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, length;
	struct io_event events[];
};

static int zero, event;

static void add(aio_context_t ring, uint64_t data)
{
	struct iocb request = { .aio_data = data, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = zero };
	struct iocb *list[] = { &request };
	char byte;
	request.aio_buf = (uintptr_t)&byte;
	request.aio_nbytes = 1;
	if (event) {
		request.aio_flags = IOCB_FLAG_RESFD;
		request.aio_resfd = event;
	}
	long got = syscall(SYS_io_submit, ring, 1, list);
	CHECK(got == 1, "io_submit of %lu gave %ld: %s", (unsigned long)data, got, strerror(errno));
}

static void take(aio_context_t ring, uint64_t data)
{
	struct io_event got = { 0 };
	struct timespec now = { 0 };
	long count = syscall(SYS_io_getevents, ring, 1, 1, &got, &now);
	CHECK(count == 1, "event %lu: io_getevents gave %ld: %s", (unsigned long)data, count, strerror(errno));
	CHECK(got.data == data && got.res == 1, "event %lu has data %lu and result %ld", (unsigned long)data, (unsigned long)got.data, (long)got.res);
}

static aio_context_t make(unsigned requests)
{
	aio_context_t ring = 0;
	MUST(syscall(SYS_io_setup, requests, &ring));
	return ring;
}

static aio_context_t waited;
static void *wait_for_event(void *unused)
{
	(void)unused;
	struct io_event got = { 0 };
	long count = syscall(SYS_io_getevents, waited, 1, 1, &got, NULL);
	CHECK(count == 1 && got.data == 77, "the waiting thread got %ld with data %lu: %s", count, (unsigned long)got.data, strerror(errno));
	return NULL;
}

static void none(aio_context_t ring)
{
	struct io_event got;
	struct timespec now = { 0 };
	CHECK(syscall(SYS_io_getevents, ring, 0, 1, &got, &now) == 0, "there is an event too many");
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	MUST(zero = open("/dev/zero", O_RDONLY));
	aio_context_t gap = make(1), untaken = make(8), moved = make(500), around = make(1), full = make(20), told = make(4);
	waited = make(10);
	MUST(syscall(SYS_io_destroy, gap));
	for (int i = 0; i < 5; i++)
		add(untaken, i);
	take(untaken, 0);
	for (int i = 0; i < 300; i++) {
		add(moved, i);
		take(moved, i);
	}
	unsigned room = ((struct ring *)around)->nr;
	for (unsigned i = 0; i < room - 3; i++) {
		add(around, i);
		take(around, i);
	}
	for (int i = 0; i < 6; i++)
		add(around, 1000 + i);
	/* As many as the kernel takes, less what it may hold back for another processor. */
	unsigned most = ((struct ring *)full)->nr / 2;
	for (unsigned i = 0; i < most; i++)
		add(full, i);
	MUST(event = eventfd(0, EFD_NONBLOCK));
	add(told, 9);
	struct ring *rings[] = { (void *)untaken, (void *)moved, (void *)around, (void *)full, (void *)told };
	struct ring was[5];
	for (int i = 0; i < 5; i++)
		was[i] = *rings[i];
	bool waiting = !strcmp(victim_argument(argc, argv, 1), "waiting");
	pthread_t waiter;
	if (waiting)
		waiter = victim_thread(wait_for_event, NULL);
	pid_t child = 0;
	if (!strcmp(victim_argument(argc, argv, 1), "forked")) {
		MUST(child = fork());
		if (child == 0) {
			while (!victim_asked())
				pause_ms(20);
			struct timespec now = { 0 };
			struct io_event got;
			_exit(syscall(SYS_io_getevents, untaken, 0, 1, &got, &now) == -1 && errno == EINVAL ? 0 : 1);
		}
	}
	pause_ms(50);
	victim_ready();
	victim_wait();

	for (int i = 0; i < 5; i++) {
		struct ring *ring = rings[i];
		CHECK(ring->nr == was[i].nr && ring->magic == was[i].magic, "ring %d has room for %u, had %u", i, ring->nr, was[i].nr);
		CHECK(ring->head == was[i].head, "ring %d: head was %u, is %u", i, was[i].head, ring->head);
		CHECK(ring->tail == was[i].tail, "ring %d: tail was %u, is %u", i, was[i].tail, ring->tail);
	}
	int status;
	if (child)
		CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	eventfd_t value = 0;
	CHECK(eventfd_read(event, &value) == 0 && value == 1, "the eventfd says %lu", (unsigned long)value);
	take(told, 9);
	add(told, 10);
	CHECK(eventfd_read(event, &value) == 0 && value == 1, "the eventfd is not told: %lu", (unsigned long)value);
	take(told, 10);
	event = 0;
	add(waited, 77);
	if (waiting)
		victim_join(waiter);
	else
		take(waited, 77);
	for (int i = 1; i < 5; i++)
		take(untaken, i);
	none(untaken);
	none(moved);
	for (int i = 0; i < 6; i++)
		take(around, 1000 + i);
	none(around);
	for (unsigned i = 0; i < most; i++)
		take(full, i);
	none(full);
	aio_context_t all[] = { untaken, moved, around, full, told, waited };
	for (int i = 0; i < 6; i++) {
		for (int turn = 0; turn < 3; turn++) {
			for (int n = 0; n < 40; n++)
				add(all[i], 5000 + n);
			for (int n = 0; n < 40; n++)
				take(all[i], 5000 + n);
		}
		CHECK(syscall(SYS_io_destroy, all[i]) == 0, "io_destroy of ring %d: %s", i, strerror(errno));
	}
	ok();
}
