/*
 * Loaded into CRIU 4.1.1, which asks every socket for SO_PASSCRED and SO_PASSSEC and gives up when it has none such: since Linux 6.16
 * only local sockets have. Here they have, and are off, as in all kernels before. Needs no header and no library.
 */
extern int *__errno_location(void);

int getsockopt(int fd, int level, int name, void *value, unsigned int *size)
{
	register long fourth __asm__("r10") = (long)value;
	register long fifth __asm__("r8") = (long)size;
	long answer;
	__asm__ volatile("syscall" : "=a"(answer) : "a"(55L), "D"((long)fd), "S"((long)level), "d"((long)name), "r"(fourth), "r"(fifth)
			 : "rcx", "r11", "memory");
	if (answer == -95 && level == 1 && (name == 16 || name == 34)) {
		*(int *)value = 0;
		return 0;
	}
	if (answer < 0) {
		*__errno_location() = (int)-answer;
		return -1;
	}
	return (int)answer;
}
