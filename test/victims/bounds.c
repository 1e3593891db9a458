/*
 * Holds: the addresses that execve laid down: code, data, stack, break, arguments, environment, auxiliary vector, and the exe link.
 * Checks: /proc/self tells the same, and a changed argv[0] shows in cmdline.
 */
#include "victim.h"

static const char *const files[] = { "/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv" };
static char before[3][65536], after[3][65536];

/* Fields 26-28 and 45-51 of stat (proc_pid_stat(5)) are addresses. */
static void addresses(char *line)
{
	char text[4096], *field;
	victim_read("/proc/self/stat", text, sizeof text);
	int number = 2;
	*line = 0;
	for (field = strtok(strrchr(text, ')') + 1, " "); field; field = strtok(NULL, " ")) {
		number++;
		if ((number >= 26 && number <= 28) || (number >= 45 && number <= 51))
			strcat(strcat(line, field), " ");
	}
}

int main(int argc, char **argv)
{
	char line[512], line_after[512], link[512] = "", link_after[512] = "";
	size_t length[3];
	victim_begin(argc, argv);
	argv[0][0] = '!';
	for (int i = 0; i < 3; i++)
		length[i] = victim_read(files[i], before[i], sizeof before[i]);
	addresses(line);
	MUST(readlink("/proc/self/exe", link, sizeof link - 1));
	victim_ready();
	victim_wait();
	for (int i = 0; i < 3; i++) {
		size_t now = victim_read(files[i], after[i], sizeof after[i]);
		CHECK(now == length[i] && !memcmp(before[i], after[i], now), "%s differs: %zu bytes, were %zu", files[i], now, length[i]);
	}
	CHECK(after[0][0] == '!', "cmdline starts with %c", after[0][0]);
	addresses(line_after);
	CHECK(!strcmp(line, line_after), "addresses in stat are %s, were %s", line_after, line);
	MUST(readlink("/proc/self/exe", link_after, sizeof link_after - 1));
	CHECK(!strcmp(link, link_after), "exe is %s, was %s", link_after, link);
	ok();
}
