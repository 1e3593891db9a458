import { kernelSigaction, NSIG, SIG, sigbit, siginfo, stackT } from "../../../ffi/abi/signal.ts"
import { decode, encode } from "../../../ffi/layout.ts"
import { type thread_sas_entry, thread_sas_entrySchema } from "../../../proto/gen/core_pb.ts"
import { type sa_entry, sa_entrySchema } from "../../../proto/gen/sa_pb.ts"
import { type signal_queue_entry, signal_queue_entrySchema } from "../../../proto/gen/siginfo_pb.ts"
import { create } from "../../../proto/schema.ts"
import type { Answers, Data, Program } from "../../tracee/program.ts"
import { peekSignals } from "../../tracee/trace.ts"
import type { Deadline } from "../../tracee/wait.ts"

/** Signals that have an action, ascending: 1 to 64 without SIGKILL and SIGSTOP. The order of `sigactions` in the image. */
export const ACTION_SIGNALS: readonly number[] = Array.from({ length: NSIG }, (_, index) => index + 1).filter(
  (signal) => signal !== SIG.KILL && signal !== SIG.STOP,
)

/** Where the answers about signal actions will be, in the order of ACTION_SIGNALS. */
type SigactionQuestions = readonly Data[]

/** Appends 62 rt_sigaction(2) to the program of any one thread of the process. */
export function askSigactions(program: Program): SigactionQuestions {
  return ACTION_SIGNALS.map((signal) => {
    const room = program.room(kernelSigaction.size)
    program.callWith({ about: `the action of signal ${signal}` }, "rt_sigaction", signal, 0, room, 8)
    return room
  })
}

/** Signal actions as the kernel holds them: 62 entries in the order of ACTION_SIGNALS. Mirror: ./restore.ts */
export function collectSigactions(answers: Answers, questions: SigactionQuestions): sa_entry[] {
  const list = questions.map((room) => actionOf(answers.bytes(room)))
  if (list.length !== last.length || list.some((action, index) => action !== last[index])) last = Object.freeze(list)
  return last as sa_entry[]
}

/** Of the process before: many processes of a tree have the same. Frozen, as its entries are, so that it is encoded once. */
let last: readonly sa_entry[] = []
/** Entries by the bytes that they are made from: most signals have the default action. */
const actions = new Map<string, sa_entry>()
const MOST_ACTIONS = 256

function actionOf(bytes: Uint8Array): sa_entry {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
  const known = actions.get(key)
  if (known) return known
  const { sa_handler, sa_flags, sa_restorer, sa_mask } = decode(kernelSigaction, bytes)
  const entry = Object.freeze(create(sa_entrySchema, { sigaction: sa_handler, flags: sa_flags, restorer: sa_restorer, mask: sa_mask }))
  if (actions.size < MOST_ACTIONS) actions.set(key, entry)
  return entry
}

/**
 * Appends sigaltstack(2) to a thread's own program.
 *
 * Precondition: the program runs with the thread's own stack pointer, from which the kernel works out SS_ONSTACK.
 */
export function askAltStack(program: Program): Data {
  const room = program.room(stackT.size)
  program.call("sigaltstack", 0, room)
  return room
}

/** A thread's alternate stack; flags as the kernel gives them: SS_DISABLE 2, SS_ONSTACK 1, SS_AUTODISARM 1 << 31. Mirror: ./restore.ts */
export function collectAltStack(answers: Answers, question: Data): thread_sas_entry {
  const { ss_sp, ss_size, ss_flags } = decode(stackT, answers.bytes(question))
  return create(thread_sas_entrySchema, { ss_sp, ss_size, ss_flags: ss_flags >>> 0 })
}

/**
 * The queued signals of a stopped thread, oldest first.
 *
 * @param shared the queue of the process instead of the thread's own; any thread's tid will do
 * @param pending the set of the same queue in /proc/TID/status (ShdPnd or SigPnd), read in the same stop. A signal that is in the set but
 *   not in the queue came when no memory or quota was left for its siginfo: the kernel will deliver it with zeros, so that is what is kept.
 * @param deadline as for `peekSignals`
 * @throws SyscallError ESRCH the thread is not stopped or gone
 *
 * A timer that runs out between this and `collectTimers` would be lost or counted twice: read the sets again after the timers,
 * and when they changed ask both again. Kernel: kernel/signal.c collect_signal(). Mirror: ./restore.ts
 */
export function collectPending(tid: number, shared: boolean, pending: bigint, deadline: Deadline): signal_queue_entry {
  if (pending === 0n) return create(signal_queue_entrySchema, {})
  const queue = peekSignals(tid, shared, deadline)
  const queued = queue.reduce((set, info) => set | sigbit(decode(siginfo, info).si_signo), 0n)
  for (let signal = 1; signal <= NSIG; signal++) if (pending & ~queued & sigbit(signal)) queue.push(encode(siginfo, { si_signo: signal }))
  return create(signal_queue_entrySchema, { signals: queue.map((info) => ({ siginfo: info })) })
}
