import { allAtOnce } from "../../base/all.ts"
import type { Range } from "../../base/units.ts"
import { askSessionKeyring, collectSessionKeyring } from "../../kinds/creds/keyrings.ts"
import { collectFutureLocks } from "../../kinds/memory/future.ts"
import { without } from "../../kinds/memory/holes.ts"
import { showsKeys } from "../../kinds/memory/protection-keys.x86_64.ts"
import { FilterTable } from "../../kinds/seccomp/collect.ts"
import { collectObjects, type ObjectIds } from "../../kinds/tree/objects.ts"
import { type MappingDetail, readSmaps } from "../../proc/smaps.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus } from "../../proc/status.ts"
import type { FrozenTree } from "../../tracee/freeze.ts"
import type { FrozenProcess, FrozenThread } from "../../tracee/frozen.ts"
import { borrowAll, type Loan, type LoanRequest } from "../../tracee/loan.ts"
import { loanSize } from "../../tracee/placement.ts"
import { Program } from "../../tracee/program.ts"
import { patienceOf } from "../../tracee/wait.ts"
import type { DumpOptions } from "../options.ts"
import { type Proofs, planProofs, proveGuesses } from "../rseq/proof.ts"
import { warnFiltered } from "./filtered.ts"
import { frameOf } from "./frame-pages.ts"
import { gather } from "./gather.ts"
import { planQuestions, type Questions, questionAll, startAlone } from "./question.ts"
import { resurvey } from "./resurvey.ts"
import type { MemberStat, Source } from "./state.ts"
import { refuseStopped } from "./stopped.ts"
import type { ProcessSurvey, Survey } from "./survey.ts"
import { findTerms, removableLeftovers } from "./terms.ts"
import { type InspectedThread, inspectThreads, prepareThreads } from "./threads.ts"
import type { Witnesses } from "./witness.ts"

/** A frozen process before anything was run in it. */
interface Prepared {
  readonly process: FrozenProcess
  /** All threads that use its memory. */
  readonly users: readonly FrozenThread[]
  readonly threads: readonly InspectedThread[]
  readonly mappings: readonly MappingDetail[]
  readonly questions: Questions
  readonly proofs: Proofs
  readonly known: ProcessSurvey | undefined
}

/** Reads all that must be read before anything runs in a process, prepares its threads, and writes down what it will be asked. */
function prepare(
  process: FrozenProcess,
  users: readonly FrozenThread[],
  known: ProcessSurvey | undefined,
  witnesses: Witnesses,
  options: DumpOptions,
): Prepared {
  const { pid } = process
  const inspected = inspectThreads(process, known?.smaps ?? [], options)
  // Up to here nothing of the process was changed.
  const threads = prepareThreads(process, inspected)
  // Not those of before the freeze, however equal the maps: madvise and mlock change flags that only smaps shows.
  const everything = readSmaps(pid)
  const leftovers = removableLeftovers(pid, users, everything)
  // The kernel may have merged the end of a leftover with a neighbour of the program's own: cut, never drop.
  const mappings =
    leftovers.length === 0
      ? everything
      : everything.flatMap((mapping) => without(mapping, leftovers).map((part) => ({ ...mapping, ...part })))
  const witnessed = new Map(threads.map(({ frozen: { tid }, status }) => [tid, witnesses.of(status)]))
  const xstates = threads.map(({ frozen: { xstate } }) => xstate)
  const questions = planQuestions(pid, witnessed, mappings, showsKeys(mappings, xstates))
  for (const { start, end } of leftovers) questions.programs.get(pid)?.call("munmap", start, end - start)
  warnFiltered(threads, questions.programs)
  return { process, users, threads, mappings, questions, proofs: planProofs(threads), known }
}

/** What is to be borrowed of one process, and where the frames in its memory are: its own, and those of who shares it. */
export interface FramedRequest extends LoanRequest {
  readonly frames: readonly Range[]
}

/** A frozen tree that has said of itself what only it can say. */
export interface AskedTree {
  /** In the order of `frozen.processes`, as are the requests and the loans. */
  readonly sources: readonly Source[]
  readonly members: readonly MemberStat[]
  /** What the processes share. */
  readonly objects: ReadonlyMap<number, ObjectIds>
  /** Seccomp filters of all threads. */
  readonly filters: FilterTable
  readonly requests: readonly FramedRequest[]
  readonly loans: readonly Loan[]
}

/**
 * Asks every process what only it can say, and keeps what they lent until `use` is done.
 *
 * Nothing is run in any process before the rseq state of every thread of all of them has been read.
 *
 * @throws CheckpointError, SyscallError: the processes have been given back then
 */
export function askFrozenTree<T>(
  frozen: Pick<FrozenTree, "processes" | "members">,
  before: Survey,
  witnesses: Witnesses,
  options: DumpOptions,
  use: (asked: AskedTree) => T,
): T {
  const objects = collectObjects(frozen.processes.map(({ pid }) => pid))
  const users = usersOfMemory(frozen.processes, objects)
  const prepared = frozen.processes.map((process) =>
    prepare(process, users(process), before.processes.get(process.pid), witnesses, options),
  )
  const members = frozen.members.map(statOf)
  resurvey(
    members.map(({ stat }) => stat),
    prepared.map(({ process: { pid, threads: frozen }, threads, mappings }) => ({
      pid,
      mappings,
      threads: frozen,
      statuses: threads.map(({ status }) => status),
    })),
    before,
    options,
  )
  const requests = planLoans(prepared, objects)
  const patience = patienceOf(options.timeoutSeconds)
  using loans = borrowAll(requests, patience)
  const proved = prepared.map((one, index) => {
    const loan = loans.all[index]
    return loan ? { ...one, threads: proveGuesses(one.threads, one.proofs, loan) } : one
  })
  const answered = questionAll(
    proved.flatMap(({ process: { pid }, threads, questions }, index) => {
      const loan = loans.all[index]
      return loan ? [{ pid, threads, questions, loan }] : []
    }),
  )
  const filters = new FilterTable()
  const stats = new Map(members.map(({ stat }) => [stat.pid, stat]))
  const sources = proved.map(({ process: { pid, stopSignal }, threads, mappings, questions }, index): Source => {
    const said = answered.get(pid)
    if (!said) throw new Error(`Unreachable: process ${pid} was not asked`)
    refuseStopped(pid, questions, said.answers, options.landlock)
    const inspected = { stat: stats.get(pid) ?? readStat(pid), threads, mappings, stopSignal, patience }
    const gathered = gather(inspected, questions, said, filters)
    const loan = loans.all[index]
    const future = loan && readFutureLocks(pid, threads, loan)
    if (future) gathered.extension.mlock_future = future
    return { pid, threads, mappings, gathered }
  })
  return use({ sources, members, objects, filters, requests, loans: loans.all })
}

/** Gives of a process all threads that use its memory: its own, and those of processes that share it. */
function usersOfMemory(processes: readonly FrozenProcess[], objects: AskedTree["objects"]) {
  const memoryOf = ({ pid }: FrozenProcess): number | undefined => objects.get(pid)?.vm_id
  const byMemory = Map.groupBy(processes, memoryOf)
  return (process: FrozenProcess): FrozenThread[] => (byMemory.get(memoryOf(process)) ?? []).flatMap(({ threads }) => threads)
}

/** What is to be borrowed of each process, with frames apart: processes that share their memory would return by one another's. */
function planLoans(prepared: readonly Prepared[], objects: AskedTree["objects"]): FramedRequest[] {
  const framesOf = new Map<number, Range[]>()
  return prepared.map(({ process, users, threads, mappings, questions, proofs, known }) => {
    const memory = objects.get(process.pid)?.vm_id ?? 0
    const frames = framesOf.get(memory) ?? []
    framesOf.set(memory, frames)
    const terms = findTerms(process, threads, users, mappings, known?.gadgets, frames)
    frames.push(...frameOf(process, terms))
    const programs = [...proofs.values()].map(({ program }) => program)
    return { process, terms, frames, bytes: Math.max(loanSize(process, [...questions.programs.values()]), loanSize(process, programs)) }
  })
}

/** How a process locks new areas (mlockall), which shows in the loan: that is a new area. */
function readFutureLocks(pid: number, [leader]: readonly InspectedThread[], loan: Loan): number {
  const { start, end } = loan.area
  const before = leader?.status.vmLocked ?? 0
  return collectFutureLocks(before, readStatus(pid).vmLocked, Number(end - start), (program) => startAlone(loan, pid, program)())
}

/**
 * Asks processes for their session keyrings, all at the same time.
 *
 * @param loans of each   @returns for each what `collectSessionKeyring` finds   Precondition: as `askSessionKeyring`
 */
export function readSessionKeyrings(processes: readonly { readonly pid: number }[], loans: readonly Loan[]): (number | undefined)[] {
  const program = new Program()
  const questions = askSessionKeyring(program)
  if (!questions) return []
  return allAtOnce(processes.entries(), ([index, { pid }]) => {
    const loan = loans[index]
    if (!loan) throw new Error(`Unreachable: process ${pid} has lent nothing`)
    const wait = startAlone(loan, pid, program)
    return () => collectSessionKeyring(wait(), questions)
  })
}

function statOf(member: FrozenTree["members"][number]): MemberStat {
  const dead = "dead" in member
  return { stat: readStat(dead ? member.dead.pid : member.frozen.pid), ppid: member.ppid, dead }
}
