import { CheckpointError } from "../../../base/errors.ts"
import { readDescriptorsIfAlive } from "../../../proc/descriptors.ts"
import { listProcesses } from "../../../proc/tasks.ts"

const PIPE = "pipe:["

/** Inode number in "pipe:[7]"; undefined for other links, and for FIFOs, which have paths. */
export const pipeInode = (target: string): bigint | undefined =>
  target.startsWith(PIPE) ? BigInt(target.slice(PIPE.length, -1)) : undefined

/**
 * A task outside the process for each pipe that one has open. Reads the descriptors of every process of the machine, so ask only about a process with pipes.
 *
 * A PID namespace above ours, and descriptors in flight through a socket, are not seen.
 */
export function findPipeHolders(pid: number): Map<bigint, number> {
  const holders = new Map<bigint, number>()
  for (const other of listProcesses()) {
    if (other === pid) continue
    for (const { target } of descriptorsOf(other)) {
      const inode = pipeInode(target)
      if (inode !== undefined) holders.set(inode, other)
    }
  }
  return holders
}

/** Descriptors of some process; none where we may not look: without privilege others' processes are closed to us. */
function descriptorsOf(pid: number): readonly { target: string }[] {
  try {
    return readDescriptorsIfAlive(pid) ?? []
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "E_PERMISSION") return []
    throw error
  }
}
