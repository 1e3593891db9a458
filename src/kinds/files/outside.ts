import { CheckpointError } from "../../base/errors.ts"
import { type Descriptor, readDescriptorsIfAlive } from "../../proc/descriptors.ts"
import { readStatIfAlive } from "../../proc/stat.ts"
import { listProcesses } from "../../proc/tasks.ts"

/** Tasks outside a dump that use objects of it. */
export interface Outsiders {
  /** By inode number. */
  readonly pipes: ReadonlyMap<bigint, number>
  /** By inode number. */
  readonly sockets: ReadonlyMap<bigint, number>
  /** FIFOs and deleted files, by device and inode. */
  readonly files: ReadonlyMap<string, number>
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

/**
 * A task outside the dump for each pipe or socket that one has open. Reads the descriptors of every process of the machine, so ask only
 * where there are any.
 *
 * A PID namespace above ours, and descriptors in flight through a socket, are not seen.
 *
 * @param inodeOf number in a link such as "pipe:[7]"; undefined for what is not looked for
 */
export function findHolders(inside: ReadonlySet<number>, inodeOf: (target: string) => bigint | undefined): Map<bigint, number> {
  const holders = new Map<bigint, number>()
  for (const other of listProcesses()) {
    if (inside.has(other)) continue
    const inodes = descriptorsOf(other).flatMap(({ target }) => inodeOf(target) ?? [])
    if (inodes.length > 0 && !descends(other, inside)) for (const inode of inodes) holders.set(inode, other)
  }
  return holders
}
