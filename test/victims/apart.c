/*
 * Holds: what a dump must not lose in silence, by the argument. A thread with its own "fs", "files", "uts" namespace or "children"
 * namespaces; "keyring" (a key in a process keyring), "session" (a session keyring of its own), "default" (none); "landlock", "landlock-user"
 * (the same in a process without privileges), "landlock-thread" (one thread only), "user" (no privileges, no Landlock).
 * Checks: session keyrings; whether Landlock still acts, which it prints ("free", "confined").
 */
#include "victim.h"
#include <linux/landlock.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/prctl.h>

static const char *kind;
static volatile int running;

static void landlock(void)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SOCK };
	int fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
	if (fd == -1)
		skip("this kernel has no Landlock");
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(syscall(SYS_landlock_restrict_self, fd, 0));
	close(fd);
}

static bool is(const char *name) { return !strcmp(kind, name); }
static long keyring(int which) { return syscall(SYS_keyctl, 0, which, 0); }

static void become_user(void)
{
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, 12345, 12345, 12345));
	MUST(syscall(SYS_setresuid, 12345, 12345, 12345));
	MUST(prctl(PR_SET_DUMPABLE, 1));
}

static void *thread(void *unused)
{
	if (is("fs")) {
		MUST(unshare(CLONE_FS));
		MUST(chdir("/usr"));
	} else if (is("files"))
		MUST(unshare(CLONE_FILES));
	else if (is("uts"))
		MUST(unshare(CLONE_NEWUTS));
	else if (is("children"))
		MUST(unshare(CLONE_NEWPID));
	else if (is("landlock-thread"))
		landlock();
	running = 1;
	victim_wait();
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	kind = victim_argument(argc, argv, 1);
	if (is("keyring"))
		MUST(syscall(SYS_add_key, "user", "stasis", "secret", 6ul, -2));
	else if (is("session"))
		MUST(syscall(SYS_keyctl, 1, NULL));
	else if (is("landlock"))
		landlock();
	else if (is("landlock-user")) {
		become_user();
		landlock();
	} else if (is("user"))
		become_user();
	pthread_t other = victim_thread(thread, NULL);
	while (!running)
		pause_ms(1);
	victim_ready();
	victim_wait();
	victim_join(other);
	if (is("session"))
		CHECK(keyring(-3) > 0 && keyring(-3) != keyring(-5), "it has its user's session keyring");
	if (is("default"))
		CHECK(keyring(-3) == keyring(-5), "it has a session keyring that is not its user's");
	/* Making a socket file is what the domain forbids. */
	int made = mknod("socket", S_IFSOCK | 0600, 0);
	say(made == 0 ? "free" : "confined");
	ok();
}
