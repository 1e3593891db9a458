import { logger } from "../../base/log.ts"
import type { ImageTransaction } from "../../image/transaction.ts"
import type { FrozenCgroup } from "../../kinds/cgroup/freezer.ts"
import { collectSessionKeyring } from "../../kinds/creds/keyrings.ts"
import { isInMemory } from "../../kinds/files/ghost/collect.ts"
import { type MadeLinks, makeLinks } from "../../kinds/files/ghost/links.ts"
import { collectFutureLocks } from "../../kinds/memory/future.ts"
import { without } from "../../kinds/memory/holes.ts"
import { showsKeys } from "../../kinds/memory/protection-keys.x86_64.ts"
import { FilterTable } from "../../kinds/seccomp/collect.ts"
import { type MappingDetail, readSmaps } from "../../proc/smaps.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus } from "../../proc/status.ts"
import { imagePatches } from "../../rseq/fixup.ts"
import type { RseqState } from "../../rseq/state.ts"
import type { FrozenTree } from "../../tracee/freeze.ts"
import type { FrozenProcess } from "../../tracee/frozen.ts"
import { borrowAll, type Loan, type LoanRequest } from "../../tracee/loan.ts"
import { loanSize } from "../../tracee/placement.ts"
import type { Answers, Program } from "../../tracee/program.ts"
import { patienceOf } from "../../tracee/wait.ts"
import { withAioRingsAtRest } from "../aio-rings.ts"
import { saveCgroups } from "../cgroups.ts"
import type { DumpedConnections } from "../connections.ts"
import type { DumpOptions } from "../options.ts"
import { type Proofs, planProofs, proveGuesses } from "../rseq/proof.ts"
import { warnFiltered } from "./filtered.ts"
import { withoutFrame } from "./frame-pages.ts"
import { gather } from "./gather.ts"
import type { PagesFiles } from "./pages-files.ts"
import { planQuestions, type Questions, questionAll } from "./question.ts"
import { resurvey } from "./resurvey.ts"
import { lostSemUndo } from "./sem-undo.ts"
import { collectState, type MemberStat, type Source, type TreeState, writeMetadata } from "./state.ts"
import { refuseStopped } from "./stopped.ts"
import { savePages, saveSegment } from "./store-pages.ts"
import type { ProcessSurvey, Survey } from "./survey.ts"
import { findTerms, removableLeftovers } from "./terms.ts"
import { type InspectedThread, inspectThreads, prepareThreads } from "./threads.ts"
import type { Witnesses } from "./witness.ts"

const log = logger("dump")

/** What is left to do when the tree may go on again: writing what was read. */
export interface Saved {
  /** Pages stored. */
  readonly pages: number
  /** Time that copying memory took, ms. */
  readonly copying: number
  /** Names that files got for the time until they are restored. */
  readonly links: MadeLinks
  /** Writes every image but the pages themselves. */
  writeMetadata(images: ImageTransaction): void
}

/** A frozen process before anything was run in it. */
interface Prepared {
  readonly process: FrozenProcess
  readonly threads: readonly InspectedThread[]
  readonly mappings: readonly MappingDetail[]
  readonly questions: Questions
  readonly proofs: Proofs
  readonly known: ProcessSurvey | undefined
}

/** Reads all that must be read before anything runs in a process, prepares its threads, and writes down what it will be asked. */
function prepare(process: FrozenProcess, known: ProcessSurvey | undefined, witnesses: Witnesses, options: DumpOptions): Prepared {
  const { pid } = process
  const inspected = inspectThreads(process, options)
  // Up to here nothing of the process was changed.
  const threads = prepareThreads(process, inspected)
  // Not those of before the freeze, however equal the maps: madvise and mlock change flags that only smaps shows.
  const everything = readSmaps(pid)
  const leftovers = removableLeftovers(process, everything)
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
  return { process, threads, mappings, questions, proofs: planProofs(threads), known }
}

/** What the reading of a frozen tree takes beside the tree: each is there before anything is asked, and outlasts the reading. */
export interface Provisions {
  readonly witnesses: Witnesses
  /** The cgroup that was frozen to catch the tree. */
  readonly cgroup: FrozenCgroup | undefined
  readonly connections: DumpedConnections
}

/** All of a frozen tree but its pages. */
export interface TreeReading {
  readonly state: TreeState
  /** What was asked of each process, in the order of `state.processes`; so are the loans and the rseq states. */
  readonly requests: readonly LoanRequest[]
  readonly loans: readonly Loan[]
  readonly rseq: readonly (readonly RseqState[])[]
}

/**
 * Reads everything of every process but its memory, and keeps what they lent until `use` is done.
 *
 * Nothing is run in any process before the rseq state of every thread of all of them has been read.
 *
 * @throws CheckpointError, SyscallError: the processes have been given back then
 */
export function readFrozenTree<T>(
  frozen: Pick<FrozenTree, "processes" | "members">,
  before: Survey,
  { witnesses, cgroup, connections }: Provisions,
  options: DumpOptions,
  use: (reading: TreeReading) => T,
): T {
  const prepared = frozen.processes.map((process) => prepare(process, before.processes.get(process.pid), witnesses, options))
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
  const requests = prepared.map(({ process, threads, mappings, questions, proofs, known }) => ({
    process,
    terms: findTerms(process, threads, mappings, known?.gadgets),
    bytes: Math.max(
      loanSize(process, [...questions.programs.values()]),
      loanSize(
        process,
        [...proofs.values()].map(({ program }) => program),
      ),
    ),
  }))
  using loans = borrowAll(requests, patienceOf(options.timeoutSeconds))
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
    const gathered = gather(stats.get(pid) ?? readStat(pid), threads, mappings, questions, said, stopSignal, filters)
    const loan = loans.all[index]
    const future = loan && readFutureLocks(pid, threads, loan)
    if (future) gathered.extension.mlock_future = future
    return { pid, threads, mappings, gathered }
  })
  const cgroups = saveCgroups(frozen.processes, before.cgroups, cgroup, options)
  const state = collectState(sources, members, { ...options, stopped: true }, { ...connections, cgroups, filters })
  return use({ state, requests, loans: loans.all, rseq: sources.map(({ threads }) => threads.map(({ rseq }) => rseq)) })
}

/** The frozen part of a dump: reads the tree, and copies its memory into the pages files. As `readFrozenTree`. */
export const saveTree = (frozen: FrozenTree, before: Survey, provisions: Provisions & Stores, options: DumpOptions): Saved =>
  readFrozenTree(frozen, before, provisions, options, (reading) => save(reading, provisions, options))

/** Where goes what must be copied while the tree stands still. */
interface Stores {
  readonly pagesFiles: PagesFiles
  readonly images: Pick<ImageTransaction, "stream">
}

function save({ state, requests, loans, rseq }: TreeReading, { pagesFiles, images }: Stores, options: DumpOptions): Saved {
  for (const loss of [
    ...state.descriptors.losses,
    ...lostSemUndo(state.processes.map(({ pid }) => pid)),
    ...(state.treeWide.connections?.lost() ?? []),
  ])
    log.warn(`not kept: ${loss}`)
  using undo = new DisposableStack()
  const links = undo.use(makeLinks(state.table.links))
  for (const [number, parts] of state.table.ghosts.files) if (!isInMemory(parts)) images.stream("ghost-file", number, parts)
  const copyingSince = performance.now()
  const stored = withAioRingsAtRest(state, () => [
    ...state.processes.map(({ pid, memory: { ranges, common } }, i) => {
      const request = requests[i]
      const own = request ? withoutFrame(request.process, ranges, request.terms) : ranges
      return savePages(pid, pagesFiles.take(pid), { ranges: own, common }, imagePatches(rseq[i] ?? []))
    }),
    ...state.memfds.map((memory) => saveSegment(memory.inode.shmid, memory, pagesFiles)),
    ...state.sysv.map((segment) => saveSegment(segment.entry.desc.id, segment, pagesFiles)),
  ])
  pagesFiles.dropUnused()
  // Last of all, and only when nothing that it changes can matter any more.
  if (!options.leaveRunning && !options.leaveStopped)
    for (const [index, { pid, extension }] of state.processes.entries()) {
      const loan = loans[index]
      const keyring = loan && collectSessionKeyring((program) => askLeader(pid, loan, program))
      if (keyring !== undefined) extension.session_keyring = keyring
    }
  undo.move()
  return {
    links,
    pages: stored.reduce((sum, { pages }) => sum + pages, 0),
    copying: performance.now() - copyingSince,
    writeMetadata: (images) => writeMetadata(images, state, stored),
  }
}

/** How a process locks new areas: the loan is one. */
function readFutureLocks(pid: number, [leader]: readonly InspectedThread[], loan: Loan): number {
  const { start, end } = loan.area
  const before = leader?.status.vmLocked ?? 0
  return collectFutureLocks(before, readStatus(pid).vmLocked, Number(end - start), (program) => askLeader(pid, loan, program))
}

/** Has the leader of a process run one more program. */
function askLeader(pid: number, loan: Loan, program: Program): Answers {
  const answers = loan.run(new Map([[pid, program]])).get(pid)
  if (!answers) throw new Error(`Unreachable: process ${pid} was not asked`)
  return answers
}

function statOf(member: FrozenTree["members"][number]): MemberStat {
  const dead = "dead" in member
  return { stat: readStat(dead ? member.dead.pid : member.frozen.pid), ppid: member.ppid, dead }
}
