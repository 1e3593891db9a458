/*
 * Holds: a NUMA policy in each of two threads, and one of each kind on areas of memory: private, shared, of a file, a part of an area.
 * Checks: get_mempolicy tells the same of threads and areas, an area without a policy still has none, and the areas have the same bounds.
 */
#include "victim.h"
#include <linux/mempolicy.h>

#define PAGE 4096ul
#define AREAS 9
static const struct {
	int mode;
	unsigned long nodes;
} policies[AREAS] = {
	{ MPOL_DEFAULT, 0 },
	{ MPOL_BIND, 1 },
	{ MPOL_PREFERRED, 1 },
	{ MPOL_INTERLEAVE, 1 },
	{ MPOL_LOCAL, 0 },
	{ MPOL_BIND | MPOL_F_STATIC_NODES, 1 },
	{ MPOL_INTERLEAVE | MPOL_F_RELATIVE_NODES, 1 },
	{ MPOL_PREFERRED_MANY, 1 },
	{ MPOL_BIND | MPOL_F_NUMA_BALANCING, 1 },
};

static char *areas[AREAS];
static int modes[AREAS];
static unsigned long masks[AREAS];
static volatile int running;

static int policy_of(void *at, unsigned long *mask)
{
	int mode = -1;
	unsigned long nodes[16] = { 0 };
	MUST(syscall(SYS_get_mempolicy, &mode, nodes, 1024ul, at, at ? MPOL_F_ADDR : 0));
	*mask = nodes[0];
	return mode;
}

static void choose(int mode, unsigned long nodes)
{
	MUST(syscall(SYS_set_mempolicy, mode, nodes ? &nodes : NULL, nodes ? 64ul : 0));
}

static void *second(void *unused)
{
	unsigned long mask;
	choose(MPOL_BIND, 1);
	running = 1;
	victim_wait();
	int mode = policy_of(NULL, &mask);
	CHECK(mode == MPOL_BIND && mask == 1, "the second thread's policy is %d of nodes %lx", mode, mask);
	return unused;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	unsigned long mask;
	int none;
	if (syscall(SYS_get_mempolicy, &none, NULL, 0ul, NULL, 0) == -1)
		skip("this kernel has no memory policies");
	for (int i = 0; i < AREAS; i++) {
		int kind = i % 3 == 2 ? MAP_SHARED | MAP_ANONYMOUS : MAP_PRIVATE | MAP_ANONYMOUS;
		/* Three pages, of which the middle one has the policy: the kernel splits the area. */
		char *area = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, kind, -1, 0);
		CHECK(area != MAP_FAILED, "set-up: mmap: %s", strerror(errno));
		areas[i] = area + PAGE;
		unsigned long nodes = policies[i].nodes;
		if (syscall(SYS_mbind, areas[i], PAGE, policies[i].mode, nodes ? &nodes : NULL, nodes ? 64ul : 0, 0) == -1)
			/* A mode that this kernel is too old for: the area goes without. */
			CHECK(errno == EINVAL, "set-up: mbind: %s", strerror(errno));
		victim_fill(areas[i], PAGE, i + 1);
		modes[i] = policy_of(areas[i], &masks[i]);
	}
	char *file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0);
	unsigned long one = 1;
	MUST(syscall(SYS_mbind, file, PAGE, MPOL_BIND, &one, 64ul, 0));
	choose(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1);
	pthread_t thread = victim_thread(second, NULL);
	while (!running)
		pause_ms(1);
	victim_ready();
	victim_wait();
	int mode = policy_of(NULL, &mask);
	CHECK(mode == (MPOL_INTERLEAVE | MPOL_F_STATIC_NODES) && mask == 1, "the leader's policy is %x of nodes %lx", mode, mask);
	for (int i = 0; i < AREAS; i++) {
		mode = policy_of(areas[i], &mask);
		CHECK(mode == modes[i] && mask == masks[i], "area %d: policy %x of nodes %lx, was %x of %lx", i, mode, mask, modes[i], masks[i]);
		CHECK(policy_of(areas[i] - PAGE, &mask) == MPOL_DEFAULT, "the page below area %d has a policy", i);
		CHECK(policy_of(areas[i] + PAGE, &mask) == MPOL_DEFAULT, "the page above area %d has a policy", i);
		victim_same(areas[i], PAGE, i + 1, "an area with a policy");
	}
	CHECK(policy_of(file, &mask) == MPOL_BIND, "the mapped file lost its policy");
	victim_join(thread);
	ok();
}
