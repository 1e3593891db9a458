import type { Refusal } from "../../base/errors.ts"
import { LIMIT, type Limit } from "../../proc/limits.ts"
import type { Status } from "../../proc/status.ts"

/** Bytes that a dump borrows at most: of a process, and for each of its threads. */
const ROOM = { process: 64n << 10n, thread: 16n << 10n }

/**
 * Limits of memory that leave no room for what a dump borrows for a moment, found before the process is stopped.
 * Kernel: mm/mmap.c may_expand_vm(), which lets a soft data limit of 0 pass if the hard one allows it
 */
export function surveyLimits(pid: number, limits: readonly Limit[], { vmSize, vmData, threads }: Status): Refusal[] {
  const room = ROOM.process + ROOM.thread * BigInt(threads)
  const needs = [
    { name: "RLIMIT_DATA", option: "--data", limit: limits[LIMIT.DATA], used: vmData },
    { name: "RLIMIT_AS", option: "--as", limit: limits[LIMIT.AS], used: vmSize },
  ]
  return needs.flatMap(({ name, option, limit, used }) => {
    if (!limit) return []
    const most = name === "RLIMIT_DATA" && limit.soft === 0n ? limit.hard : limit.soft
    const bytes = (BigInt(used) << 10n) + room
    if (bytes <= most) return []
    const what = `without room for the dump under its ${name} of ${limit.soft} bytes (${bytes} are needed)`
    const raised = limit.hard < bytes ? `${bytes}` : `${bytes}:`
    return [{ what, where: `task ${pid}`, remedy: `Raise it for the dump: prlimit --pid ${pid} ${option}=${raised}` }]
  })
}
