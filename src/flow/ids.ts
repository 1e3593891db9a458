import { SIG, siginfo } from "../../ffi/abi/signal.ts"
import { readFileSync } from "../../ffi/fs.ts"
import { decode } from "../../ffi/layout.ts"
import { attempt } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import type { BirthPlan } from "../kinds/tree/plan.ts"
import { readStatIfAlive } from "../proc/stat.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { listProcesses } from "../proc/tasks.ts"
import { checkDeadline, type Deadline } from "../tracee/wait.ts"
import type { SavedTree } from "./images.ts"

/** Who has a PID or thread ID now; undefined when it is free. */
export function ownerOf(tid: number): { name: string; dying: boolean } | undefined {
  const status = readStatusIfAlive(tid)
  if (!status) return undefined
  const name = status.tgid === tid ? `process ${tid} "${status.name}"` : `thread ${tid} "${status.name}" of process ${status.tgid}`
  return { name, dying: status.state === "Z" || status.state === "X" }
}

/** An ID that a restore needs, and the process that it is needed for. */
interface WantedId {
  readonly id: number
  readonly pid: number
  readonly what: string
}

/** @param helpers short-lived processes of the plan: some must have the id of a session or group whose leader is gone */
const wantedIds = ({ processes, dead }: SavedTree, helpers: BirthPlan["helpers"]): WantedId[] => [
  ...processes.flatMap(({ tree: { pid, threads } }) => threads.map((id) => ({ id, pid, what: id === pid ? "PID" : "thread ID" }))),
  ...dead.map(({ tree: { pid } }) => ({ id: pid, pid, what: "PID" })),
  ...helpers.flatMap(({ task, parent }) => (task > 0 ? [{ id: task, pid: parent, what: "the id of a session or group" }] : [])),
]

const taken = ({ id, pid, what }: WantedId, owner: string): CheckpointError =>
  new CheckpointError(
    "E_PID_TAKEN",
    `Cannot restore process ${pid}`,
    `${what} ${id} belongs to ${owner}`,
    "End that process, or restore in a PID namespace of its own",
  )

/** Every taken ID with its owner, as CheckpointErrors E_PID_TAKEN. Those of the dying count as free. */
export const takenIds = (saved: SavedTree, helpers: BirthPlan["helpers"]): CheckpointError[] =>
  wantedIds(saved, helpers).flatMap((wanted) => {
    const owner = ownerOf(wanted.id)
    return owner && !owner.dying ? [taken(wanted, owner.name)] : []
  })

/**
 * Finds taken IDs before anything is created. Those of the dying are waited for: a killed process keeps its PID until its parent reaps
 * it, and the children of a killed tree wait for init.
 *
 * @throws CheckpointError E_PID_TAKEN · E_TIMEOUT · E_INTERRUPTED
 */
export function checkIdsFree(saved: SavedTree, helpers: BirthPlan["helpers"], deadline: Deadline): void {
  for (const wanted of wantedIds(saved, helpers)) {
    let owner = ownerOf(wanted.id)
    for (; owner?.dying; owner = ownerOf(wanted.id)) {
      checkDeadline(deadline, `the wait for PID ${wanted.id}, which belongs to ${owner.name}`)
      attempt("poll", 0, 0, 2)
    }
    if (owner) throw taken(wanted, owner.name)
  }
}

/**
 * What stands behind a clone3 that answered EEXIST: an id without a process is taken too while somebody is in the session or group that its
 * last owner led. Looked for only then, because it takes a look at every process.
 */
export function heldId(root: number, wanted: ReadonlySet<number>, cause: unknown): CheckpointError {
  for (const pid of listProcesses()) {
    const stat = wanted.has(pid) ? undefined : readStatIfAlive(pid)
    for (const [what, id] of [
      ["session", stat?.session],
      ["process group", stat?.pgrp],
    ] as const)
      if (stat && id !== undefined && wanted.has(id))
        return new CheckpointError(
          "E_PID_TAKEN",
          `Cannot restore process ${root}`,
          `${what} ${id}, which is to be made, still has process ${pid} "${stat.comm}" in it`,
          "End that process, or restore in a PID namespace of its own",
          cause,
        )
  }
  const next = "Look for its owner with ps, and restore again when it has ended"
  return new CheckpointError("E_PID_TAKEN", `Cannot restore process ${root}`, "an id of it was taken meanwhile", next, cause)
}

/** Signals to end the stub with, those that nobody sends first. Real-time ones last: above RLIMIT_SIGPENDING the kernel refuses them. */
const END_SIGNALS = [SIG.SYS, SIG.STKFLT, SIG.PWR, SIG.URG, SIG.WINCH, ...Array.from({ length: 32 }, (_, i) => 64 - i)] as const

/** A signal to end the stub with that nothing in the images has pending and no timer sends: it would be lost. */
export function freeSignal({ processes }: Pick<SavedTree, "processes">): number {
  const queues = processes.flatMap(({ tc, threads }) => [tc.signals_s, ...threads.map(({ core }) => core.signals_p)])
  const pending = queues.flatMap((queue) => queue?.signals ?? []).map(({ siginfo: info }) => decode(siginfo, info).si_signo)
  const wanted = new Set([...pending, ...processes.flatMap(({ tc }) => (tc.timers?.posix ?? []).map((timer) => timer.si_signo))])
  const free = END_SIGNALS.find((signal) => !wanted.has(signal))
  if (free !== undefined) return free
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore this process tree",
    "every signal that could end a call is pending or sent by a timer",
    "Restore it with CRIU",
  )
}

/**
 * PIDs for processes that live only while the tree is made: none that the images want, none that a task has now.
 *
 * @throws CheckpointError E_RESTORE there are not enough of them
 */
export function sparePids(count: number, wanted: ReadonlySet<number>): number[] {
  const found: number[] = []
  for (let id = pidMax() - 1; id > 1 && found.length < count; id--) if (!wanted.has(id) && !ownerOf(id)) found.push(id)
  if (found.length === count) return found
  throw new CheckpointError("E_RESTORE", "Cannot restore this process tree", "no free PID is left", "Raise kernel.pid_max")
}

/** PIDs are below this. Documentation/admin-guide/sysctl/kernel.rst */
const pidMax = (): number => Number(readFileSync("/proc/sys/kernel/pid_max", "latin1"))
