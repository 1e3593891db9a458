import { kcmpEpollSlot } from "../../../../ffi/abi/epoll.ts"
import { KCMP } from "../../../../ffi/abi/file.ts"
import { encodeInto } from "../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../../ffi/syscall.ts"
import { type EpollTarget, epollTargets } from "../../../proc/epoll.ts"
import type { Found } from "../collecting.ts"

const memory = allocate(4096)

/** A file that an epoll watches. */
export interface Watched extends EpollTarget {
  /** Descriptor of the process that leads to it: `tfd`, unless that was closed or has another file now; undefined where none does. */
  readonly fd: number | undefined
}

/** Which of the files that an epoll watches: `toff` counts those that were added under the same number, in the kernel's order. */
interface Slot {
  readonly efd: number
  readonly tfd: number
  readonly toff: number
}

/** True when a descriptor of the process leads to the very file that its epoll watches. Man page: kcmp(2), since Linux 4.13. */
function leadsTo(pid: number, slot: Slot, fd: number): boolean {
  encodeInto(kcmpEpollSlot, memory.bytes, { ...slot })
  const answer = attempt("kcmp", pid, pid, KCMP.EPOLL_TFD, fd, memory.address)
  if (answer >= 0) return answer === 0
  const errno = errnoName(-answer)
  if (errno === "ENOENT" || errno === "EBADF") return false
  // A process that ended while it was looked at refuses nothing: the freeze will not meet it.
  if (errno === "ESRCH") return true
  throw new SyscallError("kcmp", errno, [pid, pid, KCMP.EPOLL_TFD, fd])
}

/**
 * What an epoll watches. The kernel knows each file by itself and the number that it was added under, which says nothing any more when it
 * was closed while a duplicate lives.
 *
 * @param descriptors of the same process; of ours, which lead to what is in flight, no other number is looked for
 */
export function findWatched({ pid, fd: efd, info }: Found, descriptors: ReadonlyMap<number, Pick<Found, "fd" | "stat">>): Watched[] {
  const seen = new Map<number, number>()
  return epollTargets(info).map((target) => {
    const { tfd, ino } = target
    const toff = seen.get(tfd) ?? 0
    seen.set(tfd, toff + 1)
    const isIt = (fd: number): boolean => leadsTo(pid, { efd, tfd, toff }, fd)
    if (descriptors.has(tfd) && isIt(tfd)) return { ...target, fd: tfd }
    const others = pid === process.pid ? [] : [...descriptors.values()].filter(({ stat }) => BigInt(stat.ino) === ino)
    return { ...target, fd: others.find(({ fd }) => isIt(fd))?.fd }
  })
}
