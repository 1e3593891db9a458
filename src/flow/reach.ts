import { CLONE } from "../../ffi/abi/clone.ts"
import { O } from "../../ffi/abi/file.ts"
import { PR } from "../../ffi/abi/prctl.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { closeSync, openSync, readlinkSync } from "../../ffi/fs.ts"
import { leaveKeyboardToJob } from "../../ffi/interrupt.ts"
import { attempt, syscall } from "../../ffi/syscall.ts"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { NAMESPACE_KINDS, type NamespaceKind } from "../kinds/namespaces.ts"
import { readNamespacesIfAlive } from "../proc/links.ts"
import { readStatusIfAlive } from "../proc/status.ts"

const log = logger("reach")

/**
 * Variable with the number of the caller, by which the tool, run again by `runInside`, knows that it is in the target's PID namespace,
 * where the target has another number.
 */
const STARTED_INSIDE = "STASIS_ENTERED"

/** Kinds of namespace that are entered. Not that of clocks: a dump reads those of the tree from outside, see ../kinds/clocks/now.ts */
const ENTERED: readonly NamespaceKind[] = NAMESPACE_KINDS.filter(({ name }) => name !== "time")

/** The tool's number in /proc. Kernel: fs/proc/self.c */
const selfInProc = (): number => Number(readlinkSync("/proc/self", "buffer").toString())

/** Namespaces of a process; null where we may not look: `checkAccess` tells why, with what to do. */
function namespacesOf(pid: number): ReturnType<typeof readNamespacesIfAlive> {
  try {
    return readNamespacesIfAlive(pid)
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "E_PERMISSION") return null
    throw error
  }
}

/** Kinds of namespace in which a process is not where the tool is; [] for one that is not there, or may not be looked at. */
function apartFrom(pid: number): readonly NamespaceKind[] {
  const [ours, theirs] = [readNamespacesIfAlive(selfInProc()), namespacesOf(pid)]
  return ours && theirs ? ENTERED.filter(({ name }) => theirs.has(name) && ours.get(name) !== theirs.get(name)) : []
}

/** Whether /proc is that of the PID namespace that the tool is in. */
const isOwnProc = (): boolean => selfInProc() === process.pid

/**
 * Makes sure that /proc shows the PID namespace that the tool is in: a number of one would name another process in the other.
 *
 * @throws CheckpointError E_KERNEL
 */
export function checkProc(): void {
  if (process.env[STARTED_INSIDE] !== undefined || isOwnProc()) return
  throw new CheckpointError(
    "E_KERNEL",
    "Cannot look at processes here",
    "/proc is that of another PID namespace",
    "Mount this one's: mount -t proc proc /proc",
  )
}

/** PID of a process in its own namespace. */
const numberInside = (pid: number): number => readStatusIfAlive(pid)?.nsPid.at(-1) ?? pid

/** How a process is reached that is in other namespaces than the tool. */
type Reach =
  /** It is in the same ones, or the tool is now in its. `pid`: its number here. */
  | { readonly entered: boolean; readonly pid: number }
  /** The tool was run again where the process is, and ended so. */
  | { readonly status: Promise<number> }

/**
 * Goes where a process is: into its network, IPC, UTS, cgroup and mount namespaces, as nsenter(1) does. Only a new process can be in
 * another PID namespace, so there the tool is run again, with the same words; that one enters the others.
 *
 * From then on paths are those inside.
 *
 * @param beforeEntering opens what will be needed of where the tool is now; called just before the first is entered, and not if none is
 * @param statusFd a descriptor that the tool has by inheritance
 * @throws CheckpointError E_NAMESPACE it cannot be reached that way · E_PERMISSION
 * Man pages: setns(2), pid_namespaces(7). Precondition: the main thread; others stay where they are
 */
export function reachProcess(pid: number, beforeEntering: () => void, statusFd?: number): Reach {
  const kinds = apartFrom(pid)
  const again = process.env[STARTED_INSIDE] !== undefined
  if (kinds.length === 0 && !again) return { entered: false, pid }
  const there = numberInside(pid)
  if (kinds.some(({ name }) => name === "user"))
    throw unreachable(pid, there, "is in another user namespace, which a program with threads cannot enter")
  const pids = kinds.find(({ name }) => name === "pid")
  if (pids) {
    if (again) throw unreachable(pid, there, "is in a PID namespace that was not entered")
    return { status: runInside(pid, pids, statusFd) }
  }
  const files = kinds.map((kind) => ({ kind, fd: openSync(`/proc/${pid}/ns/${kind.name}`, O.RDONLY | O.CLOEXEC) }))
  beforeEntering()
  // A mount namespace takes nobody who shares his root directory, as threads do.
  syscall("unshare", CLONE.FS)
  for (const { kind, fd } of files) {
    entering(pid, kind, () => syscall("setns", fd, kind.flag))
    closeSync(fd)
  }
  if (!isOwnProc())
    throw unreachable(pid, there, "has no /proc of its own PID namespace", "Mount it inside: mount -t proc proc /proc; then dump again")
  const names = [...(again ? ["pid"] : []), ...kinds.map(({ name }) => name)].join(", ")
  log.warn(`process ${pid} is process ${there} in its namespaces, which stasis has entered (${names}): restore it inside such ones`)
  return { entered: true, pid: there }
}

function entering<T>(pid: number, { name }: NamespaceKind, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    const action = `Cannot enter the ${name} namespace of process ${pid}`
    throw new CheckpointError("E_PERMISSION", action, "the kernel refused it", "Run as root, or run stasis inside", error)
  }
}

/**
 * Runs the tool again as a process of another PID namespace. A signal that asks us to stop is for the one that works: it undoes, and we end
 * when it has, with its status. When we are killed the kernel tells it, see `followParent`.
 *
 * @returns its exit status
 */
function runInside(pid: number, kind: NamespaceKind, statusFd: number | undefined): Promise<number> {
  const { spawn } = process.getBuiltinModule("node:child_process")
  const openPids = (one: number): number => openSync(`/proc/${one}/ns/pid`, O.RDONLY | O.CLOEXEC)
  const [theirs, ours] = [openPids(pid), openPids(selfInProc())]
  leaveKeyboardToJob()
  const [program, script = "", ...words] = process.argv
  // A compiled program's second word is a path in itself.
  const line = script.startsWith("/$bunfs/") ? words : [script, ...words]
  // Before it is there: none of them shall end us and leave it alone.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => inside.kill(signal))
  const options = { env: { ...process.env, [STARTED_INSIDE]: String(selfInProc()) }, stdio: withStandardThree(statusFd) }
  entering(pid, kind, () => syscall("setns", theirs, CLONE.NEWPID))
  const inside = spawn(process.execPath ?? program, line, options)
  // A task whose children would be in another PID namespace can make no thread, and the engine makes one whenever it likes.
  // Kernel: kernel/fork.c copy_process(). Who may not enter his own one again goes on without.
  attempt("setns", ours, CLONE.NEWPID)
  for (const fd of [theirs, ours]) closeSync(fd)
  return new Promise((resolve, reject) => {
    inside.on("error", reject)
    inside.on("exit", (status, signal) => resolve(signal ? 128 + (SIG[signal.slice(3) as keyof typeof SIG] ?? 0) : (status ?? 1)))
  })
}

/** Standard input, output and error, and one more descriptor under its number; what lies between is empty. */
const withStandardThree = (more: number | undefined): (number | "ignore")[] =>
  Array.from({ length: Math.max(2, more ?? 0) + 1 }, (_, fd) => (fd <= 2 || fd === more ? fd : "ignore"))

/**
 * When the tool was run again by `runInside`: it ends with the one that did, by a signal that lets us undo what was begun.
 *
 * @throws CheckpointError E_INTERRUPTED that one has gone already: the kernel tells nobody then
 */
export function followParent(): void {
  const parent = process.env[STARTED_INSIDE]
  if (parent === undefined) return
  attempt("prctl", PR.SET_PDEATHSIG, SIG.TERM)
  // No namespace but that of PIDs has been entered yet: /proc is still the one that the parent sees itself in.
  if (readStatusIfAlive(selfInProc())?.ppid !== Number(parent))
    throw new CheckpointError("E_INTERRUPTED", "Cannot go on inside", "the stasis that was called has been killed", "Run the command again")
}

const unreachable = (pid: number, there: number, found: string, next = ""): CheckpointError =>
  new CheckpointError(
    "E_NAMESPACE",
    `Cannot reach process ${pid}`,
    `it ${found}`,
    next || `Run stasis inside: nsenter -t ${pid} -a stasis dump -t ${there}`,
  )
