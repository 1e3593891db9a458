import {
  MOST_INSTRUCTIONS,
  PR_SET_SECCOMP,
  SECCOMP_FILTER_FLAG,
  SECCOMP_MODE,
  SECCOMP_SET_MODE_FILTER,
  sockFilter,
  sockFprog,
} from "../../../ffi/abi/seccomp.ts"
import { encode } from "../../../ffi/layout.ts"
import type { task_core_entry } from "../../../proto/gen/core_pb.ts"
import type { seccomp_filter } from "../../../proto/gen/seccomp_pb.ts"
import { type CheckpointError, damagedImage } from "../../base/errors.ts"
import { Program } from "../../tracee/program.ts"
import { type Filter, type Seccomp, type SeccompEntry, UNFILTERED } from "./collect.ts"

const corrupt = (tid: number, found: string): CheckpointError => damagedImage(`Cannot restore seccomp of thread ${tid}`, found)

/** A thread's chain, the oldest filter first, found through the indexes of seccomp.img. */
function chainOf(tid: number, oldest: number | undefined, filters: readonly seccomp_filter[]): Filter[] {
  const chain: Filter[] = []
  for (let index = oldest; index !== undefined; ) {
    const entry = filters[index]
    if (!entry) throw corrupt(tid, `it names filter ${index} of ${filters.length}`)
    const { filter: program, flags = 0, prev } = entry
    if (program.length === 0 || program.length % sockFilter.size !== 0 || program.length > MOST_INSTRUCTIONS * sockFilter.size)
      throw corrupt(tid, `filter ${index} has ${program.length} bytes, which are no instructions`)
    if (prev !== undefined && prev >= index) throw corrupt(tid, `filter ${index} is followed by ${prev}: the chain has no end`)
    chain.push({ program, flags })
    index = prev
  }
  return chain
}

/** A thread's core image, as far as it is about seccomp. */
interface SeccompThread {
  readonly tid: number
  readonly core: SeccompEntry
}

/**
 * Seccomp of every thread, from the images. Mirror: `collectSeccomp` of ./collect.ts
 *
 * @param threads the leader first
 * @param old where CRIU before 3.9 wrote it, for the whole process
 * @param filters of seccomp.img
 * @throws CheckpointError E_IMAGE_CORRUPT an index or a filter that cannot be
 */
export function savedSeccomp(
  threads: readonly SeccompThread[],
  old: Pick<task_core_entry, "old_seccomp_mode" | "old_seccomp_filter">,
  filters: readonly seccomp_filter[],
): Map<number, Seccomp> {
  const saved = new Map<number, Seccomp>()
  for (const { tid, core } of threads) {
    const mode = core.seccomp_mode ?? old.old_seccomp_mode ?? SECCOMP_MODE.DISABLED
    const oldest = core.seccomp_mode === undefined ? old.old_seccomp_filter : core.seccomp_filter
    if (mode === SECCOMP_MODE.DISABLED) saved.set(tid, UNFILTERED)
    else if (mode === SECCOMP_MODE.STRICT) saved.set(tid, { mode, filters: [] })
    else if (mode !== SECCOMP_MODE.FILTER || oldest === undefined) throw corrupt(tid, `mode ${mode} without a filter`)
    else saved.set(tid, { mode, filters: chainOf(tid, oldest, filters) })
  }
  // A chain marked so at the leader belongs to every thread that has none of its own.
  const [leader] = saved.values()
  if (leader?.filters.some(({ flags }) => flags & SECCOMP_FILTER_FLAG.TSYNC))
    for (const [tid, { mode }] of saved) if (mode === SECCOMP_MODE.DISABLED) saved.set(tid, leader)
  return new Map(
    [...saved].map(([tid, { mode, filters: chain }]) => [
      tid,
      { mode, filters: chain.map(({ program, flags }) => ({ program, flags: flags & ~SECCOMP_FILTER_FLAG.TSYNC })) },
    ]),
  )
}

/** True when any thread is under seccomp: then it must be suspended while the process is built. */
export const isFiltered = (saved: ReadonlyMap<number, Seccomp>): boolean =>
  [...saved.values()].some(({ mode }) => mode !== SECCOMP_MODE.DISABLED)

const sameFilter = (a: Filter, b: Filter | undefined): boolean =>
  b !== undefined && a.flags === b.flags && Buffer.compare(a.program, b.program) === 0

/** How many of the oldest filters all threads have in common: they were most likely installed once, and are again. */
function sharedLength(threads: readonly Seccomp[]): number {
  const [first, ...others] = threads
  if (!first || others.length === 0) return 0
  const differs = first.filters.findIndex((filter, index) => !others.every(({ filters }) => sameFilter(filter, filters[index])))
  return differs < 0 ? first.filters.length : differs
}

/** What each thread runs to be under seccomp again. */
interface SeccompPlan {
  /** For the leader, before all others: filters that every thread shares. Undefined without any. */
  readonly shared: Program | undefined
  /** For each thread that has more, by thread ID. */
  readonly own: ReadonlyMap<number, Program>
}

/**
 * Programs that put threads under seccomp. Mirror: `collectSeccomp` of ./collect.ts
 *
 * @param saved by thread ID, the leader first
 * @param speculationKept the image tells what speculation the threads allowed: installing a filter then must not forbid more
 *
 * Preconditions: PTRACE_O_SUSPEND_SECCOMP is set on every thread, for more calls of ours follow; CAP_SYS_ADMIN is not yet dropped.
 * Kernel: seccomp(2); a filter that other threads have too is one object, so that a later SECCOMP_FILTER_FLAG_TSYNC of the program works
 */
export function planSeccomp(saved: ReadonlyMap<number, Seccomp>, speculationKept: boolean): SeccompPlan {
  const extra = speculationKept ? SECCOMP_FILTER_FLAG.SPEC_ALLOW : 0
  const length = sharedLength([...saved.values()])
  const [leader] = saved.values()
  let shared: Program | undefined
  if (leader && length > 0) {
    shared = new Program()
    for (const filter of leader.filters.slice(0, length)) install(filter, extra | SECCOMP_FILTER_FLAG.TSYNC, shared)
  }
  const own = new Map<number, Program>()
  for (const [tid, { mode, filters }] of saved) {
    const program = new Program()
    if (mode === SECCOMP_MODE.STRICT) program.callWith({ about: "strict seccomp" }, "prctl", PR_SET_SECCOMP, SECCOMP_MODE.STRICT, 0, 0, 0)
    for (const filter of filters.slice(length)) install(filter, extra, program)
    if (program.length > 0) own.set(tid, program)
  }
  return { shared, own }
}

/** Appends the installation of one filter. A positive answer would be a thread that could not be brought along. */
function install({ program: filter, flags }: Filter, extra: number, program: Program): void {
  const count = filter.length / sockFilter.size
  const head = program.bytes(encode(sockFprog, { len: count }))
  program.point(head, sockFprog.fields.filter[0], program.bytes(filter))
  program.callWith(
    { about: `a seccomp filter of ${count} instructions (CAP_SYS_ADMIN)`, returns: 0 },
    "seccomp",
    SECCOMP_SET_MODE_FILTER,
    flags | extra,
    head,
  )
}
