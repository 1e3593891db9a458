import { PTRACE_O } from "../../../ffi/abi/ptrace.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { ImageSet } from "../../image/set.ts"
import type { Provisions } from "../dump/save.ts"
import type { Survey } from "../dump/survey.ts"
import { readSavedTree } from "../images.ts"
import type { DumpOptions } from "../options.ts"
import { findDifferences, nameDifferences } from "./second-look.ts"

const log = logger("dump")

/**
 * Reads the images of a dump as a restore would, and compares them with the tree that is still frozen, see `findDifferences`.
 *
 * Precondition: all images are written, and every loan of the tree is returned.
 *
 * @param set the images under the names that they have now   @param survey, provisions of the dump
 * @throws CheckpointError E_TARGET_CHANGED naming the first differences (the log has all) · E_IMAGE_CORRUPT, E_IMAGE_MISSING what was
 *   written cannot be read · as `saveTree`
 */
export function verifyImages(set: ImageSet, survey: Survey, provisions: Provisions, options: DumpOptions): void {
  const { pid } = options
  // As the options name the tree, whose jobs are not yet anybody else's.
  const look = {
    dump: { ...options, networkLock: "skip" as const },
    survey,
    provisions,
    owner: "live" as const,
    traceOptions: PTRACE_O.TRACESYSGOOD,
    shellJob: false,
  }
  const differences = findDifferences(set, readSavedTree(set, options), look)
  for (const text of differences) log.warn(`not as it was read: ${text}`)
  if (differences.length === 0) return
  throw new CheckpointError(
    "E_TARGET_CHANGED",
    `Cannot verify the images of task ${pid}`,
    nameDifferences(differences),
    "Dump again; if that fails too, look for who changes it from outside, and check the disk (kernel log)",
  )
}
