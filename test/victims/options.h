/* Options of sockets whose value is an int. */
#pragma once
#include "victim.h"
#include <sys/socket.h>

static inline void set(int fd, int level, int name, int value)
{
	CHECK(setsockopt(fd, level, name, &value, sizeof value) == 0, "set-up: option %d:%d: %s", level, name, strerror(errno));
}

static inline int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof value;
	CHECK(getsockopt(fd, level, name, &value, &size) == 0, "option %d:%d: %s", level, name, strerror(errno));
	return value;
}
