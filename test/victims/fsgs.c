/* Holds: own FS and GS bases in two threads. Checks: loads through them, and what arch_prctl tells. */
#include "victim.h"
#include <asm/prctl.h>

static uint64_t area[2][8] = { { 0x1111 }, { 0x2222 } };
static __thread uint64_t local = 5;

static void base(int code, void *value)
{
	MUST((int)syscall(SYS_arch_prctl, code, value));
}

static void *hold(void *argument)
{
	long number = (long)argument;
	uint64_t fs, gs, fs_after, gs_after, value;
	base(ARCH_SET_GS, area[number]);
	local = 100 + number;
	base(ARCH_GET_FS, &fs);
	base(ARCH_GET_GS, &gs);
	while (!victim_go)
		if (number == 0)
			pause_ms(10);
	base(ARCH_GET_FS, &fs_after);
	base(ARCH_GET_GS, &gs_after);
	CHECK(fs == fs_after && gs == gs_after, "fs base %lx was %lx, gs base %lx was %lx", fs_after, fs, gs_after, gs);
	__asm__ volatile("mov %%gs:0, %0" : "=r"(value));
	CHECK(value == area[number][0], "%%gs:0 is %lx", value);
	CHECK(local == 100ul + number, "thread-local variable is %lu", local);
	return NULL;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	pthread_t first = victim_thread(hold, (void *)0), second = victim_thread(hold, (void *)1);
	pause_ms(20);
	victim_ready();
	victim_wait();
	victim_join(first);
	victim_join(second);
	ok();
}
