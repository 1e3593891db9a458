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

/** Asks what only a stopped thread can be asked from outside. @returns what makes its entries, at any time */
function collectThread(
  { frozen, rseq, restart }: InspectedThread,
  status: Status,
  pid: number,
  answers: Answers,
  questions: ReturnType<typeof askThread>,
  personality: number,
  seccomp: SeccompEntry,
): () => ThreadEntries {
  const { tid, mask, xstate } = frozen
  const sched = collectSched(tid, answers.of(questions.slack))
  const robustList = collectRobustList(tid)
  const pending = collectPending(tid, false, status.sigPending)
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

/**
 * Turns frozen threads and their answers into entries.
 *
 * @param stopSignal that the process was stopped by, 0 = it ran
 * @param filters takes the seccomp filters of the whole tree
 */
export function gather(
  stat: Stat,
  threads: readonly InspectedThread[],
  mappings: readonly MappingDetail[],
  questions: Questions,
  { answers, statuses, clocks }: Answered,
  stopSignal: number,
  filters: FilterTable,
): Gathered {
  const { pid, flags } = stat
  const asked = threads.map((thread) => {
    const { tid } = thread.frozen
    const [own, of, status] = [answers.get(tid), questions.threads.get(tid), statuses.get(tid)]
    if (!own || !of || !status) throw new Error(`Unreachable: thread ${tid} was not asked`)
    return { thread, tid, own, of, status }
  })
  const leader = asked.find(({ tid }) => tid === pid)
  if (!leader) throw new Error(`Unreachable: leader ${pid} was not asked`)
  const attributes = collectAttributes(stat, leader.own, questions.process.attributes)
  const {
    status,
    thread: { frozen },
  } = leader
  const tc: task_core_entry = {
    ...attributes.entry,
    task_state: stopSignal ? TASK.STOPPED : TASK.ALIVE,
    ...(stopSignal ? { stop_signo: stopSignal } : {}),
    exit_code: 0,
    flags,
    blk_sigset: frozen.mask,
    comm: status.name,
    timers: collectTimers(leader.own, questions.process.timers, clocks),
    rlimits: collectLimits(readLimits(pid)),
    signals_s: collectPending(pid, true, status.sharedPending),
    sigactions: collectSigactions(leader.own, questions.process.actions),
  }
  const seccomp = collectSeccomp(new Map(threads.map((thread) => [thread.frozen.tid, thread.seccomp])), filters)
  const making = asked.map(({ thread, tid, own, of, status }) => {
    const { personality } = attributes.entry
    return { tid, entries: collectThread(thread, status, pid, own, of, personality, seccomp.get(tid) ?? {}) }
  })
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
    brk: leader.own.of(questions.process.brk),
    umask: status.umask,
    policies: collectAreaPolicies(leader.own, questions.process.policies),
    windows: collectWindows(pid, leader.own, questions.process.windows),
    extension: {
      ...extensionHead,
      ...attributes.extension,
      ...collectKeys(leader.own, questions.process.keys, mappings),
    },
  }
}
