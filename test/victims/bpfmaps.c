/*
 * Holds: BPF maps: a hash with a name and entries, without preallocation; an empty one; arrays, one of them frozen, one of more than a page; one
 * map in two processes. With "more": several open files of one map, such as may only read or only write. With "large": 80,000 entries.
 * Checks: names, sizes, flags, every entry, what each open file may do, and that one map stays one.
 */
#include "victim.h"
#include <linux/bpf.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int make(int type, const char *name, int key, int value, int most, int flags)
{
	union bpf_attr attr = { .map_type = type, .key_size = key, .value_size = value, .max_entries = most, .map_flags = flags };
	strcpy(attr.map_name, name);
	int fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd == -1 && (errno == EPERM || errno == ENOSYS))
		skip("no BPF maps here");
	MUST(fd);
	return fd;
}

static int put(int fd, const void *key, const void *value)
{
	union bpf_attr attr = { .map_fd = fd, .key = (unsigned long)key, .value = (unsigned long)value };
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int get(int fd, const void *key, void *value)
{
	union bpf_attr attr = { .map_fd = fd, .key = (unsigned long)key, .value = (unsigned long)value };
	return bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

static int count(int fd, int size)
{
	char keys[2][16];
	union bpf_attr attr = { .map_fd = fd, .next_key = (unsigned long)keys[0] };
	int found = 0;
	CHECK(size <= 16, "set-up: a key of %d bytes", size);
	for (; bpf(BPF_MAP_GET_NEXT_KEY, &attr) == 0; found++) {
		memcpy(keys[1], keys[0], size);
		attr.key = (unsigned long)keys[1];
	}
	return found;
}

static struct bpf_map_info info_of(int fd)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = fd, .info_len = sizeof info, .info = (unsigned long)&info } };
	CHECK(bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0, "information: %s", strerror(errno));
	return info;
}

static int again(int fd, int flags)
{
	union bpf_attr attr = { .map_id = info_of(fd).id, .open_flags = flags };
	int other = bpf(BPF_MAP_GET_FD_BY_ID, &attr);
	MUST(other);
	return other;
}

/* Values of many bytes, all of which follow from the key. */
#define WIDE 3000
static void wide(uint32_t key, char *value)
{
	memset(value, 'a' + key % 26, WIDE);
	memcpy(value, &key, sizeof key);
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	const char *kind = victim_argument(argc, argv, 1);
	bool more = !strcmp(kind, "more");
	/* Before Linux 5.11 maps count as locked memory. */
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	uint32_t entries = !strcmp(kind, "large") ? 80000 : 700;
	int hash = make(BPF_MAP_TYPE_HASH, "a_hash", 12, 8, entries + 10, BPF_F_NO_PREALLOC), empty = make(BPF_MAP_TYPE_HASH, "", 4, 4, 5, 0);
	int array = make(BPF_MAP_TYPE_ARRAY, "an.array", 4, WIDE, 9, 0), frozen = make(BPF_MAP_TYPE_ARRAY, "frozen", 4, 4, 3, BPF_F_RDONLY_PROG);
	struct {
		uint32_t number;
		char text[8];
	} key = { 0, "the key" };
	for (; key.number < entries; key.number++) {
		uint64_t value = key.number * 0x9e3779b97f4a7c15;
		MUST(put(hash, &key, &value));
	}
	char value[WIDE], now[WIDE];
	for (uint32_t i = 0; i < 9; i++) {
		wide(i, value);
		MUST(put(array, &i, value));
	}
	for (uint32_t i = 0, square; i < 3; i++) {
		square = (i + 5) * (i + 5);
		MUST(put(frozen, &i, &square));
	}
	union bpf_attr freeze = { .map_fd = frozen };
	MUST(bpf(BPF_MAP_FREEZE, &freeze));
	int reading = more ? again(array, BPF_F_RDONLY) : -1, writing = more ? again(array, BPF_F_WRONLY) : -1, alone = -1;
	if (more) {
		alone = make(BPF_MAP_TYPE_ARRAY, "alone", 4, 4, 1, BPF_F_WRONLY);
		MUST(put(alone, &(uint32_t){ 0 }, "one"));
	}
	int fds[] = { hash, empty, array, frozen }, peer[2];
	struct bpf_map_info before[4], after;
	for (int i = 0; i < 4; i++)
		before[i] = info_of(fds[i]);
	MUST(pipe(peer));
	pid_t child = fork();
	if (child == 0) {
		char byte;
		close(peer[1]);
		wide(77, value);
		_exit(read(peer[0], &byte, 1) == 1 && put(array, &(uint32_t){ 8 }, value) == 0 ? 0 : 1);
	}
	MUST(child);
	close(peer[0]);
	victim_ready();
	victim_wait();
	for (int i = 0; i < 4; i++) {
		after = info_of(fds[i]);
		CHECK(after.type == before[i].type && after.key_size == before[i].key_size && after.value_size == before[i].value_size &&
			      after.max_entries == before[i].max_entries && after.map_flags == before[i].map_flags,
		      "map %d is of another kind", i);
		CHECK(!strcmp(after.name, before[i].name), "map %d is called \"%s\"", i, after.name);
	}
	CHECK(count(hash, 12) == (int)entries && count(empty, 4) == 0, "there are %d entries", count(hash, 12));
	for (key.number = 0; key.number < entries; key.number++) {
		uint64_t found = 0;
		CHECK(get(hash, &key, &found) == 0 && found == key.number * 0x9e3779b97f4a7c15, "entry %u is %lx", key.number, (long)found);
	}
	for (uint32_t i = 0; i < 9; i++) {
		wide(i, value);
		CHECK(get(array, &i, now) == 0 && !memcmp(now, value, WIDE), "element %u is another", i);
	}
	for (uint32_t i = 0, square; i < 3; i++)
		CHECK(get(frozen, &i, &square) == 0 && square == (i + 5) * (i + 5), "frozen element %u is %u", i, square);
	CHECK(put(frozen, &(uint32_t){ 0 }, value) == -1 && errno == EPERM, "the frozen map may be written");
	CHECK(put(empty, "key", "val") == 0, "the empty map: %s", strerror(errno));
	int status;
	CHECK(write(peer[1], "g", 1) == 1 && waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	wide(77, value);
	CHECK(get(array, &(uint32_t){ 8 }, now) == 0 && !memcmp(now, value, WIDE), "what the child wrote is not seen");
	if (more) {
		CHECK(get(reading, &(uint32_t){ 8 }, now) == 0 && !memcmp(now, value, WIDE), "it is not seen by another open file");
		CHECK(put(reading, &(uint32_t){ 8 }, now) == -1 && errno == EPERM, "who may only read may write");
		CHECK(get(writing, &(uint32_t){ 8 }, now) == -1 && errno == EPERM, "who may only write may read");
		wide(78, value);
		CHECK(put(writing, &(uint32_t){ 8 }, value) == 0 && get(array, &(uint32_t){ 8 }, now) == 0 && !memcmp(now, value, WIDE), "writing: %s",
		      strerror(errno));
		CHECK(get(alone, &(uint32_t){ 0 }, now) == -1 && errno == EPERM, "who may only write may read");
		CHECK(get(again(alone, 0), &(uint32_t){ 0 }, now) == 0 && !memcmp(now, "one", 4), "what it wrote is lost");
	}
	ok();
}
