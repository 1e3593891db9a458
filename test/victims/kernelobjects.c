/*
 * Holds: one object of the kernel that a dump refuses, named by the argument (a row of the table). Checks: nothing; it goes on, which is all
 * that a refused dump must leave it.
 */
#include "victim.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LOW_PAGES 16

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int io_uring(void)
{
	struct io_uring_params params = { 0 };
	return syscall(SYS_io_uring_setup, 4, &params);
}

static int userfault(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

/* A child that belongs to init has all that is open, and keeps it until the program has been asked; this one closes its own. */
static void give(int fd)
{
	pid_t child = fork();
	if (child == 0) {
		if (fork() == 0)
			while (!victim_asked())
				pause_ms(20);
		_exit(0);
	}
	int status;
	CHECK(waitpid(child, &status, 0) == child, "set-up: the child: %s", strerror(errno));
	if (fd != -1)
		close(fd);
}

/* The handler itself is given away: what is left is memory that somebody else watches. */
static int watched(void)
{
	int fd = userfault();
	char *memory = mmap(NULL, LOW_PAGES << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { { (unsigned long)memory, LOW_PAGES << 12 }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	if (fd == -1 || ioctl(fd, UFFDIO_API, &api) == -1 || ioctl(fd, UFFDIO_REGISTER, &range) == -1)
		return -1;
	give(fd);
	return 0;
}

static int perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_DUMMY };
	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int map(int type, int key, int value)
{
	union bpf_attr attr = { .map_type = type, .key_size = key, .value_size = value, .max_entries = type == BPF_MAP_TYPE_RINGBUF ? 4096 : 4 };
	return bpf(BPF_MAP_CREATE, &attr);
}

static int program_of(int kind, const struct bpf_insn *code, int length)
{
	union bpf_attr attr = { .prog_type = kind, .insns = (unsigned long)code, .insn_cnt = length, .license = (unsigned long)"GPL" };
	return bpf(BPF_PROG_LOAD, &attr);
}

#define RETURN_ZERO { BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0 }, { BPF_JMP | BPF_EXIT, 0, 0, 0, 0 }

static int program(void)
{
	const struct bpf_insn code[] = { RETURN_ZERO };
	return program_of(BPF_PROG_TYPE_SOCKET_FILTER, code, 2);
}

static int attached(void)
{
	const struct bpf_insn code[] = { RETURN_ZERO };
	int fd = program_of(BPF_PROG_TYPE_RAW_TRACEPOINT, code, 2);
	/* Seldom passed. */
	union bpf_attr attr = { .raw_tracepoint = { .name = (unsigned long)"xdp_exception", .prog_fd = fd } };
	int link = fd == -1 ? -1 : bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	close(fd);
	return link;
}

static int hash_of_others(void)
{
	return map(BPF_MAP_TYPE_LRU_HASH, 4, 4);
}

static int large_map(void)
{
	/* An array of a size class above the limit, of which no element is touched. */
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 1 << 20, .max_entries = 257 };
	return bpf(BPF_MAP_CREATE, &attr);
}

static int ring_buffer(void)
{
	return map(BPF_MAP_TYPE_RINGBUF, 0, 0);
}

/* A map that a loaded program reads, which somebody else has. */
static int used_map(void)
{
	int fd = map(BPF_MAP_TYPE_ARRAY, 4, 4);
	const struct bpf_insn code[] = { { BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, fd }, { 0, 0, 0, 0, 0 }, RETURN_ZERO };
	int filter = fd == -1 ? -1 : program_of(BPF_PROG_TYPE_SOCKET_FILTER, code, 4);
	if (filter != -1)
		give(filter);
	return filter;
}

/* Not refused: somebody else has the map too. */
static int shared_map(void)
{
	int fd = map(BPF_MAP_TYPE_ARRAY, 4, 4);
	if (fd != -1)
		give(-1);
	return fd;
}

static int filtered_socket(void)
{
	int filter = program(), fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (filter == -1 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof filter) == -1)
		return -1;
	close(filter);
	return fd;
}

static int vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int alg(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int multipath(void)
{
	return socket(AF_INET, SOCK_STREAM, 262);
}

static int signed_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct tcp_md5sig key = { .tcpm_keylen = 4, .tcpm_key = "key" };
	((struct sockaddr_in *)&key.tcpm_addr)->sin_family = AF_INET;
	((struct sockaddr_in *)&key.tcpm_addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) == -1 || listen(fd, 1) == -1 ? -1 : fd;
}

static int types(void)
{
	/* Those of the kernel itself. */
	union bpf_attr attr = { .btf_id = 1 };
	return bpf(BPF_BTF_GET_FD_BY_ID, &attr);
}

static int fuse(void)
{
	return open("/dev/fuse", O_RDWR | O_CLOEXEC);
}

static int rules(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE };
	return syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
}

static int new_mount(void)
{
	return syscall(SYS_fsopen, "tmpfs", 1);
}

static int secret(void)
{
#ifdef SYS_memfd_secret
	return syscall(SYS_memfd_secret, O_CLOEXEC);
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int packet(int version)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b6), .sll_ifindex = if_nametoindex("lo") };
	if (fd == -1 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) == -1)
		return -1;
	MUST(bind(fd, (struct sockaddr *)&at, sizeof at));
	return fd;
}

static int fanout_program(void)
{
	int fd = packet(TPACKET_V1), group = (getpid() & 0xffff) | PACKET_FANOUT_CBPF << 16;
	return fd == -1 || setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof group) == -1 ? -1 : fd;
}

static int with_ring(void)
{
	int fd = packet(TPACKET_V2);
	struct tpacket_req3 ring = { .tp_block_size = 4096, .tp_block_nr = 4, .tp_frame_size = 2048, .tp_frame_nr = 8 };
	return fd == -1 || setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) == -1 ? -1 : fd;
}

static int closed_ring(void)
{
	int fd = with_ring();
	if (fd == -1 || mmap(NULL, 4 << 12, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return -1;
	close(fd);
	return fcntl(1, F_DUPFD_CLOEXEC, 3);
}

static int cut_ring(void)
{
	int fd = with_ring();
	char *at = fd == -1 ? MAP_FAILED : mmap(NULL, 4 << 12, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || munmap(at + 4096, 4096) == -1)
		return -1;
	return fd;
}

static const struct {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "io_uring", io_uring },
	{ "userfaultfd", userfault },
	{ "memory under userfaultfd", watched },
	{ "perf_event", perf },
	{ "BPF program", program },
	{ "BPF link", attached },
	{ "BPF map of another type", hash_of_others },
	{ "large BPF map", large_map },
	{ "BPF ring buffer", ring_buffer },
	{ "BPF map in use", used_map },
	{ "BPF map that another has", shared_map },
	{ "socket with a filter of eBPF", filtered_socket },
	{ "socket of a virtual machine", vsock },
	{ "socket of the crypto API", alg },
	{ "multipath socket", multipath },
	{ "signed socket", signed_socket },
	{ "BPF types", types },
	{ "FUSE", fuse },
	{ "Landlock rules", rules },
	{ "new mount", new_mount },
	{ "secret memory", secret },
	{ "packet fanout program", fanout_program },
	{ "packet ring without its socket", closed_ring },
	{ "packet ring in part", cut_ring },
};

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *name = victim_argument(argc, argv, 1);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i].name, name) && kinds[i].make() == -1)
			skip(strerror(errno));
	victim_ready();
	victim_wait();
	ok();
}
