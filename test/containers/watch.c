/*
 * Tells what is executed and written on file systems while it runs, one line each: "exec PID PATH", "write PID PATH", or "made PID PATH" for
 * what is created, renamed or removed in a directory. Says READY when it listens, DONE when its standard input ends.
 *
 *   watch PATH...      any path on each file system; names are told of the first alone, a directory
 *
 * Man page: fanotify(7)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#define CONTENT (FAN_OPEN_EXEC | FAN_MODIFY)
#define NAMES (FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ONDIR)

static char buffer[1 << 16] __attribute__((aligned(8)));

static void path_of(int fd, char *path, size_t size)
{
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, size - 1);
	path[length < 0 ? 0 : length] = 0;
}

static void tell_content(int group)
{
	ssize_t length = read(group, buffer, sizeof buffer);
	struct fanotify_event_metadata *event = (void *)buffer;
	for (; FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
		char path[4096];
		path_of(event->fd, path, sizeof path);
		if (event->mask & FAN_OPEN_EXEC)
			printf("exec %d %s\n", event->pid, path);
		if (event->mask & FAN_MODIFY)
			printf("write %d %s\n", event->pid, path);
		close(event->fd);
	}
}

/* A directory's handle and the name in it. */
static void tell_names(int group, int mount)
{
	ssize_t length = read(group, buffer, sizeof buffer);
	struct fanotify_event_metadata *event = (void *)buffer;
	for (; FAN_EVENT_OK(event, length); event = FAN_EVENT_NEXT(event, length)) {
		struct fanotify_event_info_fid *info = (void *)(event + 1);
		struct file_handle *handle = (void *)info->handle;
		char path[4096] = "?";
		int folder = open_by_handle_at(mount, handle, O_PATH | O_DIRECTORY);
		if (folder >= 0)
			path_of(folder, path, sizeof path), close(folder);
		printf("made %d %s/%s\n", event->pid, path, (char *)handle->f_handle + handle->handle_bytes);
	}
}

int main(int argc, char **argv)
{
	int content = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_LARGEFILE);
	int names = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE | FAN_REPORT_DFID_NAME, 0);
	int mount = open(argv[1], O_RDONLY | O_DIRECTORY);
	for (int i = 1; i < argc; i++)
		if (fanotify_mark(content, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, CONTENT, AT_FDCWD, argv[i]) ||
		    (i == 1 && fanotify_mark(names, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, NAMES, AT_FDCWD, argv[i]))) {
			printf("SKIP %s: %s\n", argv[i], strerror(errno));
			return 0;
		}
	printf("READY\n");
	fflush(stdout);
	struct pollfd ends[] = { { content, POLLIN, 0 }, { names, POLLIN, 0 }, { 0, POLLIN, 0 } };
	for (;;) {
		poll(ends, 3, -1);
		if (ends[0].revents)
			tell_content(content);
		if (ends[1].revents)
			tell_names(names, mount);
		if (!ends[0].revents && !ends[1].revents && ends[2].revents)
			break;
	}
	printf("DONE\n");
	return 0;
}
