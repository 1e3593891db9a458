import { KCMP } from "../../../ffi/abi/file.ts"
import { SyscallError } from "../../../ffi/syscall.ts"
import type { task_kobj_ids_entry } from "../../../proto/gen/core_pb.ts"
import type { Refusal } from "../../base/errors.ts"
import { findInOrder, groupByOrder } from "../../base/order.ts"
import { livingThread } from "../../proc/tasks.ts"
import { compareObjects, DIFFERENT } from "../../tracee/kcmp.ts"

/** Kernel objects that processes can share, as clone(2) made them. Man page: kcmp(2). */
const SHARED_OBJECTS = [
  { id: "vm_id", type: KCMP.VM, what: "memory", flag: "CLONE_VM" },
  { id: "files_id", type: KCMP.FILES, what: "descriptor table", flag: "CLONE_FILES" },
  { id: "fs_id", type: KCMP.FS, what: "working directory", flag: "CLONE_FS" },
  { id: "sighand_id", type: KCMP.SIGHAND, what: "signal handlers", flag: "CLONE_SIGHAND" },
] as const

type ObjectName = (typeof SHARED_OBJECTS)[number]["id"]
/** Numbers of the objects that a process has: equal numbers are one object. */
export type ObjectIds = Pick<task_kobj_ids_entry, ObjectName>

/** 1 stands for the dumping program itself. Authority: REFERENCE 2.3 */
const FIRST_ID = 2

/** The processes of each object, by its kind; in the kernel's order of the objects, but for those of signal handlers. */
export type ObjectGroups = Readonly<Record<ObjectName, readonly (readonly [number, ...number[]])[]>>

/**
 * Which processes share memory, descriptor tables, directories and signal handlers.
 *
 * @param compare kcmp(2) of two processes
 * @throws SyscallError ENOSYS a kernel without CONFIG_KCMP · EPERM no ptrace access
 * Precondition for exact answers: the processes are stopped. Kernel: kernel/kcmp.c
 */
export function groupObjects(pids: readonly number[], compare = compareObjects): ObjectGroups {
  const groups = (type: number, among: readonly number[]) => groupByOrder(among, (a, b) => compare(a, b, type))
  const vm_id = groups(KCMP.VM, pids)
  return {
    vm_id,
    files_id: groups(KCMP.FILES, pids),
    fs_id: groups(KCMP.FS, pids),
    // Who shares signal handlers shares memory too. Kernel: kernel/fork.c copy_process(), fs/exec.c unshare_sighand()
    sighand_id: vm_id.flatMap((group) => (group.length === 1 ? [group] : groups(KCMP.SIGHAND, group))),
  }
}

/**
 * The same as numbers, in the order in which the objects are met. As `groupObjects`.
 *
 * @param pids parents before their children
 */
export function collectObjects(pids: readonly number[], groups = groupObjects(pids)): ReadonlyMap<number, ObjectIds> {
  const ids = new Map(pids.map((pid) => [pid, { vm_id: 0, files_id: 0, fs_id: 0, sighand_id: 0 }]))
  const place = new Map(pids.map((pid, index) => [pid, index]))
  for (const { id } of SHARED_OBJECTS) {
    const found = groups[id].toSorted(([a], [b]) => (place.get(a) ?? 0) - (place.get(b) ?? 0))
    for (const [index, group] of found.entries())
      for (const pid of group) {
        const own = ids.get(pid)
        if (own) own[id] = FIRST_ID + index
      }
  }
  return ids
}

/** Processes that share an object with another one than their parent: clone(2) cannot make that again. */
export function surveyObjects(ids: ReadonlyMap<number, ObjectIds>, parentOf: (pid: number) => number): Refusal[] {
  return SHARED_OBJECTS.flatMap(({ id, what, flag }) => {
    const first = new Map<number, number>()
    return [...ids].flatMap(([pid, own]) => {
      const holder = first.getOrInsert(own[id], pid)
      if (holder === pid || ids.get(parentOf(pid))?.[id] === own[id]) return []
      const remedy = `Dump the program before the parent of process ${pid} ends, or start it without ${flag}`
      return [{ what: `sharing its ${what} with process ${holder}, which is not its parent`, where: `task ${pid}`, remedy }]
    })
  })
}

/** What is shared without anything else: see `groupObjects`. */
const SHARED_ALONE = SHARED_OBJECTS.filter(({ id }) => id !== "sighand_id")

/**
 * Objects that processes share with others than themselves: a restore would part them.
 *
 * @param groups of the processes   @param kernel see `kernelChildren`   @param compare kcmp(2) of two processes
 * @throws SyscallError ENOSYS. Those that we may not look at are left out
 */
export function surveyStrangers(
  groups: ObjectGroups,
  strangers: readonly number[],
  kernel: ReadonlySet<number>,
  compare = compareObjects,
): Refusal[] {
  const threads = strangers.flatMap((stranger) => {
    const thread = askedFor(stranger, kernel, compare)
    return thread === undefined ? [] : [[stranger, thread] as const]
  })
  return SHARED_ALONE.flatMap(({ id, type, what, flag }) =>
    threads.flatMap(([stranger, thread]) => {
      const ours = findInOrder(groups[id], ([pid]) => compareIfAllowed(thread, pid, type, compare)).equal?.[0]
      if (ours === undefined) return []
      const remedy = `Dump a tree that has process ${stranger} too, or start the program without ${flag}`
      return [{ what: `sharing its ${what} with process ${stranger}, which is outside the tree`, where: `task ${ours}`, remedy }]
    }),
  )
}

/**
 * Who shows what a process has: its leader, another thread where that has ended, nobody for a thread of the kernel. Only those two have no
 * memory, as kthreadd has none: so one comparison with it is all that most processes need, where a look into /proc would cost ten times
 * that.
 */
function askedFor(stranger: number, kernel: ReadonlySet<number>, compare: typeof compareObjects): number | undefined {
  const [without] = kernel
  try {
    if (without !== undefined && compare(stranger, without, KCMP.VM) !== 0) return stranger
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === "EPERM")) throw error
  }
  return kernel.has(stranger) ? undefined : livingThread(stranger)
}

function compareIfAllowed(stranger: number, pid: number, type: number, compare: typeof compareObjects): number {
  try {
    return compare(stranger, pid, type)
  } catch (error) {
    if (error instanceof SyscallError && error.errno === "EPERM") return DIFFERENT
    throw error
  }
}

/** The first process of each object: the one that is asked, and that makes it again. */
export const ownersOf = (ids: ReadonlyMap<number, ObjectIds>, name: ObjectName): number[] =>
  [...Map.groupBy(ids.keys(), (pid) => ids.get(pid)?.[name] ?? 0).values()].flatMap(([first]) => (first === undefined ? [] : [first]))
