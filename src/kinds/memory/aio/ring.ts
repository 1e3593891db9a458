import { aioRing, ioEvent } from "../../../../ffi/abi/aio.ts"
import type { vma_entry } from "../../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../../proto/values.ts"
import { PAGE_SIZE, type Range } from "../../../base/units.ts"
import type { Mapping } from "../../../proc/maps.ts"

/** Whether a mapping is the ring of io_setup(2). Kernel: fs/aio.c aio_private_file() */
export const isAioRing = ({ path, deleted, inode }: Mapping): boolean => path === "/[aio]" && deleted && inode !== 0n

/** A ring whole and as the kernel made it: what else can be done to its area is of no use. */
export const isWholeAioRing = ({ offset, read, write, shared }: Mapping): boolean => offset === 0n && read && write && shared

/** True for a saved area that is an AIO ring. */
export const isAioRingArea = ({ status }: Pick<vma_entry, "status">): boolean => (status & VMA.AIORING) !== 0

/** Events that a ring of so many bytes has room for. */
export const eventsIn = (length: number): number => Math.floor((length - aioRing.size) / ioEvent.size)

/** What io_setup(2) must be asked for, to make a ring of so many bytes. */
export const requestsFor = (length: number): number => Math.floor((eventsIn(length) - 2) / 2)

/** Bytes of the ring that io_setup(2) makes. @param cpus that the machine may have. Kernel: fs/aio.c ioctx_alloc(), aio_setup_ring() */
export function aioRingLength(requests: number, cpus: number): number {
  const events = Math.max(requests, cpus * 4) * 2 + 2
  return Math.ceil((aioRing.size + events * ioEvent.size) / PAGE_SIZE) * PAGE_SIZE
}

/** The heads of rings, which the kernel writes itself. */
export const aioRingHeads = (vmas: readonly vma_entry[]): Range[] =>
  vmas.filter(isAioRingArea).map(({ start }) => ({ start, end: start + BigInt(aioRing.size) }))
