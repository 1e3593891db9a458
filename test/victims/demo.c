/*
 * The program of `npm run demo`: seven threads that each count what they do: one spins inside an abortable section, one is idle,
 * one waits on a futex, one sleeps, one computes with AVX, one takes signals; the main thread prints the counters.
 * Argument 1: a folder for the counters. It ends by itself when its folder is gone.
 */
#include "rseq.h"
#include <immintrin.h>
#include <linux/futex.h>
#include <sys/prctl.h>

RSEQ_SPIN;
enum { SPIN, IDLE, FUTEX, SLEEP, AVX, SIGNALS, WORKERS };
static const char *const names[WORKERS] = { "in-section", "idle", "futex-wait", "nanosleep", "avx", "signals" };

struct counters {
	struct rseq_board board;
	volatile uint64_t count[WORKERS], wrong;
};

static struct counters *counters;
static pthread_t threads[WORKERS];
static uint32_t word;

static long futex(int operation, uint32_t value)
{
	return syscall(SYS_futex, &word, operation, value, NULL, NULL, 0);
}

static void in_section(void)
{
	struct rseq_area *area = rseq_mine(32);
	while (rseq_spin(area, &counters->board) == 1)
		counters->count[SPIN] = counters->board.aborts;
	counters->wrong++; /* nobody sets board.go, so the section ends in aborts only */
}

static void idle(void)
{
	/* Registered, in no section, and all but asleep for ever: the count is that of its awakenings. */
	while (true) {
		counters->count[IDLE]++;
		pause_ms(1000);
	}
}

static void in_futex(void)
{
	while (true) {
		uint32_t seen = __atomic_load_n(&word, __ATOMIC_SEQ_CST);
		if (futex(FUTEX_WAIT_PRIVATE, seen) == -1 && errno != EAGAIN && errno != EINTR)
			counters->wrong++;
		counters->count[FUTEX]++;
	}
}

static void in_nanosleep(void)
{
	struct timespec time = { 0, 50000000 };
	while (true) {
		if (nanosleep(&time, NULL) == -1)
			counters->wrong++; /* a dump must not show as EINTR */
		counters->count[SLEEP]++;
	}
}

__attribute__((target("avx"))) static void in_avx(void)
{
	if (!__builtin_cpu_supports("avx"))
		return;
	__m256d sum = _mm256_setzero_pd(), one = _mm256_set1_pd(1);
	while (true) {
		double lane[4];
		for (int i = 0; i < 10000; i++) {
			sum = _mm256_add_pd(sum, one);
			__asm__ volatile("" : "+x"(sum), "+x"(one));
		}
		_mm256_storeu_pd(lane, sum);
		if (lane[0] != lane[1] || lane[1] != lane[2] || lane[2] != lane[3])
			counters->wrong++;
		counters->count[AVX]++;
	}
}

static void on_signal(int unused)
{
	(void)unused;
	counters->count[SIGNALS]++;
}

static void take_signals(void)
{
	while (true)
		pause();
}

static void *work(void *argument)
{
	static void (*const bodies[WORKERS])(void) = { in_section, idle, in_futex, in_nanosleep, in_avx, take_signals };
	long number = (long)argument;
	prctl(PR_SET_NAME, names[number]);
	bodies[number]();
	return NULL;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	counters = rseq_map_board(argv[1], sizeof *counters);
	signal(SIGUSR1, on_signal);
	for (long i = 0; i < WORKERS; i++)
		threads[i] = victim_thread(work, (void *)i);
	for (int turn = 0; access(argv[1], F_OK) == 0; turn++) {
		char line[256];
		int length = 0;
		pause_ms(100);
		pthread_kill(threads[SIGNALS], SIGUSR1);
		__atomic_add_fetch(&word, 1, __ATOMIC_SEQ_CST);
		futex(FUTEX_WAKE_PRIVATE, 1);
		if (turn % 5)
			continue;
		for (int i = 0; i < WORKERS; i++)
			length += snprintf(line + length, sizeof line - length, "%s %lu  ", names[i], counters->count[i]);
		say("%swrong %lu", line, counters->wrong + counters->board.commits + counters->board.unprotected);
	}
	return 0;
}
