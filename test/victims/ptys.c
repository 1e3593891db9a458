/*
 * Holds: pseudo-terminals with both ends inside. Argument:
 *   pair     mode, size, owner and permissions; several open files of one slave; packet mode, lock
 *   locked   the same with a locked mode and exclusive use
 *   control  the terminal controls this session: foreground group, /dev/tty, ^C
 *   input    what was typed and not yet read by a program that reads bytes, and what was printed and not yet shown
 *   echoed   the same, through a terminal that echoes
 *   lines    lines, an end of file and an unfinished line that were typed and not yet read
 *   shown    what was printed and not yet shown, in packet mode, more than the line discipline has room for
 *   hungup   a slave whose master is gone
 *   alone    masters without a slave: never opened, and opened and closed again
 * Checks all that against what it set.
 */
#include "victim.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

struct pair {
	int master, slave, index;
	char path[32];
};

static int index_of(int master)
{
	int number = -1;
	MUST(ioctl(master, TIOCGPTN, &number));
	return number;
}

/*
 * A master with a number that others hardly get between dump and restore: the kernel hands out the lowest free one.
 * Not above 31: CRIU opens no more than 32.
 */
static int open_master(void)
{
	int lower[64], count = 0, master;
	for (;;) {
		master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
		if (master == -1 && (errno == ENOENT || errno == EACCES))
			skip("no pseudo-terminals");
		MUST(master);
		if (count == 64 || index_of(master) >= 6 + getpid() % 20)
			break;
		lower[count++] = master;
	}
	while (count > 0)
		close(lower[--count]);
	return master;
}

static struct pair open_pair(int slave_flags)
{
	struct pair pair;
	pair.master = open_master();
	MUST(unlockpt(pair.master));
	pair.index = index_of(pair.master);
	snprintf(pair.path, sizeof pair.path, "/dev/pts/%d", pair.index);
	pair.slave = open(pair.path, slave_flags | O_NOCTTY);
	MUST(pair.slave);
	return pair;
}

static void set_raw(int slave)
{
	struct termios mode;
	MUST(tcgetattr(slave, &mode));
	cfmakeraw(&mode);
	MUST(tcsetattr(slave, TCSANOW, &mode));
}

static short events_of(int fd, short wanted)
{
	struct pollfd one = { fd, wanted, 0 };
	poll(&one, 1, 0);
	return one.revents;
}

/* Sends one byte through the pair and back. */
static void check_connected(const struct pair *pair, int slave)
{
	char byte = 0;
	CHECK(events_of(pair->master, POLLIN | POLLHUP) == 0, "terminal %d: something is in the master", pair->index);
	CHECK(write(slave, "x", 1) == 1, "terminal %d: write to the slave: %s", pair->index, strerror(errno));
	CHECK(read(pair->master, &byte, 1) == 1 && byte == 'x', "terminal %d: the ends are not connected", pair->index);
}

static void check_path(const struct pair *pair, int slave)
{
	char path[64];
	CHECK(index_of(pair->master) == pair->index, "the master has index %d, had %d", index_of(pair->master), pair->index);
	CHECK(ttyname_r(slave, path, sizeof path) == 0 && !strcmp(path, pair->path), "the slave has another path than %s", pair->path);
}

static void hold_pair(bool lock_mode)
{
	struct termios mode, locked = { 0 }, now;
	struct winsize size = { 33, 101, 7, 9 }, size_now;
	struct stat stat_now;
	int on = 1, state;
	struct pair pair = open_pair(O_RDWR);
	struct pair second = open_pair(O_RDWR | O_NONBLOCK);
	int reader = open(pair.path, O_RDONLY | O_NOCTTY | O_NONBLOCK), twin = dup(pair.master);
	int writer = open(pair.path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	MUST(reader);
	MUST(writer);
	MUST(twin);
	MUST(tcgetattr(pair.slave, &mode));
	mode.c_iflag = IXON | IXOFF | IUTF8 | BRKINT;
	mode.c_oflag &= ~OPOST;
	mode.c_lflag &= ~(ECHO | ICANON);
	mode.c_cc[VINTR] = 7;
	mode.c_cc[VMIN] = 3;
	mode.c_cc[VTIME] = 2;
	cfsetispeed(&mode, B9600), cfsetospeed(&mode, B9600);
	MUST(tcsetattr(pair.slave, TCSANOW, &mode));
	MUST(tcgetattr(pair.slave, &mode));
	locked.c_lflag = ECHO;
	locked.c_cc[VEOL] = 1;
	if (lock_mode)
		MUST(ioctl(pair.slave, TIOCSLCKTRMIOS, &locked));
	MUST(ioctl(pair.master, TIOCSWINSZ, &size));
	MUST(fchown(pair.slave, 1234, 2345));
	MUST(fchmod(pair.slave, 0604));
	MUST(ioctl(second.master, TIOCPKT, &on));
	if (lock_mode)
		MUST(ioctl(second.slave, TIOCEXCL));
	MUST(ioctl(second.master, TIOCSPTLCK, &on));
	MUST(fcntl(second.master, F_SETFL, O_NONBLOCK));
	victim_ready();
	victim_wait();

	check_path(&pair, pair.slave);
	check_path(&second, second.slave);
	CHECK(tcgetattr(pair.slave, &now) == 0, "tcgetattr: %s", strerror(errno));
	CHECK(now.c_iflag == mode.c_iflag && now.c_oflag == mode.c_oflag && now.c_cflag == mode.c_cflag && now.c_lflag == mode.c_lflag,
	      "the mode is %x %x %x %x, was %x %x %x %x", now.c_iflag, now.c_oflag, now.c_cflag, now.c_lflag, mode.c_iflag, mode.c_oflag,
	      mode.c_cflag, mode.c_lflag);
	CHECK(!memcmp(now.c_cc, mode.c_cc, sizeof now.c_cc), "control characters differ");
	memset(&locked, 0, sizeof locked);
	CHECK(ioctl(pair.slave, TIOCGLCKTRMIOS, &locked) == 0, "TIOCGLCKTRMIOS: %s", strerror(errno));
	CHECK(locked.c_lflag == (lock_mode ? ECHO : 0) && locked.c_cc[VEOL] == lock_mode, "the locked mode differs");
	CHECK(ioctl(pair.slave, TIOCGWINSZ, &size_now) == 0 && !memcmp(&size, &size_now, sizeof size), "the size is %d x %d",
	      size_now.ws_row, size_now.ws_col);
	CHECK(fstat(writer, &stat_now) == 0 && stat_now.st_uid == 1234 && stat_now.st_gid == 2345 && (stat_now.st_mode & 07777) == 0604,
	      "owner %d:%d, mode %o", stat_now.st_uid, stat_now.st_gid, stat_now.st_mode);
	CHECK((fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_RDONLY | O_NONBLOCK), "flags of the reader: %o", fcntl(reader, F_GETFL));
	CHECK((fcntl(writer, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_WRONLY, "flags of the writer: %o", fcntl(writer, F_GETFL));
	CHECK(fcntl(writer, F_GETFD) == FD_CLOEXEC && fcntl(pair.slave, F_GETFD) == 0, "close-on-exec differs");
	check_connected(&pair, writer);
	pair.master = twin;
	check_connected(&pair, pair.slave);

	CHECK(ioctl(second.master, TIOCGPKT, &state) == 0 && state == 1, "packet mode is %d", state);
	CHECK(ioctl(second.slave, TIOCGEXCL, &state) == 0 && state == lock_mode, "exclusive use is %d", state);
	CHECK(ioctl(second.master, TIOCGPTLCK, &state) == 0 && state == 1, "the lock is %d", state);
	CHECK((fcntl(second.master, F_GETFL) & O_NONBLOCK), "flags of the master: %o", fcntl(second.master, F_GETFL));
	char packet[8];
	CHECK(read(second.master, packet, 8) == -1 && errno == EAGAIN, "a packet is in the second master");
	CHECK(write(second.slave, "yz", 2) == 2 && read(second.master, packet, 8) == 3 && !memcmp(packet, "\0yz", 3), "no packet comes");
	ok();
}

static volatile sig_atomic_t interrupts, resizes;

static void on_signal(int number)
{
	if (number == SIGINT)
		interrupts++;
	else
		resizes++;
}

static void hold_control(void)
{
	struct winsize size = { 40, 132, 0, 0 };
	struct sigaction action = { .sa_handler = on_signal };
	char text[16];
	struct pair pair = open_pair(O_RDWR);
	MUST(ioctl(pair.master, TIOCSWINSZ, &size));
	MUST(ioctl(pair.slave, TIOCSCTTY, 0));
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	int current = open("/dev/tty", O_RDWR);
	MUST(current);
	MUST(tcsetpgrp(pair.slave, getpgrp()));
	victim_ready();
	victim_wait();

	check_path(&pair, pair.slave);
	CHECK(tcgetsid(pair.slave) == getsid(0) && getsid(0) == getpid(), "the terminal controls session %d", tcgetsid(pair.slave));
	CHECK(tcgetpgrp(pair.slave) == getpgrp(), "group %d is in the foreground", tcgetpgrp(pair.slave));
	CHECK(resizes == 0, "the window was resized %d times", resizes);
	CHECK(write(current, "tty", 3) == 3 && read(pair.master, text, 16) == 3, "/dev/tty leads elsewhere");
	CHECK(ioctl(pair.master, TIOCSWINSZ, &(struct winsize){ 41, 132, 0, 0 }) == 0 && resizes == 1, "SIGWINCH came %d times", resizes);
	CHECK(write(pair.master, "\3", 1) == 1, "write ^C: %s", strerror(errno));
	for (int i = 0; i < 200 && !interrupts; i++)
		pause_ms(10);
	CHECK(interrupts == 1, "^C came %d times", interrupts);
	int again = open("/dev/tty", O_RDWR);
	CHECK(again != -1, "open /dev/tty: %s", strerror(errno));
	ok();
}

/* Reads all that is there within a second of the last byte. */
static size_t drain(int fd, char *at, size_t room)
{
	size_t length = 0;
	struct pollfd one = { fd, POLLIN, 0 };
	while (length < room && poll(&one, 1, length ? 300 : 2000) == 1) {
		ssize_t part = read(fd, at + length, room - length);
		if (part <= 0)
			break;
		length += part;
	}
	return length;
}

static void hold_input(bool echo)
{
	char found[256];
	struct termios mode;
	struct pair pair = open_pair(O_RDWR);
	set_raw(pair.slave);
	int waiting = 0;
	MUST(write(pair.master, "typed\r\3\4\0\377 ahead\n", 16));
	/* The line discipline gets it a little later: only then may the mode change. */
	while (waiting != 16) {
		pause_ms(1);
		MUST(ioctl(pair.slave, FIONREAD, &waiting));
	}
	MUST(tcgetattr(pair.slave, &mode));
	mode.c_oflag |= OPOST | ONLCR;
	mode.c_iflag |= ICRNL;
	mode.c_lflag |= ISIG;
	mode.c_lflag |= echo ? ECHO : 0;
	MUST(tcsetattr(pair.slave, TCSANOW, &mode));
	MUST(write(pair.slave, "one\ntwo\n", 8));
	while (!events_of(pair.master, POLLIN))
		pause_ms(1);
	pause_ms(50);
	victim_ready();
	victim_wait();

	size_t length = drain(pair.slave, found, sizeof found);
	CHECK(length == 16 && !memcmp(found, "typed\r\3\4\0\377 ahead\n", 16), "%zu bytes of input, %.*s", length, (int)length, found);
	length = drain(pair.master, found, sizeof found);
	CHECK(length == 10 && !memcmp(found, "one\r\ntwo\r\n", 10), "%zu bytes of output, %.*s", length, (int)length, found);
	CHECK(tcgetattr(pair.slave, &mode) == 0 && (mode.c_oflag & OPOST) && (mode.c_iflag & ICRNL) && (mode.c_lflag & ISIG), "the mode differs");
	CHECK(!(mode.c_lflag & ECHO) == !echo, "the echo is %d", mode.c_lflag & ECHO);
	ok();
}

static void check_line(int slave, const char *wanted)
{
	char found[64];
	ssize_t length = read(slave, found, sizeof found);
	CHECK(length == (ssize_t)strlen(wanted) && !memcmp(found, wanted, length), "%zd bytes \"%.*s\" for the line \"%s\"", length,
	      (int)(length > 0 ? length : 0), found, wanted);
}

static void hold_lines(void)
{
	static const char typed[] = "one\ntwo\n\4three\4par", echoed[] = "one\r\ntwo\r\nthreepar";
	char found[256];
	struct termios mode, now;
	struct pair pair = open_pair(O_RDWR);
	MUST(tcgetattr(pair.slave, &mode));
	MUST(write(pair.master, typed, sizeof typed - 1));
	while (!events_of(pair.slave, POLLIN))
		pause_ms(1);
	pause_ms(50);
	victim_ready();
	victim_wait();

	CHECK(tcgetattr(pair.slave, &now) == 0 && now.c_lflag == mode.c_lflag && now.c_iflag == mode.c_iflag, "the mode differs");
	size_t length = drain(pair.master, found, sizeof found);
	CHECK(length == sizeof echoed - 1 && !memcmp(found, echoed, length), "%zu bytes of echo, %.*s", length, (int)length, found);
	check_line(pair.slave, "one\n");
	check_line(pair.slave, "two\n");
	check_line(pair.slave, "");
	check_line(pair.slave, "three");
	CHECK(events_of(pair.slave, POLLIN) == 0, "the unfinished line can be read");
	MUST(write(pair.master, "x\177t\n", 4));
	for (int i = 0; i < 200 && !events_of(pair.slave, POLLIN); i++)
		pause_ms(10);
	check_line(pair.slave, "part\n");
	ok();
}

static void hold_shown(void)
{
	static char text[6000], found[8000];
	int on = 1;
	struct pair pair = open_pair(O_RDWR);
	set_raw(pair.slave);
	victim_fill(text, sizeof text, 5);
	MUST(ioctl(pair.master, TIOCPKT, &on));
	for (size_t at = 0; at < sizeof text; at += 100)
		MUST(write(pair.slave, text + at, 100));
	pause_ms(50);
	victim_ready();
	victim_wait();

	size_t length = 0;
	while (length < sizeof text) {
		struct pollfd one = { pair.master, POLLIN, 0 };
		CHECK(poll(&one, 1, 2000) == 1, "only %zu bytes were there", length);
		char packet[512];
		ssize_t part = read(pair.master, packet, sizeof packet);
		CHECK(part > 1 && packet[0] == TIOCPKT_DATA, "a packet of %zd bytes, kind %d", part, packet[0]);
		memcpy(found + length, packet + 1, part - 1);
		length += part - 1;
	}
	CHECK(length == sizeof text && !memcmp(found, text, length), "%zu bytes, or others", length);
	CHECK(events_of(pair.master, POLLIN) == 0, "there is more");
	ok();
}

static void hold_hungup(void)
{
	char byte;
	struct stat now;
	struct pair pair = open_pair(O_RDWR);
	struct pair lower = pair;
	pair = open_pair(O_RDWR | O_NONBLOCK);
	close(pair.master);
	victim_ready();
	victim_wait();

	CHECK(read(pair.slave, &byte, 1) == 0, "the slave is not at its end");
	CHECK(write(pair.slave, "x", 1) == -1 && errno == EIO, "the slave can be written");
	CHECK(fcntl(pair.slave, F_GETFL) & O_NONBLOCK, "flags of the slave: %o", fcntl(pair.slave, F_GETFL));
	CHECK(fstat(pair.slave, &now) == 0 && S_ISCHR(now.st_mode), "the slave is no device");
	CHECK((int)(now.st_rdev & 0xff) == pair.index, "the slave is number %d, was %d", (int)(now.st_rdev & 0xff), pair.index);
	check_path(&lower, lower.slave);
	ok();
}

static void hold_alone(void)
{
	struct pair closed = open_pair(O_RDWR);
	close(closed.slave);
	int never = open_master(), locked = -1;
	int number = index_of(never);
	victim_ready();
	victim_wait();

	CHECK(index_of(never) == number && index_of(closed.master) == closed.index, "indices are %d and %d", index_of(never), index_of(closed.master));
	CHECK(ioctl(never, TIOCGPTLCK, &locked) == 0 && locked == 1, "the master is unlocked");
	CHECK(events_of(never, POLLIN | POLLHUP) == 0, "the master that waits for a slave has events");
	CHECK(events_of(closed.master, POLLIN | POLLHUP) & POLLHUP, "the master does not know that its slave was closed");
	closed.slave = open(closed.path, O_RDWR | O_NOCTTY);
	CHECK(closed.slave != -1, "open the slave: %s", strerror(errno));
	check_connected(&closed, closed.slave);
	ok();
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	if (!strcmp(kind, "pair") || !strcmp(kind, "locked"))
		hold_pair(!strcmp(kind, "locked"));
	if (!strcmp(kind, "control"))
		hold_control();
	if (!strcmp(kind, "input") || !strcmp(kind, "echoed"))
		hold_input(!strcmp(kind, "echoed"));
	if (!strcmp(kind, "lines"))
		hold_lines();
	if (!strcmp(kind, "shown"))
		hold_shown();
	if (!strcmp(kind, "hungup"))
		hold_hungup();
	if (!strcmp(kind, "alone"))
		hold_alone();
	fail("no such kind: %s", kind);
}
