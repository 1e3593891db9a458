const PIPE = "pipe:["

/** Inode number in "pipe:[7]"; undefined for other links, and for FIFOs, which have paths. */
export const pipeInode = (target: string): bigint | undefined =>
  target.startsWith(PIPE) ? BigInt(target.slice(PIPE.length, -1)) : undefined
