import { S_IF } from "../../../../ffi/abi/file.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import { type remap_file_path_entry, remap_type } from "../../../../proto/gen/remap-file-path_pb.ts"
import type { FdInfo } from "../../../proc/fdinfo.ts"
import { readStatusIfAlive } from "../../../proc/status.ts"
import { cutDeleted } from "../../../proc/text.ts"
import type { Reason } from "../collecting.ts"
import type { WayBack } from "../keeping.ts"
import type { FileStat } from "../stat.ts"

/** A file in /proc about one process or thread: who, and where below. */
const ABOUT_PROCESS = /^\/proc\/([1-9]\d*)(?:\/(.*))?$/s

/** What is there because the process has a descriptor, a thread or a mapping: nobody who stands in for it has that. */
const ABOUT_PART = /^(?:fd|fdinfo|task|map_files)\/./

const REMEDY = "Let the program close the file before the dump"

/** Who a file in /proc is about. @param target what the link of an open file says */
function subjectOf(target: string): { readonly name: string; readonly pid: number; readonly below: string } | undefined {
  const name = cutDeleted(target).path
  const [, digits, below = ""] = ABOUT_PROCESS.exec(name) ?? []
  if (digits === undefined) return undefined
  // Of its leader there is all that there is of a process.
  const leader = `task/${digits}/`
  return { name, pid: Number(digits), below: `${below}/`.startsWith(leader) ? below.slice(leader.length) : below }
}

/**
 * How a file in /proc of a process that has ended is found again, or why it is not; undefined for any other file.
 *
 * @param target what its link says: the kernel adds " (deleted)" to the folder of a process alone
 * Precondition: its name does not lead to it.   Kernel: fs/proc/base.c proc_flush_pid()
 */
export function wayBackToDeparted(target: string): WayBack | Reason | undefined {
  const subject = subjectOf(target)
  if (!subject) return undefined
  const { name, pid, below } = subject
  const owner = readStatusIfAlive(pid)
  if (owner) return { what: `"${name}" of a process that has ended, whose PID "${owner.name}" has now`, remedy: REMEDY }
  if (ABOUT_PART.test(below)) return { what: `"${name}", a file about a part of a process that has ended`, remedy: REMEDY }
  return { name, way: "departed", pid }
}

/**
 * The files of a set that are in /proc of processes which had ended: their PIDs, by file id.
 *
 * @param remaps one a process is enough   @param isMember whether a process of the set has this PID
 */
export function savedDeparted(
  remaps: readonly remap_file_path_entry[],
  files: ReadonlyMap<number, file_entry>,
  isMember: (pid: number) => boolean,
): Map<number, number> {
  // CRIU takes for dead whoever has a file of /proc/PID/net, whose name the kernel gives up at once: it leads there all the same.
  const pids = new Set(remaps.flatMap(({ remap_type: kind, remap_id: pid }) => (kind === remap_type.PROCFS && !isMember(pid) ? [pid] : [])))
  if (pids.size === 0) return new Map()
  return new Map(
    [...files.values()].flatMap(({ id, reg }) => {
      const pid = reg && subjectOf(reg.name)?.pid
      return pid !== undefined && pids.has(pid) ? [[id, pid]] : []
    }),
  )
}

/**
 * What fstat(2) does not tell of the folder of descriptors of a process that has ended; undefined for any other file.
 *
 * Kernel: fs/proc/fd.c proc_fd_getattr()
 */
export function untoldStat(target: string, { ino }: Pick<FdInfo, "ino">): FileStat | undefined {
  if (subjectOf(target)?.below !== "fd") return undefined
  const nothing = { attributes: 0, dev: 0, rdevMajor: 0, rdevMinor: 0, uid: 0, gid: 0, size: 0n }
  return { ...nothing, mode: S_IF.DIR | 0o500, ino: ino ?? 0n, nlink: 2 }
}
