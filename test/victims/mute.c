/*
 * Holds: a file of a FUSE file system whose server answers nothing any more (as of a network that is gone). The server is this process, in
 * a mount namespace of its own; a child has the file open. Argument 1: a folder to mount at. Argument 2, "later": it answers until SIGUSR1.
 * Nothing of it can be dumped: for others, which look at all open files of the machine. Ends by a kill of the first process: then the kernel
 * ends the connection.
 */
#include "victim.h"
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { FILE_NODE = 2 };

static int device;
static volatile sig_atomic_t is_mute = true;

static void fall_mute(int number)
{
	(void)number;
	is_mute = true;
}

static void reply(uint64_t unique, int error, const void *body, size_t size)
{
	char buffer[512];
	struct fuse_out_header head = { .len = sizeof head + size, .error = error, .unique = unique };
	memcpy(buffer, &head, sizeof head);
	memcpy(buffer + sizeof head, body, size);
	MUST(write(device, buffer, head.len) == (ssize_t)head.len ? 0 : -1);
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){ .ino = node, .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644, .nlink = 1 };
}

/* Answers one request; nothing that it says stays valid, so that the kernel asks again each time. */
static void serve(void)
{
	static char buffer[1 << 18];
	MUST(read(device, buffer, sizeof buffer));
	const struct fuse_in_header *in = (const void *)buffer;
	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = { .major = 7, .minor = 31, .max_readahead = 4096, .max_write = 4096 };
		return reply(in->unique, 0, &out, sizeof out);
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = { .nodeid = FILE_NODE, .attr = attributes(FILE_NODE) };
		return reply(in->unique, 0, &out, sizeof out);
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out out = { .attr = attributes(in->nodeid) };
		return reply(in->unique, 0, &out, sizeof out);
	}
	case FUSE_OPEN: {
		struct fuse_open_out out = { .fh = 1 };
		return reply(in->unique, 0, &out, sizeof out);
	}
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return;
	default:
		return reply(in->unique, -ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *folder = victim_argument(argc, argv, 1);
	MUST(unshare(CLONE_NEWNS));
	MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(device = open("/dev/fuse", O_RDWR | O_CLOEXEC));
	char options[128], path[4096];
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	MUST(mount("mute", folder, "fuse.mute", 0, options));
	snprintf(path, sizeof path, "%s/file", folder);
	int opened[2];
	MUST(pipe(opened));
	pid_t child = fork();
	MUST(child);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(device); /* its last holder must be the server, whose end ends the connection */
		MUST(open(path, O_RDONLY));
		MUST(write(opened[1], "", 1));
		while (true)
			pause();
	}
	struct pollfd sources[] = { { .fd = opened[0], .events = POLLIN }, { .fd = device, .events = POLLIN } };
	while (true) {
		MUST(poll(sources, 2, -1));
		if (sources[0].revents & POLLIN)
			break;
		serve();
	}
	if (!strcmp(victim_argument(argc, argv, 2), "later")) {
		is_mute = false;
		signal(SIGUSR1, fall_mute);
	}
	victim_ready();
	while (!is_mute)
		if (poll(&sources[1], 1, 100) == 1)
			serve();
	while (true)
		pause();
}
