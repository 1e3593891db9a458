/* Holds: nothing but a computation, in registers and on the stack. Checks: the two copies of its state agree at every step. */
#include "victim.h"

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	uint64_t first = 1, second = 1, rounds = 0;
	victim_ready();
	do {
		for (int i = 0; i < 1 << 20; i++) {
			victim_random(&first);
			rounds++;
			__asm__ volatile("" : "+m"(rounds), "+r"(first));
		}
		for (int i = 0; i < 1 << 20; i++)
			victim_random(&second);
		CHECK(first == second, "after %lu rounds %lx is not %lx", rounds, first, second);
	} while (!victim_asked());
	ok();
}
