import { S_IF } from "../../../ffi/abi/file.ts"
import { CheckpointError } from "../../base/errors.ts"
import { readMountinfo } from "../../proc/mountinfo.ts"
import { listIfAlive, missing, readLinkIfAlive } from "../../proc/source.ts"
import { cutDeleted, DELETED } from "../../proc/text.ts"
import type { Reason } from "./collecting.ts"
import type { Keeping, WayBack } from "./keeping.ts"
import { isNameless } from "./overlay.ts"
import { folderOf } from "./path.ts"
import { wayBackToDeparted } from "./regular/departed.ts"
import { detailsOf, type FileStat, isOfFuse, isOfHugePages, isOfKernel, kindOf, sameFile, statPath } from "./stat.ts"

/** Longest path that open(2) takes, bytes without the NUL. */
const PATH_LIMIT = 4095

/** Names that were seen to lead to files, by what was told of each file in one look: a later one has another object, or saw it too. */
const led = new WeakMap<FileStat, string>()

/** Whether a name leads to a file. Asked once a look. */
export function leadsTo(target: string, stat: FileStat): boolean {
  if (led.get(stat) === target) return true
  const named = statPath(target, false)
  if (!named || !sameFile(named, stat)) return false
  led.set(stat, target)
  return true
}

/** Notes that a name was seen to lead to a file in this look. */
export const noteLed = (target: string, stat: FileStat): void => void led.set(stat, target)

/**
 * Why a file cannot be opened again by the name that the kernel tells for it; undefined when it can.
 *
 * A living file may be called "x (deleted)", so the name counts only if it leads elsewhere.
 */
export function refuseName(target: string, stat: FileStat): Reason | undefined {
  if (!target.startsWith("/")) return { what: `"${target}", which has no path`, remedy: "Let the program close it before the dump" }
  if (Buffer.byteLength(target) > PATH_LIMIT)
    return { what: `"${target.slice(0, 40)}...", a path of more than ${PATH_LIMIT} bytes`, remedy: "Move the file to a shorter path" }
  if (leadsTo(target, stat)) return undefined
  const named = statPath(target, false)
  if (stat.nlink === 0) {
    const what = `"${target}", a file without a name`
    return { what, remedy: "Let the program close the file, or keep the file until the program has been restored" }
  }
  if (target.endsWith(DELETED)) {
    const what = `"${target}": this name of the file was removed, and its file system counts another one`
    return { what, remedy: "Give --link-remap, link the file at its old name again, or let the program reopen it" }
  }
  const now = named ? "another file has this path now, or another mount covers it" : "no file has this path for stasis"
  return {
    what: `"${target}": ${now}`,
    remedy: "Put the file back at its path, or let the program reopen it; run stasis in the same root directory",
  }
}

/** The name that a restore of ours gave a deleted file when its own was taken -> its own. Mirror: stepAside of ./ghost/plan.ts */
const ASIDE = /^(.*\/)\.([^/]+)\.stasis-\d+-\d+$/

/** The name that a deleted file had. */
function formerName(target: string): string {
  const name = cutDeleted(target).path
  const [, folder, base] = ASIDE.exec(name) ?? []
  return folder === undefined || base === undefined ? name : folder + base
}

const ghostKinds: readonly number[] = [S_IF.REG, S_IF.DIR, S_IF.LNK, S_IF.CHR]

/** The folder that a file would be made in, or the nearest one above that is there. */
function standing(path: string): string {
  let folder = folderOf(path)
  while (folder !== "/" && !statPath(folder, false)) folder = folderOf(folder)
  return folder
}

const CLOSE = "Let the program close the file before the dump"

/** Why a file that lost its name cannot get it again: its folder lies elsewhere. @param link in /proc that leads to it */
function refuseFolder(link: string, name: string): Reason | undefined {
  const folder = standing(name)
  if (detailsOf(link)?.mount === detailsOf(folder)?.mount) return undefined
  const what = `"${name}", a deleted file of a mount that "${folder}" does not lead to`
  return { what, remedy: `${CLOSE}, or unmount what covers its folder; run stasis in the same root directory` }
}

/** Names that dumps gave to files: they go when the file is restored. */
const BORROWED = /^link_remap\.\d+$/

/** The name by which a FUSE server keeps a deleted file until it is closed. libfuse: lib/fuse.c hide_node() */
const HIDDEN = /^\.fuse_hidden[0-9a-f]+$/

/** Another name of a file in the folder of one that it lost: what sem_open(3) leaves, and whoever renames by link and unlink. */
const siblingOf = (name: string, stat: FileStat, isServed: boolean): string | undefined =>
  nameLike(name, stat, (base) => !(BORROWED.test(base) || (isServed && HIDDEN.test(base))))

/** True for a deleted file whose one name is its server's: that goes with the last descriptor. */
const isHidden = (name: string, stat: FileStat, isServed: boolean): boolean =>
  isServed && stat.nlink === 1 && nameLike(name, stat, (base) => HIDDEN.test(base)) !== undefined

/** A name of a file in the folder of one that it lost. @param counts whether a name there may be it */
function nameLike(name: string, stat: FileStat, counts: (base: string) => boolean): string | undefined {
  const folder = folderOf(name)
  const names = listIfAlive(folder) ?? []
  for (const base of names) {
    if (!counts(base)) continue
    const path = `${folder === "/" ? "" : folder}/${base}`
    const found = statPath(path, false)
    if (found && sameFile(found, stat)) return path
  }
  return undefined
}

/** Why a file without a name cannot be kept. @param link in /proc that leads to it */
function refuseGhost(link: string, name: string, stat: FileStat, { ghostLimit }: Keeping): Reason | undefined {
  if (!ghostKinds.includes(kindOf(stat.mode))) return { what: `"${name}", which was deleted`, remedy: CLOSE }
  if (isOfHugePages(link))
    return {
      what: `"${name}", a deleted file of huge pages (hugetlbfs)`,
      remedy: `${CLOSE}, or keep it until the program has been restored`,
    }
  const elsewhere = refuseFolder(link, name)
  if (elsewhere) return elsewhere
  const bytes = kindOf(stat.mode) === S_IF.REG ? Math.min(Number(stat.size), detailsOf(link)?.room ?? 0) : 0
  if (ghostLimit === undefined || bytes <= ghostLimit) return undefined
  return {
    what: `"${name}", a deleted file of ${bytes} bytes; the limit is ${ghostLimit}`,
    remedy: `Give --ghost-limit ${Math.ceil(bytes / (1 << 20))}M, or let the program close the file before the dump`,
  }
}

/** True for a file on a mount that this namespace of mounts does not have. Man page: open_tree(2) */
export function isDetached(link: string): boolean {
  const mount = detailsOf(link)?.mount
  return mount !== undefined && !readMountinfo(process.pid).some(({ id }) => BigInt(id) === mount)
}

/** Why such a file is not found again; undefined for others. @param target its path from the root of its mount */
export function refuseDetached(link: string, target: string): Reason | undefined {
  if (!isDetached(link)) return undefined
  const kinds = "it is another mount namespace's, was unmounted while it was in use (umount -l), or is open_tree(2)'s"
  return {
    what: `"${target}" of a mount that is attached nowhere here: ${kinds}`,
    remedy: "Let the program close it before the dump, or attach the mount",
  }
}

/** Nothing can be made among the kernel's own. */
const refuseKernels = (target: string): Reason => ({
  what: `"${target}", a file of the kernel's that went with its process or device`,
  remedy: CLOSE,
})

/**
 * How a file is found again, or why it is not.
 *
 * @param link in /proc that leads to it   @param target what that link says
 */
export function wayBackTo(link: string, target: string, stat: FileStat, keeping: Keeping): WayBack | Reason {
  const refusal = refuseName(target, stat)
  if (!refusal) return { name: target, way: "name" }
  if (!target.startsWith("/")) return refusal
  if (isOfKernel(link)) {
    // Files of /proc/PID/net seem to be deleted as soon as somebody looks their name up. Kernel: fs/proc/generic.c proc_net_d_revalidate()
    const { path } = cutDeleted(target)
    if (leadsTo(path, stat)) return { name: path, way: "name" }
    return wayBackToDeparted(target) ?? refuseKernels(target)
  }
  const name = formerName(target)
  if (stat.nlink === 0) return refuseGhost(link, name, stat, keeping) ?? { name, way: "ghost" }
  if (!target.endsWith(DELETED)) return refuseDetached(link, target) ?? refusal
  const isServed = isOfFuse(link)
  const other = kindOf(stat.mode) === S_IF.DIR ? undefined : siblingOf(name, stat, isServed)
  if (other !== undefined) return { name: other, way: "name" }
  if (isNameless(link, target, stat) || isHidden(name, stat, isServed))
    return refuseGhost(link, name, stat, keeping) ?? { name, way: "ghost" }
  if (!keeping.linkRemap) return refusal
  return refuseFolder(link, name) ?? { name, way: "link" }
}

/** The refusal in what `wayBackTo` found. */
export const reasonIn = (found: WayBack | Reason): Reason | undefined => ("what" in found ? found : undefined)

/** Name and facts of what a link in /proc leads to. @throws CheckpointError E_TARGET_CHANGED it is gone */
function follow(link: string): { target: string; stat: FileStat } {
  const target = readLinkIfAlive(link)
  const stat = target === null ? null : statPath(link, true)
  if (target !== null && stat) return { target, stat }
  const pid = Number(link.split("/")[2])
  const reason = missing(pid, undefined, link.split("/").slice(3).join("/"))
  if (reason.code === "E_NO_PROCESS") throw reason
  throw new CheckpointError("E_TARGET_CHANGED", `Cannot read ${link}`, "it was there a moment ago", "Dump again")
}

/** As `wayBackTo`, of what is not open as a file: nobody is put into a folder of a process that has ended. */
function wayBackOf(link: string, keeping: Keeping): { wayBack: WayBack | Reason; stat: FileStat } {
  const { target, stat } = follow(link)
  const wayBack = wayBackTo(link, target, stat, keeping)
  return { wayBack: "way" in wayBack && wayBack.way === "departed" ? refuseKernels(target) : wayBack, stat }
}

/** Why what a link such as /proc/PID/cwd leads to cannot be kept. @throws CheckpointError E_NO_PROCESS · E_TARGET_CHANGED */
export const refusedName = (link: string, keeping: Keeping): Reason | undefined => reasonIn(wayBackOf(link, keeping).wayBack)

/** What a link in /proc leads to, and how it is found again. @throws CheckpointError E_UNSUPPORTED it is not */
export function lookAt(link: string, keeping: Keeping): { wayBack: WayBack; stat: FileStat } {
  const { wayBack, stat } = wayBackOf(link, keeping)
  if ("what" in wayBack) throw new CheckpointError("E_UNSUPPORTED", `Cannot keep ${link}`, `it is ${wayBack.what}`, wayBack.remedy)
  return { wayBack, stat }
}
