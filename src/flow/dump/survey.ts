import { SyscallError } from "../../../ffi/syscall.ts"
import { expectWork } from "../../base/engine.ts"
import { CheckpointError, type Refusal, refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { surveyAttributes } from "../../kinds/attributes/survey.ts"
import { surveyFs } from "../../kinds/cwd/collect.ts"
import type { Insider } from "../../kinds/files/collecting.ts"
import type { Keeping } from "../../kinds/files/keeping.ts"
import type { OpenFiles } from "../../kinds/files/leading-out.ts"
import { lookAtDescriptors } from "../../kinds/files/look.ts"
import { lowerFiles } from "../../kinds/files/lower.ts"
import { mayFollowMapped, refusedMapping } from "../../kinds/files/mapped.ts"
import { refusedName } from "../../kinds/files/name.ts"
import { surveyLimits } from "../../kinds/limits/survey.ts"
import { notesOnShared } from "../../kinds/memory/outsiders.ts"
import { surveyMemory } from "../../kinds/memory/survey.ts"
import { surveyWindows } from "../../kinds/memory/windows.ts"
import { notesOnSharedIo } from "../../kinds/sched/shared-io.ts"
import { surveyTimers } from "../../kinds/timers/clocks.ts"
import { ownersOf, surveyObjects } from "../../kinds/tree/objects.ts"
import { expectedNamespaces, surveyNamespaces, surveyThreadNamespaces, surveyTree } from "../../kinds/tree/survey.ts"
import { readLimits } from "../../proc/limits.ts"
import { type Namespaces, ownNamespaces, readNamespace, readNamespaces, readNamespacesIfAlive } from "../../proc/links.ts"
import { Outside } from "../../proc/outside.ts"
import { type MappingDetail, readSmaps } from "../../proc/smaps.ts"
import { isEnding, readStat, readStatIfAlive, type Stat } from "../../proc/stat.ts"
import { readStatus, type Status } from "../../proc/status.ts"
import { listThreads, listThreadsIfAlive, readChildren } from "../../proc/tasks.ts"
import { readTimers } from "../../proc/timers.ts"
import { findGadgets, type Gadgets } from "../../tracee/gadgets.ts"
import { chooseStubSignal, NO_STUB_SIGNAL, signalUse } from "../../tracee/stub-signal.ts"
import { type CgroupSurvey, prepareSaving, surveyProcessCgroups } from "../cgroups.ts"
import type { DumpOptions } from "../options.ts"
import { lookForSysvSegments } from "../sysv-segments.ts"
import { checkServersOf } from "./servers.ts"
import { lookForStrangers, objectsOfLiving } from "./sharing.ts"
import { checkAccess, checkTarget } from "./target.ts"
import { codeRanges } from "./terms.ts"

const log = logger("survey")

/** What was read of one process before the freeze: for its refusals, a prediction, and what the freeze need not look for again. */
export interface ProcessSurvey {
  readonly smaps: readonly MappingDetail[]
  /** Instructions for injection, undefined when none were found. */
  readonly gadgets: Gadgets | undefined
  /** Of the leader. */
  readonly status: Status
}

/** What was read of a tree before the freeze. */
export interface Survey {
  /** Living processes, parents before their children. */
  readonly processes: ReadonlyMap<number, ProcessSurvey>
  /** Which cgroups and properties are saved, and where they are mounted. */
  readonly cgroups: CgroupSurvey
}

/** A tree as it looks from outside, with all that stands against a dump of it. */
export interface Outlook extends Survey {
  /** Zombies included, parents before their children. */
  readonly members: readonly WalkedProcess[]
  readonly openFiles: OpenFiles
  /** What is worth knowing of it, and no refusal: sentences without a capital. */
  readonly notes: readonly string[]
  readonly refusals: readonly Refusal[]
}

/** A member of the tree as a walk along the children shows it. */
export interface WalkedProcess {
  readonly stat: Stat
  /** 0 for the root. */
  readonly ppid: number
}

/** The living tree, parents before their children. It may change while it is looked at; what is gone by then is left out. */
function walkTree(root: number): WalkedProcess[] {
  const members: WalkedProcess[] = []
  const seen = new Set<number>()
  const visit = (pid: number, ppid: number): void => {
    const stat = pid === root ? readStat(pid) : readStatIfAlive(pid)
    if (!stat || seen.has(pid)) return
    seen.add(pid)
    members.push({ stat, ppid })
  }
  visit(root, 0)
  for (const { stat } of members) for (const child of readChildren(stat.pid)) visit(child, stat.pid)
  return members
}

/** Whether a task has this ID now, a zombie included. */
export const lives = (id: number): boolean => readStatIfAlive(id) !== null

/** True for a zombie, but not for a leader that has ended while other threads of its process live on. */
export const hasEnded = ({ stat: { pid, state } }: WalkedProcess): boolean =>
  (state === "Z" || state === "X") && (listThreadsIfAlive(pid)?.length ?? 0) <= 1

/** Namespaces of threads; one that has ended by now, or is ending, is left out. */
export function surveyThreads(pid: number, tids: readonly number[]): Refusal[] {
  const others = tids.filter((tid) => tid !== pid)
  if (others.length === 0) return []
  const leader = readNamespaces(pid)
  return others.flatMap((tid) => {
    const theirs = readNamespacesIfAlive(pid, tid)
    const refusals = theirs ? surveyThreadNamespaces(pid, leader, tid, theirs) : []
    return refusals.length > 0 && isEnding(pid, tid) ? [] : refusals
  })
}

/** A dump ends what it runs in a thread by a signal that means nothing to the program. */
function surveySignals(pid: number, status: Status): Refusal[] {
  if (chooseStubSignal(signalUse([status])) !== undefined) return []
  return [{ ...NO_STUB_SIGNAL, where: `task ${pid}` }]
}

/** What one living process has that a dump could not keep, but for its open files. */
function surveyProcess(
  pid: number,
  tids: readonly number[],
  namespaces: Namespaces,
  options: SurveyOptions,
): { found: ProcessSurvey; refusals: Refusal[] } {
  const smaps = readSmaps(pid)
  const status = readStatus(pid)
  const refuseLink = (link: string) => refusedName(link, options)
  const refusals = [
    ...surveyNamespaces(pid, options.pid, namespaces, readNamespaces(pid)),
    ...surveyThreads(pid, tids),
    ...surveyMemory(pid, smaps, (mapping) => refusedMapping(pid, mapping, options), lowerFiles),
    ...(mayFollowMapped() ? [] : surveyWindows(pid, smaps)),
    ...surveyFs(pid, refuseLink),
    ...surveyAttributes(pid, tids, status),
    ...surveyLimits(pid, readLimits(pid), status),
    ...surveySignals(pid, status),
  ]
  return { found: { smaps, gadgets: findGadgets(pid, codeRanges(smaps)), status }, refusals }
}

const isGone = (error: unknown): boolean =>
  (error instanceof CheckpointError && error.code === "E_NO_PROCESS") || (error instanceof SyscallError && error.errno === "ESRCH")

/** A process that ended while it was looked at is no failure: children come and go. */
function unlessGone<T>(pid: number, root: number, look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (pid !== root && isGone(error)) return undefined
    throw error
  }
}

/** Options of a dump that decide what it can keep. */
export type SurveyOptions = Pick<
  DumpOptions,
  | ("pid" | "shellJob" | "extUnixSk" | "externalUnix" | "externals" | "tcpEstablished" | "tcpClose" | "skipInFlight")
  | keyof Keeping
  | ("cgroupProps" | "cgroupPropsFiles" | "cgroupRoots" | "cgroupDumpControllers" | "freezeCgroup" | "manageCgroups" | "timeoutSeconds")
>

/**
 * Looks at everything that can be seen without stopping the target.
 *
 * @throws CheckpointError E_NO_PROCESS, E_SELF, E_KERNEL_THREAD, E_TRACED, E_PERMISSION, E_TIMEOUT, and those of cgroup options
 */
export function lookAtTree(options: SurveyOptions): Outlook {
  const { pid: root, shellJob } = options
  checkTarget(root)
  const cgroups = prepareSaving(options)
  const members = walkTree(root)
  const living = members.filter((member) => !hasEnded(member))
  // Before the servers: whose files are on them is not to be seen without it.
  checkAccess(root)
  checkServersOf(root, living, options.timeoutSeconds)
  expectWork({ processes: living.length, threads: living.reduce((sum, { stat }) => sum + stat.num_threads, 0) })
  const namespaces = expectedNamespaces(ownNamespaces(), readNamespace(root, "time"))
  const processes = new Map<number, ProcessSurvey>()
  const refusals = surveyTree(
    members.map(({ stat }) => stat),
    shellJob,
    lives,
  )
  const parents = new Map(members.map(({ stat, ppid }) => [stat.pid, ppid]))
  const inside = new Set(parents.keys())
  const insiders: Insider[] = []
  for (const { stat } of living) {
    const { pid, state } = stat
    if (state === "Z" || state === "X") {
      // Its leader has ended and its other threads have not: no more than that can be read of it.
      refusals.push(...surveyAttributes(pid, [pid]))
      continue
    }
    unlessGone(pid, root, () => {
      checkAccess(pid)
      const threads = listThreads(pid)
      const { found, refusals: own } = surveyProcess(pid, threads, namespaces, options)
      // Of one that is ending much cannot be read any more, and looks as if it could not be kept.
      if (own.length > 0 && pid !== root && isEnding(pid, pid)) return
      insiders.push({ pid, threads, group: stat.pgrp })
      refusals.push(...own, ...surveyTimers(pid, readTimers(pid), inside), ...surveyProcessCgroups(pid, threads, cgroups, options))
      processes.set(pid, found)
    })
  }
  const openFiles = lookAtDescriptors(insiders, { ...options, members: inside })
  refusals.push(...openFiles.refusals)
  const { objects, groups } = objectsOfLiving([...processes.keys()])
  const outside = new Outside(inside)
  const spaces = ownersOf(objects, "vm_id").map((pid) => ({ pid, mappings: processes.get(pid)?.smaps ?? [] }))
  refusals.push(
    ...surveyObjects(objects, (pid) => parents.get(pid) ?? 0),
    ...lookForStrangers(groups, inside),
    ...lookForSysvSegments(spaces, outside),
  )
  const threads = insiders.flatMap(({ threads }) => threads)
  const notes = [...openFiles.notes, ...notesOnShared(spaces, outside), ...notesOnSharedIo(threads)]
  return { processes, cgroups, members, openFiles, notes, refusals }
}

/**
 * Looks at the target as `lookAtTree`, and refuses what a dump could not keep.
 *
 * @throws CheckpointError those of `lookAtTree`, and E_UNSUPPORTED with every refusal
 */
export function survey(options: SurveyOptions): Omit<Outlook, "refusals" | "notes"> {
  const { refusals, notes, ...kept } = lookAtTree(options)
  if (refusals.length > 0) throw refusedTarget(options.pid, refusals)
  for (const note of notes) log.warn(note)
  return kept
}
