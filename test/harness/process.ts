import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { IPC } from "../../ffi/abi/ipc.ts"
import { attempt } from "../../ffi/syscall.ts"
import { readShm } from "../../src/proc/sysvipc.ts"
import { CACHE, discardAll } from "./folders.ts"

/** Where compiled victims are. */
const VICTIMS = `${CACHE}/victims/`

/** One letter of /proc/PID/stat (proc_pid_stat(5)); undefined when no such task exists. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.slice(stat.lastIndexOf(")") + 2)[0]
  } catch {
    return undefined
  }
}

/** True while the process exists and has not ended; a zombie has ended. */
export function alive(pid: number): boolean {
  const state = stateOf(pid)
  return state !== undefined && state !== "Z" && state !== "X"
}

/** The value of a line of /proc/PID/status, e.g. "TracerPid"; undefined when there is none. */
export function statusOf(pid: number, key: string): string | undefined {
  try {
    return new RegExp(`^${key}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  } catch {
    return undefined
  }
}

/** Thread ids of a process, ascending; empty when it is gone. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .sort((a, b) => a - b)
  } catch {
    return []
  }
}

/** The target of a link such as /proc/PID/exe; undefined when it cannot be read. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** Children of a tool that has ended (understudies, waiters, stand-ins) which have not. */
export const orphans = (): number[] =>
  readdirSync("/proc")
    .filter((name) => linkOf(`/proc/${name}/exe`)?.startsWith("/memfd:stasis-seed") === true)
    .map(Number)
    .filter((pid) => !linkOf(`/proc/${statusOf(pid, "PPid")}/exe`)?.includes("stasis"))

/** Sends a signal. Returns false when the process is gone. Refuses PIDs below 2, which mean groups or init. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  if (pid < 2) throw new Error(`Refused to send ${name} to ${pid}`)
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

/** Programs that tests started, and the file that their standard output leads to. */
const started = new Map<number, string>()

/** From now on `cleanUp` ends this process, as long as its standard output leads to `output` or it runs a compiled victim. */
export function remember(pid: number, output: string): void {
  started.set(pid, output)
}

/** Threads of a process whose first one has ended: they alone show its descriptors. Folders in /proc */
function headless(pid: string): string[] {
  if (statusOf(Number(pid), "State")?.startsWith("Z") !== true || statusOf(Number(pid), "Threads") === "1") return []
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`)
  } catch {
    return []
  }
}

/** PIDs of all processes whose standard output or error leads to one of these files: what a tree's root started, wherever it went. */
export function writersOf(outputs: ReadonlySet<string>): number[] {
  const leads = (pid: string): boolean =>
    [`/proc/${pid}`, ...headless(pid)].some((task) => [1, 2].some((fd) => outputs.has(linkOf(`${task}/fd/${fd}`) ?? "")))
  return readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) && leads(name) ? [Number(name)] : []))
}

/** How often all that is left of the trees is killed: some fork while they are looked for. */
const PASSES = 100

/** Kills what the remembered roots started, until a look finds nothing that lives. A zombie has no descriptors. */
function endTrees(): void {
  const outputs = new Set(started.values())
  for (let pass = 0; outputs.size > 0 && pass < PASSES; pass++) {
    const left = writersOf(outputs).filter((pid) => pid !== process.pid)
    if (left.length === 0) return
    for (const pid of left) signal(pid, "SIGKILL")
    Bun.sleepSync(2)
  }
}

/** When this run began, seconds since 1970. */
const BEGAN = BigInt(Math.floor(Date.now() / 1000 - process.uptime()))

/** Removes the System V segments that the remembered roots made, and that nobody uses: a victim that is killed leaves its own. */
function removeSegments(): void {
  for (const { id, cpid, nattch, ctime } of readShm())
    if (started.has(cpid) && nattch === 0 && ctime >= BEGAN) attempt("shmctl", id, IPC.RMID, 0)
}

/** Ends one remembered process now, if it lives. */
export function endNow(pid: number): void {
  const output = started.get(pid)
  const exe = linkOf(`/proc/${pid}/exe`)
  if ((output && linkOf(`/proc/${pid}/fd/1`) === output) || exe?.startsWith(VICTIMS)) signal(pid, "SIGKILL")
}

/**
 * Kills what was remembered and still lives, whether original or restored, with all that it started, and removes the scratch folders. Never
 * touches a PID that means another program now. For afterEach: the end of a bun test run calls no exit listener.
 */
export function cleanUp(): void {
  for (const pid of started.keys()) endNow(pid)
  endTrees()
  removeSegments()
  started.clear()
  discardAll()
}

process.on("exit", cleanUp)
