import { CheckpointError } from "../base/errors.ts"
import { missing, readBytesIfAlive } from "./source.ts"
import { decodeBytes, lines } from "./text.ts"

/**
 * /proc/PID/fdinfo/N. Everything but the first four keys depends on the kind of file; lists (epoll, inotify, fanotify, locks)
 * have parsers of their own that take `lines`. See proc_pid_fdinfo(5), Documentation/filesystems/proc.rst section 3.8.
 */
export interface FdInfo {
  /** Bytes. */
  readonly pos: bigint
  /** O_* of the open file and O_CLOEXEC of this descriptor. */
  readonly flags: number
  readonly mntId: number
  /** Since Linux 5.14, else null. */
  readonly ino: bigint | null
  /** Every line after pos, flags, mnt_id and ino, in order. */
  readonly lines: readonly string[]
  /** Whether a "key: value" line exists; ask before reading a key that only newer kernels print. */
  readonly has: (key: string) => boolean
  /** Value as printed, blanks around it dropped. The getters throw CheckpointError E_KERNEL when the key is missing or no number. */
  readonly text: (key: string) => string
  readonly dec: (key: string) => bigint
  readonly hex: (key: string) => bigint
  readonly octal: (key: string) => bigint
}

/** fdinfo text -> its values. Of a repeated key the getters see the first line. Kernel: fs/proc/fd.c seq_show() */
export function parseFdInfo(content: string): FdInfo {
  const values = new Map<string, string>()
  const rest: string[] = []
  for (const line of lines(content)) {
    const colon = line.indexOf(":")
    const key = colon < 0 ? line : line.slice(0, colon)
    if (!values.has(key)) values.set(key, colon < 0 ? "" : line.slice(colon + 1).trim())
    if (key !== "pos" && key !== "flags" && key !== "mnt_id" && key !== "ino") rest.push(line)
  }
  const text = (key: string): string => {
    const value = values.get(key)
    if (value === undefined) throw unreadable(key, "the kernel printed no such line")
    return value
  }
  const number = (key: string, digits: RegExp, prefix: string): bigint => {
    const value = text(key)
    const negative = value.startsWith("-")
    const magnitude = negative ? value.slice(1) : value
    if (!digits.test(magnitude)) throw unreadable(key, `"${value}" is not a number`)
    return negative ? -BigInt(prefix + magnitude) : BigInt(prefix + magnitude)
  }
  const dec = (key: string) => number(key, /^\d+$/, "")
  const octal = (key: string) => number(key, /^[0-7]+$/, "0o")
  return {
    pos: dec("pos"),
    flags: Number(octal("flags")),
    mntId: Number(dec("mnt_id")),
    ino: values.has("ino") ? dec("ino") : null,
    lines: rest,
    has: (key) => values.has(key),
    text,
    dec,
    octal,
    hex: (key) => number(key, /^[0-9a-fA-F]+$/, "0x"),
  }
}

const unreadable = (key: string, found: string) =>
  new CheckpointError(
    "E_KERNEL",
    `Cannot read "${key}" of a descriptor's fdinfo`,
    found,
    "Use a kernel that prints it: the README names those that were tried (Kernels)",
  )

/**
 * fdinfo of one descriptor; null when it was closed or the task is gone.
 * @throws CheckpointError E_PERMISSION · E_IO · E_KERNEL no pos, flags or mnt_id
 */
export function readFdInfoIfOpen(pid: number, fd: number): FdInfo | null {
  const bytes = readBytesIfAlive(`/proc/${pid}/fdinfo/${fd}`)
  return bytes && parseFdInfo(decodeBytes(bytes))
}

/** As `readFdInfoIfOpen`. @throws CheckpointError E_TARGET_CHANGED the descriptor was closed · E_NO_PROCESS the task is gone */
export function readFdInfo(pid: number, fd: number): FdInfo {
  const info = readFdInfoIfOpen(pid, fd)
  if (info) return info
  const reason = missing(pid, undefined, `fdinfo/${fd}`)
  if (reason.code === "E_NO_PROCESS") throw reason
  throw new CheckpointError(
    "E_TARGET_CHANGED",
    `Cannot read ${reason.action.slice("Cannot read ".length)}`,
    `descriptor ${fd} was closed`,
    "Dump again",
  )
}
