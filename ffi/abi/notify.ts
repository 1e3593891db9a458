import { layout } from "../layout.ts"

/** What is watched, and how. Header: include/uapi/linux/inotify.h. A watch with MASK_ADD alone asks for no event. */
export const IN = {
  ACCESS: 1,
  MODIFY: 2,
  ATTRIB: 4,
  CLOSE_NOWRITE: 0x10,
  OPEN: 0x20,
  Q_OVERFLOW: 0x4000,
  ALL_EVENTS: 0xfff,
  DONT_FOLLOW: 0x2000000,
  EXCL_UNLINK: 0x4000000,
  MASK_ADD: 0x20000000,
  ONESHOT: 0x80000000,
} as const

/** Makes the next watch get this number: 4.16, CONFIG_CHECKPOINT_RESTORE. Header: include/uapi/linux/inotify.h */
export const INOTIFY_IOC_SETNEXTWD = 0x40044900

/** An event without a name: one of a watched file that is no directory. `len` bytes of name follow. */
export const inotifyEvent = layout("struct inotify_event", "include/uapi/linux/inotify.h", 16, {
  wd: [0, "i32"], // -1 of Q_OVERFLOW
  mask: [4, "u32"],
  cookie: [8, "u32"],
  len: [12, "u32"], // bytes
})

/** Head of a file handle; its bytes follow. Header: include/linux/exportfs.h, man page: open_by_handle_at(2) */
export const fileHandle = layout("struct file_handle", "include/linux/fs.h", 8, {
  handle_bytes: [0, "u32"],
  handle_type: [4, "i32"],
})
/**
 * Flag of name_to_handle_at(2): a handle that tells files apart and need not open them, as overlayfs has. Header:
 * include/uapi/linux/fcntl.h, since Linux 6.5
 */
export const AT_HANDLE_FID = 0x200
/** Longest handle, bytes without its head. Header: include/linux/exportfs.h */
export const MAX_HANDLE_SZ = 128

/**
 * Flags of fanotify_init(2), and an event. Header: include/uapi/linux/fanotify.h; REPORT_MNT since Linux 6.14.
 * A group of a class decides on accesses: CONTENT and PRE_CONTENT.
 */
export const FAN = {
  ACCESS: 1,
  CLOSE_NOWRITE: 0x10,
  CLOEXEC: 1,
  NONBLOCK: 2,
  CLASS_CONTENT: 4,
  CLASS_PRE_CONTENT: 8,
  OPEN: 0x20,
  REPORT_FID: 0x200,
  REPORT_DIR_FID: 0x400,
  REPORT_NAME: 0x800,
  REPORT_TARGET_FID: 0x1000,
  REPORT_MNT: 0x4000,
  ONDIR: 0x40000000,
} as const
/** Flags of fanotify_mark(2). Header: include/uapi/linux/fanotify.h */
export const FAN_MARK = {
  ADD: 1,
  MOUNT: 0x10,
  IGNORED_MASK: 0x20,
  IGNORED_SURV_MODIFY: 0x40,
  FILESYSTEM: 0x100,
  EVICTABLE: 0x200,
  IGNORE: 0x400,
} as const
