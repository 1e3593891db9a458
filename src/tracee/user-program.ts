import { CLONE } from "../../ffi/abi/clone.ts"
import { kernelSigaction, SIG, SIG_HOW } from "../../ffi/abi/signal.ts"
import { timespec } from "../../ffi/abi/timer.ts"
import { closeSync, openSync } from "../../ffi/fs.ts"
import { expectChildren } from "../../ffi/interrupt.ts"
import { encode } from "../../ffi/layout.ts"
import { allocate, attempt, type Errno, errnoName, syscall } from "../../ffi/syscall.ts"
import { readStatIfAlive } from "../proc/stat.ts"
import { listProcesses } from "../proc/tasks.ts"
import { type BesideCall, startBeside } from "./beside.ts"
import { cleanupDeadline, deadlineIn, fixedDeadline, pollReport, waitReport } from "./wait.ts"

/** Bytes of a signal mask. */
const MASK = 8
/** Signals that the runtime ignores. */
const IGNORED = [SIG.PIPE, SIG.XFSZ] as const
const CLOSE_RANGE_CLOEXEC = 4
/** How long a program that is asked to end may take, seconds: something frozen may wait for it. */
const GRACE = 2
const GLANCE = 20_000_000n

/** How a program of the user's ended: it was not started, was killed, or ended by itself. Zero or undefined: not so. */
interface ProgramEnd {
  readonly errno?: Errno | undefined
  readonly signal: number
  readonly status: number
}

/** Strings as execve wants them: an array of addresses with a zero at its end, and the strings behind it. @returns the array's address */
function listOf(words: readonly string[]): number {
  const strings = words.map((word) => Buffer.from(`${word}\0`))
  const head = 8 * (words.length + 1)
  const { address, bytes, view } = allocate(head + strings.reduce((sum, { length }) => sum + length, 0))
  let at = head
  for (const [index, string] of strings.entries()) {
    view.setBigUint64(8 * index, BigInt(address + at), true)
    bytes.set(string, at)
    at += string.length
  }
  return address
}

/** Everyone of a session who has not ended; its leader before it has made the session, too. */
const livingOf = (session: number): number[] =>
  listProcesses().filter((pid) => {
    const stat = readStatIfAlive(pid)
    return stat !== null && (pid === session || stat.session === session) && stat.state !== "Z" && stat.state !== "X"
  })

/** Sends a signal to a process if it still is of a session: another one may have its PID by now. */
function sendWithin(session: number, pid: number, signal: number): void {
  const pidfd = attempt("pidfd_open", pid, 0)
  if (pidfd < 0) return
  if (pid === session || readStatIfAlive(pid)?.session === session) attempt("pidfd_send_signal", pidfd, signal, 0, 0)
  closeSync(pidfd)
}

/**
 * Asks everyone of a session to end, kills who has not after a while, and reaps its leader, a child of ours. Who hangs in the kernel, as at
 * a dead server of a file system, is left.
 */
function endSession(session: number): void {
  const moment = allocate(timespec.size)
  moment.bytes.set(encode(timespec, { tv_nsec: GLANCE }))
  for (const [signal, deadline] of [
    [SIG.TERM, fixedDeadline(GRACE)],
    [SIG.KILL, cleanupDeadline()],
  ] as const) {
    const told = new Set<number>()
    for (let left = livingOf(session); left.length > 0 && performance.now() < deadline.at; left = livingOf(session)) {
      for (const pid of left) if (!told.has(pid)) sendWithin(session, pid, signal)
      for (const pid of left) told.add(pid)
      attempt("nanosleep", moment.address, 0)
    }
  }
  pollReport(session)
}

/**
 * Runs a program of the user's and waits for its end, however long that takes. When the tool is asked to stop it ends the program, and
 * everyone else in the session that this gets: one of its own, so that all of them can be found, and none is stopped by a terminal.
 *
 * Its standard input is empty, its standard output our standard error; it inherits nothing else.
 *
 * @param path absolute   @param environment as of execve(2)   @param doing completes an interruption's message
 * @throws CheckpointError E_INTERRUPTED · FileError no /dev/null
 * Precondition: `holdInterrupts` is active, else the tool ends without it.
 */
export function runUserProgram(path: string, environment: readonly string[], doing: string): ProgramEnd {
  expectChildren()
  // The mask, and an action that is all zero: the default.
  const { address } = allocate(MASK + kernelSigaction.size)
  syscall("rt_sigprocmask", SIG_HOW.BLOCK, 0, address, MASK)
  const argv = listOf([path])
  const nothing = openSync("/dev/null", "r")
  const calls: readonly BesideCall[] = [
    ["setsid"],
    ["dup3", nothing, 0, 0],
    ["dup3", 2, 1, 0],
    ["close_range", 3, 0xffffffff, CLOSE_RANGE_CLOEXEC], // since Linux 5.11; ours are close-on-exec, these are those that we were given
    ...IGNORED.map((signal) => ["rt_sigaction", signal, address + MASK, 0, MASK] as const),
    ["rt_sigprocmask", SIG_HOW.SETMASK, address, 0, MASK],
    ["execve", argv + 16, argv, listOf(environment)], // the path stands behind its own address and the zero
  ]
  const beside = startBeside(CLONE.CLEAR_SIGHAND, calls)
  closeSync(nothing)
  if (beside.pid < 0) return { errno: errnoName(-beside.pid), signal: 0, status: 0 }
  try {
    for (;;) {
      const report = waitReport(beside.pid, deadlineIn(0), doing)
      if (report.kind !== "gone") continue
      const answer = beside.answerOf(calls.length - 1)
      return { errno: answer < 0 ? errnoName(-answer) : undefined, signal: report.status & 0x7f, status: (report.status >> 8) & 0xff }
    }
  } catch (error) {
    endSession(beside.pid)
    throw error
  }
}
