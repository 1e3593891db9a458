/*
 * A real computation without objects: as many threads as the argument says (1 = no thread at all) each do a share of it.
 * Unlike the victims it is never asked: it prints READY, computes for about two seconds and prints RESULT.
 */
#include "victim.h"

static uint64_t answers[64];

static void *compute(void *argument)
{
	long number = (long)argument;
	uint64_t state = number + 1;
	static __thread uint64_t table[1 << 16];
	for (long turn = 0; turn < 800000000; turn++) {
		uint64_t value = victim_random(&state);
		table[value >> 48] += value;
		if (turn % 100000000 == 0)
			answers[number] += table[turn & 0xffff];
	}
	for (int i = 0; i < 1 << 16; i++)
		answers[number] = answers[number] * 31 + table[i];
	return NULL;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1;
	pthread_t threads[64];
	uint64_t sum = 0;
	say("READY");
	for (long i = 1; i < count; i++)
		threads[i] = victim_thread(compute, (void *)i);
	compute((void *)0);
	for (long i = 1; i < count; i++)
		victim_join(threads[i]);
	for (long i = 0; i < count; i++)
		sum = sum * 31 + answers[i];
	say("RESULT %lx", sum);
	return 0;
}
