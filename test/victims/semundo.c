/*
 * Holds: a System V semaphore, taken by semop(2): with "undo" the kernel gives it back at the process's end (SEM_UNDO), with "plain" it does not.
 * Checks: what was not to be undone is as it was. How the other one is after a restore is for who looks at the warning of the dump.
 */
#include "victim.h"
#include <sys/ipc.h>
#include <sys/sem.h>

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	bool undo = !strcmp(victim_argument(argc, argv, 1), "undo");
	int sem;
	MUST(sem = semget(IPC_PRIVATE, 2, 0600));
	MUST(semctl(sem, 0, SETVAL, 3));
	struct sembuf take = { 0, -1, undo ? SEM_UNDO : 0 };
	MUST(semop(sem, &take, 1));
	victim_ready();
	victim_wait();
	int value = semctl(sem, 0, GETVAL);
	semctl(sem, 0, IPC_RMID);
	CHECK(undo || value == 2, "the semaphore was 2 and is %d", value);
	ok();
}
