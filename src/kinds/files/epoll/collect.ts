import { kcmpEpollSlot } from "../../../../ffi/abi/epoll.ts"
import { KCMP } from "../../../../ffi/abi/file.ts"
import { encodeInto } from "../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../../ffi/syscall.ts"
import type { eventpoll_file_entry } from "../../../../proto/gen/eventpoll_pb.ts"
import { type EpollTarget, epollTargets } from "../../../proc/epoll.ts"
import type { Found, OpenFile, Reason, Surveying } from "../collecting.ts"

const memory = allocate(4096)

/**
 * True when descriptor `tfd` of the process is the very file that the epoll watches under this number. Man page: kcmp(2), since Linux 4.13.
 */
function isWatched(pid: number, efd: number, tfd: number): boolean {
  encodeInto(kcmpEpollSlot, memory.bytes, { efd, tfd, toff: 0 })
  const answer = attempt("kcmp", pid, pid, KCMP.EPOLL_TFD, tfd, memory.address)
  if (answer >= 0) return answer === 0
  const errno = errnoName(-answer)
  if (errno === "ENOENT" || errno === "EBADF") return false
  // A process that ended while it was looked at refuses nothing: the freeze will not meet it.
  if (errno === "ESRCH") return true
  throw new SyscallError("kcmp", errno, [pid, pid, KCMP.EPOLL_TFD, tfd])
}

/**
 * Watched files without a descriptor of the number they were added under: closed while a duplicate lives, or the number has another file
 * now.
 */
export function refuseEpoll({ pid, fd, info }: Found, { descriptors }: Pick<Surveying, "descriptors">): Reason | undefined {
  const seen = new Set<number>()
  for (const { tfd } of epollTargets(info)) {
    const stale = seen.has(tfd) || !descriptors.has(tfd) || !isWatched(pid, fd, tfd)
    seen.add(tfd)
    if (!stale) continue
    const state = descriptors.has(tfd) ? "another file now" : "closed"
    const remedy = "Let the program remove what it watches (EPOLL_CTL_DEL) before it closes it"
    return { what: `an epoll that watches a file added as fd ${tfd}, which is ${state}`, remedy }
  }
  return undefined
}

const watched = ({ tfd, events, data, pos, ino, sdev }: EpollTarget) => ({
  id: 0,
  tfd,
  events,
  data,
  dev: sdev,
  inode: ino,
  pos: BigInt.asUintN(64, pos),
})

/**
 * An open epoll -> its entry. Mirror: ./restore.ts. Kernel: fs/eventpoll.c ep_show_fdinfo()
 * Lost: the order in which files became ready; a one-shot member that has fired reports errors and hang-ups again.
 */
export function collectEpoll({ id, flags, owner, info }: OpenFile): eventpoll_file_entry {
  return { id, flags, fown: owner, tfd: epollTargets(info).map(watched) }
}
