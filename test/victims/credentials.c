/*
 * Holds: one kind of credentials, named by the argument (see rows). Needs root. Checks: /proc/thread-self/status and the calls tell the same
 * for the main thread and another one.
 */
#include "victim.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

static void ids(void)
{
	gid_t groups[] = { 5, 60, 1234 };
	MUST(setgroups(3, groups));
	MUST(setresgid(11, 22, 33));
	MUST(setresuid(0, 0, 0));
	setfsgid(44);
	setfsuid(55);
}

static void dropped(void)
{
	for (int capability = 0; capability < 41; capability += 3)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0x40a8c4e0, 0x60a8c4f8, 0x00800480 }, { 0, 0, 0 } };
	MUST((int)syscall(SYS_capset, &header, data));
}

static void ambient(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 1u << 10 | 1u << 19, 1u << 10 | 1u << 19, 1u << 10 | 1u << 19 }, { 0, 0, 0 } };
	MUST((int)syscall(SYS_capset, &header, data));
	MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0));
}

static void user(void)
{
	MUST(setgroups(0, NULL));
	MUST(setresgid(65534, 65534, 65534));
	MUST(setresuid(65534, 65534, 65534));
}

static void privileges(void)
{
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void bits(void)
{
	MUST(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0, 0));
}

static const struct {
	const char *name;
	void (*set)(void);
} rows[] = { { "ids", ids }, { "dropped", dropped }, { "ambient", ambient }, { "user", user }, { "no_new_privs", privileges }, { "securebits", bits } };

struct state {
	char lines[1024];
	int bits;
};

/* The lines of status that are credentials, and the secure bits. */
static void state_of(struct state *state)
{
	char text[8192];
	victim_read("/proc/thread-self/status", text, sizeof text);
	memset(state, 0, sizeof *state);
	static const char *const keys[] = { "\nUid:", "\nGid:", "\nGroups:", "\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapBnd:", "\nCapAmb:", "\nNoNewPrivs:" };
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *line = strstr(text, keys[i]) + 1;
		strncat(state->lines, line, strcspn(line, "\n"));
		strcat(state->lines, "; ");
	}
	state->bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
}

static void same(const struct state *before, const char *who)
{
	struct state after;
	state_of(&after);
	CHECK(!strcmp(before->lines, after.lines), "%s: %s was %s", who, after.lines, before->lines);
	CHECK(before->bits == after.bits, "%s: securebits are %x, were %x", who, after.bits, before->bits);
}

static volatile bool other_ready;

static void *other(void *unused)
{
	struct state before;
	state_of(&before);
	other_ready = true;
	while (!victim_go)
		pause_ms(10);
	same(&before, "other thread");
	return unused;
}

int main(int argc, char **argv)
{
	struct state before;
	victim_begin(argc, argv);
	((const __typeof__(*rows) *)VICTIM_ROW(rows, victim_argument(argc, argv, 1)))->set();
	/* Threads inherit credentials; changing ids makes a process undumpable for others, not for root. */
	pthread_t thread = victim_thread(other, NULL);
	while (!other_ready)
		pause_ms(1);
	state_of(&before);
	victim_ready();
	victim_wait();
	same(&before, "main thread");
	victim_join(thread);
	ok();
}
