/*
 * Holds: sockets of the internet without a TCP connection, those of the argument: "tcp" new, bound and listening; "udp" bound, connected,
 * sharing a port; "udplite"; "queued" a datagram; "untold" errors and half a datagram; "multicast" members of groups; "raw" (and
 * ping); a second one "beyond": with options too that CRIU loses.
 * Checks: addresses, options, and that they still work with each other.
 */
#include "options.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif
#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

static socklen_t local(struct sockaddr_storage *at, int family, int port)
{
	memset(at, 0, sizeof *at);
	at->ss_family = family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)at;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = htons(port);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;
	in6->sin6_addr = in6addr_loopback;
	in6->sin6_port = htons(port);
	return sizeof *in6;
}

static int port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof at;
	MUST(getsockname(fd, (struct sockaddr *)&at, &size));
	return ntohs(((struct sockaddr_in *)&at)->sin_port);
}

/* What a program may set: each is read before the question and compared after it. */
static const struct {
	int level, name, value, tcp, six, beyond;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1, 0, 0 },
	{ SOL_SOCKET, SO_KEEPALIVE, 1, 0, 0 },
	{ SOL_SOCKET, SO_OOBINLINE, 1, 0, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 3, 0, 0 },
	{ SOL_SOCKET, SO_RCVLOWAT, 7, 0, 0 },
	{ SOL_SOCKET, SO_MARK, 77, 0, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, 1, 0, 0 },
	{ SOL_SOCKET, SO_SNDBUF, 30000, 0, 0 },
	{ SOL_SOCKET, SO_RCVBUF, 40000, 0, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, 1, 0, 0, 1 },
	{ IPPROTO_IP, IP_TOS, 0x10, 0, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 2, 0, 0, 1 },
	{ IPPROTO_IP, IP_TTL, 33, 0, 0 },
	{ IPPROTO_IP, IP_FREEBIND, 1, 0, -1 },
	{ IPPROTO_IP, IP_PKTINFO, 1, 0, -1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, 0, 0, 1 },
	{ IPPROTO_IP, IP_RECVERR, 1, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 0, 1 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44, 0, 1, 1 },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0x20, 0, 1, 1 },
	{ IPPROTO_TCP, TCP_NODELAY, 1, 1, 0 },
	{ IPPROTO_TCP, TCP_CORK, 1, 1, 0 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 55, 1, 0 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 6, 1, 0 },
	{ IPPROTO_TCP, TCP_KEEPCNT, 4, 1, 0 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 12345, 1, 0, 1 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 3, 1, 0, 1 },
	{ SOL_SOCKET, SO_DEBUG, 1, 0, 0, 1 },
	{ SOL_SOCKET, SO_TIMESTAMPING, 0x18, 0, 0, 1 },
	{ SOL_SOCKET, 43 /* SO_NOFCS */, 1, 0, 0, 1 },
	{ SOL_SOCKET, 75 /* SO_RCVMARK */, 1, 0, 0, 1 },
	{ IPPROTO_IP, IP_RECVOPTS, 1, 0, 0, 1 },
	{ IPPROTO_IP, IP_RETOPTS, 1, 0, 0, 1 },
	{ IPPROTO_IP, IP_PKTINFO, 1, 0, 1, 1 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 0, 0, 0, 1 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 3, -1, 0, 1 },
	{ IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, 20000 | 60000 << 16, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1, 0, 1, 1 },
	{ IPPROTO_IPV6, IPV6_RECVRTHDR, 1, 0, 1, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPATHMTU, 1, 0, 1, 1 },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 0x401, 0, 1, 1 },
	{ IPPROTO_TCP, TCP_MAXSEG, 700, 1, 0, 1 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 30000, 1, 0, 1 },
	{ IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */, 9000, 1, 0, 1 },
	{ IPPROTO_TCP, 46 /* TCP_DELACK_MAX_US */, 100000, 1, 0, 1 },
	{ IPPROTO_UDP, UDP_CORK, 1, -1, 0, 1 },
	{ IPPROTO_UDP, UDP_NO_CHECK6_RX, 1, -1, 1, 1 },
	{ IPPROTO_UDPLITE, 10 /* UDPLITE_SEND_CSCOV */, 20, -1, 0, 1 },
};
#define OPTIONS (sizeof options / sizeof *options)
#define MOST 32
static struct {
	int fd, type, family, protocol, tuned, flags, port, values[OPTIONS];
	/* Options that this kernel does not know yet. */
	bool unknown[OPTIONS];
} held[MOST];
static int count;
/* Options that CRIU does not keep are set too. */
static bool beyond;

static bool applies(int index, int which)
{
	bool tcp = held[index].type == SOCK_STREAM, six = held[index].family == AF_INET6;
	/* On a socket of IPv6, CRIU loses options of IPv4. */
	bool lost = options[which].beyond || (six && options[which].level == IPPROTO_IP);
	if ((lost && !beyond) || held[index].unknown[which])
		return false;
	if (options[which].level == IPPROTO_UDPLITE && held[index].protocol != IPPROTO_UDPLITE)
		return false;
	return (options[which].tcp == 0 || (options[which].tcp == 1) == tcp) && (options[which].six == 0 || (options[which].six == 1) == six) && held[index].type != SOCK_RAW;
}

static int hold(int fd, bool tuned)
{
	MUST(fd);
	int at = count++;
	held[at].fd = fd;
	held[at].type = get(fd, SOL_SOCKET, SO_TYPE);
	held[at].family = get(fd, SOL_SOCKET, SO_DOMAIN);
	held[at].protocol = get(fd, SOL_SOCKET, SO_PROTOCOL);
	held[at].tuned = tuned;
	for (size_t i = 0; tuned && i < OPTIONS; i++)
		if (applies(at, i)) {
			int value;
			socklen_t size = sizeof value;
			held[at].unknown[i] = getsockopt(fd, options[i].level, options[i].name, &value, &size) == -1 && errno == ENOPROTOOPT;
			if (!held[at].unknown[i])
				set(fd, options[i].level, options[i].name, options[i].value);
		}
	if (tuned) {
		struct linger linger = { 1, 9 };
		struct timeval time = { 4, 500000 };
		struct sock_filter code[] = { { 0x28, 0, 0, 0xfffff000 }, { 0x15, 0, 1, 0x86dd }, { 0x06, 0, 0, 0xffff }, { 0x06, 0, 0, 0xffff } };
		struct sock_fprog filter = { 4, code };
		MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
		MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
		MUST(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
	}
	return fd;
}

static void note(void)
{
	for (int at = 0; at < count; at++) {
		held[at].flags = fcntl(held[at].fd, F_GETFL);
		held[at].port = port_of(held[at].fd);
		for (size_t i = 0; i < OPTIONS; i++)
			if (applies(at, i))
				held[at].values[i] = get(held[at].fd, options[i].level, options[i].name);
	}
}

static void compare(void)
{
	for (int at = 0; at < count; at++) {
		int fd = held[at].fd;
		CHECK(fcntl(fd, F_GETFL) == held[at].flags, "fd %d: flags were %o, are %o", fd, held[at].flags, fcntl(fd, F_GETFL));
		CHECK(port_of(fd) == held[at].port, "fd %d: port was %d, is %d", fd, held[at].port, port_of(fd));
		for (size_t i = 0; i < OPTIONS; i++)
			if (applies(at, i)) {
				int now = get(fd, options[i].level, options[i].name);
				CHECK(now == held[at].values[i], "fd %d: option %d:%d was %d, is %d", fd, options[i].level, options[i].name,
				      held[at].values[i], now);
			}
		if (!held[at].tuned)
			continue;
		struct linger linger;
		struct timeval time;
		struct sock_filter code[8];
		socklen_t size = sizeof linger, length = sizeof time, instructions = 8;
		getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size);
		getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, &length);
		CHECK(linger.l_onoff == 1 && linger.l_linger == 9, "fd %d: linger is %d %d", fd, linger.l_onoff, linger.l_linger);
		CHECK(time.tv_sec == 4 && time.tv_usec == 500000, "fd %d: the timeout is another", fd);
		CHECK(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, code, &instructions) == 0 && instructions == 4 && code[1].k == 0x86dd &&
			      code[1].jf == 1,
		      "fd %d: the filter is another", fd);
	}
}

static int bound(int family, int type, int protocol, bool tuned)
{
	struct sockaddr_storage at;
	int fd = hold(socket(family, type, protocol), tuned);
	socklen_t size = local(&at, family, 0);
	MUST(bind(fd, (struct sockaddr *)&at, size));
	return fd;
}

static void joined(int to, int family, bool tcp)
{
	struct sockaddr_storage at;
	socklen_t size = local(&at, family, port_of(to));
	int fd = socket(family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	CHECK(connect(fd, (struct sockaddr *)&at, size) == 0, "connect to port %d: %s", port_of(to), strerror(errno));
	int peer = tcp ? accept(to, NULL, NULL) : to;
	char byte = 0;
	CHECK(write(fd, "j", 1) == 1, "write to port %d: %s", port_of(to), strerror(errno));
	CHECK(read(peer, &byte, 1) == 1 && byte == 'j', "read at port %d: %s", port_of(to), strerror(errno));
	close(fd);
	if (tcp)
		close(peer);
}

static int backlog_of(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof info;
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "TCP_INFO: %s", strerror(errno));
	return info.tcpi_sacked;
}

static void tcp(void)
{
	struct sockaddr_storage at;
	hold(socket(AF_INET, SOCK_STREAM, 0), false);
	hold(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), false);
	hold(socket(AF_INET, SOCK_STREAM, 0), true);
	hold(socket(AF_INET6, SOCK_STREAM, 0), true);
	int plain = bound(AF_INET, SOCK_STREAM, 0, false), tuned = bound(AF_INET6, SOCK_STREAM, 0, true);
	int listening = bound(AF_INET, SOCK_STREAM, 0, false), six = hold(socket(AF_INET6, SOCK_STREAM, 0), false);
	set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	MUST(bind(six, (struct sockaddr *)&at, local(&at, AF_INET6, 0)));
	MUST(listen(listening, 5));
	MUST(listen(six, 4096));
	/* One port for both families, and one for two sockets. */
	int four = hold(socket(AF_INET, SOCK_STREAM, 0), false);
	socklen_t size = local(&at, AF_INET, port_of(six));
	MUST(bind(four, (struct sockaddr *)&at, size));
	MUST(listen(four, 3));
	int twins[2];
	for (int i = 0; i < 2; i++) {
		twins[i] = hold(socket(AF_INET, SOCK_STREAM, 0), false);
		set(twins[i], SOL_SOCKET, SO_REUSEPORT, 1);
		size = local(&at, AF_INET, i ? port_of(twins[0]) : 0);
		MUST(bind(twins[i], (struct sockaddr *)&at, size));
		MUST(listen(twins[i], 2 + i));
	}
	int any = hold(socket(AF_INET6, SOCK_STREAM, 0), false), device = hold(socket(AF_INET, SOCK_STREAM, 0), false);
	set(any, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	MUST(listen(any, 10));
	MUST(setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	/* Ended by its peer: for CRIU a connection that needs its options. */
	int dead = beyond ? socket(AF_INET, SOCK_STREAM, 0) : -1, accepted = -1;
	struct linger abort = { 1, 0 };
	char byte;
	if (beyond) {
		MUST(connect(dead, (struct sockaddr *)&at, local(&at, AF_INET, port_of(listening))));
		MUST(accepted = accept(listening, NULL, NULL));
		MUST(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &abort, sizeof abort));
		close(accepted);
		CHECK(read(dead, &byte, 1) == -1 && errno == ECONNRESET && read(dead, &byte, 1) == 0, "set-up: no reset");
	}
	note();
	victim_ready();
	victim_wait();
	compare();
	CHECK(backlog_of(listening) == 5 && backlog_of(six) == 4096 && backlog_of(four) == 3, "backlogs are %d, %d and %d", backlog_of(listening),
	      backlog_of(six), backlog_of(four));
	CHECK(get(twins[0], SOL_SOCKET, SO_REUSEPORT) && get(twins[1], SOL_SOCKET, SO_REUSEPORT), "SO_REUSEPORT is lost");
	CHECK(get(listening, SOL_SOCKET, SO_ACCEPTCONN) && !get(plain, SOL_SOCKET, SO_ACCEPTCONN), "another socket listens");
	CHECK(!beyond || read(dead, &byte, 1) == 0, "the ended connection: %s", strerror(errno));
	joined(listening, AF_INET, true);
	joined(six, AF_INET6, true);
	joined(four, AF_INET, true);
	joined(any, AF_INET, true);
	joined(any, AF_INET6, true);
	char name[16] = "";
	socklen_t length = sizeof name;
	CHECK(getsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 && !strcmp(name, "lo"), "the device is \"%s\"", name);
	size = local(&at, AF_INET, 0);
	CHECK(bind(plain, (struct sockaddr *)&at, size) == -1 && errno == EINVAL, "a bound socket can be bound again");
	CHECK(listen(tuned, 1) == 0, "listen: %s", strerror(errno));
}

static void udp(int protocol)
{
	struct sockaddr_storage at;
	int free_one = hold(socket(AF_INET, SOCK_DGRAM, protocol), false), four = bound(AF_INET, SOCK_DGRAM, protocol, false);
	int six = bound(AF_INET6, SOCK_DGRAM, protocol, true), twins[2], ends[2];
	for (int i = 0; i < 2; i++) {
		twins[i] = hold(socket(AF_INET, SOCK_DGRAM, protocol), false);
		set(twins[i], SOL_SOCKET, SO_REUSEPORT, 1);
		set(twins[i], SOL_SOCKET, SO_BROADCAST, 1);
		socklen_t size = local(&at, AF_INET, i ? port_of(twins[0]) : 0);
		MUST(bind(twins[i], (struct sockaddr *)&at, size));
	}
	for (int i = 0; i < 2; i++)
		ends[i] = bound(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, protocol, false);
	for (int i = 0; i < 2; i++) {
		socklen_t size = local(&at, AF_INET6, port_of(ends[1 - i]));
		MUST(connect(ends[i], (struct sockaddr *)&at, size));
	}
	MUST(shutdown(ends[1], SHUT_RD));
	note();
	victim_ready();
	victim_wait();
	compare();
	char text[16];
	CHECK(write(ends[1], "datagram", 8) == 8 && read(ends[0], text, 16) == 8 && !memcmp(text, "datagram", 8), "connected: %s",
	      strerror(errno));
	struct pollfd half = { .fd = ends[1], .events = POLLRDHUP };
	CHECK(poll(&half, 1, 0) == 1 && half.revents == POLLRDHUP, "the half that was shut down is open");
	socklen_t size = local(&at, AF_INET, port_of(four));
	CHECK(sendto(free_one, "x", 1, 0, (struct sockaddr *)&at, size) == 1 && read(four, text, 16) == 1, "bound: %s", strerror(errno));
	size = local(&at, AF_INET6, port_of(six));
	int seven = socket(AF_INET6, SOCK_DGRAM, protocol);
	CHECK(sendto(seven, "sevenchr", 8, 0, (struct sockaddr *)&at, size) == 8 && read(six, text, 16) == 8, "bound, six: %s", strerror(errno));
	CHECK(get(twins[1], SOL_SOCKET, SO_BROADCAST) == 1 && get(twins[1], SOL_SOCKET, SO_REUSEPORT) == 1, "options of the twins");
}

/* A datagram that nobody has read yet. */
static void queued(void)
{
	struct sockaddr_storage at;
	char text[16];
	int fd = bound(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, false);
	socklen_t size = local(&at, AF_INET, port_of(fd));
	MUST(sendto(fd, "unread", 6, 0, (struct sockaddr *)&at, size));
	victim_ready();
	victim_wait();
	CHECK(read(fd, text, 16) == 6 && !memcmp(text, "unread", 6), "the datagram is gone: %s", strerror(errno));
}

/* An error that nobody has read, half a datagram, and numbers of what was sent. */
static void untold(void)
{
	struct sockaddr_storage at;
	int gone = socket(AF_INET, SOCK_DGRAM, 0), heard = socket(AF_INET, SOCK_DGRAM, 0), half = bound(AF_INET, SOCK_DGRAM, 0, false);
	MUST(bind(gone, (struct sockaddr *)&at, local(&at, AF_INET, 0)));
	socklen_t size = local(&at, AF_INET, port_of(gone));
	close(gone);
	set(heard, IPPROTO_IP, IP_RECVERR, 1);
	set(heard, SOL_SOCKET, SO_TIMESTAMPING, 1 << 4 | 1 << 7 /* SOF_TIMESTAMPING_OPT_ID */);
	MUST(connect(heard, (struct sockaddr *)&at, size));
	MUST(write(heard, "x", 1));
	struct pollfd error = { .fd = heard };
	CHECK(poll(&error, 1, 5000) == 1 && error.revents == POLLERR, "set-up: no error of the closed port");
	MUST(connect(half, (struct sockaddr *)&at, local(&at, AF_INET, port_of(half))));
	set(half, IPPROTO_UDP, UDP_CORK, 1);
	MUST(write(half, "half", 4));
	victim_ready();
	victim_wait();
	CHECK(poll(&error, 1, 0) == 1, "the error is gone");
	set(half, IPPROTO_UDP, UDP_CORK, 0);
	char text[8];
	CHECK(read(half, text, 8) == 4, "the datagram is gone");
}

static void raw(void)
{
	struct sockaddr_storage at;
	int ping = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), mask = 1 << 5;
	int four = hold(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), false), own = hold(socket(AF_INET, SOCK_RAW, 199), false);
	int six = hold(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), false);
	struct icmp6_filter filter;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	MUST(setsockopt(four, SOL_RAW, ICMP_FILTER, &mask, sizeof mask));
	MUST(setsockopt(six, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter));
	set(own, IPPROTO_IP, IP_HDRINCL, 1);
	set(own, IPPROTO_IP, IP_NODEFRAG, 1);
	int headless = hold(socket(AF_INET, SOCK_RAW, IPPROTO_RAW), false), summed = hold(socket(AF_INET6, SOCK_RAW, 199), false);
	set(headless, IPPROTO_IP, IP_HDRINCL, 0);
	set(summed, IPPROTO_IPV6, IPV6_CHECKSUM, 6);
	MUST(bind(own, (struct sockaddr *)&at, local(&at, AF_INET, 0)));
	MUST(connect(own, (struct sockaddr *)&at, local(&at, AF_INET, 7)));
	if (ping != -1) {
		hold(ping, false);
		MUST(bind(ping, (struct sockaddr *)&at, local(&at, AF_INET, 4321)));
	}
	note();
	victim_ready();
	victim_wait();
	compare();
	struct icmp6_filter now;
	socklen_t size = sizeof now;
	CHECK(getsockopt(six, IPPROTO_ICMPV6, ICMP6_FILTER, &now, &size) == 0 && !memcmp(&now, &filter, sizeof now), "the ICMPv6 filter");
	CHECK(get(four, SOL_RAW, ICMP_FILTER) == mask, "the ICMP filter is %x", get(four, SOL_RAW, ICMP_FILTER));
	CHECK(get(own, IPPROTO_IP, IP_HDRINCL) == 1 && get(own, IPPROTO_IP, IP_NODEFRAG) == 1, "options of the raw socket");
	CHECK(get(headless, IPPROTO_IP, IP_HDRINCL) == 0, "a raw socket adds no header any more");
	CHECK(get(summed, IPPROTO_IPV6, IPV6_CHECKSUM) == 6, "the sum stands at %d", get(summed, IPPROTO_IPV6, IPV6_CHECKSUM));
	size = sizeof at;
	CHECK(getpeername(own, (struct sockaddr *)&at, &size) == 0, "the raw socket's peer: %s", strerror(errno));
	CHECK(ping == -1 || port_of(ping) == 4321, "the ping socket has id %d", port_of(ping));
}

/* A membership as the kernel tells it: its mode, or -1 without one, and the first sender that it names. */
static int membership(int fd, bool six, const void *group, uint32_t *sender)
{
	struct group_filter *filter = calloc(1, GROUP_FILTER_SIZE(4));
	socklen_t size = GROUP_FILTER_SIZE(4);
	filter->gf_interface = if_nametoindex("lo");
	filter->gf_numsrc = 4;
	if (six) {
		struct sockaddr_in6 *in6 = (void *)&filter->gf_group;
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, group, 16);
	} else {
		struct sockaddr_in *in = (void *)&filter->gf_group;
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, group, 4);
	}
	bool member = getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_MSFILTER, filter, &size) == 0;
	int mode = member ? (int)filter->gf_fmode : -1;
	*sender = member && filter->gf_numsrc == 1 ? ntohl(((struct sockaddr_in *)filter->gf_slist)->sin_addr.s_addr) : 0;
	free(filter);
	return mode;
}

static void join(int fd, const char *group, const char *only, const char *all_but)
{
	struct ip_mreqn request = { .imr_multiaddr.s_addr = inet_addr(group), .imr_ifindex = if_nametoindex("lo") };
	struct ip_mreq_source sender = { .imr_multiaddr = request.imr_multiaddr, .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	sender.imr_sourceaddr.s_addr = inet_addr(only ? only : all_but ? all_but : "0.0.0.0");
	if (!only && setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == -1)
		skip("this kernel has no multicast");
	if (only)
		MUST(setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &sender, sizeof sender));
	if (all_but)
		MUST(setsockopt(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &sender, sizeof sender));
}

static void expect_member(int fd, const char *group, int mode, uint32_t sender)
{
	struct in_addr four = { inet_addr(group) };
	uint32_t found;
	int is = membership(fd, false, &four, &found);
	CHECK(is == mode && found == sender, "fd %d in %s: the mode is %d, not %d; the sender %x", fd, group, is, mode, found);
}

static void multicast(void)
{
	struct sockaddr_storage at;
	struct ipv6_mreq wanted = { .ipv6mr_interface = if_nametoindex("lo") };
	struct in_addr loopback = { htonl(INADDR_LOOPBACK) }, from;
	int four = hold(socket(AF_INET, SOCK_DGRAM, 0), false), sender = hold(socket(AF_INET, SOCK_DGRAM, 0), false);
	int six = hold(socket(AF_INET6, SOCK_DGRAM, 0), false);
	join(four, "239.1.2.3", NULL, NULL);
	join(four, "239.1.2.4", NULL, "127.0.0.9");
	join(four, "232.1.2.5", "127.0.0.1", NULL);
	join(six, "239.1.2.6", NULL, NULL);
	MUST(inet_pton(AF_INET6, "ff02::1:77", &wanted.ipv6mr_multiaddr));
	MUST(setsockopt(six, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &wanted, sizeof wanted));
	set(six, IPPROTO_IPV6, IPV6_MULTICAST_IF, wanted.ipv6mr_interface);
	MUST(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback));
	socklen_t size = local(&at, AF_INET, 0);
	struct sockaddr_in *in = (struct sockaddr_in *)&at;
	in->sin_addr.s_addr = INADDR_ANY;
	MUST(bind(four, (struct sockaddr *)&at, size));
	note();
	victim_ready();
	victim_wait();
	compare();
	expect_member(four, "239.1.2.3", MCAST_EXCLUDE, 0);
	expect_member(four, "239.1.2.4", MCAST_EXCLUDE, 0x7f000009);
	expect_member(four, "232.1.2.5", MCAST_INCLUDE, 0x7f000001);
	expect_member(four, "239.1.2.6", -1, 0);
	expect_member(six, "239.1.2.6", MCAST_EXCLUDE, 0);
	uint32_t none;
	CHECK(membership(six, true, &wanted.ipv6mr_multiaddr, &none) == MCAST_EXCLUDE, "the socket of IPv6 has left its group");
	CHECK(get(six, IPPROTO_IPV6, IPV6_MULTICAST_IF) == (int)wanted.ipv6mr_interface, "the device of IPv6 is another");
	size = sizeof from;
	CHECK(getsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &from, &size) == 0 && from.s_addr == loopback.s_addr, "the device is another");
	in->sin_port = htons(port_of(four));
	const char *groups[] = { "239.1.2.3", "239.1.2.4", "232.1.2.5" };
	for (int i = 0; i < 3; i++) {
		char text[16];
		in->sin_addr.s_addr = inet_addr(groups[i]);
		CHECK(sendto(sender, "to all", 6, 0, (struct sockaddr *)&at, sizeof *in) == 6, "to %s: %s", groups[i], strerror(errno));
		struct pollfd heard = { .fd = four, .events = POLLIN };
		CHECK(poll(&heard, 1, 5000) == 1 && read(four, text, sizeof text) == 6, "nothing is heard of %s", groups[i]);
	}
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	beyond = !strcmp(victim_argument(argc, argv, 2), "beyond");
	if (!strcmp(kind, "tcp"))
		tcp();
	else if (!strcmp(kind, "udp"))
		udp(0);
	else if (!strcmp(kind, "udplite")) {
		int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
		if (fd == -1 && errno == EPROTONOSUPPORT)
			skip("this kernel has no UDP-Lite");
		close(fd);
		udp(IPPROTO_UDPLITE);
	} else if (!strcmp(kind, "queued"))
		queued();
	else if (!strcmp(kind, "untold"))
		untold();
	else if (!strcmp(kind, "multicast"))
		multicast();
	else
		raw();
	ok();
}
