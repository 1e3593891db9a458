/*
 * Holds: AMX tiles with a pattern of its own in each of two threads that make no call; a third one that has used tiles and released them;
 * the permission to give tiles to virtual machines.
 * Checks: configuration and content of the tiles when the loop ends; that the third can use tiles again; both permissions.
 */
#include "victim.h"
#include <cpuid.h>

enum { THREADS = 3, ROWS = 16, BYTES = 64, TILES = 8, TILE_DATA = 18 };

static volatile int go;
static volatile int ready;

/* Authority: Intel SDM, LDTILECFG. */
struct configuration {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} __attribute__((packed, aligned(64)));

static uint8_t loaded[THREADS][TILES][ROWS * BYTES] __attribute__((aligned(64)));
static uint8_t found[THREADS][TILES][ROWS * BYTES] __attribute__((aligned(64)));
static struct configuration asked[THREADS], told[THREADS];

#define EACH_TILE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define LOAD(n) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #n : : "r"(loaded[me][n]), "r"((long)BYTES) : "memory");
#define STORE(n) __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" : : "r"(found[me][n]), "r"((long)BYTES) : "memory");

static void use(int me)
{
	__asm__ volatile("ldtilecfg %0" : : "m"(asked[me]));
	EACH_TILE(LOAD)
}

static void keep(int me)
{
	EACH_TILE(STORE)
	__asm__ volatile("sttilecfg %0" : "=m"(told[me]));
	__asm__ volatile("tilerelease");
}

static void *hold(void *number)
{
	int me = (int)(long)number;
	int releases = me == THREADS - 1;
	asked[me].palette = 1;
	for (int i = 0; i < TILES; i++) {
		asked[me].row_bytes[i] = BYTES;
		asked[me].rows[i] = ROWS - (me == 1 && i == 3); /* not all alike */
		victim_fill(loaded[me][i], sizeof loaded[me][i], 100 * me + i + 1);
	}
	use(me);
	if (releases)
		keep(me);
	__sync_fetch_and_add(&ready, 1);
	while (!go)
		;
	if (releases) {
		memset(found[me], 0, sizeof found[me]);
		use(me);
	}
	keep(me);
	return NULL;
}

static uint64_t permission(int option)
{
	uint64_t bits = 0;
	MUST(syscall(SYS_arch_prctl, option, &bits));
	return bits;
}

int main(int argc, char **argv)
{
	uint32_t a, b, c, d;
	pthread_t threads[THREADS];
	victim_begin(argc, argv);
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & 1u << 24))
		skip("this CPU has no AMX");
	if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA))
		skip("this kernel gives no AMX");
	/* A kernel without KVM, or before 5.17, gives none. */
	int guests = !syscall(SYS_arch_prctl, 0x1025 /* ARCH_REQ_XCOMP_GUEST_PERM */, TILE_DATA);
	for (long i = 0; i < THREADS; i++)
		threads[i] = victim_thread(hold, (void *)i);
	while (ready < THREADS)
		pause_ms(1);
	victim_ready();
	victim_wait();
	CHECK(permission(0x1022 /* ARCH_GET_XCOMP_PERM */) & 1 << TILE_DATA, "no permission any more");
	if (guests)
		CHECK(permission(0x1024 /* ARCH_GET_XCOMP_GUEST_PERM */) & 1 << TILE_DATA, "none for virtual machines any more");
	go = 1;
	for (int i = 0; i < THREADS; i++)
		victim_join(threads[i]);
	for (int me = 0; me < THREADS; me++) {
		CHECK(!memcmp(&told[me], &asked[me], sizeof told[me]), "thread %d: another configuration", me);
		for (int i = 0; i < TILES; i++)
			CHECK(!memcmp(found[me][i], loaded[me][i], asked[me].rows[i] * BYTES), "thread %d: tile %d differs", me, i);
	}
	ok();
}
