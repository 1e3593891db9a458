import { ALL_SIGNALS, SIG_HOW } from "../../ffi/abi/signal.ts"
import { allocate, syscall } from "../../ffi/syscall.ts"

const MASK = 8
const OURS = 8
const memory = allocate(4096)

/** Takes a step with every signal blocked in this thread: what it starts that shares our memory must run no handler of ours. */
export function withSignalsBlocked<T>(step: () => T): T {
  memory.view.setBigUint64(0, ALL_SIGNALS, true)
  syscall("rt_sigprocmask", SIG_HOW.SETMASK, memory.address, memory.address + OURS, MASK)
  try {
    return step()
  } finally {
    syscall("rt_sigprocmask", SIG_HOW.SETMASK, memory.address + OURS, 0, MASK)
  }
}
