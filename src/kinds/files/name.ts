import { CheckpointError } from "../../base/errors.ts"
import { missing, readLinkIfAlive } from "../../proc/source.ts"
import type { Reason } from "./kind.ts"
import { type FileStat, sameFile, statPath } from "./stat.ts"

/** Longest path that open(2) takes, bytes without the NUL. */
const PATH_LIMIT = 4095

/**
 * Why a file cannot be opened again by the name that the kernel tells for it; undefined when it can.
 *
 * A living file may be called "x (deleted)", so the name counts only if it leads elsewhere.
 */
export function refuseName(target: string, stat: FileStat): Reason | undefined {
  if (!target.startsWith("/")) return { what: `"${target}", which has no path`, remedy: "Let the program close it before the dump" }
  if (Buffer.byteLength(target) > PATH_LIMIT)
    return { what: `"${target.slice(0, 40)}...", a path of more than ${PATH_LIMIT} bytes`, remedy: "Move the file to a shorter path" }
  const named = statPath(target, false)
  if (named && sameFile(named, stat)) return undefined
  if (stat.nlink === 0) {
    const what = `"${target}", a file without a name`
    return { what, remedy: "Let the program close the file, or keep the file until the program has been restored" }
  }
  if (target.endsWith(" (deleted)")) {
    const what = `"${target}": this name of the file was removed, another one is left`
    return { what, remedy: "Link the file at its old name again, or let the program reopen it" }
  }
  const now = named ? "another file has this path now, or another mount covers it" : "no file has this path for stasis"
  return {
    what: `"${target}": ${now}`,
    remedy: "Put the file back at its path, or let the program reopen it; run stasis in the same root directory",
  }
}

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

/** Why what a link such as /proc/PID/cwd leads to cannot be opened again by its name. @throws CheckpointError E_NO_PROCESS · E_TARGET_CHANGED */
export function refusedName(link: string): Reason | undefined {
  const { target, stat } = follow(link)
  return refuseName(target, stat)
}

/** What a link in /proc leads to, by a name that leads there again. @throws CheckpointError E_UNSUPPORTED there is no such name */
export function lookAt(link: string): { target: string; stat: FileStat } {
  const found = follow(link)
  const reason = refuseName(found.target, found.stat)
  if (reason) throw new CheckpointError("E_UNSUPPORTED", `Cannot keep ${link}`, `it is ${reason.what}`, reason.remedy)
  return found
}
