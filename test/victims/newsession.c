/*
 * Is no victim: gives itself a session keyring with a key in it and becomes the program of its arguments, as a login shell would be.
 */
#include "victim.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		fail("usage: %s PROGRAM [ARGUMENT...]", argv[0]);
	MUST(syscall(SYS_keyctl, 1, NULL));
	MUST(syscall(SYS_add_key, "user", "stasis-secret", "secret", 6ul, -3));
	execv(argv[1], argv + 1);
	fail("%s: %s", argv[1], strerror(errno));
}
