/*
 * Holds: processes that each have pending signals and timers of their own, children whose end sends another signal than SIGCHLD, or none,
 * and a zombie of that kind. Checks: queues are not mixed up, timers go on in each, ends send what they should, no SIGCHLD comes by itself.
 */
#include "tree.h"
#include <sys/time.h>

static volatile int sigchld, sigusr1;

static void on_child(int unused)
{
	(void)unused;
	sigchld++;
}

static void on_usr1(int unused)
{
	(void)unused;
	sigusr1++;
}

static void on_alarm(int unused)
{
	(void)unused;
	board->count[0]++;
}

static pid_t raw_fork(int exit_signal)
{
	pid_t child = syscall(SYS_clone, exit_signal, 0, 0, 0, 0);
	MUST(child);
	return child;
}

static void with_queue(int index)
{
	sigset_t set;
	siginfo_t info;
	struct timespec now = { 0, 0 };
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	for (int i = 0; i <= index; i++)
		MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = index * 100 + i }));
	if (index == 1)
		MUST(kill(getpid(), SIGCHLD));
	tree_up();
	victim_wait();
	for (int i = 0; i <= index; i++) {
		sigset_t one;
		sigemptyset(&one);
		sigaddset(&one, SIGRTMIN + 1);
		CHECK(sigtimedwait(&one, &info, &now) == SIGRTMIN + 1, "queue %d: signal %d is missing", index, i);
		CHECK(info.si_value.sival_int == index * 100 + i && info.si_pid == getpid(), "queue %d: value %d of %d", index,
		      info.si_value.sival_int, info.si_pid);
	}
	int left = sigtimedwait(&set, &info, &now);
	CHECK(left == (index == 1 ? SIGCHLD : -1), "queue %d: signal %d is pending", index, left);
	_exit(0);
}

static void with_timer(int index)
{
	struct itimerval long_one = { { 0, 0 }, { 5000 + index, 0 } }, now;
	struct itimerval ticking = { { 0, 20000 }, { 0, 20000 } };
	signal(SIGALRM, on_alarm);
	setitimer(index == 2 ? ITIMER_REAL : ITIMER_PROF, index == 2 ? &ticking : &long_one, NULL);
	tree_up();
	victim_wait();
	getitimer(index == 2 ? ITIMER_REAL : ITIMER_PROF, &now);
	if (index == 2) {
		long before = board->count[0];
		TREE_AWAIT(board->count[0] > before + 3, "the timer does not tick");
	} else {
		CHECK(now.it_value.tv_sec > 4900 + index && now.it_value.tv_sec <= 5000 + index, "timer %d has %ld s left", index, now.it_value.tv_sec);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int status;
	tree_begin(argc, argv);
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = on_usr1;
	sigaction(SIGUSR1, &action, NULL);
	bool odd = !strcmp(victim_argument(argc, argv, 1), "exit-signal");
	pid_t loud = 0, mute = 0, zombie = 0, kin[6];
	if (odd) {
		if ((loud = raw_fork(SIGUSR1)) == 0) {
			tree_up();
			victim_wait();
			_exit(0);
		}
		if ((mute = raw_fork(0)) == 0) {
			tree_up();
			victim_wait();
			_exit(0);
		}
		if ((zombie = raw_fork(SIGUSR1)) == 0)
			_exit(3);
		TREE_AWAIT(sigusr1 == 1, "set-up: no zombie");
		tree_await_up(2);
	} else {
		for (int i = 0; i < 6; i++)
			if ((kin[i] = tree_fork()) == 0)
				i < 3 ? with_queue(i) : with_timer(i - 3);
		tree_await_up(6);
	}
	victim_ready();
	while (!victim_asked()) {
		CHECK(sigchld == 0, "SIGCHLD came by itself");
		pause_ms(5);
	}
	if (odd) {
		TREE_AWAIT(sigusr1 == 2, "the end of a child sent SIGUSR1 %d times", sigusr1 - 1);
		CHECK(waitpid(zombie, &status, WNOHANG) == -1, "a zombie of another exit signal is found without __WCLONE");
		CHECK(waitpid(zombie, &status, WNOHANG | __WCLONE) == zombie && status == 3 << 8, "the zombie's status is %x", status);
		tree_reap(loud);
		tree_reap(mute);
		pause_ms(50);
		CHECK(sigchld == 0 && sigusr1 == 2, "SIGCHLD came %d times, SIGUSR1 %d", sigchld, sigusr1);
	} else {
		for (int i = 0; i < 6; i++)
			tree_reap(kin[i]);
	}
	ok();
}
