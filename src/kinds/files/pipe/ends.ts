import { O } from "../../../../ffi/abi/file.ts"
import type { Found } from "../collecting.ts"

const PIPE = "pipe:["

/** Whether a link says "pipe:[7]". */
export const isPipeLink = (target: string): boolean => target.startsWith(PIPE)

/** Inode number in "pipe:[7]"; undefined for other links, and for FIFOs, which have paths. */
export const pipeInode = (target: string): bigint | undefined => (isPipeLink(target) ? BigInt(target.slice(PIPE.length, -1)) : undefined)

/** Tells of which pipes a dump has ends of both kinds, or one that is both. */
export function findWholePipes(all: readonly Found[]): (inode: bigint) => boolean {
  const ways = new Map<bigint, Set<number>>()
  for (const { target, flags } of all) {
    const inode = pipeInode(target)
    if (inode !== undefined) ways.getOrInsertComputed(inode, () => new Set()).add(flags & O.ACCMODE)
  }
  return (inode) => {
    const way = ways.get(inode)
    return way !== undefined && (way.size > 1 || way.has(O.RDWR))
  }
}
