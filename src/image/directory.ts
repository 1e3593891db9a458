import { closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { CheckpointError } from "../base/errors.ts"
import { ioFailure } from "./failure.ts"

const TEMPORARY = /^\.stasis-([1-9][0-9]*)-.*\.tmp$/

/** Name an image has until its set is complete: tells which process is writing it. */
export const temporaryName = (name: string): string => `.stasis-${process.pid}-${name}.tmp`

/** The process that a temporary name belongs to; undefined for other names. */
export const writerOf = (name: string): number | undefined => {
  const pid = TEMPORARY.exec(name)?.[1]
  return pid === undefined ? undefined : Number(pid)
}

/** Makes the directory when only its last part is missing. @returns whether it was made */
function makeDirectory(directory: string): boolean {
  if (existsSync(directory)) return false
  if (!existsSync(dirname(directory))) {
    throw new CheckpointError(
      "E_DIRECTORY",
      `Cannot use directory ${directory}`,
      "its parent does not exist",
      "Create it, or name another with -D",
    )
  }
  mkdirSync(directory)
  return true
}

/** Removes what killed runs left; refuses while another run writes here, because two sets would be mixed. */
function clearTemporaries(directory: string): void {
  for (const name of readdirSync(directory)) {
    const writer = writerOf(name)
    if (writer === undefined) continue
    if (writer !== process.pid && existsSync(`/proc/${writer}`)) {
      const next = `Wait for task ${writer}, or name another directory with -D; if task ${writer} is not stasis, remove ${directory}/.stasis-${writer}-*.tmp`
      throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${directory}`, `task ${writer} is writing ${name} there`, next)
    }
    unlinkSync(join(directory, name))
  }
}

/**
 * Makes a directory ready to take images: exists (made when its parent does), can be written to, is free of temporaries of dead runs.
 *
 * @returns its absolute path, and whether it was made
 * @throws CheckpointError E_DIRECTORY, E_DISK_FULL
 */
export function prepareDirectory(path: string): { directory: string; made: boolean } {
  const directory = resolve(path)
  try {
    const made = makeDirectory(directory)
    if (!statSync(directory).isDirectory()) {
      throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${directory}`, "it is not a directory", "Name a directory with -D")
    }
    clearTemporaries(directory)
    // Tried, not asked: access(2) says yes to root on file systems that will refuse.
    const probe = join(directory, temporaryName("probe"))
    closeSync(openSync(probe, "wx", 0o600))
    unlinkSync(probe)
    return { directory, made }
  } catch (error) {
    throw ioFailure(`Cannot write images to ${directory}`, error)
  }
}
