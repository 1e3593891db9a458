import { SIG, siginfo } from "../../../ffi/abi/signal.ts"
import { decode } from "../../../ffi/layout.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { SavedTree } from "../images.ts"

/**
 * Signals to end the stub with, those that nobody sends first. Real-time ones last: above RLIMIT_SIGPENDING the kernel refuses them.
 * None of those of faults (SIGSYS, SIGTRAP ...): with one of them to deliver, the kernel takes that which a fault has queued, even if it
 * is blocked.
 * Kernel: kernel/signal.c dequeue_synchronous_signal()
 */
const STUB_SIGNALS = [SIG.STKFLT, SIG.PWR, SIG.URG, SIG.WINCH, ...Array.from({ length: 32 }, (_, i) => 64 - i)] as const

/** A signal to end the stub with that nothing in the images has pending and no timer sends: it would be lost. */
export function freeStubSignal({ processes }: Pick<SavedTree, "processes">): number {
  const queues = processes.flatMap(({ tc, threads }) => [tc.signals_s, ...threads.map(({ core }) => core.signals_p)])
  const pending = queues.flatMap((queue) => queue?.signals ?? []).map(({ siginfo: info }) => decode(siginfo, info).si_signo)
  const wanted = new Set([...pending, ...processes.flatMap(({ tc }) => (tc.timers?.posix ?? []).map((timer) => timer.si_signo))])
  const free = STUB_SIGNALS.find((signal) => !wanted.has(signal))
  if (free !== undefined) return free
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore this process tree",
    "every signal that could end a call is pending or sent by a timer",
    "Restore it with CRIU",
  )
}
