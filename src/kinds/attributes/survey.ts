import {
  PR,
  PR_SCHED_CORE_GET,
  PR_SCHED_CORE_SCOPE_THREAD,
  PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG,
  SYSCALL_USER_DISPATCH_CONFIG_SIZE,
} from "../../../ffi/abi/prctl.ts"
import { SECCOMP_MODE } from "../../../ffi/abi/seccomp.ts"
import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import { allocate, attempt } from "../../../ffi/syscall.ts"
import type { Refusal } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import { procPath } from "../../proc/source.ts"
import { readStatus, readStatusIfAlive, type Status } from "../../proc/status.ts"
import type { Answers } from "../../tracee/program.ts"
import { maySuspendSeccomp } from "../../tracee/suspend.ts"
import type { ProcessQuestions, ThreadQuestions } from "./collect.ts"
import { readLabel } from "./label.ts"

const memory = allocate(4096)
const ELFCLASS32 = 1

/** One reason to refuse a thread: what is found there, undefined = nothing, and what to do. */
interface Row {
  readonly remedy: string
  /** Looked for again in the freeze: a thread may do it at any moment. */
  readonly again?: true
  readonly find: (status: Status) => string | undefined
}

/** What is refused before the freeze, by looking from outside. The support status of process attributes. */
const REFUSED: readonly Row[] = [
  {
    remedy: "Detach the debugger or tracer, then dump again",
    find: ({ state, tracerPid }) => (tracerPid ? `traced by task ${tracerPid}` : state === "t" ? "stopped by a tracer" : undefined),
  },
  {
    remedy: "Let the main thread of a program live as long as the others, or end the program",
    find: ({ state, threads }) =>
      state === "Z" || state === "X" ? (threads > 1 ? "a leader that has ended before its threads" : "a zombie") : undefined,
  },
  {
    remedy: "Run the program with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off",
    again: true,
    find: ({ threadFeatures }) => (threadFeatures.includes("shstk") ? "using an x86 shadow stack" : undefined),
  },
  {
    remedy: "Run stasis as root (CAP_SYS_ADMIN) outside of any sandbox, or start the program without seccomp",
    again: true,
    // Even to be stopped for a moment may end such a thread, if its filter forbids to go on with what it was waiting for.
    find: ({ seccomp }) => (seccomp && !maySuspendSeccomp() ? "under seccomp, which stasis may not look into" : undefined),
  },
  {
    remedy: "Run the program unconfined, or stasis under the same profile",
    find: ({ tgid, pid }) => {
      const label = readLabel(tgid, pid)
      return label === undefined || label === readLabel(process.pid, process.pid)
        ? undefined
        : `confined by the security profile "${label}"`
    },
  },
  {
    remedy: "Run stasis outside that sandbox: for a program in a container from the machine, by the PID that it has there",
    find: ({ seccomp }) =>
      seccomp === SECCOMP_MODE.FILTER && readStatus(process.pid).seccomp
        ? "under seccomp filters, which the kernel shows to nobody who is under seccomp, as stasis is"
        : undefined,
  },
  {
    remedy: "Run the program without a core scheduling cookie (prctl PR_SCHED_CORE)",
    find: ({ pid }) => {
      if (attempt("prctl", PR.SCHED_CORE, PR_SCHED_CORE_GET, pid, PR_SCHED_CORE_SCOPE_THREAD, memory.address) !== 0) return undefined
      return memory.view.getBigUint64(0, true) ? "in a core scheduling group" : undefined
    },
  },
]

function refusalsOf(pid: number, status: Status, rows: readonly Row[]): Refusal[] {
  const where = status.pid === pid ? `task ${pid}` : `thread ${status.pid} of task ${pid}`
  return rows.flatMap(({ remedy, find }) => {
    const what = find(status)
    return what === undefined ? [] : [{ what, where, remedy }]
  })
}

/**
 * What the kernel tells of a stopped thread alone. Before anything is run in it: calls of ours would be sent to the program's handler as
 * well.
 */
const DISPATCH: Row = {
  remedy: "Dump again when the program has turned it off",
  find: ({ pid }) => {
    const answer = attempt("ptrace", PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, pid, SYSCALL_USER_DISPATCH_CONFIG_SIZE, memory.address)
    const isOn = answer === 0 && memory.view.getBigUint64(0, true) !== 0n
    return isOn ? "handling its system calls itself (PR_SET_SYSCALL_USER_DISPATCH)" : undefined
  },
}

/**
 * What threads may have done between `surveyAttributes` and the freeze, and what only a stopped thread shows.
 *
 * Precondition: all are ptrace-stopped by us, and nothing of ours has run in them.
 */
export function resurveyAttributes(pid: number, statuses: readonly Status[]): Refusal[] {
  const rows = [...REFUSED.filter(({ again }) => again), DISPATCH]
  return statuses.flatMap((status) => refusalsOf(pid, status, rows))
}

/**
 * What a dump could not keep of a process's attributes, found before it is stopped. Empty = nothing stands against a dump.
 *
 * @param tids every thread; one that is gone by now is left out
 * @param leader status of the process, where it has been read
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export function surveyAttributes(pid: number, tids: readonly number[], leader?: Status): Refusal[] {
  const refusals = tids.flatMap((tid) => {
    const status = tid === pid && leader ? leader : readStatusIfAlive(pid, tid)
    const ended = status?.state === "Z" || status?.state === "X"
    return !status || (tid !== pid && ended) ? [] : refusalsOf(pid, status, REFUSED)
  })
  if (is32Bit(pid)) refusals.push({ what: "a 32-bit program", where: `task ${pid}`, remedy: "Use CRIU for 32-bit programs" })
  return refusals
}

/**
 * What a thread says of itself alone: pointers with tags (x86 LAM).
 *
 * @param answers of the thread's program with `askThreadAttributes`
 */
export function surveyStopped(pid: number, tid: number, answers: Answers, questions: ThreadQuestions): Refusal[] {
  const mask = answers.bytes(questions.untagMask)
  const untag = new DataView(mask.buffer, mask.byteOffset).getBigInt64(0, true)
  if (answers.of(questions.untagAnswer) !== 0n || untag === -1n) return []
  const what = `tagging addresses (mask ${hex(BigInt.asUintN(64, untag))})`
  return [{ what, where: `thread ${tid} of task ${pid}`, remedy: "Run the program without linear address masking" }]
}

/** What a process says of itself alone: segments of its own. @param answers of its leader's program with `askAttributes` */
export function surveyStoppedProcess(pid: number, answers: Answers, { descriptorTable }: ProcessQuestions): Refusal[] {
  if (answers.of(descriptorTable) <= 0n) return []
  return [{ what: "the owner of a local descriptor table (modify_ldt)", where: `task ${pid}`, remedy: "Start the program without it" }]
}

/** True for programs whose executable is 32-bit; false when it cannot be read. */
function is32Bit(pid: number): boolean {
  try {
    const fd = openSync(procPath(pid, undefined, "exe"), "r")
    try {
      const head = new Uint8Array(5)
      return readSync(fd, head, 0, 5, 0) === 5 && head[4] === ELFCLASS32
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
