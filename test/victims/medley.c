/*
 * Holds: a mixture of what other victims hold one by one, across a tree of processes that share this and that: "medley ASK SEED STEPS
 * [WITHOUT...]". A seed always gives the same mixture. Checks: each process compares all that the kernel shows of it with what it showed
 * before, looks at each thing that it holds, and those that made them take out what is in them; the first that is wrong is named.
 */
#include "medley-portrait.h"
#include "medley-coat.h"
#include "medley-memory.h"
#include "medley-sockets.h"
#include "medley-waits.h"

static const struct kind kinds[] = {
	{ "file", make_file, look_file, NULL, 0, 0 },
	{ "file", make_file, look_file, NULL, 0, 0 },
	{ "tmpfile", make_tmpfile, look_file, NULL, 0, 0 },
	{ "directory", make_directory, NULL, NULL, 0, 0 },
	{ "device", make_device, NULL, NULL, 0, 0 },
	{ "memfd", make_memfd, look_memfd, NULL, 0, 0 },
	{ "lock", make_lock, look_lock, NULL, 0, 0 },
	{ "posix-lock", make_posix_lock, NULL, NULL, 1, 1 },
	{ "pipe", make_pipe, look_pipe, take_pipe, 0, 0 },
	{ "pipe", make_pipe, look_pipe, take_pipe, 0, 0 },
	{ "fifo", make_fifo, look_pipe, take_pipe, 0, 0 },
	{ "eventfd", make_eventfd, NULL, NULL, 0, 0 },
	{ "timerfd", make_timerfd, look_timerfd, take_timerfd, 0, 0 },
	{ "signalfd", make_signalfd, NULL, NULL, 0, 0 },
	{ "inotify", make_inotify, NULL, take_inotify, 0, 0 },
	{ "pty", make_pty, NULL, take_pty, 0, 0 },
	{ "queue", make_queue, NULL, NULL, 0, 0 },
	{ "epoll", make_epoll, NULL, NULL, 0, 0 },
	{ "pair", make_pair, NULL, take_pair, 0, 0 },
	{ "pair", make_pair, NULL, take_pair, 0, 0 },
	{ "listener", make_listener, NULL, take_listener, 0, 0 },
	{ "datagrams", make_datagrams, NULL, take_datagrams, 0, 0 },
	{ "rights", make_rights, NULL, take_rights, 0, 0 },
	{ "rights", make_rights, NULL, take_rights, 0, 0 },
	{ "udp", make_udp, NULL, take_udp, 0, 0 },
	{ "tcp", make_tcp, NULL, take_tcp, 0, 0 },
	{ "netlink", make_netlink, NULL, NULL, 0, 0 },
	{ "private", make_private, look_memory, NULL, 0, 0 },
	{ "private", make_private, look_memory, NULL, 0, 0 },
	{ "cut", make_cut, look_memory, NULL, 0, 0 },
	{ "mapped-file", make_mapped_file, look_memory, NULL, 0, 0 },
	{ "shared", make_shared, look_memory, NULL, 0, 0 },
	{ "segment", make_segment, look_memory, NULL, 0, 0 },
	{ "huge", make_huge, look_memory, NULL, 0, 0 },
	{ "growsdown", make_growsdown, look_memory, NULL, 0, 0 },
	{ "guards", make_guards, look_memory, NULL, 0, 0 },
	{ "unforked", make_unforked, look_memory, NULL, 1, 0 },
	{ "waiter", make_waiter, look_waiter, take_waiter, 1, 1 },
	{ "waiter", make_waiter, look_waiter, take_waiter, 1, 1 },
	{ "waiter", make_waiter, look_waiter, take_waiter, 1, 1 },
	{ "pending", make_pending, NULL, take_pending, 1, 0 },
	{ "itimer", make_itimer, look_itimer, NULL, 1, 0 },
	{ "timer", make_timer, look_timer, NULL, 1, 0 },
	{ "zombie", make_zombie, NULL, take_zombie, 1, 1 },
	{ "pidfd", make_pidfd, NULL, NULL, 0, 0 },
};

enum { KINDS = sizeof kinds / sizeof *kinds, ROOM = 40 };

static pid_t to_stop[ROOM];
static int stops, children;
static bool stops_itself;

static void add_thing(void)
{
	struct thing *thing = &things[held];
	int which = roll(KINDS);
	memset(thing, 0, sizeof *thing);
	memset(thing->fd, -1, sizeof thing->fd);
	thing->kind = &kinds[which];
	thing->seed = victim_random(&dice) | 1;
	thing->mine = true;
	thing->pinned = thing->kind->fixed;
	if (is_left_out(thing->kind->name) || held + 1 == MOST_THINGS)
		return;
	if (getenv("MEDLEY_TALK"))
		fprintf(stderr, "%s (%d): %d %s\n", node, getpid(), held, thing->kind->name);
	if (thing->kind->make(thing))
		held++;
}

static void live(int steps);

/* What a child does with what it was given: not all of it is kept by both. */
static void divide(bool is_child, uint64_t fate, bool shared)
{
	for (int i = 0; i < held; i++) {
		struct thing *thing = &things[i];
		int share = victim_random(&fate) % 5;
		if (is_child && thing->kind && thing->kind->alone)
			thing->kind = NULL;
		/* What one of them closes the other would lack. */
		thing->pinned |= shared;
		if (is_child && shared && thing->kind)
			thing->mine = false;
		if (shared || !thing->kind || thing->kind->alone)
			continue;
		bool gives = share == 0 && !thing->pinned;
		if (is_child)
			thing->mine = thing->mine && gives;
		if (is_child ? share == 1 && !thing->pinned : gives) {
			thing->mine = false;
			for (int j = 0; j < 4; j++)
				if (thing->fd[j] != -1)
					close(thing->fd[j]), thing->fd[j] = -1;
			thing->kind = NULL;
		}
	}
	if (!is_child)
		return;
	children = stops = 0;
	signals_others = false;
}

/* A place among sessions and groups. */
static void settle(void)
{
	switch (roll(5)) {
	case 0:
		setsid();
		break;
	case 1:
		setpgid(0, 0);
	}
}

/* A child by clone(2): with what is shared, sometimes by way of one that ends at once. */
static void bear(int steps)
{
	static const long shares[] = { 0, 0, 0, CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS, CLONE_SYSVSEM, CLONE_IO };
	long flags = shares[roll(8)] | (roll(8) ? SIGCHLD : 0);
	bool orphan = roll(4) == 0 && !is_left_out("orphan"), stopped = roll(6) == 0 && !is_left_out("stopped"), leads = roll(3);
	uint64_t seed = victim_random(&dice) | 1, fate = victim_random(&dice) | 1;
	int number = children++, reaps = heads();
	if (is_left_out("share"))
		flags = SIGCHLD;
	if (orphan && strcmp(node, "0") && !flags)
		flags = SIGCHLD;
	atomic_fetch_add(&common->members, 1);
	fflush(NULL);
	pid_t child = orphan ? fork() : (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
	if (child == -1)
		wrong(NULL, "clone: %s", strerror(errno));
	if (child > 0) {
		divide(false, fate, !orphan && (flags & CLONE_FILES));
		if (orphan) {
			siginfo_t info;
			if (waitid(P_PID, child, &info, WEXITED | (reaps ? 0 : WNOWAIT)) == -1)
				wrong(NULL, "wait for %d: %s", child, strerror(errno));
		} else if (stopped) {
			to_stop[stops++] = child;
			signals_others = true;
			atomic_fetch_add(&common->stopping, 1);
		}
		return;
	}
	if (orphan) {
		pid_t before = getpid();
		if (leads)
			heads() ? setsid() : setpgid(0, 0);
		child = syscall(SYS_clone, flags, 0, 0, 0, 0);
		if (child)
			_exit(0);
		while (getppid() == before)
			pause_ms(1);
	}
	divide(true, fate, !orphan && (flags & CLONE_FILES));
	stops_itself = stopped && !orphan;
	dice = seed;
	size_t length = strlen(node);
	snprintf(node + length, sizeof node - length, ".%d", number);
	files_made = 0;
	settle();
	live(steps);
}

static int idle_way;

/* Waits for a moment, each process in a way of its own. */
static void idle(void)
{
	struct timespec moment = { 0, 20000000 };
	sigset_t none;
	sigemptyset(&none);
	switch (idle_way) {
	case 0:
		syscall(SYS_ppoll, NULL, 0, &moment, NULL, 8);
		break;
	case 1:
		sigtimedwait(&none, NULL, &moment);
		break;
	case 2:
		syscall(SYS_pselect6, 0, NULL, NULL, NULL, &moment, NULL);
		break;
	case 3:
		syscall(SYS_futex, &common->turn, FUTEX_WAIT, common->turn, &moment, NULL, 0);
		break;
	default:
		pause_ms(20);
	}
}

/* Children of this one that stop themselves. */
static void await_stops(void)
{
	siginfo_t info;
	for (int i = 0; i < stops; i++) {
		if (waitid(P_PID, to_stop[i], &info, WSTOPPED | __WALL | (i % 2 ? WNOWAIT : 0)) == -1)
			wrong(NULL, "wait for the stop of %d: %s", to_stop[i], strerror(errno));
		atomic_fetch_add(&common->stopped, 1);
	}
}

static void continue_children(void)
{
	for (int i = 0; i < stops; i++) {
		char name[60], text[400];
		snprintf(name, sizeof name, "../%d/stat", to_stop[i]);
		slurp(name, text, sizeof text);
		char *state = strrchr(text, ')');
		if (!state || state[2] != 'T')
			wrong(NULL, "child %d is not stopped: %.60s", to_stop[i], state ? state : text);
		kill(to_stop[i], SIGCONT);
	}
}

static void look_at_all(void)
{
	for (int i = 0; i < held; i++)
		if (things[i].kind && things[i].kind->look) {
			take_turn();
			things[i].kind->look(&things[i]);
			end_turn();
		}
}

static int ask_folder = -1;

/* As victim_asked, whatever the root directory is by now. */
static bool is_asked(void)
{
	if (victim_clock() > victim_end)
		_exit(3);
	return faccessat(ask_folder, strrchr(victim_ask, '/') + 1, F_OK, 0) == 0;
}

static void await_question(void)
{
	while (!common->go) {
		if (common->failed || (!strcmp(node, "0") && is_asked()))
			break;
		idle();
	}
	common->go = true;
}

static void live(int steps)
{
	const struct thing *thing = NULL;
	while (steps > 0) {
		if (steps > 5 && roll(3) == 0 && strlen(node) < 12) {
			int share = 2 + roll(steps - 4);
			bear(share);
			steps -= share;
		} else {
			add_thing();
			steps--;
		}
	}
	idle_way = roll(5);
	meet(0);
	if (!is_left_out("coat"))
		wear_coat();
	meet(1);
	take_portrait(0);
	take_portrait(0);
	look_at_all();
	meet(2);
	await_stops();
	if (stops_itself)
		kill(getpid(), SIGSTOP);
	if (!strcmp(node, "0")) {
		TREE_AWAIT(common->stopped == common->stopping || common->failed, "set-up: not all are stopped");
		if (!common->failed)
			victim_ready();
	}
	await_question();
	continue_children();
	look_at_all();
	take_portrait(1);
	compare_portraits();
	/* Of those whose session ends before them. */
	signal(SIGHUP, SIG_IGN);
	look_at_all();
	meet(3);
	for (int i = 0; i < held; i++)
		if (things[i].kind && things[i].kind->take && things[i].mine)
			things[i].kind->take(&things[i]);
	meet(4);
	if (strcmp(node, "0"))
		_exit(0);
	for (int i = 0; i < common->segments; i++)
		shmctl(common->segment[i], IPC_RMID, NULL);
	for (int i = 0; i < common->queues; i++)
		mq_unlink(common->queue[i]);
	for (;;) {
		int status;
		pid_t child = waitpid(-1, &status, __WALL);
		if (child == -1 && errno != EINTR)
			break;
		SEE(child == -1 || status == 0, "child %d ended with status %x", child, status);
	}
	ok();
}

int main(int argc, char **argv)
{
	sigset_t set;
	victim_begin(argc, argv);
	CHECK(argc > 3, "usage: medley ASK SEED STEPS [WITHOUT...]");
	dice = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15 + 0x2545f491;
	for (int i = 0; i < 8; i++)
		victim_random(&dice);
	without = argv + 4;
	CHECK(getcwd(folder, sizeof folder), "getcwd");
	char above[300];
	snprintf(above, sizeof above, "%.*s", (int)(strrchr(victim_ask, '/') - victim_ask), victim_ask);
	MUST(ask_folder = open(above, O_RDONLY | O_DIRECTORY));
	MUST(folder_fd = open(folder, O_RDONLY | O_DIRECTORY));
	MUST(proc = open("/proc", O_RDONLY | O_DIRECTORY));
	common = mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(common == MAP_FAILED ? -1 : 0);
	common->members = 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &action, NULL);
	/* Blocked in all: those that are to stay pending, and that of who waits for it. */
	sigemptyset(&set);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(&set, number);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(portraits, 0, sizeof portraits), memset(raw, 0, sizeof raw);
	live(atoi(argv[3]));
}
