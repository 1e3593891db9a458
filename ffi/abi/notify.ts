import { layout } from "../layout.ts"

/** What is watched, and how. Header: include/uapi/linux/inotify.h. A watch with MASK_ADD alone asks for no event. */
export const IN = {
  MODIFY: 2,
  ATTRIB: 4,
  Q_OVERFLOW: 0x4000,
  ALL_EVENTS: 0xfff,
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
/** Longest handle, bytes without its head. Header: include/linux/exportfs.h */
export const MAX_HANDLE_SZ = 128
