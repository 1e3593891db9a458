import { readNumbersSync } from "../../ffi/folder.ts"
import { existsSync, parseFileSync, readdirSync, readFileSync, readlinkSync } from "../../ffi/fs.ts"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError } from "../base/errors.ts"
import { sortByNumber } from "../base/order.ts"
import { decodeBytes } from "./text.ts"

/** Path of a /proc file of a process, or of one of its threads when `tid` is given. */
export const procPath = (pid: number, tid: number | undefined, name: string): string =>
  tid === undefined ? `/proc/${pid}/${name}` : `/proc/${pid}/task/${tid}/${name}`

/**
 * Whole content of a /proc file.
 *
 * @returns null = the task is gone, or this kernel has no such file (ENOENT, ESRCH)
 * @throws CheckpointError E_PERMISSION no ptrace access · E_IO anything else
 */
export const readBytesIfAlive = (path: string): Buffer | null => answerIfAlive(path, () => readFileSync(path))

/** The same as text, bytes that are not UTF-8 kept as `decodeBytes` says. */
const readTextIfAlive = (path: string): string | null => answerIfAlive(path, () => parseFileSync(path, decodeBytes))

/** The target of a /proc link, bytes that are not UTF-8 kept as `decodeBytes` says. Answers and errors as `readBytesIfAlive`. */
export const readLinkIfAlive = (path: string): string | null => answerIfAlive(path, () => decodeBytes(readlinkSync(path, "buffer")))

/** Names in a /proc directory, in the kernel's order. Answers and errors as `readBytesIfAlive`. */
export const listIfAlive = (path: string): string[] | null => answerIfAlive(path, () => readdirSync(path))

/** Names in a /proc directory that are numbers, ascending: processes, threads, descriptors. Answers and errors as `readBytesIfAlive`. */
export const numbersIfAlive = (path: string): number[] | null =>
  answerIfAlive(path, () => {
    const numbers = readNumbersSync(path)
    sortByNumber(numbers, (number) => number)
    return numbers
  })

/** A reader of one file of a process, or of a thread when `tid` is given. */
export type Reader<T> = (pid: number, tid?: number) => T

/** Makes the reader of one text file whose answer for a task that is gone is null. */
export function textReader<T>(name: string, parse: (text: string) => T): Reader<T | null> {
  return (pid, tid) => {
    const text = readTextIfAlive(procPath(pid, tid, name))
    return text === null ? null : parse(text)
  }
}

/** Makes the reader of one file of bytes whose answer for a task that is gone is null. */
export function bytesReader<T>(name: string, parse: (bytes: Buffer) => T): Reader<T | null> {
  return (pid, tid) => {
    const bytes = readBytesIfAlive(procPath(pid, tid, name))
    return bytes && parse(bytes)
  }
}

/** Makes the reader of one link whose answer for a task that is gone is null. */
export function linkReader<T>(name: string, parse: (target: string) => T): Reader<T | null> {
  return (pid, tid) => {
    const target = readLinkIfAlive(procPath(pid, tid, name))
    return target === null ? null : parse(target)
  }
}

/**
 * Makes a reader that throws where `readIfAlive` answers null.
 *
 * @throws CheckpointError E_NO_PROCESS the task is gone or a zombie · E_KERNEL_THREAD · E_KERNEL no such file of a living task
 */
export function expectAlive<T>(name: string, readIfAlive: Reader<T | null>): Reader<T> {
  return (pid, tid) => {
    const answer = readIfAlive(pid, tid)
    if (answer === null) throw missing(pid, tid, name)
    return answer
  }
}

/** Why `name` of a task could not be read although nothing but "not found" was said. Kernel: fs/proc/array.c do_task_stat() */
export function missing(pid: number, tid: number | undefined, name: string): CheckpointError {
  const action = `Cannot read ${procPath(pid, tid, name)}`
  const task = tid === undefined || tid === pid ? `process ${pid}` : `thread ${tid} of process ${pid}`
  return whyMissing(action, task, readBytesIfAlive(procPath(pid, tid, "stat"))?.toString("latin1"))
}

/** The same by its content of /proc/PID/stat; undefined = it has none. */
export function whyMissing(action: string, task: string, stat: string | undefined): CheckpointError {
  if (stat === undefined)
    return new CheckpointError("E_NO_PROCESS", action, `${task} does not exist`, "Check the PID, and that the process is still running")
  const [state = "", , , , , , flags] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  if ("ZXx".includes(state))
    return new CheckpointError("E_NO_PROCESS", action, `${task} has exited, its parent has not waited for it yet`, "Name a running process")
  if (Number(flags) & PF_EXITING)
    return new CheckpointError("E_NO_PROCESS", action, `${task} is ending at this moment`, "Name a running process")
  if (Number(flags) & PF_KTHREAD)
    return new CheckpointError("E_KERNEL_THREAD", action, `${task} is a kernel thread`, "Name a process of your own")
  return new CheckpointError("E_KERNEL", action, "the kernel has no such file", "Use a kernel built with CONFIG_CHECKPOINT_RESTORE=y")
}

/** Flag of a thread that is ending, in the same field. */
export const PF_EXITING = 0x00000004
/** Flag of a kernel thread, field 9 of /proc/PID/stat. Header: include/linux/sched.h */
export const PF_KTHREAD = 0x00200000

/** Whether the task of a path in /proc is no more. */
const isTaskGone = (path: string): boolean => {
  const [task] = /^\/proc\/\d+(?:\/task\/\d+)?/.exec(path) ?? []
  return task !== undefined && !existsSync(task)
}

/**
 * What `read` answers of a path in /proc. A link of a task that ends between the search for its name and the read says EACCES.
 * Answers and errors as `readBytesIfAlive`. Kernel: fs/proc/namespaces.c proc_ns_readlink(), fs/proc/base.c proc_pid_readlink()
 */
export function answerIfAlive<T>(path: string, read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    const code = errnoOf(error)
    if (code === "ENOENT" || code === "ESRCH") return null
    // Of a task that is ending, which is in no mount namespace any more. Kernel: fs/proc_namespace.c mounts_open_common()
    if (code === "EINVAL" && path.endsWith("/mountinfo")) return null
    if (code === "EACCES" && isTaskGone(path)) return null
    if (code === "EACCES" || code === "EPERM")
      throw new CheckpointError(
        "E_PERMISSION",
        `Cannot read ${path}`,
        `access was denied (${code})`,
        "Run as root, or as the owner of the process with CAP_SYS_PTRACE",
        error,
      )
    throw new CheckpointError(
      "E_IO",
      `Cannot read ${path}`,
      code || String(error),
      "Check that /proc is mounted and descriptors are not used up",
      error,
    )
  }
}
