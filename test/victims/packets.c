/*
 * Holds: packet sockets of protocols of their own on the loopback device: of SOCK_RAW with options, filter and memberships, of SOCK_DGRAM on
 * every device, of SOCK_PACKET, new ones, and two that share a fanout. With "more": options that CRIU does not keep. With "rings": rings of
 * every version, mapped, one by a child too. With "queued": a packet that nobody has read. With "device NAME": two on another device.
 * Checks: names, options, filter and memberships, and that packets come, also into the rings, and leave from one.
 */
#include "options.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
static int lo;
/* Of this program alone, so that nobody else's packets come in. */
static int own_protocol, other_protocol;

static int make(int type, int protocol)
{
	int fd = socket(AF_PACKET, type, htons(protocol));
	if (fd == -1 && (errno == EPERM || errno == EAFNOSUPPORT))
		skip("no packet sockets here");
	MUST(fd);
	return fd;
}

static void place(int fd, int protocol)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = lo };
	MUST(bind(fd, (struct sockaddr *)&at, sizeof at));
}

static struct sockaddr_ll name_of(int fd)
{
	struct sockaddr_ll at = { 0 };
	socklen_t size = sizeof at;
	CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0, "getsockname: %s", strerror(errno));
	return at;
}

/* Sockets of SOCK_PACKET tell the name of their device. */
static void expect_old(int fd, const char *device)
{
	struct sockaddr at = { 0 };
	socklen_t size = sizeof at;
	CHECK(getsockname(fd, &at, &size) == 0 && !strncmp(at.sa_data, device, sizeof at.sa_data), "SOCK_PACKET is on \"%.14s\"", at.sa_data);
}

static void join(int fd, int type, const char *address)
{
	struct packet_mreq what = { .mr_ifindex = lo, .mr_type = type, .mr_alen = address ? 6 : 0 };
	if (address)
		memcpy(what.mr_address, address, 6);
	MUST(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &what, sizeof what));
}

/* What the kernel tells of a socket: one attribute, and its length. */
static int told(int fd, int show, int attribute, void *into, int room)
{
	struct {
		struct nlmsghdr head;
		struct packet_diag_req body;
	} question = { { sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		       { .sdiag_family = AF_PACKET, .pdiag_show = show } };
	struct stat about;
	static char answer[65536];
	int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), found = -1;
	fstat(fd, &about);
	CHECK(send(diag, &question, sizeof question, 0) == sizeof question, "send: %s", strerror(errno));
	for (bool done = false; !done;) {
		ssize_t left = recv(diag, answer, sizeof answer, 0);
		CHECK(left > 0, "recv: %s", strerror(errno));
		for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
			done = done || at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR;
			struct packet_diag_msg *body = NLMSG_DATA(at);
			if (done || body->pdiag_ino != about.st_ino)
				continue;
			char *end = (char *)at + at->nlmsg_len, *next = (char *)(body + 1);
			for (; next + 4 <= end && ((struct nlattr *)next)->nla_len >= 4; next += NLA_ALIGN(((struct nlattr *)next)->nla_len)) {
				struct nlattr *one = (struct nlattr *)next;
				if (one->nla_type != attribute)
					continue;
				found = one->nla_len - 4;
				memcpy(into, one + 1, found < room ? found : room);
			}
		}
	}
	close(diag);
	return found;
}

/* Puts a frame onto the loopback device. */
static void emit(int protocol, const char *text)
{
	int fd = make(SOCK_DGRAM, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = lo, .sll_halen = 6 };
	CHECK(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)strlen(text), "sendto: %s", strerror(errno));
	close(fd);
}

static bool waits(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	return poll(&one, 1, 5000) == 1 && one.revents & POLLIN;
}

static void hears(int fd, int header, const char *text, const char *who)
{
	char frame[256];
	CHECK(waits(fd), "%s: nothing comes", who);
	ssize_t got = recv(fd, frame, sizeof frame, MSG_DONTWAIT);
	CHECK(got == header + (ssize_t)strlen(text) && !memcmp(frame + header, text, strlen(text)), "%s: %zd bytes came", who, got);
}

static void drain(int fd)
{
	char byte;
	while (recv(fd, &byte, 1, MSG_DONTWAIT) != -1)
		;
}

static void sockets(bool more)
{
	int raw = make(SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), all = make(SOCK_DGRAM, other_protocol), old = make(SOCK_PACKET, own_protocol);
	int fresh = make(SOCK_RAW, 0), groups[2];
	const struct {
		int level, name, value, more;
	} options[] = {
		{ SOL_PACKET, PACKET_VERSION, TPACKET_V2, 0 }, { SOL_PACKET, PACKET_VNET_HDR, 1, 0 }, { SOL_PACKET, PACKET_RESERVE, 48, 0 },
		{ SOL_PACKET, PACKET_TIMESTAMP, 64, 0 }, { SOL_PACKET, PACKET_AUXDATA, 1, 0 }, { SOL_PACKET, PACKET_ORIGDEV, 1, 0 },
		{ SOL_PACKET, PACKET_LOSS, 1, 0 }, { SOL_SOCKET, SO_PRIORITY, 3, 0 }, { SOL_SOCKET, SO_MARK, 7, 0 }, { SOL_SOCKET, SO_RCVBUF, 50000, 0 },
		{ SOL_PACKET, PACKET_QDISC_BYPASS, 1, 1 }, { SOL_PACKET, PACKET_TX_HAS_OFF, 1, 1 }, { SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 1 },
		{ SOL_SOCKET, SO_TIMESTAMP, 1, 1 },
	};
	enum { OPTIONS = sizeof options / sizeof *options };
	int values[OPTIONS] = { 0 };
	for (int i = 0; i < OPTIONS; i++)
		if (more || !options[i].more) {
			set(raw, options[i].level, options[i].name, options[i].value);
			values[i] = get(raw, options[i].level, options[i].name);
		}
	set(raw, SOL_PACKET, PACKET_COPY_THRESH, 1234);
	/* Frames that begin with another byte than 'a' behind the header are not wanted. */
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog filter = { 4, code };
	MUST(setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
	place(raw, own_protocol);
	join(raw, PACKET_MR_MULTICAST, "\x01\x00\x5e\x01\x02\x03");
	if (more)
		join(raw, PACKET_MR_MULTICAST, "\x01\x00\x5e\x01\x02\x03");
	join(raw, PACKET_MR_UNICAST, "\x02\x00\x00\x00\x00\x07");
	join(raw, PACKET_MR_ALLMULTI, NULL);
	join(raw, PACKET_MR_PROMISC, NULL);
	/* By its name, as they were bound in their time. */
	struct sockaddr spkt = { .sa_family = AF_PACKET, .sa_data = "lo" };
	MUST(bind(old, &spkt, sizeof spkt));
	for (int i = 0; i < 2; i++) {
		groups[i] = make(SOCK_DGRAM, 0);
		place(groups[i], other_protocol);
		set(groups[i], SOL_PACKET, PACKET_FANOUT, (getpid() & 0xffff) | PACKET_FANOUT_LB << 16 | (more ? PACKET_FANOUT_FLAG_ROLLOVER << 16 : 0));
	}
	struct packet_diag_mclist members[8], now[8];
	struct packet_diag_info facts, later;
	int length = told(raw, PACKET_SHOW_MCLIST, PACKET_DIAG_MCLIST, members, sizeof members);
	if (length == -1)
		skip("the kernel tells nothing of packet sockets");
	CHECK(length == 4 * (int)sizeof *members, "set-up: %d bytes of memberships", length);
	told(raw, PACKET_SHOW_INFO, PACKET_DIAG_INFO, &facts, sizeof facts);
	struct sockaddr_ll names[] = { name_of(raw), name_of(all), name_of(groups[0]), name_of(fresh) };
	int fanout = get(groups[1], SOL_PACKET, PACKET_FANOUT);
	victim_ready();
	victim_wait();
	int fds[] = { raw, all, groups[0], fresh };
	for (int i = 0; i < 4; i++) {
		struct sockaddr_ll is = name_of(fds[i]);
		CHECK(is.sll_ifindex == names[i].sll_ifindex && is.sll_protocol == names[i].sll_protocol, "socket %d: device %d, protocol %x", i,
		      is.sll_ifindex, ntohs(is.sll_protocol));
	}
	CHECK(fcntl(raw, F_GETFD) == FD_CLOEXEC && fcntl(raw, F_GETFL) & O_NONBLOCK, "flags are lost");
	for (int i = 0; i < OPTIONS; i++) {
		if (!more && options[i].more)
			continue;
		int value = get(raw, options[i].level, options[i].name);
		CHECK(value == values[i], "option %d:%d was %d, is %d", options[i].level, options[i].name, values[i], value);
	}
	told(raw, PACKET_SHOW_INFO, PACKET_DIAG_INFO, &later, sizeof later);
	CHECK(!memcmp(&facts, &later, sizeof facts), "the kernel tells otherwise of a socket");
	/* CRIU turns their order. */
	CHECK(told(raw, PACKET_SHOW_MCLIST, PACKET_DIAG_MCLIST, now, sizeof now) == length, "memberships were lost or have come");
	for (int i = 0; i < 4; i++) {
		bool same = false;
		for (int j = 0; j < 4; j++)
			same = same || (members[i].pdmc_type == now[j].pdmc_type && members[i].pdmc_alen == now[j].pdmc_alen &&
					(!more || members[i].pdmc_count == now[j].pdmc_count) && !memcmp(members[i].pdmc_addr, now[j].pdmc_addr, 6));
		CHECK(same, "membership %d of type %d is lost", i, members[i].pdmc_type);
	}
	struct sock_filter kept[8];
	socklen_t instructions = 8;
	CHECK(getsockopt(raw, SOL_SOCKET, SO_GET_FILTER, kept, &instructions) == 0 && instructions == 4 && !memcmp(kept, code, sizeof code),
	      "the filter is another");
	CHECK(get(old, SOL_SOCKET, SO_TYPE) == SOCK_PACKET && get(fresh, SOL_SOCKET, SO_TYPE) == SOCK_RAW, "types are lost");
	expect_old(old, "lo");
	for (int i = 0; i < 2; i++)
		CHECK(get(groups[i], SOL_PACKET, PACKET_FANOUT) == fanout, "fanout was %x, is %x", fanout, get(groups[i], SOL_PACKET, PACKET_FANOUT));
	for (int i = 0; i < 2; i++)
		drain(groups[i]);
	drain(raw);
	drain(old);
	drain(all);
	emit(own_protocol, "zoo");
	emit(own_protocol, "apple");
	emit(other_protocol, "other");
	hears(raw, 10 + 14, "apple", "SOCK_RAW");
	hears(old, 14, "zoo", "SOCK_PACKET");
	hears(all, 0, "other", "SOCK_DGRAM");
}

/* Frames of TPACKET_V2; its receiving half is followed by the sending one. */
#define FRAME 2048
#define FRAMES 8

static struct tpacket_req3 shape(int frames)
{
	return (struct tpacket_req3){ .tp_block_size = 4096, .tp_block_nr = frames * FRAME / 4096, .tp_frame_size = FRAME, .tp_frame_nr = frames };
}

static char *map(int fd, int frames)
{
	char *at = mmap(NULL, frames * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED, "set-up: mmap: %s", strerror(errno));
	return at;
}

static const char *frame_text(char *frame)
{
	struct tpacket2_hdr *head = (void *)frame;
	return frame + head->tp_mac + 14;
}

static void rings(void)
{
	int two = make(SOCK_RAW, 0), three = make(SOCK_RAW, 0), one = make(SOCK_RAW, 0), unmapped = make(SOCK_RAW, 0), empty = -1, peer[2];
	struct tpacket_req3 v2 = shape(FRAMES), v3 = shape(FRAMES), v1 = shape(2);
	set(two, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	set(three, SOL_PACKET, PACKET_VERSION, TPACKET_V3);
	v3.tp_retire_blk_tov = 77;
	v3.tp_sizeof_priv = 16;
	v3.tp_feature_req_word = TP_FT_REQ_FILL_RXHASH;
	MUST(setsockopt(two, SOL_PACKET, PACKET_RX_RING, &v2, sizeof(struct tpacket_req)));
	MUST(setsockopt(two, SOL_PACKET, PACKET_TX_RING, &v2, sizeof(struct tpacket_req)));
	MUST(setsockopt(three, SOL_PACKET, PACKET_RX_RING, &v3, sizeof v3));
	struct tpacket_req3 v3out = shape(2);
	MUST(setsockopt(three, SOL_PACKET, PACKET_TX_RING, &v3out, sizeof v3out));
	MUST(setsockopt(one, SOL_PACKET, PACKET_RX_RING, &v1, sizeof(struct tpacket_req)));
	MUST(setsockopt(unmapped, SOL_PACKET, PACKET_TX_RING, &v1, sizeof(struct tpacket_req)));
	char *rx = map(two, 2 * FRAMES), *tx = rx + FRAMES * FRAME, *blocks = map(three, FRAMES + 2), *old = map(one, 2);
	MUST(madvise(blocks, (FRAMES + 2) * FRAME, MADV_DONTFORK));
	place(two, own_protocol);
	place(three, own_protocol);
	place(one, other_protocol);
	MUST(pipe(peer));
	/* A child that sees the same frames. */
	pid_t child = fork();
	if (child == 0) {
		char byte;
		close(peer[1]);
		CHECK(read(peer[0], &byte, 1) == 1, "the child: %s", strerror(errno));
		_exit(((struct tpacket2_hdr *)rx)->tp_status & TP_STATUS_USER && !memcmp(frame_text(rx), "in a ring", 9) ? 0 : 1);
	}
	struct packet_diag_ring facts[3], now[3];
	int fds[] = { two, three, one };
	for (int i = 0; i < 3; i++)
		if (told(fds[i], PACKET_SHOW_RING_CFG, PACKET_DIAG_RX_RING, &facts[i], sizeof *facts) == -1)
			empty = i;
	if (empty != -1)
		skip("the kernel tells nothing of rings");
	victim_ready();
	victim_wait();
	for (int i = 0; i < 3; i++) {
		told(fds[i], PACKET_SHOW_RING_CFG, PACKET_DIAG_RX_RING, &now[i], sizeof *now);
		CHECK(!memcmp(&facts[i], &now[i], sizeof *now), "ring %d is another", i);
	}
	CHECK(told(unmapped, PACKET_SHOW_RING_CFG, PACKET_DIAG_TX_RING, now, sizeof *now) == sizeof *now, "a ring that is not mapped is lost");
	emit(own_protocol, "in a ring");
	CHECK(waits(two) && waits(three), "nothing comes into the rings");
	CHECK(((struct tpacket2_hdr *)rx)->tp_status & TP_STATUS_USER && !memcmp(frame_text(rx), "in a ring", 9), "another frame came");
	struct tpacket_block_desc *block = (void *)blocks;
	CHECK(block->hdr.bh1.block_status & TP_STATUS_USER && block->hdr.bh1.num_pkts > 0, "no frame in the block");
	CHECK(block->offset_to_priv == 48, "the block's own place is %u", block->offset_to_priv);
	int status;
	CHECK(write(peer[1], "g", 1) == 1 && waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	/* A frame goes out from the sending half, and comes into the oldest form of ring. */
	struct tpacket2_hdr *out = (void *)tx;
	char *frame = tx + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
	memset(frame, 0, 14);
	frame[12] = other_protocol >> 8;
	frame[13] = (char)other_protocol;
	memcpy(frame + 14, "sent", 4);
	out->tp_len = 18;
	out->tp_status = TP_STATUS_SEND_REQUEST;
	CHECK(send(two, NULL, 0, 0) == 18, "send: %s", strerror(errno));
	CHECK(waits(one), "what was sent does not come");
	struct tpacket_hdr *came = (void *)old;
	CHECK(came->tp_status & TP_STATUS_USER && !memcmp(old + came->tp_mac + 14, "sent", 4), "another frame was sent");
}

static void queued(void)
{
	int fd = make(SOCK_DGRAM, 0);
	place(fd, other_protocol);
	emit(other_protocol, "unread");
	CHECK(waits(fd), "set-up: nothing came");
	victim_ready();
	victim_wait();
	hears(fd, 0, "unread", "the queue");
}

/* Devices are known by their names: the number may be another one. */
static void device(const char *name)
{
	int fd = make(SOCK_RAW, 0), old = make(SOCK_PACKET, other_protocol);
	struct sockaddr spkt = { .sa_family = AF_PACKET };
	MUST(lo = (int)if_nametoindex(name) ?: -1);
	strncpy(spkt.sa_data, name, sizeof spkt.sa_data - 1);
	place(fd, own_protocol);
	join(fd, PACKET_MR_PROMISC, NULL);
	MUST(bind(old, &spkt, sizeof spkt));
	victim_ready();
	victim_wait();
	lo = if_nametoindex(name);
	CHECK(lo != 0 && name_of(fd).sll_ifindex == lo, "the device is %d, not %d", name_of(fd).sll_ifindex, lo);
	expect_old(old, name);
	struct packet_diag_mclist member;
	CHECK(told(fd, PACKET_SHOW_MCLIST, PACKET_DIAG_MCLIST, &member, sizeof member) == sizeof member && (int)member.pdmc_index == lo,
	      "the membership is of device %d", member.pdmc_index);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	lo = if_nametoindex("lo");
	own_protocol = 0x7000 | (getpid() & 0x7ff);
	other_protocol = own_protocol | 0x800;
	if (!strcmp(kind, "rings"))
		rings();
	else if (!strcmp(kind, "device"))
		device(victim_argument(argc, argv, 2));
	else if (!strcmp(kind, "queued"))
		queued();
	else
		sockets(!strcmp(kind, "more"));
	ok();
}
