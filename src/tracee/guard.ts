import { F, FD_CLOEXEC } from "../../ffi/abi/file.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { guard } from "../../ffi/stub/gen/x86_64.ts"
import { guardCall, guardList } from "../../ffi/stub/record.ts"
import { attempt, type Syscall, syscall, syscallNumber } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import { startChild } from "./child.ts"
import { openLeash } from "./leash.ts"
import { cleanupDeadline, waitReport } from "./wait.ts"

const log = logger("guard")

/** A call of up to five arguments; bytes stand for their address. */
export interface GuardCall {
  readonly call: Syscall
  readonly args: readonly (number | Uint8Array)[]
}

/** A small process beside the tool. Disposal without `dismiss` makes it do its calls, and returns when they are done. */
export interface Guard extends Disposable {
  /** Ends the guard: from here on its calls are not made, whatever becomes of the tool. One signal, so there is nothing in between. */
  dismiss(): void
  /**
   * Puts the later calls in the place of the first ones, at once. Once at most.
   *
   * @throws SyscallError EPIPE somebody has killed the guard
   */
  advance(): void
}

/** The lists behind the guard's code. @param pipe its end of the pipe */
export function guardData(pipe: number, first: readonly GuardCall[], later: readonly GuardCall[]): Uint8Array {
  const calls = [...first, ...later]
  const head = guardList.size + calls.length * guardCall.size
  const parts = calls.flatMap(({ args }) => args).filter((arg): arg is Uint8Array => typeof arg !== "number")
  const data = new Uint8Array(head + parts.reduce((sum, { length }) => sum + length, 0))
  encodeInto(guardList, data, { pipe, first: first.length, later: later.length })
  let free = head
  const word = (arg: number | Uint8Array = 0): bigint => {
    if (typeof arg === "number") return BigInt(arg)
    data.set(arg, free)
    free += arg.length
    return BigInt(guard.base + guard.symbols.guard_list + free - arg.length)
  }
  for (const [index, { call, args }] of calls.entries()) {
    const [argument0, argument1, argument2, argument3, argument4] = [0, 1, 2, 3, 4].map((at) => word(args[at]))
    const number = BigInt(syscallNumber(call))
    const record = { number, argument0, argument1, argument2, argument3, argument4 }
    encodeInto(guardCall, data, record, guardList.size + index * guardCall.size)
  }
  return data
}

/**
 * Leaves calls to be made when this tool ends before `dismiss`, however it ends.
 *
 * @param keeps descriptors that the calls use: the guard has them under the same numbers, and the caller may close its own
 * @param later calls that take the place of the others after `advance`
 * @throws SyscallError   Mirror: ffi/stub/guard.ARCH.S
 */
export function standGuard(calls: readonly GuardCall[], keeps: readonly number[] = [], later: readonly GuardCall[] = []): Guard {
  const leash = openLeash()
  let child: number
  try {
    for (const fd of keeps) syscall("fcntl", fd, F.SETFD, 0)
    child = startChild("stasis-guard", guard, guardData(leash.end, calls, later))
    leash.hand()
    for (const fd of keeps) syscall("fcntl", fd, F.SETFD, FD_CLOEXEC)
  } catch (error) {
    leash[Symbol.dispose]()
    throw error
  }
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    leash[Symbol.dispose]()
    try {
      waitReport(child, cleanupDeadline(), "the end of the guard")
    } catch (error) {
      log.warn(`the guard ${child} has not ended yet: ${error}`)
    }
  }
  return {
    dismiss() {
      if (!ended) attempt("kill", child, SIG.KILL)
      end()
    },
    advance: () => leash.tell(),
    [Symbol.dispose]: end,
  }
}

/** What kills processes that are to live together or not at all. PTRACE_O_EXITKILL kills those that are still traced. */
export const killing = (pids: readonly number[]): GuardCall[] => pids.map((pid) => ({ call: "kill", args: [pid, SIG.KILL] }))
