import { CLONE, cloneArgs } from "../../ffi/abi/clone.ts"
import { FUTEX } from "../../ffi/abi/futex.ts"
import { timespec } from "../../ffi/abi/timer.ts"
import { callAside } from "../../ffi/kernel.ts"
import { encode } from "../../ffi/layout.ts"
import { asideCall } from "../../ffi/stub/record.ts"
import { type Argument, allocate, attempt, type Syscall, syscallNumber } from "../../ffi/syscall.ts"
import { withSignalsBlocked } from "./blocked.ts"
import { checkInterrupt, type Deadline, reap } from "./wait.ts"

/** Offsets in such a process's memory: struct clone_args, its PID, which the kernel makes 0 at its end, how long to look away, calls. */
const [CLONE_ARGS, PID, MOMENT, CALLS] = [0, 128, 144, 192] as const
/** How long to look away at most, ns: until the next look at the deadline. */
const GLANCE = 20_000_000

/** A system call and up to five arguments. */
export type BesideCall = readonly [call: Syscall, ...args: Argument[]]

/** A process that makes system calls in our memory. */
interface Beside {
  /** Its PID, or -errno: there is none. */
  readonly pid: number
  /** Waits until it has ended, or runs another program; not for long. @returns false while it goes on */
  glance(): boolean
  /** The raw answer of one of its calls; 0 when it has not come back. */
  answerOf(index: number): number
}

/**
 * Starts a process that shares our memory, makes calls one after the other, whatever they answer, and ends. Every signal is blocked in it.
 *
 * @param flags of CLONE, beside VM
 */
export function startBeside(flags: number, calls: readonly BesideCall[]): Beside {
  // Not to be given back: a call that hangs may answer at any time.
  const { address, bytes, view } = allocate(CALLS + calls.length * asideCall.size)
  for (const [index, [call, ...args]] of calls.entries()) {
    const [argument0 = 0, argument1 = 0, argument2 = 0, argument3 = 0, argument4 = 0] = args.map(BigInt)
    const record = { number: syscallNumber(call), argument0, argument1, argument2, argument3, argument4, answer: 0n }
    bytes.set(encode(asideCall, record), CALLS + index * asideCall.size)
  }
  const all = flags + (CLONE.VM | CLONE.PARENT_SETTID | CLONE.CHILD_CLEARTID)
  bytes.set(encode(cloneArgs, { flags: all, parent_tid: address + PID, child_tid: address + PID }), CLONE_ARGS)
  bytes.set(encode(timespec, { tv_nsec: BigInt(GLANCE) }), MOMENT)
  const pid = withSignalsBlocked(() => callAside(address + CLONE_ARGS, cloneArgs.size, address + CALLS, calls.length))
  return {
    pid,
    glance() {
      const left = view.getInt32(PID, true)
      if (left !== 0) attempt("futex", address + PID, FUTEX.WAIT, left, address + MOMENT)
      return view.getInt32(PID, true) === 0
    },
    answerOf: (index) => Number(view.getBigInt64(CALLS + index * asideCall.size + asideCall.fields.answer[0], true)),
  }
}

/**
 * Makes a system call that may never come back, as at a dead server of a file system, and waits no longer than until a deadline.
 *
 * The call is made by a process of its own: a thread in it would keep the tool from ending. What it works on must not be used for anything
 * else when it does not come back.
 *
 * @param what completes an interruption's message
 * @returns its raw answer, -errno included; undefined = there was none by then
 * @throws CheckpointError E_INTERRUPTED
 */
export function attemptBeside(what: string, deadline: Deadline, call: Syscall, ...args: readonly Argument[]): number | undefined {
  const beside = startBeside(CLONE.FS | CLONE.FILES, [[call, ...args]])
  // One more process than the user may have: then it is made here, as it would be without all this.
  if (beside.pid < 0) return attempt(call, ...args)
  while (!beside.glance()) {
    checkInterrupt(what)
    if (performance.now() > deadline.at) return undefined
  }
  reap(beside.pid)
  return beside.answerOf(0)
}
