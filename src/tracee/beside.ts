import { CLONE, cloneArgs } from "../../ffi/abi/clone.ts"
import { timespec } from "../../ffi/abi/timer.ts"
import { callAside } from "../../ffi/kernel.ts"
import { encode } from "../../ffi/layout.ts"
import { asideCall } from "../../ffi/stub/record.ts"
import { type Argument, allocate, attempt, type Syscall, syscallNumber } from "../../ffi/syscall.ts"
import { withSignalsBlocked } from "./blocked.ts"
import { checkInterrupt, type Deadline, reap } from "./wait.ts"

/** Offsets in a call's memory: its record, struct clone_args, its PID, which the kernel makes 0 at its end, and how long to look away. */
const [CALL, CLONE_ARGS, PID, MOMENT] = [0, 64, 192, 208] as const
/** Header: include/uapi/linux/futex.h */
const FUTEX_WAIT = 0
/** How long to look away at most, ns: until the next look at the deadline. */
const GLANCE = 20_000_000

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
  // Not to be given back: a call that hangs may answer at any time.
  const { address, bytes, view } = allocate(256)
  const [argument0 = 0, argument1 = 0, argument2 = 0, argument3 = 0, argument4 = 0] = args.map(BigInt)
  const record = { number: syscallNumber(call), argument0, argument1, argument2, argument3, argument4, answer: 0n }
  bytes.set(encode(asideCall, record), CALL)
  const flags = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.PARENT_SETTID | CLONE.CHILD_CLEARTID
  bytes.set(encode(cloneArgs, { flags, parent_tid: address + PID, child_tid: address + PID }), CLONE_ARGS)
  const pid = withSignalsBlocked(() => callAside(address + CLONE_ARGS, cloneArgs.size, address + CALL))
  // One more process than the user may have: then it is made here, as it would be without all this.
  if (pid < 0) return attempt(call, ...args)
  bytes.set(encode(timespec, { tv_nsec: BigInt(GLANCE) }), MOMENT)
  for (let left = pid; left !== 0; left = view.getInt32(PID, true)) {
    checkInterrupt(what)
    if (performance.now() > deadline.at) return undefined
    attempt("futex", address + PID, FUTEX_WAIT, left, address + MOMENT)
  }
  reap(pid)
  return Number(view.getBigInt64(CALL + asideCall.fields.answer[0], true))
}
