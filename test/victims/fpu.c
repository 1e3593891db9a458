/*
 * Holds: patterns in every extended-state component that the CPU has (x87, SSE, AVX, AVX-512, PKRU) and an unusual MXCSR and
 * control word, in a thread that makes no call. Checks: every byte of them when the loop ends.
 */
#include "victim.h"
#include <cpuid.h>

static volatile int go __attribute__((used));
static uint8_t loaded[8192] __attribute__((aligned(64), used)), found[8192] __attribute__((aligned(64), used));

/* XRSTOR all, spin on memory, XSAVE all: nothing in between touches the state. */
__asm__(".text\n"
	"hold_state:\n" /* rdi = components */
	"	mov %rdi, %rax\n	mov %rdi, %rdx\n	shr $32, %rdx\n"
	"	xrstor64 loaded(%rip)\n"
	"1:	cmpl $0, go(%rip)\n	je 1b\n"
	"	xsave64 found(%rip)\n"
	"	ret\n");
extern void hold_state(uint64_t);

static const struct {
	int number;
	const char *name;
} components[] = { { 2, "AVX" }, { 5, "AVX-512 masks" }, { 6, "AVX-512 ZMM 0-15 high" }, { 7, "AVX-512 ZMM 16-31" }, { 9, "PKRU" } };
enum { COUNT = sizeof components / sizeof *components };

static uint64_t enabled(void)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (uint64_t)high << 32;
}

static void place(int number, uint32_t *offset, uint32_t *size)
{
	uint32_t c, d;
	__cpuid_count(0xd, number, *size, *offset, c, d);
}

static void *hold(void *unused)
{
	uint64_t use = enabled() & (3 | 1 << 2 | 7 << 5 | 1 << 9);
	uint32_t offset, size;
	memset(loaded, 0, sizeof loaded);
	*(uint16_t *)loaded = 0x0b7f;	     /* x87 control: round up, double precision, all masked */
	*(uint16_t *)(loaded + 2) = 5 << 11; /* x87 status: top of stack 5 */
	loaded[4] = 0xe0;		     /* x87 tags: three registers in use */
	*(uint32_t *)(loaded + 24) = 0x7f80 | 1; /* MXCSR: round up, all masked, invalid flag set */
	for (int i = 0; i < 8; i++) {
		victim_fill(loaded + 32 + i * 16, 8, i + 1);
		*(uint16_t *)(loaded + 40 + i * 16) = 0x3fff + i;
		loaded[32 + i * 16 + 7] |= 0x80;
	}
	victim_fill(loaded + 160, 256, 0xabc);
	*(uint64_t *)(loaded + 512) = use;
	for (int i = 0; i < COUNT; i++)
		if (use >> components[i].number & 1) {
			place(components[i].number, &offset, &size);
			if (components[i].number == 9)
				*(uint32_t *)(loaded + offset) = 0xfff0fff0 & ~3u;
			else
				victim_fill(loaded + offset, size, components[i].number);
		}
	hold_state(use);
	/* Unusual rounding and keys must not reach the C library. */
	static uint8_t answer[8192];
	uint32_t plain = 0x1f80;
	__asm__ volatile("fninit\n ldmxcsr %0" : : "m"(plain));
	memcpy(answer, found, sizeof answer);
	CHECK((*(uint64_t *)(answer + 512) & use) == use, "components in use are %lx, were %lx", *(uint64_t *)(answer + 512), use);
	CHECK(!memcmp(answer, loaded, 5), "x87 control, status or tags: %x %x %x", *(uint16_t *)answer, *(uint16_t *)(answer + 2), answer[4]);
	CHECK(*(uint32_t *)(answer + 24) == *(uint32_t *)(loaded + 24), "MXCSR is %x", *(uint32_t *)(answer + 24));
	for (int i = 0; i < 8; i++)
		CHECK(!memcmp(answer + 32 + i * 16, loaded + 32 + i * 16, 10), "x87 register %d differs", i);
	CHECK(!memcmp(answer + 160, loaded + 160, 256), "an XMM register differs");
	for (int i = 0; i < COUNT; i++)
		if (use >> components[i].number & 1) {
			place(components[i].number, &offset, &size);
			CHECK(!memcmp(answer + offset, loaded + offset, components[i].number == 9 ? 4 : size), "%s differs", components[i].name);
		}
	return unused;
}

int main(int argc, char **argv)
{
	uint32_t a, b, c, d;
	victim_begin(argc, argv);
	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		skip("this CPU has no XSAVE");
	pthread_t thread = victim_thread(hold, NULL);
	pause_ms(20);
	victim_ready();
	victim_wait();
	go = 1;
	victim_join(thread);
	ok();
}
