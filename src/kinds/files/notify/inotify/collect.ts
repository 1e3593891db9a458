import { O } from "../../../../../ffi/abi/file.ts"
import { IN } from "../../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../../ffi/fs.ts"
import { syscall } from "../../../../../ffi/syscall.ts"
import type { inotify_file_entry, inotify_wd_entry } from "../../../../../proto/gen/fsnotify_pb.ts"
import { type FdInfo, readFdInfo } from "../../../../proc/fdinfo.ts"
import { type InotifyWatch, inotifyWatches } from "../../../../proc/notify.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../../collecting.ts"
import { layPath } from "../../path.ts"
import { readable } from "../../poll.ts"
import { openHandles, savedHandle } from "../handle.ts"
import { placeWatched, type WatchPlace } from "../place.ts"
import { openSearch } from "../search.ts"

/** A watch, and how its file is found again. */
type PlacedWatch = InotifyWatch & WatchPlace

/** Watches of an inotify as they were placed when it was judged: it is collected from the same look. */
const placed = new WeakMap<FdInfo, readonly PlacedWatch[]>()

/** Watches whose files a restore could not find again, and an inotify that only a message in a socket's queue leads to. */
export function refuseInotify({ pid, info }: Found, surveying: Pick<Surveying, "insiders" | "openers">): Reason | undefined {
  if (!surveying.insiders.some((insider) => insider.pid === pid))
    return { what: "an inotify that is on its way through a socket", remedy: "Let the program receive its messages before the dump" }
  const found: PlacedWatch[] = []
  placed.set(info, found)
  const watches = inotifyWatches(info)
  if (watches.length === 0) return undefined
  using handles = openHandles()
  const search = openSearch(
    watches,
    watches.some(({ mask }) => (mask & READING) !== 0),
    surveying.insiders,
    handles,
  )
  for (const watch of watches) {
    const place = placeWatched(watch, "a watch", handles, surveying, search)
    if ("what" in place) return place
    found.push({ ...watch, ...place })
  }
  return undefined
}

/** Events of a directory that somebody reads. */
const READING = IN.ACCESS | IN.OPEN | IN.CLOSE_NOWRITE

const FLAGS_UNTOLD =
  "whether watches end with their first event (IN_ONESHOT) or with the file's name (IN_EXCL_UNLINK), which kernels before 5.19 tell nobody: they will not"

/** Whether this kernel shows IN_ONESHOT and IN_EXCL_UNLINK of a watch: tried with one of our own. */
function tellsFlags(): boolean {
  const fd = syscall("inotify_init1", O.CLOEXEC)
  try {
    syscall("inotify_add_watch", fd, layPath("/proc"), IN.ATTRIB | IN.EXCL_UNLINK)
    return (inotifyWatches(readFdInfo(process.pid, fd))[0]?.mask ?? 0) !== IN.ATTRIB
  } finally {
    closeSync(fd)
  }
}

/**
 * An open inotify -> its entry. Mirror: ./restore.ts. Kernel: fs/notify/fdinfo.c inotify_fdinfo()
 *
 * Lost: events that nobody has read. Reading takes them out, and nothing puts them back: their watch would have to be another file's first,
 * whose end is told by an event that stays behind them. So a restored program is told that events were lost, in inotify(7)'s own way.
 * Precondition: `refuseInotify` has passed on the same look.
 */
export function collectInotify(
  { id, fd, flags, owner, info }: OpenFile,
  { copies, extension, losses }: Pick<Collecting, "copies" | "extension" | "losses">,
): inotify_file_entry {
  const watches = placed.get(info)
  if (!watches) throw new Error(`Unreachable: the watches of fd ${fd} were not judged`)
  if (watches.length > 0 && !losses.includes(FLAGS_UNTOLD) && !tellsFlags()) losses.push(FLAGS_UNTOLD)
  const queued = copies.lend(fd, readable) ?? 0
  if (queued > 0) {
    losses.push(`${queued} bytes of events of inotify fd ${fd} that nobody has read: a restored program reads that events were lost`)
    extension.push({ id, notify_lost: queued })
  }
  return { id, flags, fown: owner, wd: watches.map(watchEntry) }
}

const watchEntry = ({ wd, ino, sdev, mask, handle, path }: PlacedWatch): inotify_wd_entry => ({
  id: 0, // as CRIU: the watch belongs to the entry that it stands in
  i_ino: ino,
  mask,
  ignored_mask: 0,
  s_dev: sdev,
  wd,
  f_handle: savedHandle(handle, path),
})
