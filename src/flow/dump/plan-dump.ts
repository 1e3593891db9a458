import { errnoOf } from "../../base/errno.ts"
import { CheckpointError, type Refusal, refusedTarget } from "../../base/errors.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import type { Keeping } from "../../kinds/files/keeping.ts"
import type { OutsideFile } from "../../kinds/files/leading-out.ts"
import { lowerFiles } from "../../kinds/files/lower.ts"
import { mayFollowMapped, refusedMapping } from "../../kinds/files/mapped.ts"
import { FileTable } from "../../kinds/files/table.ts"
import { isSocketMapping } from "../../kinds/memory/packet-ring.ts"
import { countPages } from "../../kinds/memory/pages.ts"
import type { SharedMemory } from "../../kinds/memory/shared.ts"
import { surveyMemory } from "../../kinds/memory/survey.ts"
import { collectSysv, type SysvSegment } from "../../kinds/memory/sysv/collect.ts"
import { type AddressSpace, findAttached } from "../../kinds/memory/sysv/mapping.ts"
import { guessWindows, joinWindows, type Window } from "../../kinds/memory/windows.ts"
import { type MappingDetail, privateMemory } from "../../proc/smaps.ts"
import { readShm } from "../../proc/sysvipc.ts"
import { listThreadsIfAlive, readCommIfAlive } from "../../proc/tasks.ts"
import { isSuspended } from "../../tracee/vfork.ts"
import { holdsListeners } from "../connections.ts"
import { CGROUP_MODES, DEFAULT_TIMEOUT, type PlanOptions } from "../options.ts"
import { explained, isDying } from "./dump-error.ts"
import { ghostLimitFor } from "./ghost-limit.ts"
import { collectMemory } from "./memory.ts"
import { type Extent, type Prediction, predict } from "./predict.ts"
import { sharedMemoryBy } from "./shared-memory.ts"
import { hasEnded, lookAtTree, type Outlook, type WalkedProcess } from "./survey.ts"

/** One process of a tree that may be dumped. */
export interface PlannedProcess {
  readonly pid: number
  /** 0 for the root. */
  readonly ppid: number
  readonly name: string
  /** As ps tells it: R S D T t Z X. */
  readonly state: string
  readonly group: number
  readonly session: number
  readonly threads: readonly { readonly tid: number; readonly name: string }[]
  readonly memory: PlannedMemory
  readonly descriptors: number
}

/** The private memory of a process. */
interface PlannedMemory {
  readonly areas: number
  /** Bytes. */
  readonly mapped: number
  /** Bytes that a dump stores. */
  readonly stored: number
  /** Runs of pages that follow one another. */
  readonly runs: number
}

/** Shared memory without a file. */
interface PlannedSegment {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly stored: number
}

/** What a dump would find, keep and refuse. */
export interface DumpPlan {
  readonly pid: number
  /** Zombies included, parents before their children. */
  readonly processes: readonly PlannedProcess[]
  readonly segments: readonly PlannedSegment[]
  /** Open files by kind, each counted once. */
  readonly files: ReadonlyMap<string, number>
  /** All that stands against a dump with the options as given; none = it would succeed. */
  readonly refusals: readonly Refusal[]
  /** Options that are missing: with them `refusedAnyway` is all that is left. */
  readonly options: readonly string[]
  readonly refusedAnyway: readonly Refusal[]
  /** Open files that lead out of the tree: what a restore must be given, or may. */
  readonly outside: readonly OutsideFile[]
  /** What a dump would warn of. */
  readonly notes: readonly string[]
  /** What cannot be seen without stopping the threads. */
  readonly unseen: readonly string[]
  readonly prediction: Prediction
}

const SHELL_JOB = "--shell-job"

/** What only stopped threads tell, and what may come of it. */
const UNSEEN = [
  "rseq: registrations and sections; malformed ones are refused (stasis rseq PID stops the threads for a moment and shows them)",
  "system calls that a thread handles itself, tagged addresses, rights that deny memory without a protection key: refused",
  "registers, signal handlers, timers: kept",
] as const

/** What a dump without these options does. */
const USUAL = {
  cgroupProps: [],
  cgroupPropsFiles: [],
  cgroupRoots: [],
  cgroupDumpControllers: [],
  freezeCgroup: undefined,
  manageCgroups: CGROUP_MODES[0],
  timeoutSeconds: DEFAULT_TIMEOUT,
} as const

const same = (a: Refusal, b: Refusal): boolean => a.what === b.what && a.where === b.where

/**
 * Looks at a tree as a dump would before its freeze. Nothing is stopped, traced or changed.
 *
 * @throws CheckpointError E_NO_PROCESS, E_SELF, E_KERNEL_THREAD, E_TRACED, E_PERMISSION, E_TARGET_DIED
 */
export function planDump(
  pid: number,
  {
    shellJob,
    ...kept
  }: Keeping & Pick<PlanOptions, "shellJob" | "tcpEstablished" | "tcpClose" | "skipInFlight" | "extUnixSk" | "externalUnix" | "externals">,
): DumpPlan {
  const look = (job: boolean): Outlook =>
    explained({ root: pid, processes: [{ pid }] }, () => {
      const outlook = lookAtTree({
        ...USUAL,
        ...kept,
        ghostLimit: kept.ghostLimit ?? ghostLimitFor("."),
        skipInFlight: kept.skipInFlight || holdsListeners({ ...kept, networkLock: "nftables" }),
        pid,
        shellJob: job,
      })
      // What is ending looks as if it were not supported.
      if (outlook.refusals.length > 0 && isDying(pid)) throw refusedTarget(pid, outlook.refusals)
      return outlook
    })
  const outlook = look(shellJob)
  // What a shell's job is refused for hides what it would be refused for besides.
  const helped = shellJob || outlook.refusals.length === 0 ? outlook : look(true)
  const more = helped.refusals.filter((refusal) => !outlook.refusals.some((known) => same(known, refusal)))
  const refusals = [...outlook.refusals, ...more]
  const refusedAnyway = refusals.filter((refusal) => helped.refusals.some((left) => same(left, refusal)))
  const spaces = [...outlook.processes].map(([member, { smaps }]) => ({ pid: member, mappings: smaps }))
  const windows = mayFollowMapped() ? new Map() : joinWindows(spaces.map(({ pid: member, mappings }) => guessWindows(member, mappings)))
  const table = new FileTable<SharedMemory>(sharedMemoryBy(windows), kept)
  const processes = outlook.members.map((member) => planProcess(member, outlook, table))
  const sysv = planSysvSegments(spaces, mayFollowMapped() ? undefined : windows)
  const segments = [...table.memfds.map(({ inode: { name, size }, ranges }) => ({ name, size, ranges })), ...sysv].map(
    ({ name, size, ranges }) => ({ name, size: Number(size), stored: countPages(ranges) * PAGE_SIZE, runs: ranges.length }),
  )
  const extent = extentOf(processes, segments, table, outlook)
  return {
    pid,
    processes,
    segments: segments.map(({ runs: _, ...segment }) => segment),
    files: outlook.openFiles.kinds,
    refusals,
    options: refusedAnyway.length < refusals.length ? [SHELL_JOB] : [],
    refusedAnyway,
    outside: helped.openFiles.outside,
    notes: [...helped.notes, ...processes.flatMap(waitsOf), ...helped.openFiles.losses.map((loss) => `not kept: ${loss}`)],
    unseen: UNSEEN,
    prediction: predict(extent),
  }
}

/** What a dump would wait for. */
const waitsOf = ({ pid, threads }: PlannedProcess): string[] =>
  threads
    .filter(({ tid }) => isSuspended(pid, tid))
    .map(({ tid }) => `thread ${tid} is suspended by vfork: a dump waits until its child has executed a program or ended (--timeout)`)

function planProcess(member: WalkedProcess, { processes, openFiles }: Outlook, table: FileTable<SharedMemory>): PlannedProcess {
  const { stat, ppid } = member
  const { pid } = stat
  const tids = hasEnded(member) ? [pid] : (listThreadsIfAlive(pid) ?? [pid])
  return {
    pid,
    ppid,
    name: stat.comm,
    state: stat.state,
    group: stat.pgrp,
    session: stat.session,
    threads: tids.map((tid) => ({ tid, name: readCommIfAlive(pid, tid) ?? "" })),
    memory: planMemory(pid, processes.get(pid)?.smaps ?? [], table),
    descriptors: openFiles.descriptors.get(pid) ?? 0,
  }
}

/** System V segments as the freeze would find them; none where they change under our eyes. */
function planSysvSegments(
  spaces: readonly AddressSpace[],
  windows: ReadonlyMap<string, readonly Window[]> | undefined,
): { name: string; size: bigint; ranges: SysvSegment["ranges"] }[] {
  const attached = findAttached(spaces)
  if (attached.size === 0) return []
  try {
    return collectSysv(attached, readShm(), windows).map(({ entry, ranges }) => ({
      name: `System V segment ${entry.desc.id}`,
      size: entry.size,
      ranges,
    }))
  } catch (error) {
    if (!(error instanceof CheckpointError) && errnoOf(error) === undefined) throw error
    return []
  }
}

/** Pages as the freeze would find them; by the counters of smaps where the areas change under our eyes or cannot be kept. */
function planMemory(pid: number, smaps: readonly MappingDetail[], table: FileTable<SharedMemory>): PlannedMemory {
  const mapped = smaps.reduce((sum, { start, end, path }) => sum + (path === "[vsyscall]" ? 0 : Number(end - start)), 0)
  if (smaps.length === 0) return { areas: 0, mapped, stored: 0, runs: 0 }
  const facts = { areas: smaps.length, mapped }
  try {
    const keepable = smaps.filter(
      (mapping) =>
        !isSocketMapping(mapping) &&
        surveyMemory(pid, [mapping], (one) => refusedMapping(pid, one, table.keeping), lowerFiles).length === 0,
    )
    const { ranges } = collectMemory(pid, keepable, table.of(pid))
    return { ...facts, stored: countPages(ranges) * PAGE_SIZE, runs: ranges.length }
  } catch (error) {
    if (!(error instanceof CheckpointError) && errnoOf(error) === undefined) throw error
    return { ...facts, stored: privateMemory(smaps) * 1024, runs: smaps.length }
  }
}

function extentOf(
  processes: readonly PlannedProcess[],
  segments: readonly { readonly stored: number; readonly runs: number }[],
  table: FileTable<SharedMemory>,
  { processes: living, openFiles }: Outlook,
): Extent {
  const total = (count: (process: PlannedProcess) => number): number => processes.reduce((sum, process) => sum + count(process), 0)
  const inSegments = segments.reduce((sum, { stored }) => sum + stored, 0)
  const alive = processes.filter(({ pid }) => living.has(pid))
  return {
    processes: alive.length,
    threads: alive.reduce((sum, { threads }) => sum + threads.length, 0),
    zombies: processes.length - alive.length,
    areas: total(({ memory }) => memory.areas),
    runs: total(({ memory }) => memory.runs) + segments.reduce((sum, { runs }) => sum + runs, 0),
    pages: (total(({ memory }) => memory.stored) + inSegments) / PAGE_SIZE,
    descriptors: total(({ descriptors }) => descriptors),
    files: table.entries.length + [...openFiles.kinds.values()].reduce((sum, count) => sum + count, 0),
  }
}
