import { O, S_IF } from "../../../../ffi/abi/file.ts"
import { allocate, attempt, errnoName } from "../../../../ffi/syscall.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import { type remap_file_path_entry, remap_type } from "../../../../proto/gen/remap-file-path_pb.ts"
import type { FdInfo } from "../../../proc/fdinfo.ts"
import { readBytesIfAlive } from "../../../proc/source.ts"
import { readStatusIfAlive } from "../../../proc/status.ts"
import { cutDeleted } from "../../../proc/text.ts"
import type { Found, Reason } from "../collecting.ts"
import { borrowDescriptors } from "../copies.ts"
import type { WayBack } from "../keeping.ts"
import { type FileStat, sameFile, statPath } from "../stat.ts"

/** A file in /proc about one process or thread: who, and where below. */
const ABOUT_PROCESS = /^\/proc\/([1-9]\d*)(?:\/(.*))?$/s

/** What is there because the process has a descriptor, a thread or a mapping: nobody who stands in for it has that. */
const ABOUT_PART = /^(?:fd|fdinfo|task|map_files)\/./

/** Texts about its namespaces, which the kernel tells as long as these live. Kernel: fs/proc_namespace.c, kernel/user_namespace.c */
const ABOUT_NAMESPACE = /^(?:mounts|mountinfo|mountstats|uid_map|gid_map|projid_map|setgroups)$/

/** What is told while somebody has its memory; auxv, while the file is open. Kernel: fs/proc/base.c mem_rw(), auxv_read() */
const ABOUT_MEMORY = /^(?:mem|pagemap|environ|auxv)$/

const ABOUT_NETWORK = /^net\/./

const room = allocate(4096)

const REMEDY = "Let the program close the file before the dump"

/** Who a file in /proc is about. @param target what the link of an open file says */
export function subjectOf(target: string): { readonly name: string; readonly pid: number; readonly below: string } | undefined {
  const name = cutDeleted(target).path
  const [, digits, below = ""] = ABOUT_PROCESS.exec(name) ?? []
  if (digits === undefined) return undefined
  // Of its leader there is all that there is of a process.
  const leader = `task/${digits}/`
  return { name, pid: Number(digits), below: `${below}/`.startsWith(leader) ? below.slice(leader.length) : below }
}

/**
 * True for a file that is a text about a process, whose rest waits in the kernel when a part of it was read. Others tell always the same,
 * or nothing, from wherever they are read.
 */
export function isAboutProcess(target: string): boolean {
  const below = subjectOf(target)?.below
  return below !== undefined && ![ABOUT_NAMESPACE, ABOUT_MEMORY, ABOUT_NETWORK].some((other) => other.test(below))
}

/** All that can be read of a copy of a descriptor, from its beginning and without moving it: nothing of one that only writes. */
function contentOf(copy: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0, got = 1; got > 0; at += got) {
    got = attempt("pread64", copy, room.address, room.bytes.length, at)
    if (got > 0) parts.push(Buffer.from(room.bytes.subarray(0, got)))
  }
  return Buffer.concat(parts)
}

/** Whether something can be read, or could if it were somewhere else: a memory says EIO where nothing is mapped. */
function hasMemory(copy: number): boolean {
  const got = attempt("pread64", copy, room.address, 8, 0)
  return got > 0 || errnoName(-got) === "EIO"
}

/** Whether a file of a process that has ended tells what the same one of a child of ours will tell when that has ended. */
function tellsTheSame({ pid, fd, flags, stat }: Found, below: string): boolean {
  if (flags & O.PATH) return true
  const own = `/proc/self/${below}`
  if (ABOUT_NETWORK.test(below)) {
    const ours = statPath(own, true)
    return ours !== null && sameFile(ours, stat)
  }
  using copies = borrowDescriptors(pid)
  if (ABOUT_MEMORY.test(below)) return !copies.lend(fd, hasMemory)
  return copies.lend(fd, contentOf)?.equals(readBytesIfAlive(own) ?? Buffer.alloc(0)) ?? true
}

/**
 * Why a file in /proc of a process that has ended cannot be made by one that stands in for it; undefined when it can.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION
 * Precondition: its way back is "departed".
 */
export function refuseDeparted(found: Found): Reason | undefined {
  const { name = "", below = "" } = subjectOf(found.target) ?? {}
  if (isAboutProcess(found.target) || tellsTheSame(found, below)) return undefined
  const what = ABOUT_MEMORY.test(below) ? "the memory of a process that has ended" : "a namespace that is not ours"
  return { what: `"${name}", which still tells of ${what}`, remedy: REMEDY }
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
  if (ABOUT_PART.test(below)) return { what: `"${name}", a file about a thread, a descriptor or a mapping that has gone`, remedy: REMEDY }
  const owner = readStatusIfAlive(pid)
  if (owner) return { what: `"${name}" of a process that has ended, whose PID "${owner.name}" has now`, remedy: REMEDY }
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

const DESCRIPTORS = /^(?:task\/\d+\/)?fd$/

/**
 * What fstat(2) does not tell of the folder of descriptors of a process or thread that has ended; undefined for any other file.
 *
 * Kernel: fs/proc/fd.c proc_fd_getattr()
 */
export function untoldStat(target: string, { ino }: Pick<FdInfo, "ino">): FileStat | undefined {
  if (!DESCRIPTORS.test(subjectOf(target)?.below ?? "")) return undefined
  const nothing = { attributes: 0, dev: 0, rdevMajor: 0, rdevMinor: 0, uid: 0, gid: 0, size: 0n }
  return { ...nothing, mode: S_IF.DIR | 0o500, ino: ino ?? 0n, nlink: 2 }
}
