import type { core_entry } from "../../../proto/gen/core_pb.ts"
import type { Entries } from "../../image/set.ts"
import type { Filter, Seccomp } from "../../kinds/seccomp/collect.ts"
import { savedSeccomp } from "../../kinds/seccomp/restore.ts"

/** Mode and filters of every thread of a process, whatever numbers a dump gave to them. @throws CheckpointError E_IMAGE_CORRUPT */
function seccompOf(entries: Entries, pid: number, tids: readonly number[]): ReadonlyMap<number, Seccomp> {
  const core = (tid: number): core_entry | undefined => entries("core", tid)[0]
  const threads = tids.map((tid) => ({ tid, core: core(tid)?.thread_core ?? {} }))
  return savedSeccomp(
    threads,
    core(pid)?.tc ?? {},
    entries("seccomp", undefined).flatMap(({ seccomp_filters }) => seccomp_filters),
  )
}

const filterDifferences = (was: Filter, is: Filter | undefined, where: string): string[] => [
  ...(is && Buffer.compare(was.program, is.program) === 0 ? [] : [`${where}: has other instructions`]),
  ...(was.flags === is?.flags ? [] : [`${where} flags: were ${was.flags}, are ${is?.flags}`]),
]

/**
 * Compares seccomp of all threads, filter by filter: the oldest is filter 0.
 *
 * @param tids the leader first
 * @returns one text a difference
 */
export function seccompDifferences(saved: Entries, now: Entries, pid: number, tids: readonly number[]): string[] {
  const present = seccompOf(now, pid, tids)
  return [...seccompOf(saved, pid, tids)].flatMap(([tid, was]) => {
    const is = present.get(tid)
    const where = `thread ${tid} seccomp`
    if (was.mode !== is?.mode) return [`${where} mode: was ${was.mode}, is ${is?.mode}`]
    if (was.filters.length !== is.filters.length) return [`${where}: had ${was.filters.length} filters, has ${is.filters.length}`]
    return was.filters.flatMap((filter, age) => filterDifferences(filter, is.filters[age], `${where} filter ${age}`))
  })
}
