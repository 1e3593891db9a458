import { EPIOCGPARAMS, epollParams } from "../../../../ffi/abi/epoll.ts"
import { allocate, attempt, isFailure } from "../../../../ffi/syscall.ts"
import type { eventpoll_file_entry } from "../../../../proto/gen/eventpoll_pb.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { findWatched, type Watched } from "./watched.ts"

const memory = allocate(4096)

/** What was found last of an epoll, when it was judged: it is collected from that. */
const known = new WeakMap<Found["info"], readonly Watched[]>()

/** Watched files that no descriptor of the process leads to: closed while a duplicate lives in another process, or in flight. */
export function refuseEpoll(found: Found, { descriptors }: Pick<Surveying, "descriptors">): Reason | undefined {
  const watched = findWatched(found, descriptors)
  known.set(found.info, watched)
  const lost = watched.find(({ fd }) => fd === undefined)
  if (!lost) return undefined
  const state = descriptors.has(lost.tfd) ? "another file now" : "closed"
  return {
    what: `an epoll that watches a file added as fd ${lost.tfd}, which is ${state}, and no other descriptor of the process leads to that file`,
    remedy: "Let the program remove what it watches (EPOLL_CTL_DEL) before it closes it",
  }
}

/** How an epoll of ours polls busily; undefined when as a new one, as all do before Linux 6.9. Man page: ioctl_eventpoll(2) */
function askBusyPoll(epoll: number): Uint8Array | undefined {
  const params = memory.bytes.subarray(0, epollParams.size)
  params.fill(0)
  const isTold = !isFailure(attempt("ioctl", epoll, EPIOCGPARAMS, memory.address))
  return isTold && params.some((byte) => byte !== 0) ? params.slice() : undefined
}

const entryOf = ({ tfd, fd = tfd, events, data, pos, ino, sdev }: Watched) => ({
  id: 0,
  tfd: fd,
  events,
  data,
  dev: sdev,
  inode: ino,
  pos: BigInt.asUintN(64, pos),
})

/**
 * An open epoll -> its entry. Mirror: ./restore.ts. Kernel: fs/eventpoll.c ep_show_fdinfo()
 * Lost: the order in which files became ready; a one-shot member that has fired reports errors and hang-ups again.
 *
 * Precondition: `refuseEpoll` has found no reason.
 */
export function collectEpoll(
  { id, pid, fd, flags, owner, info }: OpenFile,
  { extension, copies }: Pick<Collecting, "extension" | "copies">,
): eventpoll_file_entry {
  const watched = known.get(info)
  if (!watched) throw new Error(`Unreachable: epoll ${id} was not judged`)
  const elsewhere = watched.filter(({ tfd, fd }) => fd !== tfd).sort((a, b) => a.tfd - b.tfd || Number(a.data - b.data))
  const busy_poll = copies.lend(fd, askBusyPoll)
  extension.push({ id, epoll: { process: pid, added: elsewhere.map(({ tfd }) => tfd), ...(busy_poll && { busy_poll }) } })
  const straight = watched.filter(({ tfd, fd }) => fd === tfd)
  return { id, flags, fown: owner, tfd: [...straight, ...elsewhere].map(entryOf) }
}
