import type { core_entry, task_core_entry, thread_core_entry } from "../../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../../proto/gen/core-x86_pb.ts"
import type { stasis_task_entry, stasis_thread_entry } from "../../../proto/gen/stasis_pb.ts"
import { TASK } from "../../../proto/values.ts"
import { collectAttributes, collectThreadAttributes, type ProcessAttributes } from "../../kinds/attributes/collect.ts"
import { isLandlocked } from "../../kinds/attributes/landlock.ts"
import { collectCreds } from "../../kinds/creds/collect.ts"
import { collectLimits } from "../../kinds/limits/collect.ts"
import { collectAreaPolicies, collectPolicy } from "../../kinds/memory/policy/collect.ts"
import { collectKeys } from "../../kinds/memory/protection-keys.x86_64.ts"
import { collectWindows } from "../../kinds/memory/windows.ts"
import { collectFpu, collectRegisters, hasForeignState, UNUSED_TLS } from "../../kinds/registers/collect.x86_64.ts"
import { collectSched } from "../../kinds/sched/collect.ts"
import { collectSeccomp, type FilterTable, type SeccompEntry } from "../../kinds/seccomp/collect.ts"
import { collectAltStack, collectPending, collectSigactions } from "../../kinds/signals/collect.ts"
import { collectRobustList, collectTidAddress } from "../../kinds/thread/collect.ts"
import { collectTimers } from "../../kinds/timers/collect.ts"
import { collectCore } from "../../kinds/tree/collect.ts"
import { readLimits } from "../../proc/limits.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { Stat } from "../../proc/stat.ts"
import type { Status } from "../../proc/status.ts"
import { rseqEntry, rseqExtension } from "../../rseq/image.ts"
import { collectSliceExtension } from "../../rseq/slice.ts"
import type { Answers } from "../../tracee/program.ts"
import type { Patience } from "../../tracee/wait.ts"
import type { Answered, askThread, Questions } from "./question.ts"
import type { InspectedThread } from "./threads.ts"

/** Our own image of a process that has nothing to say. */
export const extensionHead = { format_version: 1, producer: "stasis", threads: [], files: [], vmas: [], shm: [] }

/** What a process and its threads said, as entries. */
export interface Gathered {
  /** Those of its threads, made when the tree may go on again: all that they are made from was read before. */
  readonly threads: () => { readonly cores: ReadonlyMap<number, core_entry>; readonly extensions: stasis_thread_entry[] }
  readonly isStopped: boolean
  readonly mm: ProcessAttributes["mm"]
  /** End of the heap. */
  readonly brk: bigint
  readonly umask: number | null
  /** Memory policies by the start of their area. */
  readonly policies: ReturnType<typeof collectAreaPolicies>
  /** To shared memory, by memory; none where links may be followed. */
  readonly windows: ReturnType<typeof collectWindows>
  /** Facts for our own image; files and areas are added by whoever knows them. */
  readonly extension: stasis_task_entry
}

interface ThreadEntries {
  readonly core: thread_core_entry
  readonly info: thread_info_x86
  readonly extension: stasis_thread_entry
}

/** A thread, what it was asked and what it said. */
interface AskedThread {
  readonly thread: InspectedThread
  readonly tid: number
  readonly status: Status
  readonly questions: ReturnType<typeof askThread>
  readonly answers: Answers
}

/**
 * Asks what only a stopped thread can be asked from outside.
 *
 * @param pid its process   @param personality of that   @param seccomp what its entry says of its filters
 * @returns what makes its entries, at any time
 */
function collectThread(
  { thread: { frozen, rseq, restart }, status, questions, answers }: AskedThread,
  pid: number,
  personality: number,
  seccomp: SeccompEntry,
  patience: Patience,
): () => ThreadEntries {
  const { tid, mask, xstate } = frozen
  const sched = collectSched(tid, answers.of(questions.slack))
  const robustList = collectRobustList(tid)
  const pending = collectPending(tid, false, status.sigPending, patience())
  return () => {
    const attributes = collectThreadAttributes(answers, questions.attributes, personality)
    const mempolicy = collectPolicy(answers, questions.policy)
    const entry = rseqEntry(rseq)
    const core: thread_core_entry = {
      ...robustList,
      ...sched.entry,
      ...(tid === pid ? {} : { blk_sigset: mask }),
      sas: collectAltStack(answers, questions.stack),
      signals_p: pending,
      creds: collectCreds(status, answers, questions.creds),
      comm: status.name,
      ...attributes.entry,
      ...seccomp,
      ...(entry ? { rseq_entry: entry } : {}),
    }
    const info: thread_info_x86 = {
      clear_tid_addr: collectTidAddress(answers, questions.tidAddress),
      gpregs: collectRegisters(restart.image),
      fpregs: collectFpu(xstate),
      tls: UNUSED_TLS,
    }
    const extension: stasis_thread_entry = {
      tid,
      ...sched.extension,
      ...attributes.extension,
      ...rseqExtension(rseq),
      ...(mempolicy ? { mempolicy } : {}),
      ...collectSliceExtension(answers, questions.sliceExtension),
      ...(isLandlocked(answers, questions.landlock) ? { landlocked: true } : {}),
      ...(restart.entry ? { restart: restart.entry } : {}),
      ...(hasForeignState(xstate) ? { extra_xstate: xstate } : {}),
    }
    return { core, info, extension }
  }
}

/** A frozen process: what was read of it before it was asked. */
interface InspectedProcess {
  readonly stat: Stat
  readonly threads: readonly InspectedThread[]
  readonly mappings: readonly MappingDetail[]
  /** The signal that it was stopped by; 0 = it ran. */
  readonly stopSignal: number
  /** How long the reading of a queue of signals may take. */
  readonly patience: Patience
}

/** Brings together what was asked of a thread and what it said. */
function askedThread(thread: InspectedThread, questions: Questions, { answers, statuses }: Answered): AskedThread {
  const { tid } = thread.frozen
  const [own, of, status] = [answers.get(tid), questions.threads.get(tid), statuses.get(tid)]
  if (!own || !of || !status) throw new Error(`Unreachable: thread ${tid} was not asked`)
  return { thread, tid, status, questions: of, answers: own }
}

/** What the leader's core image says of the process. */
function collectTask(
  { stat: { pid, flags }, stopSignal, patience }: Pick<InspectedProcess, "stat" | "stopSignal" | "patience">,
  { thread: { frozen }, status, answers }: AskedThread,
  questions: Questions["process"],
  attributes: ProcessAttributes["entry"],
  clocks: Answered["clocks"],
): task_core_entry {
  return {
    ...attributes,
    task_state: stopSignal ? TASK.STOPPED : TASK.ALIVE,
    ...(stopSignal ? { stop_signo: stopSignal } : {}),
    exit_code: 0,
    flags,
    blk_sigset: frozen.mask,
    comm: status.name,
    timers: collectTimers(answers, questions.timers, clocks),
    rlimits: collectLimits(readLimits(pid)),
    signals_s: collectPending(pid, true, status.sharedPending, patience()),
    sigactions: collectSigactions(answers, questions.actions),
  }
}

/**
 * Turns a frozen process and its answers into entries.
 *
 * @param filters takes the seccomp filters of the whole tree
 */
export function gather(process: InspectedProcess, questions: Questions, answered: Answered, filters: FilterTable): Gathered {
  const { stat, threads, mappings, stopSignal } = process
  const { pid } = stat
  const asked = threads.map((thread) => askedThread(thread, questions, answered))
  const leader = asked.find(({ tid }) => tid === pid)
  if (!leader) throw new Error(`Unreachable: leader ${pid} was not asked`)
  const attributes = collectAttributes(stat, leader.answers, questions.process.attributes)
  const tc = collectTask(process, leader, questions.process, attributes.entry, answered.clocks)
  const seccomp = collectSeccomp(new Map(threads.map((thread) => [thread.frozen.tid, thread.seccomp])), filters)
  const { personality } = attributes.entry
  const making = asked.map((one) => ({
    tid: one.tid,
    entries: collectThread(one, pid, personality, seccomp.get(one.tid) ?? {}, process.patience),
  }))
  return {
    threads: () => {
      const made = making.map(({ tid, entries }) => ({ tid, ...entries() }))
      return {
        cores: new Map(made.map(({ tid, core, info }) => [tid, collectCore(info, core, tid === pid ? tc : undefined)])),
        extensions: made.map(({ extension }) => extension),
      }
    },
    isStopped: stopSignal !== 0,
    mm: attributes.mm,
    brk: leader.answers.of(questions.process.brk),
    umask: leader.status.umask,
    policies: collectAreaPolicies(leader.answers, questions.process.policies),
    windows: collectWindows(pid, leader.answers, questions.process.windows),
    extension: {
      ...extensionHead,
      ...attributes.extension,
      ...collectKeys(leader.answers, questions.process.keys, mappings),
    },
  }
}
