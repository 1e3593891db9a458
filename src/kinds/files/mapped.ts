import { AT, O } from "../../../ffi/abi/file.ts"
import { attempt, syscall } from "../../../ffi/syscall.ts"
import { type Mapping, mapLink, mappedInode, readOwnMaps } from "../../proc/maps.ts"
import { readMountinfo } from "../../proc/mountinfo.ts"
import { numbersIfAlive } from "../../proc/source.ts"
import type { Reason } from "./collecting.ts"
import type { Keeping } from "./keeping.ts"
import { refusedName } from "./name.ts"
import { folderOf, layPath } from "./path.ts"
import { detailsOf, type FileStat, isNoExec, statDescriptor, statPath } from "./stat.ts"

/** What says which file a mapping is of. */
export type FileMapping = Pick<Mapping, "start" | "end" | "devMajor" | "devMinor" | "inode" | "path" | "deleted">

/** Why a mapped file that no other way leads to is refused. */
export const UNREACHABLE = {
  what: "which its name does not lead to any more",
  remedy: "Run stasis as root or with CAP_CHECKPOINT_RESTORE, which may follow mappings; or put the file back at its path",
} as const

let allowed: boolean | undefined
/** Whether this tool may follow such links: tried on one of its own. Kernel: fs/proc/base.c proc_map_files_get_link() */
export function mayFollowMapped(): boolean {
  if (allowed !== undefined) return allowed
  const own = readOwnMaps(" /").find(({ deleted }) => !deleted)
  const fd = own ? attempt("openat", AT.FDCWD, layPath(mapLink(process.pid, own)), O.PATH | O.CLOEXEC, 0) : -1
  if (fd >= 0) syscall("close", fd)
  allowed = fd >= 0
  return allowed
}

/** True for the file of a mapping. Some file systems tell programs another device than the kernel has: that of the mount decides then. */
function isBehind({ devMajor, devMinor, inode }: FileMapping, stat: FileStat, link: string): boolean {
  if (stat.ino !== inode) return false
  if (stat.dev === ((devMajor << 20) | devMinor) >>> 0) return true
  const mount = detailsOf(link)?.mount
  const own = mount === undefined ? undefined : readMountinfo(process.pid).find(({ id }) => BigInt(id) === mount)
  return own?.devMajor === devMajor && own.devMinor === devMinor
}

/** Another link in /proc that leads to the file of a mapping, and that whoever may trace may follow: the program, or an open file. */
function otherLink(pid: number, mapping: FileMapping): string | undefined {
  const links = [`/proc/${pid}/exe`, ...(numbersIfAlive(`/proc/${pid}/fd`) ?? []).map((fd) => `/proc/${pid}/fd/${fd}`)]
  return links.find((link) => {
    const stat = statPath(link, true)
    return stat !== null && isBehind(mapping, stat, link)
  })
}

/**
 * Lends a link that leads to the file of a mapping: its own, or where that may not be followed one to the file by its name, or another one.
 *
 * @param use gets a link that is good for the time of the call; one to a file without a name stays good as long as the process is stopped
 * @returns undefined when no way leads there
 * @throws SyscallError of statx but ENOENT, ESRCH
 */
export function lendMapped<T>(pid: number, mapping: FileMapping, use: (link: string) => T): T | undefined {
  if (mayFollowMapped()) return use(mapLink(pid, mapping))
  const fd = mapping.deleted ? -1 : attempt("openat", AT.FDCWD, layPath(mapping.path), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0)
  if (fd >= 0)
    try {
      const link = `/proc/self/fd/${fd}`
      if (isBehind(mapping, statDescriptor(fd), link)) return use(link)
    } finally {
      syscall("close", fd)
    }
  const link = otherLink(pid, mapping)
  return link === undefined ? undefined : use(link)
}

/** Names that were seen to lead to the files of mappings: programs map each of theirs several times. */
const seen = new Set<string>()

/** Executed files, or folders of deleted ones, and whether their mounts forbid that by now: programs execute the same libraries. */
const forbidden = new Map<string, boolean>()

/**
 * Why the file of a mapping cannot be kept; undefined when it can. Where links may be followed, names that were not removed are looked at
 * as they are saved.
 */
export function refusedMapping(pid: number, mapping: FileMapping & Pick<Mapping, "exec">, keeping: Keeping): Reason | undefined {
  const { path, deleted } = mapping
  if (mapping.exec && forbidden.getOrInsertComputed(deleted ? folderOf(path) : path, isNoExec))
    return {
      what: `"${path}", which is executed, and from whose mount nothing may be executed any more (noexec)`,
      remedy: "Allow it, until the program has been restored: mount -o remount,exec",
    }
  const key = `${mappedInode(mapping)}:${path}`
  if (!deleted && (mayFollowMapped() || seen.has(key))) return undefined
  const found = lendMapped(pid, mapping, (link) => ({ reason: refusedName(link, keeping) }))
  if (!found) return { what: `"${path}", ${UNREACHABLE.what}`, remedy: UNREACHABLE.remedy }
  if (!deleted && !found.reason) seen.add(key)
  return found.reason
}
