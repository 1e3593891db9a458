import { layout } from "../layout.ts"

/**
 * Flags of open(2) whose value differs between architectures.
 * Headers: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h
 */
const ARCH_FLAGS = {
  x64: { DIRECT: 0o40000, LARGEFILE: 0o100000, DIRECTORY: 0o200000, NOFOLLOW: 0o400000 },
  arm64: { DIRECTORY: 0o40000, NOFOLLOW: 0o100000, DIRECT: 0o200000, LARGEFILE: 0o400000 },
} as const

/** Flags of open(2) on this machine. TMPFILE is the bare bit, without the DIRECTORY that callers give with it. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  ACCMODE: 3,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  ASYNC: 0o20000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000,
  ...ARCH_FLAGS[process.arch === "arm64" ? "arm64" : "x64"],
} as const

/** Kinds in st_mode. Header: include/uapi/linux/stat.h */
export const S_IF = {
  MT: 0o170000,
  SOCK: 0o140000,
  LNK: 0o120000,
  REG: 0o100000,
  BLK: 0o60000,
  DIR: 0o40000,
  CHR: 0o20000,
  IFO: 0o10000,
} as const

/**
 * Commands of fcntl(2). Headers: include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h. GETOWNER_UIDS needs
 * CONFIG_CHECKPOINT_RESTORE.
 */
export const F = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  SETLK: 6,
  SETSIG: 10,
  GETSIG: 11,
  SETOWN_EX: 15,
  GETOWN_EX: 16,
  GETOWNER_UIDS: 17,
  OFD_SETLK: 37,
  SETLEASE: 1024,
  DUPFD_CLOEXEC: 1030,
  SETPIPE_SZ: 1031,
  GETPIPE_SZ: 1032,
  ADD_SEALS: 1033,
  GET_SEALS: 1034,
} as const

/** Where lseek(2) goes. Header: include/uapi/linux/fs.h */
export const SEEK = { SET: 0, DATA: 3, HOLE: 4 } as const

/**
 * A seal that forbids others; flags of memfd_create(2): closed by execve, seals are allowed, its pages are huge.
 * Headers: include/uapi/linux/fcntl.h, include/uapi/linux/memfd.h
 */
export const F_SEAL_SEAL = 1
export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2
export const MFD_HUGETLB = 4
/** The file may be executed although vm.memfd_noexec is 1. Since Linux 6.3. */
export const MFD_EXEC = 0x10

/** The one flag of a descriptor. Header: include/uapi/asm-generic/fcntl.h */
export const FD_CLOEXEC = 1
/** Flags that F_SETFL sets; the others belong to the moment of opening. Kernel: fs/fcntl.c setfl() */
export const SETTABLE = O.APPEND | O.ASYNC | O.NONBLOCK | O.DIRECT | O.NOATIME

/** Operations of flock(2). Header: include/uapi/asm-generic/fcntl.h */
export const LOCK = { SH: 1, EX: 2, NB: 4 } as const
/** A lock of fcntl(2), on 64-bit machines. */
export const flock = layout("struct flock", "include/uapi/asm-generic/fcntl.h", 32, {
  l_type: [0, "u16"],
  l_whence: [2, "u16"], // 0 = start counts from the beginning of the file
  l_start: [8, "i64"], //  bytes
  l_len: [16, "i64"], //   bytes; 0 = to the end, however the file grows
  l_pid: [24, "i32"],
})

/** Whom F_SETOWN_EX names. Header: include/uapi/asm-generic/fcntl.h */
export const F_OWNER = { TID: 0, PID: 1, PGRP: 2 } as const
export const fOwnerEx = layout("struct f_owner_ex", "include/uapi/asm-generic/fcntl.h", 8, {
  type: [0, "i32"],
  pid: [4, "i32"],
})

/** Header: include/uapi/linux/fcntl.h */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
  STATX_DONT_SYNC: 0x4000,
} as const
/** Everything that stat(2) tells. Header: include/uapi/linux/stat.h */
export const STATX_BASIC_STATS = 0x7ff
/** Answer of statx(2); the same on every architecture, as struct stat is not. Times are left out. */
export const statx = layout("struct statx", "include/uapi/linux/stat.h", 256, {
  stx_mask: [0, "u32"],
  stx_attributes: [8, "u64"],
  stx_nlink: [16, "u32"],
  stx_uid: [20, "u32"],
  stx_gid: [24, "u32"],
  stx_mode: [28, "u16"], // 16 bits
  stx_ino: [32, "u64"],
  stx_size: [40, "u64"], // bytes
  stx_rdev_major: [128, "u32"],
  stx_rdev_minor: [132, "u32"],
  stx_dev_major: [136, "u32"],
  stx_dev_minor: [140, "u32"],
})

/** Attributes of a file: nobody may write to it, or only at its end. Header: include/uapi/linux/stat.h */
export const STATX_ATTR = { IMMUTABLE: 0x10, APPEND: 0x20 } as const
/** Of times, room and mount, which few files are asked for. Mask bit of the mount: Linux 5.8. */
export const STATX_MNT_ID = 0x1000
export const statxDetails = layout("struct statx", "include/uapi/linux/stat.h", 256, {
  stx_mask: [0, "u32"],
  stx_blocks: [48, "u64"], // 512 bytes each
  atime_sec: [64, "i64"],
  atime_nsec: [72, "u32"],
  ctime_sec: [96, "i64"],
  ctime_nsec: [104, "u32"],
  mtime_sec: [112, "i64"],
  mtime_nsec: [120, "u32"],
  stx_mnt_id: [144, "u64"],
})

/** What kcmp(2) compares; answers 0 equal, 1 less, 2 greater, 3 different without an order. Header: include/uapi/linux/kcmp.h */
export const KCMP = { FILE: 0, VM: 1, FILES: 2, FS: 3, SIGHAND: 4, IO: 5, SYSVSEM: 6, EPOLL_TFD: 7 } as const

/** Bytes queued in a pipe. Header: include/uapi/asm-generic/ioctls.h */
export const FIONREAD = 0x541b
/** Header: include/linux/splice.h */
export const SPLICE_F_NONBLOCK = 2

/** What statfs(2) tells of a file system. */
export const statfsStruct = layout("struct statfs", "include/uapi/asm-generic/statfs.h", 120, {
  f_type: [0, "i64"],
  f_bsize: [8, "i64"], // bytes of a block: of a page where they are huge
  f_bavail: [32, "u64"], // blocks that users without privileges may still take
  f_flags: [80, "u64"], // ST_*, of the mount
})
/** Nothing on the mount may be executed. Header: include/linux/statfs.h */
export const ST_NOEXEC = 8n

/** File system of huge pages, as statfs(2) names it. Header: include/uapi/linux/magic.h */
export const HUGETLBFS_MAGIC = 0x958458f6
/** Of /proc and /sys. Header: include/uapi/linux/magic.h */
export const [PROC_SUPER_MAGIC, SYSFS_MAGIC] = [0x9fa0, 0x62656572]

/** Flag of eventfd2(2). Header: include/uapi/linux/eventfd.h */
export const EFD_SEMAPHORE = 1
/** f_type of statfs(2) of overlayfs. Header: include/uapi/linux/magic.h */
export const OVERLAYFS_MAGIC = 0x794c7630
/** f_type of statfs(2) of FUSE. Header: include/uapi/linux/magic.h */
export const FUSE_SUPER_MAGIC = 0x65735546
/** f_type of statfs(2) of POSIX message queues. In the kernel's own source alone: ipc/mqueue.c */
export const MQUEUE_MAGIC = 0x19800202
