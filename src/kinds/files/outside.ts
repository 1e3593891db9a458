import { CheckpointError } from "../../base/errors.ts"
import { type Descriptor, readDescriptorsIfAlive } from "../../proc/descriptors.ts"
import { readStatIfAlive } from "../../proc/stat.ts"

/** Tasks outside a dump that use objects of it. */
export interface Outsiders {
  /** By inode number. */
  readonly pipes: ReadonlyMap<bigint, number>
  /** By device and inode. */
  readonly fifos: ReadonlyMap<string, number>
  /** By number of the pseudo-terminal. */
  readonly terminals: ReadonlyMap<number, number>
}

/** True for a process that was born into the tree meanwhile. One that is gone by now holds nothing. */
export function descends(pid: number, inside: ReadonlySet<number>): boolean {
  for (let ancestor = pid; ancestor > 1; ) {
    const stat = readStatIfAlive(ancestor)
    if (!stat || inside.has(stat.ppid)) return true
    ancestor = stat.ppid
  }
  return false
}

/** Descriptors of some process; none where we may not look: without privilege others' processes are closed to us. */
export function descriptorsOf(pid: number): readonly Descriptor[] {
  try {
    return readDescriptorsIfAlive(pid) ?? []
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "E_PERMISSION") return []
    throw error
  }
}
