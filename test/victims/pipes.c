/*
 * Holds: pipes with both ends inside: with data, empty, full, of another size, nonblocking, a duplicated end, a closed end.
 * Argument "packets": one in packet mode too. Checks: data in order, sizes, flags, end of file and EPIPE.
 */
#include "victim.h"
#include <sys/ioctl.h>

static int bytes_in(int fd)
{
	int bytes = -1;
	MUST(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

int main(int argc, char **argv)
{
	static char text[70000], found[70000];
	int data[2], empty[2], big[2], packets[2], no_writer[2], no_reader[2], full[2];
	victim_begin(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	victim_fill(text, sizeof text, 21);
	MUST(pipe(data));
	MUST(write(data[1], text, 10000));
	MUST(write(data[1], text + 10000, 3));
	int twin = dup(data[1]);
	MUST(twin);
	MUST(pipe2(empty, O_NONBLOCK | O_CLOEXEC));
	MUST(pipe(big));
	int size = fcntl(big[1], F_SETPIPE_SZ, 1 << 18);
	MUST(size);
	MUST(write(big[1], text, 70000));
	bool packet_mode = !strcmp(victim_argument(argc, argv, 1), "packets");
	if (packet_mode)
		MUST(pipe2(packets, O_DIRECT));
	for (int i = 0; packet_mode && i < 3; i++)
		MUST(write(packets[1], "packet", i + 2));
	MUST(pipe(no_writer));
	MUST(write(no_writer[1], "last", 4));
	close(no_writer[1]);
	MUST(pipe(no_reader));
	close(no_reader[0]);
	MUST(pipe2(full, O_NONBLOCK));
	int filled = 0;
	for (ssize_t part; (part = write(full[1], text + filled % 4096, 4096)) > 0;)
		filled += part;
	int flags[2] = { fcntl(empty[0], F_GETFL), fcntl(empty[1], F_GETFL) };
	victim_ready();
	victim_wait();

	CHECK(bytes_in(data[0]) == 10003, "%d bytes are in the pipe, not 10003", bytes_in(data[0]));
	CHECK(read(data[0], found, 10003) == 10003 && !memcmp(found, text, 10003), "data in the pipe differs");
	CHECK(write(twin, "t", 1) == 1 && read(data[0], found, 1) == 1 && *found == 't', "the duplicated end leads elsewhere");
	CHECK(fcntl(empty[0], F_GETFL) == flags[0] && fcntl(empty[1], F_GETFL) == flags[1], "flags of the empty pipe are %o and %o",
	      fcntl(empty[0], F_GETFL), fcntl(empty[1], F_GETFL));
	CHECK(fcntl(empty[0], F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	CHECK(read(empty[0], found, 1) == -1 && errno == EAGAIN, "the empty pipe gives something");
	CHECK(fcntl(big[0], F_GETPIPE_SZ) == size, "the pipe has room for %d bytes, had %d", fcntl(big[0], F_GETPIPE_SZ), size);
	CHECK(bytes_in(big[0]) == 70000, "%d bytes are in the big pipe", bytes_in(big[0]));
	for (int got = 0; got < 70000;) {
		ssize_t part = read(big[0], found + got, 70000 - got);
		CHECK(part > 0, "read from the big pipe: %s", strerror(errno));
		got += part;
	}
	CHECK(!memcmp(found, text, 70000), "data in the big pipe differs");
	for (int i = 0; packet_mode && i < 3; i++)
		CHECK(read(packets[0], found, 100) == i + 2, "packet %d has another length", i);
	CHECK(read(no_writer[0], found, 100) == 4 && read(no_writer[0], found, 100) == 0, "the pipe without writers does not end");
	CHECK(write(no_reader[1], "x", 1) == -1 && errno == EPIPE, "the pipe without readers can be written");
	CHECK(bytes_in(full[0]) == filled, "%d bytes are in the full pipe, were %d", bytes_in(full[0]), filled);
	CHECK(write(full[1], text, 4096) == -1 && errno == EAGAIN, "the full pipe takes more");
	ok();
}
