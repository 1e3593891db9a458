import { CLONE, cloneArgs } from "../../../ffi/abi/clone.ts"
import { PR, TASK_COMM_LEN } from "../../../ffi/abi/prctl.ts"
import { SIG_HOW, sigbit } from "../../../ffi/abi/signal.ts"
import { W } from "../../../ffi/abi/wait.ts"
import { encode } from "../../../ffi/layout.ts"
import type { task_kobj_ids_entry } from "../../../proto/gen/core_pb.ts"
import { bytesOf } from "../../../proto/text.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { Program } from "../../tracee/program.ts"
import type { Act, TaskId } from "./plan.ts"

/** Id of the time namespace of a process that is not in the dumping program's; undefined = it is, or an older program did not say. */
export const ownTimeOf = (ids: task_kobj_ids_entry, dumper: task_kobj_ids_entry | undefined): number | undefined =>
  dumper?.time_ns_id === undefined || dumper.time_ns_id === ids.time_ns_id ? undefined : ids.time_ns_id

/**
 * Namespaces that differ from the dumping program's would have to be made anew; a time namespace is, if the whole tree is in one.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED
 */
export function sameNamespaces(ids: task_kobj_ids_entry, root: task_kobj_ids_entry, dumper: task_kobj_ids_entry | undefined): void {
  const kinds = ["pid_ns_id", "net_ns_id", "ipc_ns_id", "uts_ns_id", "mnt_ns_id", "user_ns_id", "cgroup_ns_id"] as const
  const own: string[] = kinds.filter((kind) => dumper?.[kind] !== undefined && ids[kind] !== undefined && dumper[kind] !== ids[kind])
  if (ownTimeOf(ids, dumper) !== ownTimeOf(root, dumper)) own.push("time_ns_id")
  if (own.length > 0)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      "Cannot restore this process tree",
      `it has namespaces of its own: ${own.map((kind) => kind.replace("_ns_id", "")).join(", ")}`,
      "Restore it with CRIU: whole containers cannot be restored yet; or dump what runs inside, with stasis",
    )
}

/**
 * Appends the wait for the stop of a child, as its parent had done: so that it is not told again. There is none if somebody has undone it.
 */
export const appendStopSeen = (pid: number, program: Program): void =>
  void program.callWith({ about: `the stop of process ${pid}` }, "wait4", pid, 0, W.ALL | W.UNTRACED | W.NOHANG, 0)

/** What a birth needs to know that the plan does not say. */
export interface Births {
  /** The process group that the root is born into. */
  readonly outsideGroup: number
  /** Appends that the leader of a new session takes its controlling terminal, if it has one: children that are born later have it then. */
  takeTerminal(task: TaskId, program: Program): void
  /** PID that a task of the plan gets. */
  pidOf(task: TaskId): number
  /** What the child shares with the task that clones it, as CLONE_* flags; beside what it shares always. */
  sharingOf(task: TaskId): number
  /** The signal that the child's end sends to its parent, 0 = none. */
  exitSignalOf(task: TaskId): number
}

/** Appends the birth of a task: traced from its first moment, so that it stops before it runs anything. */
export function cloneTask(program: Program, pid: number, flags: number, exitSignal: number, about: string): void {
  const wanted = program.bytes(new Uint8Array(new Int32Array([pid]).buffer))
  const args = program.bytes(encode(cloneArgs, { flags: flags | CLONE.PTRACE, exit_signal: exitSignal, set_tid_size: 1 }))
  program.point(args, cloneArgs.fields.set_tid[0], wanted)
  program.callWith({ about, returns: pid }, "clone3", args, cloneArgs.size)
}

/** Appends what one task of a plan does in one round. `die` is for `appendDeath`. */
export function appendActs(task: TaskId, acts: readonly Act[], births: Births, program: Program): void {
  for (const act of acts) {
    APPEND[act.act](act as never, births, program)
    if (act.act === "setsid") births.takeTerminal(task, program)
  }
}

const APPEND: { readonly [A in Act as A["act"]]: (act: A, births: Births, program: Program) => void } = {
  setsid: (_, _births, program) => void program.callWith({ about: "the session" }, "setsid"),
  setpgid: ({ pgid }, { pidOf, outsideGroup }, program) =>
    void program.callWith({ about: `process group ${pgid}` }, "setpgid", 0, pgid === "outside" ? outsideGroup : pidOf(pgid)),
  clone: ({ child }, { pidOf, sharingOf, exitSignalOf }, program) =>
    cloneTask(program, pidOf(child), sharingOf(child), exitSignalOf(child), `process ${pidOf(child)}`),
  subreaper: ({ on }, _births, program) => void program.call("prctl", PR.SET_CHILD_SUBREAPER, on ? 1 : 0, 0, 0, 0),
  exit: (_, _births, program) => void program.call("exit_group", 0),
  reap: ({ child }, { pidOf }, program) => void program.callWith({ returns: pidOf(child) }, "wait4", pidOf(child), 0, W.ALL, 0),
  die: () => {
    throw new Error("Unreachable: a zombie is not born in a round")
  },
}

/**
 * Appends the end of a process that was a zombie: its name, then the end that its images tell, seen by its parent as before.
 *
 * Lost: that a core was dumped, and the times and faults that wait4(2) tells beside the status.
 * @param status as wait(2) gives it
 * Precondition: every signal but the stub's own is blocked.
 */
export function appendDeath(comm: string, status: number, program: Program): void {
  const name = new Uint8Array(TASK_COMM_LEN)
  name.set(bytesOf(comm).subarray(0, TASK_COMM_LEN - 1))
  program.call("prctl", PR.SET_NAME, program.bytes(name), 0, 0, 0)
  const signal = status & 0x7f
  if (signal === 0) {
    program.call("exit_group", (status >> 8) & 0xff)
    return
  }
  // No core file of a process that was never meant to live.
  program.call("prctl", PR.SET_DUMPABLE, 0, 0, 0, 0)
  const unblocked = program.bytes(new Uint8Array(new BigUint64Array([sigbit(signal)]).buffer))
  program.call("kill", program.call("getpid"), signal)
  program.call("rt_sigprocmask", SIG_HOW.UNBLOCK, unblocked, 0, 8)
}
