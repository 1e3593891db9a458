import { kernelSigaction, NSIG, SIG, SIG_IGN, SIGINFO_SIZE, SS_DISABLE, siginfo, stackT } from "../../../ffi/abi/signal.ts"
import { decode, encode } from "../../../ffi/layout.ts"
import type { thread_sas_entry } from "../../../proto/gen/core_pb.ts"
import type { sa_entry } from "../../../proto/gen/sa_pb.ts"
import type { signal_queue_entry } from "../../../proto/gen/siginfo_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import type { Program } from "../../tracee/program.ts"
import { ACTION_SIGNALS } from "./collect.ts"

/**
 * Appends the signal actions to the program of any one thread of the process. Mirror: ./collect.ts
 *
 * @param which SIGCHLD comes apart, because children that end while the tree is built must not be handled: all others first, it last
 * @throws CheckpointError E_IMAGE_CORRUPT wrong count · E_IMAGE_UNSUPPORTED actions of 32-bit code
 *
 * Precondition: no pending signal is restored yet, for setting an action to "ignore" discards it (sigaction(2)).
 */
export function restoreSigactions(entries: readonly sa_entry[], program: Program, which: "all but SIGCHLD" | "SIGCHLD"): void {
  if (entries.length !== ACTION_SIGNALS.length)
    throw new CheckpointError(
      entries.length === 0 ? "E_IMAGE_UNSUPPORTED" : "E_IMAGE_CORRUPT",
      "Cannot restore signal actions",
      `the core image has ${entries.length}, not ${ACTION_SIGNALS.length}`,
      "Dump the program again with stasis or CRIU 3.0 or later",
    )
  for (const [index, signal] of ACTION_SIGNALS.entries()) {
    const entry = entries[index]
    if (!entry || (signal === SIG.CHLD) !== (which === "SIGCHLD")) continue
    if (entry.compat_sigaction)
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        `Cannot restore the action of signal ${signal}`,
        "it belongs to 32-bit code",
        "Restore this image with CRIU: stasis runs 64-bit programs only",
      )
    const { sigaction: sa_handler, flags: sa_flags, restorer: sa_restorer, mask: sa_mask } = entry
    const action = program.bytes(encode(kernelSigaction, { sa_handler, sa_flags, sa_restorer, sa_mask }))
    const about = `the action of signal ${signal}`
    // The default ignores it, and setting what ignores discards what is queued: from children that ended while the tree was built.
    if (signal === SIG.CHLD) program.callWith({ about }, "rt_sigaction", signal, program.bytes(new Uint8Array(kernelSigaction.size)), 0, 8)
    program.callWith({ about }, "rt_sigaction", signal, action, 0, 8)
  }
}

/**
 * Appends what discards signals that children sent by their end while the tree was built, but for SIGCHLD.
 *
 * Preconditions: they have ended; the actions are not yet set. sigaction(2): what is set to be ignored is discarded
 */
export function discardSignals(signals: Iterable<number>, program: Program): void {
  const ignore = { sa_handler: SIG_IGN, sa_flags: 0n, sa_restorer: 0n, sa_mask: 0n }
  for (const signal of new Set(signals))
    if (signal !== 0 && signal !== SIG.CHLD) program.call("rt_sigaction", signal, program.bytes(encode(kernelSigaction, ignore)), 0, 8)
}

/**
 * Appends a thread's alternate stack to its own program; an absent entry means none. Mirror: ./collect.ts
 *
 * Precondition: the stub's stack pointer is not on that stack, else the kernel answers EPERM; the memory need not be there yet.
 */
export function restoreAltStack(entry: thread_sas_entry | undefined, program: Program): void {
  const { ss_sp, ss_size, ss_flags } = entry ?? { ss_sp: 0n, ss_size: 0n, ss_flags: SS_DISABLE }
  const stack = program.bytes(encode(stackT, { ss_sp, ss_size, ss_flags }))
  program.callWith({ about: `the alternate stack ${hex(ss_sp)} of ${ss_size} bytes` }, "sigaltstack", stack, 0)
}

/** Whose queue: the thread that runs the program. `tid` equals `pid` for the leader. */
interface Queue {
  readonly pid: number
  readonly tid: number
  /** The queue of the process, which only the leader can fill: the kernel lets a task forge kernel signals to itself alone. */
  readonly shared: boolean
}

/**
 * Appends queued signals, oldest first. Mirror: ./collect.ts
 *
 * @throws CheckpointError E_IMAGE_CORRUPT an entry is not a siginfo_t of 128 bytes for a signal of 1 to 64
 *
 * Preconditions: every thread has all signals blocked; all actions are set; RLIMIT_SIGPENDING is not yet lowered below the queue;
 * the program runs in `tid`, which for a shared queue is the leader. Kernel: kernel/signal.c do_rt_tgsigqueueinfo()
 */
export function restorePending(entry: signal_queue_entry | undefined, program: Program, { pid, tid, shared }: Queue): void {
  for (const { siginfo: info } of entry?.signals ?? []) {
    const signal = info.length === SIGINFO_SIZE ? decode(siginfo, info).si_signo : 0
    if (signal < 1 || signal > NSIG)
      throw damagedImage(
        `Cannot restore a queued signal of task ${tid}`,
        info.length === SIGINFO_SIZE
          ? `its number is ${decode(siginfo, info).si_signo}`
          : `it has ${info.length} bytes instead of ${SIGINFO_SIZE}`,
      )
    const about = `queued signal ${signal} (their number is limited by RLIMIT_SIGPENDING)`
    const data = program.bytes(info)
    if (shared) program.callWith({ about }, "rt_sigqueueinfo", pid, signal, data)
    else program.callWith({ about }, "rt_tgsigqueueinfo", pid, tid, signal, data)
  }
}
