import { numbersIfAlive, procPath, readLinkIfAlive } from "./source.ts"

/** An open descriptor and what its link says: a path (maybe with " (deleted)"), "pipe:[7]", "anon_inode:[eventfd]" ... */
export interface Descriptor {
  readonly fd: number
  readonly target: string
}

/**
 * Open descriptors in ascending order, of a process, or of a thread when `tid` is given; null when it is gone.
 * One that is closed while the list is read is left out. Kernel: fs/proc/fd.c
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export function readDescriptorsIfAlive(pid: number, tid?: number): Descriptor[] | null {
  const folder = procPath(pid, tid, "fd")
  const descriptors: Descriptor[] = []
  const numbers = numbersIfAlive(folder)
  if (!numbers) return null
  for (const fd of numbers) {
    const target = readLinkIfAlive(`${folder}/${fd}`)
    if (target !== null) descriptors.push({ fd, target })
  }
  return descriptors
}
