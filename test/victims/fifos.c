/*
 * Holds: FIFOs with all ends inside, some in a child: with data, of another size, open in both directions, whose writer has gone.
 * Argument "unwritten": one whose reader still waits for its first writer. Checks: data in order, sizes, flags, end of file.
 */
#include "victim.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *folder;

static const char *path_of(const char *name)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static int open_fifo(const char *name, int flags)
{
	int fd;
	if (mkfifo(path_of(name), 0600) == -1)
		CHECK(errno == EEXIST, "set-up: mkfifo: %s", strerror(errno));
	MUST(fd = open(path_of(name), flags));
	return fd;
}

static int events(int fd)
{
	struct pollfd one = { fd, POLLIN, 0 };
	MUST(poll(&one, 1, 0));
	return one.revents;
}

static void expect(int fd, const char *text)
{
	char found[64] = { 0 };
	ssize_t length = read(fd, found, strlen(text));
	CHECK(length == (ssize_t)strlen(text) && !strcmp(found, text), "\"%s\" is in the FIFO, not \"%s\"", found, text);
}

static void hold_unwritten(void)
{
	int waits = open_fifo("waits", O_RDONLY | O_NONBLOCK);
	int later = open_fifo("late", O_RDONLY | O_NONBLOCK);
	int writer = open_fifo("late", O_WRONLY);
	MUST(write(writer, "text", 4));
	close(writer);
	/* Opened when the writer had gone: the text is there, the end is not. */
	int latest = open_fifo("late", O_RDONLY | O_NONBLOCK);
	int blocking = open_fifo("blocking", O_RDONLY | O_NONBLOCK);
	MUST(fcntl(blocking, F_SETFL, 0));
	CHECK(!(events(waits) & POLLHUP) && !(events(latest) & POLLHUP) && events(later) & POLLHUP, "set-up: the kernel does otherwise");
	victim_ready();
	victim_wait();
	CHECK(!(events(waits) & POLLHUP), "one that waits for its first writer was hung up");
	CHECK(events(later) == (POLLIN | POLLHUP), "the reader has events %x", events(later));
	CHECK(events(latest) == POLLIN, "the later reader has events %x", events(latest));
	expect(latest, "text");
	CHECK(!(fcntl(blocking, F_GETFL) & O_NONBLOCK) && !(events(blocking) & POLLHUP), "the blocking one differs");
	writer = open_fifo("waits", O_WRONLY | O_NONBLOCK);
	close(writer);
	CHECK(events(waits) & POLLHUP, "the writer was not seen");
	ok();
}

int main(int argc, char **argv)
{
	static char text[60000], found[60000];
	victim_begin(argc, argv);
	folder = victim_argument(argc, argv, 1);
	if (!strcmp(victim_argument(argc, argv, 2), "unwritten"))
		hold_unwritten();
	signal(SIGPIPE, SIG_IGN);
	victim_fill(text, sizeof text, 21);
	int both = open_fifo("both", O_RDWR);
	MUST(write(both, "first", 5));
	int reader = open_fifo("both", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int twin = dup(reader);
	MUST(twin);
	int big = open_fifo("big", O_RDWR | O_NONBLOCK);
	int size = fcntl(big, F_SETPIPE_SZ, 1 << 18);
	MUST(size);
	MUST(write(big, text, sizeof text));
	int over = open_fifo("over", O_RDONLY | O_NONBLOCK);
	int writer = open_fifo("over", O_WRONLY);
	MUST(write(writer, "over", 4));
	close(writer);
	int unread = open_fifo("unread", O_RDONLY | O_NONBLOCK);
	int alone = open_fifo("unread", O_WRONLY | O_APPEND);
	close(unread);
	int talk = open_fifo("talk", O_RDONLY | O_NONBLOCK);
	int answer = open_fifo("answer", O_RDWR);
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(talk);
		int tell = open(path_of("talk"), O_WRONLY);
		MUST(write(tell, "hello", 5));
		char word;
		MUST(read(answer, &word, 1));
		_exit(write(tell, &word, 1) == 1 ? 0 : 1);
	}
	while (!(events(talk) & POLLIN))
		pause_ms(1);
	MUST(fcntl(talk, F_SETFL, 0));
	int flags[2] = { fcntl(reader, F_GETFL), fcntl(alone, F_GETFL) };
	victim_ready();
	victim_wait();

	CHECK(fcntl(reader, F_GETFL) == flags[0] && fcntl(alone, F_GETFL) == flags[1], "flags are %o and %o", fcntl(reader, F_GETFL),
	      fcntl(alone, F_GETFL));
	CHECK(fcntl(reader, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	expect(twin, "first");
	CHECK(write(both, "x", 1) == 1, "write: %s", strerror(errno));
	expect(reader, "x");
	CHECK(fcntl(big, F_GETPIPE_SZ) == size, "it has room for %d bytes, had %d", fcntl(big, F_GETPIPE_SZ), size);
	CHECK(read(big, found, sizeof found) == sizeof found && !memcmp(found, text, sizeof text), "the content of the big one differs");
	expect(over, "over");
	CHECK(read(over, found, 1) == 0 && events(over) & POLLHUP, "there is no end of file");
	CHECK(write(alone, "x", 1) == -1 && errno == EPIPE, "somebody reads what nobody read");
	expect(talk, "hello");
	CHECK(write(answer, "!", 1) == 1, "write: %s", strerror(errno));
	expect(talk, "!");
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	CHECK(read(talk, found, 1) == 0, "the child's end is still open");
	ok();
}
