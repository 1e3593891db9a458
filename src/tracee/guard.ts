import { SIG } from "../../ffi/abi/signal.ts"
import { closeSync } from "../../ffi/fs.ts"
import { guard } from "../../ffi/stub/gen/x86_64.ts"
import { allocate, attempt, syscall } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import { startChild } from "./child.ts"
import { cleanupDeadline, waitReport } from "./wait.ts"

const log = logger("restore")
const O_CLOEXEC = 0o2000000
const F_SETFD = 2
const ends = allocate(8)

/** A small process beside the tool. Disposal without `dismiss` kills what is guarded, and returns when that is done. */
export interface Guard extends Disposable {
  /** Ends the guard: from here on the guarded live, whatever becomes of the tool. One signal, so there is nothing in between. */
  dismiss(): void
}

/**
 * Guards processes that are to live together or not at all: they are killed when this tool ends, however it ends, before `dismiss`.
 * PTRACE_O_EXITKILL does so for those that are still traced.
 *
 * @throws SyscallError   Mirror: ffi/stub/guard.ARCH.S
 */
export function standGuard(pids: readonly number[]): Guard {
  syscall("pipe2", ends.address, O_CLOEXEC)
  const [read, write] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)]
  let child: number
  try {
    syscall("fcntl", read, F_SETFD, 0)
    child = startChild("stasis-guard", guard, new Uint8Array(Uint32Array.of(read, pids.length, ...pids).buffer))
  } catch (error) {
    closeSync(write)
    throw error
  } finally {
    closeSync(read)
  }
  const end = () => {
    closeSync(write)
    waitReport(child, cleanupDeadline(), "the end of the guard")
  }
  let dismissed = false
  return {
    dismiss() {
      attempt("kill", child, SIG.KILL)
      dismissed = true
      try {
        end()
      } catch (error) {
        // What it guarded runs already: that it ends late is no failure of theirs.
        log.warn(`the guard does not end: ${error}`)
      }
    },
    [Symbol.dispose]() {
      if (!dismissed) end()
    },
  }
}
