/* Kinds of medley.c: files, directories, locks, pipes, FIFOs, terminals, and files of no name. */
#ifndef MEDLEY_FILES_H
#define MEDLEY_FILES_H
#include "medley.h"
#include <mqueue.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>

/* An open file, or several of one file, whatever became of its name. */
static bool make_file(struct thing *thing)
{
	static const int flags[] = { O_RDWR, O_RDONLY, O_RDWR | O_APPEND, O_RDWR | O_NONBLOCK, O_RDWR | O_NOATIME, O_RDWR | O_DSYNC };
	char other[430];
	long size = thing->n[0] = roll(1000) * 8;
	int fd = fresh_file(thing, flags[roll(6)], size);
	lseek(fd, thing->n[1] = roll(size + 100), SEEK_SET);
	thing->fd[0] = placed(thing, fd);
	snprintf(other, sizeof other, "%s.other", thing->path);
	switch (roll(8)) {
	case 0: /* Deleted. */
		if (heads())
			DO(thing->fd[1] = open(thing->path, O_RDWR));
		DO(unlink(thing->path));
		break;
	case 1: /* Renamed. */
		DO(rename(thing->path, other));
		break;
	case 2: /* Two names, one of which goes. */
		DO(link(thing->path, other));
		DO(unlink(thing->path));
		break;
	case 3: /* Two names in two directories. */
		snprintf(other, sizeof other, "%s/%s-%d.far", folder, node, files_made++);
		DO(mkdir(other, 0755));
		strcat(other, "/name");
		DO(link(thing->path, other));
		DO(unlink(thing->path));
		break;
	case 4: /* Deleted, and the name has another file. */
		DO(unlink(thing->path));
		DO(thing->fd[1] = open(thing->path, O_CREAT | O_EXCL | O_RDWR, 0640));
		break;
	case 5:
		DO(thing->fd[1] = dup(thing->fd[0]));
		break;
	default:
		if (heads())
			DO(thing->fd[1] = open(thing->path, O_PATH));
	}
	return true;
}

static void look_file(struct thing *thing)
{
	char text[8192];
	if (thing->fd[0] == -1)
		return;
	ssize_t got = pread(thing->fd[0], text, sizeof text, 0);
	SEE(got == thing->n[0], "%zd bytes of %ld: %s", got, thing->n[0], strerror(errno));
	same_pattern(thing, text, got, thing->seed, "content");
	SEE(lseek(thing->fd[0], 0, SEEK_CUR) == thing->n[1], "position");
}

static bool make_tmpfile(struct thing *thing)
{
	int fd = open(folder, O_TMPFILE | O_RDWR, 0600);
	if (fd == -1)
		return false;
	thing->n[0] = roll(500) * 8;
	write_pattern(thing, fd, thing->n[0]);
	lseek(fd, thing->n[1] = roll(100), SEEK_SET);
	thing->fd[0] = placed(thing, fd);
	return true;
}

static bool make_directory(struct thing *thing)
{
	DO(mkdir(fresh_name(thing), 0750));
	DO(thing->fd[0] = placed(thing, open(thing->path, O_RDONLY | O_DIRECTORY)));
	if (heads())
		DO(rmdir(thing->path));
	return true;
}

static bool make_device(struct thing *thing)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/proc/self/maps", "/proc/self/status", "/proc/1/stat",
		"/proc/uptime", "/proc/self/ns/net", "/sys/kernel/mm/transparent_hugepage/enabled", "/usr/bin", "/proc" };
	thing->fd[0] = open(names[roll(12)], O_RDONLY);
	if (thing->fd[0] == -1)
		return false;
	thing->fd[0] = placed(thing, thing->fd[0]);
	return true;
}

static bool make_memfd(struct thing *thing)
{
	int fd = memfd_create("medley", MFD_ALLOW_SEALING);
	thing->n[0] = (1 + roll(1500)) * 8;
	write_pattern(thing, fd, thing->n[0]);
	lseek(fd, thing->n[1] = roll(2000), SEEK_SET);
	if (roll(3) == 0)
		DO(fcntl(fd, F_ADD_SEALS, 1 << roll(4)));
	thing->fd[0] = placed(thing, fd);
	if (roll(3) == 0) {
		char name[40];
		snprintf(name, sizeof name, "/proc/self/fd/%d", thing->fd[0]);
		DO(thing->fd[1] = open(name, heads() ? O_RDONLY : O_RDWR));
	}
	if (roll(3) == 0)
		thing->at = at_or_end(thing, mmap(NULL, thing->n[0], PROT_READ, MAP_SHARED, thing->fd[0], 0));
	return true;
}

static void look_memfd(struct thing *thing)
{
	char text[16384];
	if (thing->at)
		same_pattern(thing, thing->at, thing->n[0], thing->seed, "mapping");
	if (thing->fd[0] == -1)
		return;
	ssize_t got = pread(thing->fd[0], text, sizeof text, 0);
	SEE(got == thing->n[0], "%zd bytes of %ld: %s", got, thing->n[0], strerror(errno));
	same_pattern(thing, text, thing->n[0], thing->seed, "content");
}

/* A lock: of BSD, of an open file, or of the process. fd[1] is another open file, to try it by. */
static bool make_lock(struct thing *thing)
{
	struct flock lock = { .l_type = heads() ? F_WRLCK : F_RDLCK, .l_start = roll(10), .l_len = roll(3) * 10 };
	int fd = fresh_file(thing, O_RDWR, 64);
	DO(thing->fd[1] = open(thing->path, O_RDWR));
	switch (thing->n[0] = roll(2)) {
	case 0:
		DO(flock(fd, heads() ? LOCK_SH : LOCK_EX));
		break;
	default:
		DO(fcntl(fd, F_OFD_SETLK, &lock));
	}
	thing->fd[0] = placed(thing, fd);
	return true;
}

static void look_lock(struct thing *thing)
{
	struct flock lock = { .l_type = F_WRLCK };
	if (thing->fd[1] == -1 || (thing->n[0] == 0 && thing->fd[0] == -1))
		return;
	if (thing->n[0] == 0)
		SEE(flock(thing->fd[1], LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "no flock");
	else {
		DO(fcntl(thing->fd[1], F_OFD_GETLK, &lock));
		SEE(lock.l_type != F_UNLCK, "no lock");
	}
}

static bool make_posix_lock(struct thing *thing)
{
	struct flock lock = { .l_type = heads() ? F_WRLCK : F_RDLCK, .l_start = roll(10), .l_len = 1 + roll(30) };
	thing->fd[0] = fresh_file(thing, O_RDWR, 64);
	DO(thing->fd[1] = open(thing->path, O_RDWR));
	DO(fcntl(thing->fd[0], F_SETLK, &lock));
	return true;
}

static bool make_pipe(struct thing *thing)
{
	bool packets = roll(4) == 0;
	DO(pipe2(thing->fd, (packets ? O_DIRECT : 0) | (heads() ? O_NONBLOCK : 0)));
	if (heads())
		DO(fcntl(thing->fd[0], F_SETPIPE_SZ, 4096 << roll(6)));
	long room = fcntl(thing->fd[0], F_GETPIPE_SZ);
	if (packets) {
		thing->n[1] = roll(room / 4096 + 1);
		for (int i = 0; i < thing->n[1]; i++)
			DO(write(thing->fd[1], "packet", 1 + i % 6));
	} else {
		thing->n[0] = roll(4) == 0 ? 0 : roll((room < 60000 ? room : 60000) / 8) * 8;
		write_pattern(thing, thing->fd[1], thing->n[0]);
	}
	thing->fd[0] = placed(thing, thing->fd[0]);
	switch (roll(4)) {
	case 0:
		close(thing->fd[1]);
		thing->fd[1] = -1;
		break;
	case 1: /* Opened anew: another open file of the same pipe. */ {
		char name[40];
		snprintf(name, sizeof name, "/proc/self/fd/%d", thing->fd[1]);
		DO(thing->fd[2] = open(name, heads() ? O_RDWR : O_WRONLY));
	}
	}
	return true;
}

static void take_pipe(struct thing *thing)
{
	char text[10];
	if (thing->fd[0] == -1)
		return;
	for (int i = 0; i < thing->n[1]; i++)
		SEE(read(thing->fd[0], text, sizeof text) == 1 + i % 6, "packet %d", i);
	read_pattern(thing, thing->fd[0], thing->n[0], "queued");
	SEE(readable(thing->fd[0]) == 0, "more than there was");
}

static void look_pipe(struct thing *thing)
{
	if (thing->fd[0] != -1 && !thing->n[1])
		SEE(readable(thing->fd[0]) == thing->n[0], "%d bytes, not %ld", readable(thing->fd[0]), thing->n[0]);
}

static bool make_fifo(struct thing *thing)
{
	DO(mkfifo(fresh_name(thing), 0600));
	DO(thing->fd[0] = open(thing->path, heads() ? O_RDONLY | O_NONBLOCK : O_RDWR | O_NONBLOCK));
	DO(thing->fd[1] = open(thing->path, O_WRONLY));
	thing->n[0] = roll(1000) * 8;
	write_pattern(thing, thing->fd[1], thing->n[0]);
	thing->fd[0] = placed(thing, thing->fd[0]);
	if (heads()) {
		close(thing->fd[1]);
		thing->fd[1] = -1;
	}
	return true;
}

static bool make_eventfd(struct thing *thing)
{
	DO(thing->fd[0] = placed(thing, eventfd(thing->n[0] = roll(1000), (heads() ? EFD_SEMAPHORE : 0) | EFD_NONBLOCK)));
	return true;
}

static bool make_timerfd(struct thing *thing)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };
	int clock = roll(3);
	struct itimerspec time = { .it_value = { 3000 + roll(1000), 5 } };
	DO(thing->fd[0] = placed(thing, timerfd_create(clocks[clock], TFD_NONBLOCK)));
	switch (thing->n[0] = roll(3)) {
	case 0:
		return true;
	case 1:
		thing->n[1] = time.it_value.tv_sec;
		if (heads())
			time.it_interval.tv_sec = 77;
		break;
	default: /* Has expired, once, and does so again after a long time. */
		time.it_value = (struct timespec){ 0, 1 };
		time.it_interval.tv_sec = 5000;
	}
	DO(timerfd_settime(thing->fd[0], 0, &time, NULL));
	return true;
}

static void look_timerfd(struct thing *thing)
{
	struct itimerspec left;
	if (thing->fd[0] == -1)
		return;
	DO(timerfd_gettime(thing->fd[0], &left));
	if (thing->n[0] == 1)
		SEE(left.it_value.tv_sec <= thing->n[1] && left.it_value.tv_sec > thing->n[1] - 200, "%ld s left of %ld", left.it_value.tv_sec, thing->n[1]);
}

static void take_timerfd(struct thing *thing)
{
	uint64_t ticks = 0;
	if (thing->fd[0] != -1 && thing->n[0] == 2)
		SEE(read(thing->fd[0], &ticks, 8) == 8 && ticks == 1, "%lu ticks", ticks);
}

static bool make_signalfd(struct thing *thing)
{
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		sigaddset(&set, SIGRTMIN + roll(20));
	DO(thing->fd[0] = placed(thing, signalfd(-1, &set, SFD_NONBLOCK)));
	return true;
}

static bool make_inotify(struct thing *thing)
{
	char name[430];
	DO(thing->fd[0] = inotify_init1(IN_NONBLOCK));
	DO(mkdir(fresh_name(thing), 0755));
	DO(thing->n[0] = inotify_add_watch(thing->fd[0], thing->path, IN_CREATE | IN_DELETE));
	if (heads()) {
		snprintf(name, sizeof name, "%s/deleted", thing->path);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		DO(inotify_add_watch(thing->fd[0], name, IN_MODIFY));
		if (heads()) {
			unlink(name);
			thing->fd[1] = fd;
		} else
			close(fd);
	}
	char events[4096];
	while (read(thing->fd[0], events, sizeof events) > 0)
		;
	return true;
}

static void take_inotify(struct thing *thing)
{
	char name[430];
	union { struct inotify_event event; char room[4096]; } got;
	if (thing->fd[0] == -1)
		return;
	snprintf(name, sizeof name, "%s/asked-%d", thing->path, getpid());
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	if (fd == -1 && (errno == EACCES || errno == ENOENT))
		return;
	SEE(fd != -1, "open %s: %s", name, strerror(errno));
	unlink(name);
	SEE(read(thing->fd[0], &got, sizeof got) > 0, "no event: %s", strerror(errno));
	SEE(got.event.wd == thing->n[0] && got.event.mask == IN_CREATE, "event %x of watch %d", got.event.mask, got.event.wd);
}

static bool make_pty(struct thing *thing)
{
	struct winsize size = { 10 + roll(50), 20 + roll(100), 0, 0 };
	struct termios mode;
	int number, unlocked = 0;
	char name[40];
	DO(thing->fd[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
	DO(ioctl(thing->fd[0], TIOCSPTLCK, &unlocked));
	DO(ioctl(thing->fd[0], TIOCGPTN, &number));
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	if (roll(4) == 0)
		return true;
	DO(thing->fd[1] = open(name, O_RDWR | O_NOCTTY));
	DO(ioctl(thing->fd[1], TIOCSWINSZ, &size));
	DO(tcgetattr(thing->fd[1], &mode));
	if (heads())
		cfmakeraw(&mode);
	mode.c_cc[VINTR] = roll(30);
	DO(tcsetattr(thing->fd[1], TCSANOW, &mode));
	if (heads()) {
		DO(write(thing->fd[0], "in\n", 3));
		thing->n[0] = 1;
	}
	if (heads()) {
		DO(write(thing->fd[1], "out", 3));
		thing->n[1] = 1;
	}
	if (getsid(0) == getpid() && heads())
		ioctl(thing->fd[1], TIOCSCTTY, 0);
	return true;
}

static void take_pty(struct thing *thing)
{
	char text[100];
	ssize_t got;
	if (thing->n[1] && thing->fd[0] != -1) {
		got = read(thing->fd[0], text, sizeof text);
		SEE(got >= 3 && memmem(text, got, "out", 3), "out: %zd %s", got, strerror(errno));
	}
	/* Who is in the background of its terminal would be stopped. */
	if (thing->fd[1] != -1 && tcgetsid(thing->fd[1]) == getsid(0) && tcgetpgrp(thing->fd[1]) != getpgrp())
		return;
	if (thing->n[0] && thing->fd[1] != -1 && readable(thing->fd[1]) > 0) {
		got = read(thing->fd[1], text, sizeof text);
		SEE(got == 3 && !memcmp(text, "in\n", 3), "in: %zd %s", got, strerror(errno));
	}
}

static bool make_queue(struct thing *thing)
{
	snprintf(thing->path, sizeof thing->path, "/medley-%d-%d", getpid(), files_made++);
	int queue = mq_open(thing->path, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	if (queue == -1)
		return false;
	thing->fd[0] = queue;
	int at = atomic_fetch_add(&common->queues, 1);
	SEE(at < 64, "too many queues");
	strcpy(common->queue[at], thing->path);
	return true;
}

/* Watches what this process has, by now, sometimes by way of another epoll. */
static bool make_epoll(struct thing *thing)
{
	int fd = epoll_create1(0), count = 0;
	for (int i = 0; i < held; i++)
		for (int j = 0; j < 3; j++) {
			struct epoll_event event = { (unsigned)(1 << roll(4)) | (heads() ? EPOLLET : 0), { .u64 = victim_random(&dice) } };
			if (things[i].fd[j] == -1 || roll(3) || !things[i].kind || epoll_ctl(fd, EPOLL_CTL_ADD, things[i].fd[j], &event))
				continue;
			things[i].pinned = true;
			count++;
		}
	thing->pinned = true;
	thing->fd[0] = fd;
	thing->n[0] = count;
	return true;
}
#endif
