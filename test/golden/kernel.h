/*
 * What programs' headers do not have: structures of the kernel's own, and what came after Linux 6.1, the headers of Debian 12. Types and
 * order are those of the kernel header named at each; sizes and offsets are the compiler's. Where the installed headers know a name, theirs
 * is taken.
 */
#ifndef GOLDEN_KERNEL_H
#define GOLDEN_KERNEL_H
#include <linux/types.h>

/* include/linux/signal_types.h, struct sigaction as rt_sigaction(2) takes it (x86: with a restorer) */
struct kernel_sigaction {
	void (*sa_handler)(int);
	unsigned long sa_flags;
	void (*sa_restorer)(void);
	__u64 sa_mask;
};

/* fs/aio.c, without the events behind it */
struct aio_ring {
	unsigned id, nr, head, tail;
	unsigned magic, compat_features, incompat_features, header_length;
};

/* include/uapi/linux/eventpoll.h, Linux 6.9 */
#ifndef EPIOCSPARAMS
struct epoll_params {
	__u32 busy_poll_usecs;
	__u16 busy_poll_budget;
	__u8 prefer_busy_poll;
	__u8 __pad;
};
#endif

/* include/uapi/linux/fs.h, Linux 6.7 */
#ifndef PAGEMAP_SCAN
struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};
struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PAGE_IS_HUGE (1 << 6)
#endif
/* the same header, Linux 6.15 */
#ifndef PAGE_IS_GUARD
#define PAGE_IS_GUARD (1 << 8)
#endif

/* include/uapi/linux/mman.h, Linux 6.11 */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
/* include/uapi/asm-generic/mman-common.h, Linux 6.13 */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* fs/proc/task_mmu.c; Documentation/admin-guide/mm/pagemap.rst */
#define PM_GUARD (1ULL << 58)
#define PM_FILE (1ULL << 61)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

/* include/uapi/linux/rseq.h: node_id and mm_cid came with Linux 6.3 */
struct rseq_with_mm_cid {
	__u32 cpu_id_start;
	__u32 cpu_id;
	__u64 rseq_cs;
	__u32 flags;
	__u32 node_id;
	__u32 mm_cid;
} __attribute__((aligned(32)));

#ifdef __x86_64__
/* arch/x86/include/asm/segment.h: GDT_ENTRY_DEFAULT_USER_CS is 6, GDT_ENTRY_DEFAULT_USER32_CS 4, both with privilege level 3 */
#define USER_CS (6 * 8 + 3)
#define USER32_CS (4 * 8 + 3)
/* arch/x86/include/asm/fpu/types.h */
enum xfeature {
	XFEATURE_FP,
	XFEATURE_SSE,
	XFEATURE_YMM,
	XFEATURE_BNDREGS,
	XFEATURE_BNDCSR,
	XFEATURE_OPMASK,
	XFEATURE_ZMM_HI256,
	XFEATURE_HI16_ZMM,
	XFEATURE_PT,
	XFEATURE_PKRU,
	XFEATURE_XTILE_DATA = 18,
};
struct fxregs_state {
	__u16 cwd;
	__u16 swd;
	__u16 twd;
	__u16 fop;
	__u64 rip;
	__u64 rdp;
	__u32 mxcsr;
	__u32 mxcsr_mask;
	__u32 st_space[32];
	__u32 xmm_space[64];
	__u32 padding[12];
	__u32 sw_reserved[12];
} __attribute__((aligned(16)));
#endif
#endif
