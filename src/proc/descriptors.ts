import { numbersIfAlive, readLinkIfAlive } from "./source.ts"

/** An open descriptor and what its link says: a path (maybe with " (deleted)"), "pipe:[7]", "anon_inode:[eventfd]" ... */
export interface Descriptor {
  readonly fd: number
  readonly target: string
}

/**
 * Open descriptors of a process in ascending order; null when it is gone.
 * One that is closed while the list is read is left out. Kernel: fs/proc/fd.c
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export function readDescriptorsIfAlive(pid: number): Descriptor[] | null {
  const folder = `/proc/${pid}/fd`
  const descriptors: Descriptor[] = []
  const numbers = numbersIfAlive(folder)
  if (!numbers) return null
  for (const fd of numbers) {
    const target = readLinkIfAlive(`${folder}/${fd}`)
    if (target !== null) descriptors.push({ fd, target })
  }
  return descriptors
}
