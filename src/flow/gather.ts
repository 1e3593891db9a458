import type { core_entry, task_core_entry, thread_core_entry } from "../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../proto/gen/core-x86_pb.ts"
import type { stasis_task_entry, stasis_thread_entry } from "../../proto/gen/stasis_pb.ts"
import { refusedTarget } from "../base/errors.ts"
import {
  askAttributes,
  askThreadAttributes,
  collectAttributes,
  collectThreadAttributes,
  type ProcessAttributes,
} from "../kinds/attributes/collect.ts"
import { surveyStopped } from "../kinds/attributes/survey.ts"
import { askCreds, collectCreds } from "../kinds/creds/collect.ts"
import { collectLimits } from "../kinds/limits/collect.ts"
import { askBreak } from "../kinds/memory/collect.ts"
import { collectFpu, collectRegisters, collectTls, hasForeignState } from "../kinds/registers/collect.x86_64.ts"
import { collectSched } from "../kinds/sched/collect.ts"
import { askAltStack, askSigactions, collectAltStack, collectPending, collectSigactions } from "../kinds/signals/collect.ts"
import { askTidAddress, collectRobustList, collectTidAddress } from "../kinds/thread/collect.ts"
import { askTimers, collectTimers } from "../kinds/timers/collect.ts"
import { collectCore, ROOT_CGROUP_SET } from "../kinds/tree/collect.ts"
import { readLimits } from "../proc/limits.ts"
import { readStat } from "../proc/stat.ts"
import { readStatus, type Status } from "../proc/status.ts"
import { readTimers } from "../proc/timers.ts"
import { rseqEntry, rseqExtension } from "../rseq/image.ts"
import type { Loan } from "../tracee/loan.ts"
import { type Answers, Program } from "../tracee/program.ts"
import type { InspectedThread } from "./threads.ts"

/** Task state of a living process. Authority: REFERENCE 2.2 */
const ALIVE = 1

/** Everything that only the process and its threads can say, put as programs of questions. */
export interface Questions {
  readonly programs: ReadonlyMap<number, Program>
  readonly process: ReturnType<typeof askProcess>
  readonly threads: ReadonlyMap<number, ReturnType<typeof askThread>>
}

function askProcess(pid: number, program: Program) {
  return {
    actions: askSigactions(program),
    timers: askTimers(program, readTimers(pid)),
    brk: askBreak(program),
    attributes: askAttributes(program),
  }
}

function askThread(program: Program) {
  return {
    stack: askAltStack(program),
    tidAddress: askTidAddress(program),
    creds: askCreds(program),
    attributes: askThreadAttributes(program),
  }
}

/** Writes the questions for every thread; the leader also answers for the process. */
export function askAll(pid: number, tids: readonly number[]): Questions {
  const programs = new Map(tids.map((tid) => [tid, new Program()]))
  const leader = programs.get(pid)
  if (!leader) throw new Error(`Unreachable: process ${pid} has no leader among ${tids.join(", ")}`)
  return {
    programs,
    process: askProcess(pid, leader),
    threads: new Map([...programs].map(([tid, program]) => [tid, askThread(program)])),
  }
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

/**
 * Has all questions answered, again if a timer ran out meanwhile: its signal would be saved and the timer too.
 *
 * @returns the answers, and the status of every thread that belongs to them
 */
export function questionAll(
  pid: number,
  threads: readonly InspectedThread[],
  questions: Questions,
  loan: Loan,
): { answers: Map<number, Answers>; statuses: Map<number, Status> } {
  const look = (): Map<number, Status> => new Map(threads.map(({ frozen: { tid } }) => [tid, readStatus(pid, tid)]))
  let before = new Map(threads.map(({ frozen: { tid }, status }) => [tid, status]))
  for (let round = 1; ; round++) {
    const answers = loan.run(questions.programs)
    if (!isTicking(answers.get(pid), questions)) return { answers, statuses: before }
    const after = look()
    if (pendingOf(before) === pendingOf(after) || round === MOST_ROUNDS) return { answers, statuses: after }
    before = after
  }
}

/** What a process and its threads said, as entries. */
export interface Gathered {
  readonly cores: ReadonlyMap<number, core_entry>
  readonly mm: ProcessAttributes["mm"]
  /** End of the heap. */
  readonly brk: bigint
  /** Facts for our own image; files and areas are added by whoever knows them. */
  readonly extension: stasis_task_entry
}

function collectThread(
  { frozen, rseq, restart }: InspectedThread,
  status: Status,
  pid: number,
  answers: Answers,
  questions: ReturnType<typeof askThread>,
  personality: number,
): { core: thread_core_entry; info: thread_info_x86; extension: stasis_thread_entry } {
  const { tid, mask, xstate } = frozen
  const sched = collectSched(tid)
  const attributes = collectThreadAttributes(answers, questions.attributes, personality)
  const entry = rseqEntry(rseq)
  const core: thread_core_entry = {
    ...collectRobustList(tid),
    ...sched.entry,
    ...(tid === pid ? {} : { blk_sigset: mask }),
    sas: collectAltStack(answers, questions.stack),
    signals_p: collectPending(tid, false, status.sigPending),
    creds: collectCreds(status, answers, questions.creds),
    comm: status.name,
    ...attributes.entry,
    ...(entry ? { rseq_entry: entry } : {}),
    cg_set: ROOT_CGROUP_SET,
  }
  const info: thread_info_x86 = {
    clear_tid_addr: collectTidAddress(answers, questions.tidAddress),
    gpregs: collectRegisters(restart.image),
    fpregs: collectFpu(xstate),
    tls: collectTls(),
  }
  const extension: stasis_thread_entry = {
    tid,
    ...sched.extension,
    ...attributes.extension,
    ...rseqExtension(rseq),
    ...(restart.entry ? { restart: restart.entry } : {}),
    ...(hasForeignState(xstate) ? { extra_xstate: xstate } : {}),
  }
  return { core, info, extension }
}

/** Refuses what only a stopped thread shows. @throws CheckpointError E_UNSUPPORTED */
export function refuseStopped(pid: number, questions: Questions, answers: ReadonlyMap<number, Answers>): void {
  const refusals = [...questions.threads].flatMap(([tid, { attributes }]) => {
    const own = answers.get(tid)
    return own ? surveyStopped(pid, tid, own, attributes) : []
  })
  if (refusals.length > 0) throw refusedTarget(pid, refusals)
}

/** Turns frozen threads and their answers into entries. */
export function gather(
  pid: number,
  threads: readonly InspectedThread[],
  statuses: ReadonlyMap<number, Status>,
  questions: Questions,
  answers: ReadonlyMap<number, Answers>,
): Gathered {
  const asked = threads.map((thread) => {
    const { tid } = thread.frozen
    const [own, of, status] = [answers.get(tid), questions.threads.get(tid), statuses.get(tid)]
    if (!own || !of || !status) throw new Error(`Unreachable: thread ${tid} was not asked`)
    return { thread, tid, own, of, status }
  })
  const leader = asked.find(({ tid }) => tid === pid)
  if (!leader) throw new Error(`Unreachable: leader ${pid} was not asked`)
  const attributes = collectAttributes(pid, leader.own, questions.process.attributes)
  const {
    status,
    thread: { frozen },
  } = leader
  const tc: task_core_entry = {
    ...attributes.entry,
    task_state: ALIVE,
    exit_code: 0,
    flags: readStat(pid).flags,
    blk_sigset: frozen.mask,
    comm: status.name,
    timers: collectTimers(leader.own, questions.process.timers),
    rlimits: collectLimits(readLimits(pid)),
    signals_s: collectPending(pid, true, status.sharedPending),
    sigactions: collectSigactions(leader.own, questions.process.actions),
  }
  const cores = new Map<number, core_entry>()
  const extensions: stasis_thread_entry[] = []
  for (const { thread, tid, own, of, status } of asked) {
    const { core, info, extension } = collectThread(thread, status, pid, own, of, attributes.entry.personality)
    cores.set(tid, collectCore(info, core, tid === pid ? tc : undefined))
    extensions.push(extension)
  }
  return {
    cores,
    mm: attributes.mm,
    brk: leader.own.of(questions.process.brk),
    extension: { format_version: 1, producer: "stasis", ...attributes.extension, threads: extensions, files: [], vmas: [] },
  }
}
