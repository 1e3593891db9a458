import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
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
export type ScriptHook = (typeof SCRIPT_HOOKS)[number]

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
 * input, and our standard error as its standard output, which stays free for results. No other child of ours is reaped meanwhile. Who asks
 * us to stop meanwhile is heard when the script has ended, but at post-resume, where nothing is left to undo.
 *
 * @param scripts paths of executable files
 * @throws CheckpointError E_SCRIPT: it could not be started, ended with a status other than 0, or was killed · E_INTERRUPTED
 */
export function runScripts(scripts: readonly string[], hook: ScriptHook, { imagesDir, initPid }: ScriptFacts): void {
  if (scripts.length === 0) return
  // Loaded when it is needed: it takes longer than a small dump.
  const { spawnSync } = process.getBuiltinModule("node:child_process")
  const { CRTOOLS_INIT_PID: _inherited, ...inherited } = process.env
  const env = {
    ...inherited,
    CRTOOLS_SCRIPT_ACTION: hook,
    CRTOOLS_IMAGE_DIR: imagesDir,
    ...(initPid === undefined ? {} : { CRTOOLS_INIT_PID: String(initPid) }),
  }
  for (const script of scripts) {
    log.info(`${hook}: ${script}`)
    const { status, signal, error } = spawnSync(script, [], { env, stdio: ["ignore", 2, 2] })
    // Before its status: ^C at a terminal goes to the script too.
    if (hook !== "post-resume") checkInterrupt(`the command, at ${hook}`)
    if (error) throw failed(script, hook, "it could not be started", "Give --action-script the path of an executable file", error)
    if (signal) throw failed(script, hook, `it was killed by ${signal}`, `Run "CRTOOLS_SCRIPT_ACTION=${hook} ${script}" by hand`)
    if (status !== 0)
      throw failed(script, hook, `it ended with status ${status}`, "See what it printed above; status 0 lets the command go on")
  }
}

const failed = (script: string, hook: ScriptHook, found: string, next: string, cause?: unknown): CheckpointError =>
  new CheckpointError("E_SCRIPT", `Cannot go on after action script "${script}" at ${hook}`, found, next, cause)
