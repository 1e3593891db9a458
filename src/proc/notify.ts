import type { FdInfo } from "./fdinfo.ts"
import { words } from "./text.ts"

/** How the kernel finds a watched file again: an argument of open_by_handle_at(2). */
export interface FileHandle {
  readonly type: number
  readonly bytes: Uint8Array
}

/** One watch of an inotify. */
export interface InotifyWatch {
  readonly wd: number
  readonly ino: bigint
  /** Device in the kernel's form, major<<20 | minor. */
  readonly sdev: number
  /** IN_* bits. */
  readonly mask: number
  /** Null where the file system has none. Needs CONFIG_EXPORTFS. */
  readonly handle: FileHandle | null
}

/** One mark of a fanotify: of an inode, a mount, a whole file system, or of what this program does not know. */
export interface FanotifyMark {
  readonly kind: "inode" | "mount" | "filesystem" | "other"
  /** Inode marks, else null. */
  readonly ino: bigint | null
  /** Inode and file system marks, else null. */
  readonly sdev: number | null
  /** Mount marks, else null. */
  readonly mntId: number | null
  readonly flags: number
  readonly mask: number
  readonly ignoredMask: number
  readonly handle: FileHandle | null
}

/** A fanotify group: flags of fanotify_init(2), and its marks. */
export interface Fanotify {
  readonly flags: number
  readonly eventFlags: number
  readonly marks: readonly FanotifyMark[]
}

/** "inotify" lines, in the kernel's order. Kernel: fs/notify/fdinfo.c inotify_fdinfo(); all hexadecimal, whatever proc.rst says of wd */
export function inotifyWatches({ lines }: Pick<FdInfo, "lines">): InotifyWatch[] {
  return lines
    .filter((line) => line.startsWith("inotify "))
    .map((line) => {
      const values = pairs(line)
      return {
        wd: Number(hex(values, "wd")),
        ino: hex(values, "ino"),
        sdev: Number(hex(values, "sdev")),
        mask: Number(hex(values, "mask")),
        handle: handleOf(values),
      }
    })
}

/** "fanotify" lines; null when there are none. Kernel: fs/notify/fdinfo.c fanotify_show_fdinfo(); all hexadecimal */
export function fanotifyState({ lines }: Pick<FdInfo, "lines">): Fanotify | null {
  const rows = lines.filter((line) => line.startsWith("fanotify ")).map(pairs)
  const group = rows.find((row) => row.has("event-flags"))
  if (!group) return null
  return {
    flags: Number(hex(group, "flags")),
    eventFlags: Number(hex(group, "event-flags")),
    marks: rows.filter((row) => row !== group).map(mark),
  }
}

function mark(values: ReadonlyMap<string, string>): FanotifyMark {
  return {
    kind: values.has("ino") ? "inode" : values.has("mnt_id") ? "mount" : values.has("sdev") ? "filesystem" : "other",
    ino: values.has("ino") ? hex(values, "ino") : null,
    sdev: values.has("sdev") ? Number(hex(values, "sdev")) : null,
    mntId: values.has("mnt_id") ? Number(hex(values, "mnt_id")) : null,
    flags: Number(hex(values, "mflags")),
    mask: Number(hex(values, "mask")),
    ignoredMask: Number(hex(values, "ignored_mask")),
    handle: handleOf(values),
  }
}

function handleOf(values: ReadonlyMap<string, string>): FileHandle | null {
  const bytes = values.get("f_handle")
  return bytes === undefined ? null : { type: Number(hex(values, "fhandle-type")), bytes: Uint8Array.fromHex(bytes) }
}

const hex = (values: ReadonlyMap<string, string>, key: string): bigint => BigInt(`0x${values.get(key) ?? "0"}`)

function pairs(line: string): Map<string, string> {
  return new Map(
    words(line)
      .slice(1)
      .map((word) => {
        const colon = word.indexOf(":")
        return [word.slice(0, colon), word.slice(colon + 1)] as const
      }),
  )
}
