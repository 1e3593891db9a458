import { takeInterrupt } from "../../ffi/interrupt.ts"
import { attempt, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { runUserProgram } from "../tracee/user-program.ts"
import { checkInterrupt } from "../tracee/wait.ts"

const log = logger("scripts")

/** The moments at which action scripts are called, by CRIU's names and in its order. Authority: criu(8), --action-script. */
export const SCRIPT_HOOKS = [
  "pre-dump",
  "post-dump",
  "pre-restore",
  "post-restore",
  "pre-resume",
  "post-resume",
  "network-lock",
  "network-unlock",
  "setup-namespaces",
  "post-setup-namespaces",
  "orphan-pts-master",
  "status-ready",
  "query-ext-files",
] as const
type ScriptHook = (typeof SCRIPT_HOOKS)[number]

/** What a script is told beside the hook. */
export interface ScriptFacts {
  /** Absolute; becomes CRTOOLS_IMAGE_DIR. */
  readonly imagesDir: string
  /** Root of the tree, as soon as it exists; becomes CRTOOLS_INIT_PID. */
  readonly initPid?: number
}

/**
 * Calls every script once, one after the other, and waits for each. The first that fails ends the row.
 *
 * A script gets CRTOOLS_SCRIPT_ACTION, CRTOOLS_IMAGE_DIR and, where known, CRTOOLS_INIT_PID in its environment, an empty standard
 * input, and our standard error as its standard output, which stays free for results. No other child of ours is reaped meanwhile. It has no
 * deadline: one at post-dump may copy for hours. Who asks us to stop meanwhile ends it; at post-resume, where nothing is left to undo, who
 * did so before that does not.
 *
 * @param scripts absolute paths of executable files
 * @throws CheckpointError E_SCRIPT: it could not be started, ended with a status other than 0, or was killed · E_INTERRUPTED
 * Precondition: `holdInterrupts` is active.
 */
export function runScripts(scripts: readonly string[], hook: ScriptHook, { imagesDir, initPid }: ScriptFacts): void {
  if (scripts.length === 0) return
  const { CRTOOLS_INIT_PID: _inherited, ...inherited } = process.env
  const environment = Object.entries({
    ...inherited,
    CRTOOLS_SCRIPT_ACTION: hook,
    CRTOOLS_IMAGE_DIR: imagesDir,
    ...(initPid === undefined ? {} : { CRTOOLS_INIT_PID: String(initPid) }),
  }).map(([name, value]) => `${name}=${value}`)
  const doing = `the command, at ${hook}`
  const earlier = hook === "post-resume" ? takeInterrupt() : 0
  try {
    for (const script of scripts) {
      log.info(`${hook}: ${script}`)
      checkInterrupt(doing)
      const { errno, signal, status } = runUserProgram(script, environment, doing)
      // Before its status: it may have asked us to stop itself.
      if (hook !== "post-resume") checkInterrupt(doing)
      const next = "Give --action-script the path of an executable file"
      if (errno) throw failed(script, hook, "it could not be started", next, new SyscallError("execve", errno, []))
      if (signal) throw failed(script, hook, `it was killed by signal ${signal}`, `Run "CRTOOLS_SCRIPT_ACTION=${hook} ${script}" by hand`)
      if (status !== 0)
        throw failed(script, hook, `it ended with status ${status}`, "See what it printed above; status 0 lets the command go on")
    }
  } catch (error) {
    if (hook !== "post-resume" || !(error instanceof CheckpointError)) throw error
    const { code, action, found, cause } = error
    throw new CheckpointError(
      code,
      action,
      found,
      "The tree runs: do not restore it again, run the scripts by hand if it needs them",
      cause,
    )
  } finally {
    // For who looks at it after us.
    if (earlier !== 0) attempt("kill", process.pid, earlier)
  }
}

const failed = (script: string, hook: ScriptHook, found: string, next: string, cause?: unknown): CheckpointError =>
  new CheckpointError("E_SCRIPT", `Cannot go on after action script "${script}" at ${hook}`, found, next, cause)
