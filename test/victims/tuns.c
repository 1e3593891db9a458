/* Holds: /dev/net/tun without an interface at 20. Checks: its flags, that it has no interface, and that it can say what it can do. */
#include "victim.h"
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	struct ifreq request = { 0 };
	unsigned features = 0;
	victim_begin(argc, argv);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0)
		skip("/dev/net/tun cannot be opened");
	MUST(dup2(fd, 20));
	close(fd);
	int flags = fcntl(20, F_GETFL);
	victim_ready();
	victim_wait();
	CHECK(fcntl(20, F_GETFL) == flags, "its flags are %o, were %o", fcntl(20, F_GETFL), flags);
	CHECK(ioctl(20, TUNGETIFF, &request) == -1 && errno == EBADFD, "it has an interface \"%s\"", request.ifr_name);
	CHECK(ioctl(20, TUNGETFEATURES, &features) == 0 && features & IFF_TUN, "its features: %x", features);
	ok();
}
