import { ALL_SIGNALS, SIG, sigbit } from "../../ffi/abi/signal.ts"
import type { Status } from "../proc/status.ts"

const setOf = (signals: readonly number[]): bigint => signals.reduce((set, signal) => set | sigbit(signal), 0n)

/** Signals whose default is to be ignored, best first. SIGCONT last: sending it drops pending stop signals. */
const MEANINGLESS = [SIG.URG, SIG.WINCH, SIG.CHLD, SIG.CONT] as const
/** And those that programs ignore, as shells do. Those that stop last: sending one drops a pending SIGCONT. */
const OFTEN_IGNORED = [SIG.PIPE, SIG.TTOU, SIG.TTIN, SIG.TSTP] as const
const LOAN_SIGNALS: readonly number[] = [...MEANINGLESS, ...OFTEN_IGNORED]
const STOPPING = setOf([SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU])

/** Sets of signals of a process, of all its threads together. */
export interface SignalUse {
  readonly caught: bigint
  readonly ignored: bigint
  readonly blocked: bigint
  readonly pending: bigint
}

/**
 * Chooses the signal that ends a stub: one that means nothing to the process if it comes when we are dead, and that is not pending; if
 * possible one that no thread blocks.
 *
 * A blocked one is not lost either when it comes from outside meanwhile: it is sent again on release.
 * @returns undefined when the target has a use for all of them
 * Kernel: kernel/signal.c prepare_signal(), and sig_ignored(), by which a tracer is told of ignored ones too
 */
export function chooseStubSignal({ caught, ignored, blocked, pending }: SignalUse): number | undefined {
  const meaningless = setOf(MEANINGLESS) | ignored
  const free = LOAN_SIGNALS.filter((signal) => {
    const bit = sigbit(signal)
    const drops = signal === SIG.CONT ? STOPPING : bit & STOPPING ? sigbit(SIG.CONT) : 0n
    return bit & meaningless && !(bit & (caught | pending)) && !(pending & drops)
  })
  return free.find((signal) => !(blocked & sigbit(signal))) ?? free[0]
}

/** What is said of a process for which `chooseStubSignal` finds none. */
export const NO_STUB_SIGNAL = {
  what: "handling every one of SIGURG, SIGWINCH, SIGCHLD and SIGCONT (or having it pending), and ignoring no SIGPIPE, SIGTTOU, SIGTTIN or SIGTSTP",
  remedy: "Let the program leave one of those four at its default, or ignore SIGPIPE: a dump needs one",
} as const

/** What a process does with its signals, as its threads' statuses tell. @param masks of the threads, where they are known better */
export function signalUse(statuses: readonly Status[], masks?: readonly bigint[]): SignalUse {
  const union = (sets: readonly bigint[]): bigint => sets.reduce((all, set) => all | set, 0n)
  return {
    caught: union(statuses.map(({ sigCaught }) => sigCaught)),
    ignored: union(statuses.map(({ sigIgnored }) => sigIgnored)),
    blocked: union(masks ?? statuses.map(({ sigBlocked }) => sigBlocked)),
    pending: union(statuses.map(({ sigPending, sharedPending }) => sigPending | sharedPending)),
  }
}

/**
 * True for the mask of a thread that still goes the way that a killed run laid for it: all but one of our signals are blocked. No library
 * does that.
 */
export const isLoanMask = (mask: bigint): boolean => LOAN_MASKS.has(mask | NEVER_BLOCKED)

const NEVER_BLOCKED = sigbit(SIG.KILL) | sigbit(SIG.STOP)
const LOAN_MASKS: ReadonlySet<bigint> = new Set(LOAN_SIGNALS.map((signal) => ALL_SIGNALS & ~sigbit(signal)))
