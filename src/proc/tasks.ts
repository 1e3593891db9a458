import { missing, numbersIfAlive, PF_KTHREAD, type Reader, textReader } from "./source.ts"
import { readStatIfAlive } from "./stat.ts"
import { words } from "./text.ts"

/** IDs of all processes that the reader's PID namespace shows, ascending. */
export const listProcesses = (): number[] => numbersIfAlive("/proc") ?? []

const KTHREADD = 2

/**
 * The thread of the kernel that makes all others of its threads, and what it has made, itself first: programs too that the kernel has
 * started, to take a core for instance. None where /proc does not show it. Kernel: init/main.c rest_init(), kernel/umh.c
 */
export function kernelChildren(): ReadonlySet<number> {
  const isKernel = ((readStatIfAlive(KTHREADD)?.flags ?? 0) & PF_KTHREAD) !== 0
  return new Set(isKernel ? [KTHREADD, ...(readChildrenIfAlive(KTHREADD, KTHREADD) ?? [])] : [])
}

/** False for a task that has ended, or is ending: it has given its memory back before all else. Kernel: kernel/exit.c do_exit() */
export const hasMemory = (tid: number): boolean => (readStatIfAlive(tid)?.vsize ?? 0n) !== 0n

/** The thread that shows what a process has: its leader, or the first other one that lives on when that has ended. */
export const livingThread = (pid: number): number =>
  hasMemory(pid) ? pid : (listThreadsIfAlive(pid)?.find((tid) => tid !== pid && hasMemory(tid)) ?? pid)

/**
 * IDs of a process's threads, ascending; null when it is gone. A thread made meanwhile may be missing unless all are stopped.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export function listThreadsIfAlive(pid: number): number[] | null {
  const tids = numbersIfAlive(`/proc/${pid}/task`)
  // The folder of a process that is being reaped can still be opened, and is empty.
  return tids?.length ? tids : null
}

/** As `listThreadsIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export function listThreads(pid: number): number[] {
  const tids = listThreadsIfAlive(pid)
  if (!tids) throw missing(pid, undefined, "task")
  return tids
}

/**
 * PIDs of the children that one thread has made, in the order of their birth; null when it is gone or the kernel lacks
 * CONFIG_PROC_CHILDREN. Exact only while all children are stopped. Kernel: fs/proc/array.c children_seq_show()
 * @throws CheckpointError E_PERMISSION · E_IO
 */
const readChildrenIfAlive: (pid: number, tid: number) => number[] | null = textReader("children", (text) => words(text).map(Number))

/** Children of a process as every process names its parent, by age: for kernels without CONFIG_PROC_CHILDREN. */
const searchChildren = (pid: number): number[] =>
  listProcesses()
    .flatMap((one) => readStatIfAlive(one) ?? [])
    .filter(({ ppid }) => ppid === pid)
    .sort((a, b) => (a.starttime === b.starttime ? a.pid - b.pid : a.starttime < b.starttime ? -1 : 1))
    .map((stat) => stat.pid)

/** Children of every thread of a process, those that it inherited included; [] when it is gone. */
export function readChildren(pid: number): number[] {
  const found: number[] = []
  for (const tid of listThreadsIfAlive(pid) ?? []) {
    const children = readChildrenIfAlive(pid, tid)
    if (children) found.push(...children)
    // A thread that ends meanwhile hands its children to another one of the process.
    else if (missing(pid, tid, "children").code !== "E_NO_PROCESS") return searchChildren(pid)
  }
  return found
}

/** Name of a thread as bytes say it, without escapes: up to 15 bytes and a newline. */
export const readCommIfAlive: Reader<string | null> = textReader("comm", (text) => text.slice(0, -1))
