/* Kinds of medley.c that no child has: threads that wait in system calls, signals that wait, timers, children that have ended. */
#ifndef MEDLEY_WAITS_H
#define MEDLEY_WAITS_H
#include "medley-sockets.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

enum way { READ, FUTEX, FUTEX_TIME, POLL, POLL_TIME, SLEEP, SLEEP_UNTIL, SELECT, SIGWAIT, EPOLL, ACCEPT, RECEIVE, FLOCK, OFD_LOCK, WAIT, PAUSE, SUSPEND, TERMINAL,
	SIGNALFD, TIMERFD, WRITE, FIFO, EVENTFD, WAYS };

/* A thread that waits. */
struct waiter {
	enum way way;
	struct thing *thing;
	pthread_t thread;
	atomic_int tid, word, done;
	long result;
	int error;
	pid_t child;
	struct timespec left;
	int mood;
	char stack[16384];
};

static atomic_int handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

/* A name, a mask, a stack for signals, an age of its own. */
static void adorn(struct waiter *w)
{
	char name[16];
	snprintf(name, sizeof name, "way %d/%d", w->way, w->mood);
	if (w->mood & 1)
		prctl(PR_SET_NAME, name);
	if (w->mood & 2) {
		stack_t stack = { .ss_sp = w->stack, .ss_size = sizeof w->stack };
		sigaltstack(&stack, NULL);
	}
	if (w->mood & 4)
		setpriority(PRIO_PROCESS, gettid(), 3 + w->mood % 7);
	if (w->mood & 8) {
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigaddset(&set, SIGWINCH);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
	if ((w->mood & 0x30) == 0x30)
		syscall(SYS_setfsgid, 77);
	if (w->mood & 64) {
		struct sched_param none = { 0 };
		sched_setscheduler(0, SCHED_BATCH, &none);
	}
}

static void *wait_somehow(void *argument)
{
	struct waiter *w = argument;
	struct thing *t = w->thing;
	struct pollfd poll_fd = { t->fd[0], POLLIN, 0 };
	struct timespec long_time = { 1000, 7 }, until;
	struct timeval select_time = { 1000, 0 };
	struct epoll_event event;
	struct flock lock = { .l_type = F_WRLCK };
	char text[128];
	sigset_t set;
	fd_set readers;
	int status;
	adorn(w);
	w->tid = gettid();
	errno = 0;
	switch (w->way) {
	case READ: case TERMINAL: case SIGNALFD: case TIMERFD: case EVENTFD:
		w->result = read(t->fd[0], text, sizeof text);
		break;
	case FUTEX: case FUTEX_TIME:
		w->result = syscall(SYS_futex, &w->word, FUTEX_WAIT_PRIVATE, 0, w->way == FUTEX ? NULL : &long_time, NULL, 0);
		break;
	case POLL: case POLL_TIME:
		w->result = poll(&poll_fd, 1, w->way == POLL ? -1 : 1000000);
		break;
	case SLEEP:
		w->result = syscall(SYS_nanosleep, &long_time, &w->left);
		break;
	case SLEEP_UNTIL:
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &until);
		until.tv_sec += 1000;
		w->result = syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		break;
	case SELECT:
		FD_ZERO(&readers);
		FD_SET(t->fd[0], &readers);
		w->result = select(t->fd[0] + 1, &readers, NULL, NULL, w->mood & 1 ? &select_time : NULL);
		break;
	case SIGWAIT:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		w->result = sigwaitinfo(&set, NULL);
		break;
	case EPOLL:
		w->result = epoll_wait(t->fd[2], &event, 1, -1);
		break;
	case ACCEPT:
		w->result = t->fd[1] = accept(t->fd[0], NULL, NULL);
		break;
	case RECEIVE:
		w->result = recv(t->fd[0], text, sizeof text, 0);
		break;
	case FLOCK:
		w->result = flock(t->fd[1], LOCK_EX);
		break;
	case OFD_LOCK:
		w->result = fcntl(t->fd[1], F_OFD_SETLKW, &lock);
		break;
	case WAIT:
		w->result = waitpid(w->child, &status, 0);
		break;
	case PAUSE:
		w->result = pause();
		break;
	case SUSPEND:
		sigfillset(&set);
		sigdelset(&set, SIGUSR1);
		w->result = sigsuspend(&set);
		break;
	case WRITE:
		w->result = write(t->fd[1], text, 1);
		break;
	case FIFO:
		/* Begun anew when it is interrupted, maybe in another root directory. */
		w->result = t->fd[0] = openat(folder_fd, strrchr(t->path, '/') + 1, O_RDONLY);
		break;
	case WAYS:
		break;
	}
	w->error = errno;
	w->done = 1;
	while (!common->failed && w->done != 2)
		pause_ms(5);
	return NULL;
}

static void prepare_wait(struct thing *thing, struct waiter *w)
{
	static char zeros[65536];
	sigset_t set;
	struct itimerspec late = { .it_value = { 1000, 0 } };
	struct epoll_event event = { EPOLLIN, { .u32 = 5 } };
	struct sockaddr_un name;
	struct flock lock = { .l_type = F_RDLCK };
	int number, unlocked = 0;
	switch (w->way) {
	case READ: case POLL: case POLL_TIME: case SELECT: case EPOLL:
		DO(pipe(thing->fd));
		if (w->way == EPOLL) {
			DO(thing->fd[2] = epoll_create1(0));
			DO(epoll_ctl(thing->fd[2], EPOLL_CTL_ADD, thing->fd[0], &event));
		}
		break;
	case WRITE:
		DO(pipe(thing->fd));
		DO(fcntl(thing->fd[0], F_SETPIPE_SZ, 4096));
		DO(write(thing->fd[1], zeros, 4096));
		break;
	case ACCEPT:
		DO(thing->fd[0] = socket(AF_UNIX, SOCK_STREAM, 0));
		DO(bind(thing->fd[0], (void *)&name, unix_name(thing, &name, true)));
		DO(listen(thing->fd[0], 3));
		break;
	case RECEIVE:
		DO(socketpair(AF_UNIX, unix_types[roll(3)], 0, thing->fd));
		break;
	case FLOCK: case OFD_LOCK:
		thing->fd[0] = fresh_file(thing, O_RDWR, 64);
		DO(thing->fd[1] = open(thing->path, O_RDWR));
		DO(w->way == FLOCK ? flock(thing->fd[0], LOCK_SH) : fcntl(thing->fd[0], F_OFD_SETLK, &lock));
		break;
	case WAIT:
		signals_others = true;
		DO(w->child = fork());
		if (w->child == 0)
			for (;;)
				pause();
		break;
	case TERMINAL:
		DO(thing->fd[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY));
		DO(ioctl(thing->fd[1], TIOCSPTLCK, &unlocked));
		DO(ioctl(thing->fd[1], TIOCGPTN, &number));
		snprintf(thing->path, sizeof thing->path, "/dev/pts/%d", number);
		DO(thing->fd[0] = open(thing->path, O_RDWR | O_NOCTTY));
		break;
	case SIGNALFD:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		DO(thing->fd[0] = signalfd(-1, &set, 0));
		break;
	case TIMERFD:
		DO(thing->fd[0] = timerfd_create(CLOCK_MONOTONIC, 0));
		DO(timerfd_settime(thing->fd[0], 0, &late, NULL));
		break;
	case EVENTFD:
		DO(thing->fd[0] = eventfd(0, 0));
		break;
	case FIFO:
		/* Whoever the process is by then. */
		DO(mkfifo(fresh_name(thing), 0600));
		DO(chmod(thing->path, 0666));
		break;
	default:
		break;
	}
}

static bool make_waiter(struct thing *thing)
{
	struct waiter *w = calloc(1, sizeof *w);
	w->thing = thing;
	w->way = roll(WAYS);
	if (w->way == TERMINAL && is_left_out("pty"))
		w->way = READ;
	w->mood = roll(128);
	thing->at = (void *)w;
	prepare_wait(thing, w);
	w->thread = victim_thread(wait_somehow, w);
	while (!w->tid)
		pause_ms(1);
	await_asleep(thing, w->tid);
	return true;
}

static void look_waiter(struct thing *thing)
{
	struct waiter *w = (void *)thing->at;
	await_asleep(thing, w->tid);
	SEE(!w->done, "way %d: it came back with %ld, %s", w->way, w->result, strerror(w->error));
}

/* Lets it go on. Returns what its call must answer; with *error. */
static long wake(struct thing *thing, struct waiter *w, int *error)
{
	char text[4096];
	struct sockaddr_un name;
	struct itimerspec soon = { .it_value = { 0, 1 } };
	struct flock lock = { .l_type = F_UNLCK };
	socklen_t length = sizeof name;
	switch (w->way) {
	case READ: case POLL: case POLL_TIME: case SELECT: case EPOLL: case RECEIVE:
		DO(write(thing->fd[1], "x", 1));
		return 1;
	case TERMINAL:
		DO(write(thing->fd[1], "ab\n", 3));
		return 3;
	case FUTEX: case FUTEX_TIME:
		w->word = 1;
		syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, 1);
		return 0;
	case SIGWAIT: case SIGNALFD:
		DO(syscall(SYS_tgkill, getpid(), w->tid, SIGUSR2));
		return w->way == SIGWAIT ? SIGUSR2 : 128;
	case SLEEP: case SLEEP_UNTIL: case PAUSE: case SUSPEND:
		DO(syscall(SYS_tgkill, getpid(), w->tid, SIGUSR1));
		*error = EINTR;
		return -1;
	case ACCEPT:
		DO(getsockname(thing->fd[0], (void *)&name, &length));
		DO(thing->fd[2] = socket(AF_UNIX, SOCK_STREAM, 0));
		DO(connect(thing->fd[2], (void *)&name, length));
		return -2;
	case FLOCK:
		DO(flock(thing->fd[0], LOCK_UN));
		return 0;
	case OFD_LOCK:
		DO(fcntl(thing->fd[0], F_OFD_SETLK, &lock));
		return 0;
	case WAIT:
		DO(kill(w->child, SIGKILL));
		return w->child;
	case TIMERFD:
		DO(timerfd_settime(thing->fd[0], 0, &soon, NULL));
		return 8;
	case EVENTFD:
		DO(eventfd_write(thing->fd[0], 3));
		return 8;
	case WRITE:
		DO(read(thing->fd[0], text, sizeof text));
		return 1;
	case FIFO:
		DO(thing->fd[1] = openat(folder_fd, strrchr(thing->path, '/') + 1, O_WRONLY));
		return -2;
	case WAYS:
		break;
	}
	return 0;
}

static void take_waiter(struct thing *thing)
{
	struct waiter *w = (void *)thing->at;
	int error = 0;
	long want = wake(thing, w, &error), end = victim_clock() + 10;
	while (!w->done) {
		SEE(victim_clock() < end, "way %d: it does not come back", w->way);
		pause_ms(1);
	}
	SEE((want == -2 ? w->result >= 0 : w->result == want) && (want != -1 || w->error == error), "way %d: it came back with %ld, %s", w->way,
	    w->result, strerror(w->error));
	if (w->way == SLEEP)
		SEE(w->left.tv_sec < 1000 && w->left.tv_sec > 850, "%ld s left", w->left.tv_sec);
	w->done = 2;
	victim_join(w->thread);
}

/* Signals that wait, with what came with them: n[0] of one number, for the process or its first thread. */
static bool make_pending(struct thing *thing)
{
	thing->n[0] = 1 + roll(4);
	thing->n[1] = SIGRTMIN + 1 + roll(20);
	thing->n[2] = heads();
	for (int i = 0; i < thing->n[0]; i++) {
		siginfo_t info = { .si_signo = thing->n[1], .si_code = SI_QUEUE };
		info.si_pid = getpid();
		info.si_uid = i;
		info.si_value.sival_ptr = (void *)(thing->seed + i);
		DO(thing->n[2] ? syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), thing->n[1], &info)
			       : syscall(SYS_rt_sigqueueinfo, getpid(), thing->n[1], &info));
	}
	return true;
}

static void take_pending(struct thing *thing)
{
	struct timespec none = { 0, 0 };
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, thing->n[1]);
	/* Others of that number may be among them; those of each thing are in order. */
	static siginfo_t kept[400];
	static int count;
	while (sigtimedwait(&set, &info, &none) > 0 && count < 400)
		kept[count++] = info;
	int next = 0;
	for (int i = 0; i < count; i++)
		if ((uint64_t)kept[i].si_value.sival_ptr == thing->seed + next && kept[i].si_uid == (unsigned)next && kept[i].si_pid == getpid())
			next++;
	SEE(next == thing->n[0], "%d signals of %ld", next, thing->n[0]);
}

static bool make_itimer(struct thing *thing)
{
	struct itimerval time = { { 5, 0 }, { 4000, 0 } };
	thing->n[0] = roll(3);
	time.it_interval.tv_sec = roll(100);
	DO(setitimer(thing->n[0], &time, NULL));
	return true;
}

static void look_itimer(struct thing *thing)
{
	struct itimerval left;
	DO(getitimer(thing->n[0], &left));
	SEE(left.it_value.tv_sec > 3800 && left.it_value.tv_sec <= 4000, "%ld s left", left.it_value.tv_sec);
}

static bool make_timer(struct thing *thing)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 22, .sigev_value = { .sival_ptr = thing } };
	struct itimerspec time = { .it_value = { 4000, 0 }, .it_interval = { roll(50), 0 } };
	timer_t id;
	switch (roll(3)) {
	case 0:
		event.sigev_notify = SIGEV_NONE;
		break;
	case 1:
		event.sigev_notify = SIGEV_THREAD_ID;
		event._sigev_un._tid = gettid();
	}
	for (int i = roll(4); i >= 0; i--)
		DO(timer_create(clocks[roll(5)], &event, &id));
	thing->at = id;
	if ((thing->n[0] = heads()))
		DO(timer_settime(id, 0, &time, NULL));
	return true;
}

static void look_timer(struct thing *thing)
{
	struct itimerspec left;
	DO(timer_gettime(thing->at, &left));
	if (thing->n[0])
		SEE(left.it_value.tv_sec > 3800 && left.it_value.tv_sec <= 4000, "%ld s left", left.it_value.tv_sec);
	else
		SEE(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0, "it is armed");
}

/* A child that has ended, and to which a pidfd may lead. */
static bool make_zombie(struct thing *thing)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGUSR1, SIGALRM, SIGHUP };
	siginfo_t info;
	pid_t child;
	thing->n[1] = roll(2) ? roll(256) << 8 : signals[roll(5)];
	DO(child = fork());
	if (child == 0) {
		if (roll(3) == 0)
			setpgid(0, 0);
		if (roll(3) == 0)
			prctl(PR_SET_NAME, "has ended");
		if (!(thing->n[1] & 127))
			_exit(thing->n[1] >> 8);
		signal(thing->n[1], SIG_DFL);
		sigset_t set;
		sigfillset(&set);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		kill(getpid(), thing->n[1]);
		for (;;)
			pause();
	}
	roll(3), roll(3);
	thing->n[0] = child;
	DO(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	if (roll(4) == 0)
		thing->fd[0] = syscall(SYS_pidfd_open, child, 0);
	return true;
}

static void take_zombie(struct thing *thing)
{
	int status = -1;
	pid_t got = waitpid(thing->n[0], &status, 0);
	SEE(got == thing->n[0], "waitpid: %d %s", got, strerror(errno));
	SEE(status == thing->n[1], "status %x, not %lx", status, thing->n[1]);
}

static bool make_pidfd(struct thing *thing)
{
	DO(thing->fd[0] = syscall(SYS_pidfd_open, heads() || !strcmp(node, "0") ? getpid() : getppid(), 0));
	return true;
}
#endif
