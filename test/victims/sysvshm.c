/*
 * Holds: System V shared memory. Two segments with all that can be done to an attachment, seen by a child too: read-only, cut by munmap and
 * mprotect, moved by mremap, over another area (SHM_REMAP); one of them has a key, the other one is IPC_PRIVATE. With "removed" both are
 * marked to be destroyed, and nobody could find them again; with "owned" they belong to others.
 * Checks: contents, that memory is shared, IDs, keys, modes, owners and the number of attachments, and that shmdt(2) finds all parts.
 */
#include "victim.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 16, SIZE = PAGES * PAGE - 100 };

static int count(int id)
{
	struct shmid_ds now;
	CHECK(shmctl(id, IPC_STAT, &now) == 0, "shmctl: %s", strerror(errno));
	return now.shm_nattch;
}

static void same(int id, const struct shmid_ds *was)
{
	struct shmid_ds now;
	CHECK(shmctl(id, IPC_STAT, &now) == 0, "segment %d: %s", id, strerror(errno));
	const struct ipc_perm *a = &was->shm_perm, *b = &now.shm_perm;
	CHECK(a->__key == b->__key, "key was %x, is %x", a->__key, b->__key);
	CHECK(a->mode == b->mode, "mode was %o, is %o", a->mode, b->mode);
	CHECK(a->uid == b->uid && a->gid == b->gid, "owner was %u:%u, is %u:%u", a->uid, a->gid, b->uid, b->gid);
	CHECK(a->cuid == b->cuid && a->cgid == b->cgid, "creator was %u:%u, is %u:%u", a->cuid, a->cgid, b->cuid, b->cgid);
	CHECK(was->shm_segsz == now.shm_segsz, "size was %zu, is %zu", was->shm_segsz, now.shm_segsz);
	CHECK(was->shm_nattch == now.shm_nattch, "nattch was %lu, is %lu", was->shm_nattch, now.shm_nattch);
}

static void *attach(int id, void *where, int flags)
{
	void *at = shmat(id, where, flags);
	CHECK(at != (void *)-1, "set-up: shmat: %s", strerror(errno));
	return at;
}

int main(int argc, char **argv)
{
	victim_begin(argc, argv);
	bool removed = !strcmp(victim_argument(argc, argv, 1), "removed"), owned = !strcmp(victim_argument(argc, argv, 1), "owned");
	key_t key = 0x5a000000 | getpid();
	if (owned)
		MUST(seteuid(65534));
	int id, other;
	MUST(id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0640));
	MUST(other = shmget(IPC_PRIVATE, 3 * PAGE, 0600));
	if (owned) {
		MUST(seteuid(0));
		struct shmid_ds set;
		MUST(shmctl(id, IPC_STAT, &set));
		set.shm_perm.uid = 1234;
		set.shm_perm.gid = 2345;
		set.shm_perm.mode = 0604;
		MUST(shmctl(id, IPC_SET, &set));
	}
	char *all = attach(id, NULL, 0), *other_at = attach(other, NULL, 0);
	if (removed) {
		MUST(shmctl(id, IPC_RMID, NULL));
		MUST(shmctl(other, IPC_RMID, NULL));
	}
	/* Page 9 is never touched; what lies behind the end, in the last page, belongs to nobody. */
	victim_fill(all, 9 * PAGE, 5);
	victim_fill(all + 10 * PAGE, SIZE - 10 * PAGE, 6);
	victim_fill(other_at, 3 * PAGE, 7);
	char *read_only = attach(id, NULL, SHM_RDONLY);
	char *cut = attach(id, NULL, 0);
	MUST(munmap(cut + 3 * PAGE, 2 * PAGE));
	MUST(mprotect(cut + 7 * PAGE, PAGE, PROT_READ));
	char *private = mmap(cut + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	MUST(private == MAP_FAILED ? -1 : 0);
	victim_fill(private, PAGE, 8);
	char *place = mmap(NULL, 24 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(place == MAP_FAILED ? -1 : 0);
	char *over = attach(id, place, SHM_REMAP);
	char *moved = mremap(over + 12 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + 20 * PAGE);
	MUST(moved == MAP_FAILED ? -1 : 0);
	struct shmid_ds was, other_was;
	int ends[2];
	char byte;
	MUST(pipe(ends));
	pid_t child = fork();
	if (child == 0) {
		MUST(shmdt(read_only));
		close(ends[0]);
		close(ends[1]);
		while (!victim_asked())
			pause_ms(20);
		for (int i = 0; all[100] != 42 && i < 500; i++)
			pause_ms(10);
		all[200] = 43;
		_exit(all[100] == 42 ? 0 : 1);
	}
	MUST(child);
	/* Until the child has closed its end, and with it its attachment. */
	close(ends[1]);
	MUST(read(ends[0], &byte, 1));
	close(ends[0]);
	MUST(shmctl(id, IPC_STAT, &was));
	MUST(shmctl(other, IPC_STAT, &other_was));
	victim_ready();
	victim_wait();

	same(id, &was);
	same(other, &other_was);
	victim_same(all, 9 * PAGE, 5, "the first part");
	victim_same(all + 10 * PAGE, SIZE - 10 * PAGE, 6, "the last part");
	for (int i = 0; i < PAGE; i++)
		CHECK(all[9 * PAGE + i] == 0, "the page that nobody used is not empty");
	victim_same(other_at, 3 * PAGE, 7, "the other segment");
	victim_same(private, PAGE, 8, "what was put into the gap");
	CHECK(!memcmp(cut, all, 3 * PAGE) && !memcmp(cut + 5 * PAGE, all + 5 * PAGE, 11 * PAGE), "the cut attachment differs");
	CHECK(!memcmp(moved, all + 12 * PAGE, 2 * PAGE), "the moved part differs");
	CHECK(!memcmp(over, all, 12 * PAGE), "what was attached over an area differs");
	CHECK(mprotect(read_only, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES, "the read-only attachment can be written");
	CHECK(mprotect(cut + 7 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect: %s", strerror(errno));
	all[100] = 42;
	CHECK(read_only[100] == 42 && cut[100] == 42 && over[100] == 42, "memory is no longer shared");
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0, "the child ended with %x", status);
	CHECK(all[200] == 43, "memory is not shared with the child");
	int before = count(id);
	CHECK(shmdt(cut) == 0, "shmdt of the cut attachment: %s", strerror(errno));
	CHECK(count(id) == before - 4, "shmdt left %d of %d attachments", count(id), before);
	CHECK(cut[3 * PAGE] == private[0], "shmdt took what is not its own");
	CHECK(shmdt(read_only) == 0 && shmdt(over) == 0, "shmdt: %s", strerror(errno));
	if (!removed) {
		CHECK(shmget(key, 0, 0) == id, "the key leads to another segment");
		shmctl(id, IPC_RMID, NULL);
		shmctl(other, IPC_RMID, NULL);
	}
	ok();
}
