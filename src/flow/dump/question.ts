import { allAtOnce } from "../../base/all.ts"
import { askAttributes, askThreadAttributes } from "../../kinds/attributes/collect.ts"
import { askLandlock } from "../../kinds/attributes/landlock.ts"
import { askCreds } from "../../kinds/creds/collect.ts"
import { askKeyrings } from "../../kinds/creds/keyrings.ts"
import { mayFollowMapped } from "../../kinds/files/mapped.ts"
import { askAioRings } from "../../kinds/memory/aio/collect.ts"
import { askBreak } from "../../kinds/memory/collect.ts"
import { askAreaPolicies, askThreadPolicy } from "../../kinds/memory/policy/collect.ts"
import { askKeys } from "../../kinds/memory/protection-keys.x86_64.ts"
import { askWindows } from "../../kinds/memory/windows.ts"
import { askTimerSlack } from "../../kinds/sched/collect.ts"
import { askAltStack, askSigactions } from "../../kinds/signals/collect.ts"
import { askTidAddress } from "../../kinds/thread/collect.ts"
import { findClocks } from "../../kinds/timers/clocks.ts"
import { askTimers, collectTimers } from "../../kinds/timers/collect.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import { readStatus, type Status } from "../../proc/status.ts"
import { readTimers } from "../../proc/timers.ts"
import { askSliceExtension } from "../../rseq/slice.ts"
import type { Loan } from "../../tracee/loan.ts"
import { type Answers, Program } from "../../tracee/program.ts"
import type { InspectedThread } from "./threads.ts"

/** Everything that only the process and its threads can say, put as programs of questions. */
export interface Questions {
  readonly programs: ReadonlyMap<number, Program>
  readonly process: ReturnType<typeof askProcess>
  readonly threads: ReadonlyMap<number, ReturnType<typeof askThread>>
}

/** Questions that the leader is asked for its process. */
function askProcess(pid: number, mappings: readonly MappingDetail[], showsKeys: boolean, program: Program) {
  return {
    actions: askSigactions(program),
    timers: askTimers(program, readTimers(pid)),
    brk: askBreak(program),
    attributes: askAttributes(program),
    policies: askAreaPolicies(program, mappings),
    keys: askKeys(program, showsKeys),
    aioRings: askAioRings(program, mappings),
    windows: mayFollowMapped() ? [] : askWindows(program, mappings),
  }
}

/** Questions that each thread is asked for itself. @param witness see `askLandlock` */
export function askThread(program: Program, witness: number | undefined) {
  return {
    stack: askAltStack(program),
    tidAddress: askTidAddress(program),
    creds: askCreds(program),
    attributes: askThreadAttributes(program),
    slack: askTimerSlack(program),
    policy: askThreadPolicy(program),
    landlock: askLandlock(program, witness),
    sliceExtension: askSliceExtension(program),
    keyrings: askKeyrings(program),
  }
}

/**
 * Writes the questions for every thread; the leader also answers for the process.
 *
 * @param threads thread IDs, each with its witness, see `askLandlock`
 * @param showsKeys see ../../kinds/memory/protection-keys.x86_64.ts
 */
export function planQuestions(
  pid: number,
  threads: ReadonlyMap<number, number | undefined>,
  mappings: readonly MappingDetail[],
  showsKeys: boolean,
): Questions {
  const programs = new Map<number, Program>()
  const questions = new Map<number, ReturnType<typeof askThread>>()
  // Threads that are asked the same run the same program; the leader is asked for the process, too.
  const common = new Map<number | undefined, { readonly program: Program; readonly own: ReturnType<typeof askThread> }>()
  const leader = new Program()
  const process = askProcess(pid, mappings, showsKeys, leader)
  for (const [tid, witness] of threads) {
    const make = (program: Program) => ({ program, own: askThread(program, witness) })
    const { program, own } = tid === pid ? make(leader) : common.getOrInsertComputed(witness, () => make(new Program()))
    programs.set(tid, program)
    questions.set(tid, own)
  }
  if (!programs.has(pid)) throw new Error(`Unreachable: process ${pid} has no leader among ${[...threads.keys()].join(", ")}`)
  return { programs, process, threads: questions }
}

/** Sets of pending signals, which change when a timer runs out. */
const pendingOf = (statuses: ReadonlyMap<number, Status>): string =>
  [...statuses.values()].map(({ sigPending, sharedPending }) => `${sigPending} ${sharedPending}`).join()

const MOST_ROUNDS = 5

/** True when a timer may run out at any moment. */
function isTicking(answers: Answers | undefined, questions: Questions): boolean {
  if (!answers) return false
  const { real, virt, prof, posix } = collectTimers(answers, questions.process.timers)
  return posix.length > 0 || [real, virt, prof].some(({ vsec, vusec }) => vsec !== 0n || vusec !== 0n)
}

/** A process that has lent itself, and what it is to be asked. */
export interface Asked {
  readonly pid: number
  readonly threads: readonly InspectedThread[]
  readonly questions: Questions
  readonly loan: Loan
}

/** What a process said, and the status of every thread that belongs to it. */
export interface Answered {
  readonly answers: ReadonlyMap<number, Answers>
  readonly statuses: ReadonlyMap<number, Status>
  /** By the ID of a POSIX timer, see `findClocks`. */
  readonly clocks: ReadonlyMap<number, number>
}

/**
 * Has all questions of all processes answered at the same time. What fails in one does not keep the others from answering. Threads may run
 * on then, until the loans are returned.
 */
export function questionAll(asked: readonly Asked[]): ReadonlyMap<number, Answered> {
  return new Map(
    allAtOnce(asked, (one) => {
      const wait = one.loan.start(one.questions.programs)
      return () => [one.pid, settle(one, wait())] as const
    }),
  )
}

/** Starts a program in one thread; those that are not given one stay stopped. @returns what waits for the answers, see `Loan` */
export function startAlone(loan: Loan, tid: number, program: Program): () => Answers {
  const wait = loan.start(new Map([[tid, program]]))
  return () => {
    const answers = wait().get(tid)
    if (!answers) throw new Error(`Unreachable: thread ${tid} was not asked`)
    return answers
  }
}

/** Asks again while timers run out: one that did so in between would be saved twice, as a timer that runs and as its signal. */
function settle({ pid, threads, questions, loan }: Asked, first: ReadonlyMap<number, Answers>): Answered {
  const look = (): Map<number, Status> => new Map(threads.map(({ frozen: { tid } }) => [tid, readStatus(pid, tid)]))
  let before = new Map(threads.map(({ frozen: { tid }, status }) => [tid, status]))
  let answers = first
  const leader = answers.get(pid)
  const tids = threads.map(({ frozen: { tid } }) => tid)
  const clocks = leader
    ? findClocks(pid, tids, leader, questions.process.timers, (tid, program) => startAlone(loan, tid, program)())
    : new Map<number, number>()
  for (let round = 1; ; round++) {
    if (!isTicking(answers.get(pid), questions)) return { answers, statuses: before, clocks }
    const after = look()
    if (pendingOf(before) === pendingOf(after) || round === MOST_ROUNDS) return { answers, statuses: after, clocks }
    before = after
    answers = loan.run(questions.programs)
  }
}
