import { PTRACE_O } from "../../../ffi/abi/ptrace.ts"
import { errnoOf } from "../../base/errno.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { ImageSet } from "../../image/set.ts"
import { prepareSaving } from "../cgroups.ts"
import { openWitnesses } from "../dump/witness.ts"
import type { SavedTree } from "../images.ts"
import type { DumpOptions, RestoreOptions } from "../options.ts"
import { findDifferences, nameDifferences } from "./second-look.ts"

const log = logger("restore")

/** A dump that lets the tree go on and refuses as little as options can ask for. */
const asDump = (pid: number, { shellJob: _, ...options }: RestoreOptions): DumpOptions => ({
  ...options,
  pid,
  shellJob: true,
  leaveRunning: true,
  leaveStopped: false,
  sync: false,
  rseqMalformed: "keep",
  rseqDiscovery: "auto",
  landlock: "drop",
  ghostLimit: undefined,
  linkRemap: true,
  fileLocks: true,
  extUnixSk: true,
  externalUnix: "all",
  externals: [],
  skipInFlight: true,
  // They are held off already.
  networkLock: "skip",
  manageCgroups: "ignore",
  cgroupProps: [],
  cgroupPropsFiles: [],
  cgroupDumpControllers: [],
  freezeCgroup: undefined,
})

const NEXT = "Restore without --verify to take it as it is, or compare this host with that of the dump"

/** A failure of the second look, told as what it means for the restore: nothing is known of the tree then. */
function asVerifyError(pid: number, error: unknown): unknown {
  const action = `Cannot verify the restored tree of process ${pid}`
  if (!(error instanceof CheckpointError))
    return errnoOf(error) === undefined ? error : new CheckpointError("E_RESTORE", action, "it cannot be read again", NEXT, error)
  const { code, found, next, cause } = error
  if (code === "E_INTERRUPTED" || code === "E_TIMEOUT") return new CheckpointError(code, action, found, next, cause)
  return new CheckpointError("E_RESTORE", action, code === "E_UNSUPPORTED" ? `a dump would refuse it: ${found}` : found, NEXT, cause)
}

/**
 * Reads a restored tree again and compares it with its images, see `findDifferences`. What a dump would refuse of the tree as it stands
 * fails it too.
 *
 * What whoever restores gave is not compared: it is his.
 *
 * Precondition: every thread is stopped by us, with its final registers and mask, and nothing of ours is left in the tree.
 *
 * @throws CheckpointError E_RESTORE naming the first differences (the log has all), or why the tree cannot be read again · E_INTERRUPTED ·
 *   E_TIMEOUT
 */
export function verifyTree(
  set: ImageSet,
  saved: SavedTree,
  options: RestoreOptions & { readonly given: ReadonlyMap<number, unknown> },
): void {
  const { pid } = saved.root.tree
  const dump = asDump(pid, options)
  let differences: readonly string[]
  using witnesses = openWitnesses()
  try {
    differences = findDifferences(set, saved, {
      dump,
      survey: { processes: new Map(), cgroups: prepareSaving(dump) },
      provisions: { witnesses, cgroup: undefined },
      owner: "restored",
      traceOptions: PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL,
      shellJob: options.shellJob,
      given: options.given,
    })
  } catch (error) {
    throw asVerifyError(pid, error)
  }
  for (const text of differences) log.warn(`restored otherwise: ${text}`)
  if (differences.length === 0) return
  throw new CheckpointError("E_RESTORE", `Cannot restore the tree of process ${pid} as it was`, nameDifferences(differences), NEXT)
}
