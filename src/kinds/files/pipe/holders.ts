import { listProcesses } from "../../../proc/tasks.ts"
import { descends, descriptorsOf } from "../outside.ts"

const PIPE = "pipe:["

/** Inode number in "pipe:[7]"; undefined for other links, and for FIFOs, which have paths. */
export const pipeInode = (target: string): bigint | undefined =>
  target.startsWith(PIPE) ? BigInt(target.slice(PIPE.length, -1)) : undefined

/**
 * A task outside the dump for each pipe that one has open. Reads the descriptors of every process of the machine, so ask only where there are pipes.
 *
 * A PID namespace above ours, and descriptors in flight through a socket, are not seen.
 */
export function findPipeHolders(inside: ReadonlySet<number>): Map<bigint, number> {
  const holders = new Map<bigint, number>()
  for (const other of listProcesses()) {
    if (inside.has(other)) continue
    const inodes = descriptorsOf(other).flatMap(({ target }) => pipeInode(target) ?? [])
    if (inodes.length > 0 && !descends(other, inside)) for (const inode of inodes) holders.set(inode, other)
  }
  return holders
}
