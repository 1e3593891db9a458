/*
 * What the kernel shows of this process, as lines of text, but for what may change: taken before the dump, and compared when asked. Numbers of
 * inodes that a restore makes anew are left out.
 */
#ifndef MEDLEY_PORTRAIT_H
#define MEDLEY_PORTRAIT_H
#include "medley.h"
#include <dirent.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

static char portraits[2][400000], raw[900000];
static char *page;
static size_t filled;

__attribute__((format(printf, 1, 2))) static void show(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	filled += vsnprintf(page + filled, sizeof portraits[0] - filled, format, list);
	va_end(list);
	if (filled > sizeof portraits[0] - 2000)
		wrong(NULL, "no room for the portrait");
}

static bool begins(const char *line, const char *const *with)
{
	for (; *with; with++)
		if (!strncmp(line, *with, strlen(*with)))
			return true;
	return false;
}

/* Lines of a file in /proc/PID that begin with one of the words, or with none when `without`. */
static void show_lines(const char *name, const char *const *words, bool without)
{
	slurp(name, raw, sizeof raw);
	for (char *next, *line = raw; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		if (begins(line, words) != without)
			show("%s %s\n", name, line);
	}
}

/* What threads have that their process may not. */
static void show_thread(const char *tid, bool root)
{
	static const char *const kept[] = { "Name:", "Umask:", "Tgid:", "Pid:", "Uid:", "Gid:", "Groups:", "NStgid:", "SigBlk:", "SigIgn:", "SigCgt:",
		"Cap", "NoNewPrivs:", "Seccomp", "Cpus_allowed:", "Mems_allowed:", "THP_enabled:", "CoreDumping:", "Threads:", "VmLck:", NULL };
	char name[80];
	snprintf(name, sizeof name, "task/%.12s/status", tid);
	show_lines(name, kept, false);
	slurp(name, raw, sizeof raw);
	for (int i = 0; i < 2; i++) {
		/* SIGCHLD comes and goes with the children, SIGCONT and stops too. */
		const char *word = i ? "ShdPnd:" : "SigPnd:", *line = strstr(raw, word);
		unsigned long left = line ? strtoul(line + 7, NULL, 16) & ~(1ul << (SIGCHLD - 1) | 1ul << (SIGCONT - 1)) : 0;
		show("%s %s %lx\n", name, word, left);
	}
	snprintf(name, sizeof name, "task/%.12s/stat", tid);
	slurp(name, raw, sizeof raw);
	char *field = strrchr(raw, ')');
	for (int number = 3; field && (field = strchr(field, ' ')); number++) {
		field++;
		char *end = strchrnul(field, ' ');
		/* Who came before his session took its terminal has none, until he is restored. */
		bool leads = getsid(0) == getpid();
		bool shown = (number >= 4 && number <= (leads ? 8 : 6) && !(root && number == 4)) || number == 18 || number == 19 || number == 38 || number == 40 ||
			     number == 41 || (number >= 45 && number <= 51);
		if (shown)
			show("%s field %d %.*s\n", name, number, (int)(end - field), field);
	}
	long id = atol(tid);
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	sched_getaffinity(id, sizeof cpus, &cpus);
	void *head = NULL;
	size_t size = 0;
	syscall(SYS_get_robust_list, id, &head, &size);
	show("thread %s cpus %lx ioprio %ld robust %p\n", tid, *(long *)&cpus, syscall(SYS_ioprio_get, 1, id), head);
}

/* One area, or several that touch and are alike: whether the kernel joins them depends on how they came to be. */
struct area {
	unsigned long from, to, offset, inode;
	char rights[8], name[200], flags[120], locked[120];
};

static void show_area(const struct area *area)
{
	if (area->to)
		show("area %lx-%lx %s %lx %lu %s %s %s\n", area->from, area->to, area->rights, area->offset, area->inode, area->name, area->flags,
		     area->locked);
}

static bool continues(const struct area *a, const struct area *b)
{
	unsigned long offset = *a->name == '/' || b->offset ? a->offset + (a->to - a->from) : a->offset;
	return a->to == b->from && !strcmp(a->rights, b->rights) && !strcmp(a->name, b->name) && !strcmp(a->flags, b->flags) && offset == b->offset &&
	       a->inode == b->inode;
}

/* What a restore makes anew has another inode. */
static void show_areas(void)
{
	static const char *const passing[] = { " sd", " gu", " sh", NULL };
	struct area last = { 0 }, now = { 0 };
	slurp("smaps", raw, sizeof raw);
	for (char *next, *line = raw; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		char device[16];
		int name = 0;
		if (!strncmp(line, "VmFlags:", 8)) {
			/* Soft-dirty; that there may be guard pages; that what nobody may write is shared. */
			for (int i = 0; passing[i]; i++) {
				char *word = strstr(line, passing[i]);
				if (word)
					memmove(word, word + 3, strlen(word + 3) + 1);
			}
			snprintf(now.flags, sizeof now.flags, "%.100s", line + 8);
			if (continues(&last, &now))
				last.to = now.to;
			else {
				show_area(&last);
				last = now;
			}
		} else if (!strncmp(line, "ProtectionKey:", 14))
			snprintf(now.locked, sizeof now.locked, "%.100s", line);
		else if (strchr(line, '-') && strchr(line, '-') < strchrnul(line, ' ') &&
			 sscanf(line, "%lx-%lx %7s %lx %15s %lu %n", &now.from, &now.to, now.rights, &now.offset, device, &now.inode, &name) >= 6) {
			bool gone = strstr(line, "(deleted)"), nameless = strncmp(line + name, "/memfd:", 7) && strncmp(line + name, "/SYSV", 5);
			if (gone || !strncmp(line + name, "/SYSV", 5) || !strncmp(line + name, "[anon_shmem", 11))
				now.inode = 0;
			snprintf(now.name, sizeof now.name, "%s", gone && nameless && line[name] == '/' ? "(deleted)" : line + name);
		}
	}
	show_area(&last);
}

static void show_descriptor(int fd, const char *link)
{
	static const char *const left_out[] = { "pos:", "flags:", "mnt_id:", "ino:", "ticks:", "it_value:", "it_interval:", "eventfd-id:", "tfd:",
		"size:", "inotify", "lock:", "tty-index:", NULL };
	char name[40];
	struct stat status = { 0 };
	struct f_owner_ex owner = { 0 };
	fstat(fd, &status);
	fcntl(fd, F_GETOWN_EX, &owner);
	bool numbered = !strncmp(link, "socket:", 7) || !strncmp(link, "pipe:", 5);
	/* A deleted file comes back under another name, if its own was taken. */
	bool gone = *link == '/' && strncmp(link, "/memfd:", 7) && strstr(link, " (deleted)");
	if (gone && status.st_nlink == 0)
		link = "(deleted)";
	else if (gone || strstr(link, ".other") || strstr(link, ".far/") || strstr(link, "link_remap")) {
		/* One link more as long as link_remap.N is there: after a dump that leaves the program running, until the restore. */
		link = "(another name)";
		status.st_nlink = 1;
	}
	int flags = fcntl(fd, F_GETFL);
	/* Files of processes belong to whom these are at the first look. */
	if (!strncmp(link, "/proc/", 6))
		status.st_uid = status.st_gid = 0;
	show("fd %d: %.*s fd %x fl %x at %ld mode %o %ld links of %d:%d size %ld owner %d/%d signal %d\n", fd,
	     numbered ? (int)(strchr(link, ':') - link) : (int)strlen(link), link, fcntl(fd, F_GETFD), (flags & O_TMPFILE) == O_TMPFILE ? flags & ~O_TMPFILE : flags, (long)lseek(fd, 0, SEEK_CUR),
	     status.st_mode, S_ISDIR(status.st_mode) ? 0 : (long)status.st_nlink, status.st_uid, status.st_gid, S_ISDIR(status.st_mode) ? 0 : (long)status.st_size, owner.type,
	     owner.pid, fcntl(fd, F_GETSIG));
	snprintf(name, sizeof name, "fdinfo/%d", fd);
	show_lines(name, left_out, true);
	slurp(name, raw, sizeof raw);
	/* The kernel's order is that of addresses. */
	for (int wanted = 0; wanted < 1024 && strstr(raw, "tfd:"); wanted++)
		for (char *line = raw; (line = strstr(line, "tfd:")); line++) {
			int number;
			unsigned events;
			unsigned long data;
			if (sscanf(line, "tfd: %d events: %x data: %lx", &number, &events, &data) == 3 && number == wanted)
				show("fd %d watches %d %x %lx\n", fd, number, events, data);
		}
	for (char *line = raw; (line = strstr(line, "inotify wd:")); line++) {
		unsigned watch, mask;
		unsigned long inode, device;
		if (sscanf(line, "inotify wd:%x ino:%lx sdev:%lx mask:%x", &watch, &inode, &device, &mask) == 4)
			show("fd %d watch %x mask %x\n", fd, watch, mask);
	}
	/* Locks without their place in the list, and without inodes. */
	for (char *line = raw; (line = strstr(line, "lock:")); line++) {
		char type[12], way[12], kind[12], from[24], to[24];
		int pid;
		if (sscanf(line, "lock: %*d: %11s %11s %11s %d %*s %23s %23s", type, way, kind, &pid, from, to) == 6)
			show("fd %d lock %s %s %s %d %s %s\n", fd, type, way, kind, pid * 0, from, to);
	}
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Descriptors, which of them are one open file, and which their parent has too. */
static void show_descriptors(void)
{
	int fds[600], count = 0;
	char path[60], link[4200];
	snprintf(path, sizeof path, "%d/fd", getpid());
	int list_fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd == -1 ? NULL : fdopendir(list_fd);
	for (struct dirent *entry; list && (entry = readdir(list));)
		if (*entry->d_name != '.' && atoi(entry->d_name) != list_fd && count < 600)
			fds[count++] = atoi(entry->d_name);
	qsort(fds, count, sizeof *fds, by_number);
	for (int i = 0; i < count; i++) {
		/* Where the test's own files are changes. */
		if (fds[i] < 3)
			continue;
		snprintf(path, sizeof path, "%d/fd/%d", getpid(), fds[i]);
		ssize_t length = readlinkat(proc, path, link, sizeof link - 1);
		link[length < 0 ? 0 : length] = 0;
		show_descriptor(fds[i], link);
		for (int j = 0; j < i; j++)
			if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fds[i], fds[j]) == 0)
				show("fd %d is fd %d\n", fds[i], fds[j]);
		if (strcmp(node, "0"))
			show("fd %d is the parent's: %ld\n", fds[i],
			     syscall(SYS_kcmp, getpid(), getppid(), KCMP_FILE, fds[i], fds[i]) == 0 ? 1l : 0l);
	}
	if (list)
		closedir(list);
}

static int by_text(const void *a, const void *b)
{
	return atoi(a) - atoi(b);
}

static void show_process(void)
{
	static const char *const everything[] = { "", NULL };
	static const char *const files[] = { "limits", "oom_score_adj", "personality", "coredump_filter", "timers", "cgroup" };
	static const char *const links[] = { "cwd", "root", "exe" };
	char link[4200], path[60];
	bool root = !strcmp(node, "0");
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		show_lines(files[i], everything, false);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(path, sizeof path, "%d/%s", getpid(), links[i]);
		ssize_t length = readlinkat(proc, path, link, sizeof link - 1);
		show("%s %.*s\n", links[i], length < 0 ? 0 : (int)length, link);
	}
	for (int number = 1; number < 65; number++) {
		struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } action = { 0 };
		syscall(SYS_rt_sigaction, number, NULL, &action, 8);
		show("signal %d: %p %lx %p %lx\n", number, action.handler, action.flags, action.restorer, action.mask);
	}
	stack_t stack;
	sigaltstack(NULL, &stack);
	int death = 0, reaper = 0;
	prctl(PR_GET_PDEATHSIG, &death);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	show("altstack %p %x %zu death %d reaper %d dumpable %d keepcaps %d securebits %x slack %d thp %d nnp %d mdwe %d\n", stack.ss_sp,
	     stack.ss_flags, stack.ss_size, death, reaper, prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS),
	     prctl(PR_GET_TIMERSLACK), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(66, 0, 0, 0, 0));
	if (!root)
		for (int type = KCMP_VM; type <= KCMP_SYSVSEM; type++)
			/* Lost: who shares an I/O context, and what would be undone of semaphores. */
			show("shares %d: %ld\n", type, type == KCMP_IO || type == KCMP_SYSVSEM ? 0 : syscall(SYS_kcmp, getpid(), getppid(), type, 0, 0) == 0 ? 1l : 0l);
	char ids[100][12];
	int count = 0;
	snprintf(path, sizeof path, "%d/task", getpid());
	int list_fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd == -1 ? NULL : fdopendir(list_fd);
	for (struct dirent *entry; list && (entry = readdir(list));)
		if (*entry->d_name != '.' && count < 100)
			strcpy(ids[count++], entry->d_name);
	if (list)
		closedir(list);
	qsort(ids, count, sizeof *ids, by_text);
	for (int i = 0; i < count; i++)
		show_thread(ids[i], root);
}

static void take_portrait(int which)
{
	take_turn();
	page = portraits[which];
	filled = 0;
	show_process();
	show_descriptors();
	show_areas();
	end_turn();
}

static void compare_portraits(void)
{
	const struct thing *thing = NULL;
	for (char *a = portraits[0], *b = portraits[1]; *a || *b;) {
		int before = strchrnul(a, '\n') - a, after = strchrnul(b, '\n') - b;
		SEE(before == after && !memcmp(a, b, before), "was \"%.*s\", is \"%.*s\"", before < 170 ? before : 170, a, after < 170 ? after : 170, b);
		a += before + (a[before] != 0);
		b += after + (b[after] != 0);
	}
}
#endif
