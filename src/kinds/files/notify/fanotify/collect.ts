import { CAP } from "../../../../../ffi/abi/caps.ts"
import { AT } from "../../../../../ffi/abi/file.ts"
import { FAN, FAN_MARK } from "../../../../../ffi/abi/notify.ts"
import { attempt, errnoName, pathArgument } from "../../../../../ffi/syscall.ts"
import { type fanotify_file_entry, type fanotify_mark_entry, mark_type } from "../../../../../proto/gen/fsnotify_pb.ts"
import type { stasis_filesystem_mark } from "../../../../../proto/gen/stasis_pb.ts"
import type { FdInfo } from "../../../../proc/fdinfo.ts"
import { deviceOf } from "../../../../proc/mountinfo.ts"
import { type Fanotify, type FanotifyMark, fanotifyState } from "../../../../proc/notify.ts"
import { readStatus } from "../../../../proc/status.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../../collecting.ts"
import { readable } from "../../poll.ts"
import { type Handles, isInSight, openHandles, savedHandle } from "../handle.ts"
import { placeWatched } from "../place.ts"
import { openSearch, type Search, type Watched } from "../search.ts"

/** A mark, and how what it is on is found again: an inode whose path is not known by its handle. */
interface PlacedMark {
  readonly mark: FanotifyMark
  readonly sdev: number
  readonly path: string | undefined
}

/** Marks of a fanotify as they were placed when it was judged: it is collected from the same look. */
const placed = new WeakMap<FdInfo, { readonly group: Fanotify; readonly marks: readonly PlacedMark[] }>()

const STOP = "Let the program close it before the dump"

/** Groups that decide on accesses, for who waits for them would be stasis too; marks on what a restore could not find again. */
export function refuseFanotify({ pid, info }: Found, surveying: Pick<Surveying, "insiders" | "openers">): Reason | undefined {
  if (!surveying.insiders.some((insider) => insider.pid === pid))
    return { what: "a fanotify that is on its way through a socket", remedy: "Let the program receive its messages before the dump" }
  const group = fanotifyState(info)
  if (!group) return { what: "a fanotify of which this kernel tells nothing", remedy: STOP }
  if (group.flags & (FAN.CLASS_CONTENT | FAN.CLASS_PRE_CONTENT))
    return {
      what: "a fanotify that allows and denies accesses (FAN_CLASS_CONTENT): all who wait for it would be stopped, too",
      remedy: STOP,
    }
  if (group.flags & FAN.REPORT_MNT) return { what: "a fanotify that reports mounts (FAN_REPORT_MNT)", remedy: STOP }
  using handles = openHandles()
  const marks: PlacedMark[] = []
  const inodes = group.marks.flatMap((mark) => (mark.kind === "inode" ? [watchedBy(mark)] : []))
  const isTold = group.marks.some(({ mask }) => (mask & READING) !== 0 && (mask & FAN.ONDIR) !== 0)
  const search = openSearch(inodes, isTold, surveying.insiders, handles)
  for (const mark of group.marks) {
    const place = placeMark(mark, handles, surveying, search)
    if ("what" in place) return place
    marks.push(place)
  }
  placed.set(info, { group, marks })
  return undefined
}

/** Events of a directory that somebody reads. */
const READING = FAN.ACCESS | FAN.OPEN | FAN.CLOSE_NOWRITE

const watchedBy = ({ sdev, ino, handle }: FanotifyMark): Watched => ({ sdev: sdev ?? 0, ino: ino ?? 0n, handle })

function placeMark(
  mark: FanotifyMark,
  handles: Handles,
  surveying: Pick<Surveying, "insiders" | "openers">,
  search: Search,
): PlacedMark | Reason {
  const { kind, mntId } = mark
  const sdev = mark.sdev ?? 0
  if (kind === "inode") {
    const place = placeWatched(watchedBy(mark), "a mark", handles, surveying, search)
    return "what" in place ? place : { mark, sdev, path: place.path }
  }
  const mount = handles.mounts.find((one) => (kind === "mount" ? one.id === mntId : deviceOf(one) === sdev) && isInSight(one))
  if (mount && kind !== "other") return { mark, sdev: deviceOf(mount), path: mount.point }
  const object =
    kind === "mount" ? `mount ${mntId}` : kind === "filesystem" ? `file system ${sdev >>> 20}:${sdev & 0xfffff}` : "what is new"
  return {
    what: `a mark on ${object}, which stasis cannot reach`,
    remedy: "Run stasis where the program sees its mounts, or remove the mark",
  }
}

/** What a group without CAP_SYS_ADMIN may have, and one of these it must. Kernel: include/linux/fanotify.h FANOTIFY_USER_INIT_FLAGS */
const FID = FAN.REPORT_FID | FAN.REPORT_DIR_FID
const FREE = FID | FAN.REPORT_NAME | FAN.REPORT_TARGET_FID | FAN.CLOEXEC | FAN.NONBLOCK

/**
 * Whether a group was made without CAP_SYS_ADMIN: it is not told who others are. Until Linux 6.16 it may not have marks on mounts, and is
 * asked for one, on a path that does not exist: nothing is marked. Later ones tell nobody, so that it counts what the process may do now.
 *
 * Kernel: fs/notify/fanotify/fanotify_user.c do_fanotify_mark()
 */
function isRestricted(copy: number, flags: number, pid: number): boolean {
  if ((flags & FID) === 0 || (flags & ~FREE) !== 0) return false
  const path = pathArgument("/proc/self/no-such-file")
  const answer = attempt("fanotify_mark", copy, FAN_MARK.ADD | FAN_MARK.MOUNT, FAN.OPEN, AT.FDCWD, path)
  return errnoName(-answer) === "EPERM" || (readStatus(pid).capEffective & (1n << BigInt(CAP.SYS_ADMIN))) === 0n
}

/**
 * An open fanotify -> its entry; marks on whole file systems, which CRIU's images have no field for, go to the extension. Mirror:
 * ./restore.ts
 *
 * Lost: events that nobody has read. Precondition: `refuseFanotify` has passed on the same look. Kernel: fs/notify/fdinfo.c
 * fanotify_fdinfo()
 */
export function collectFanotify(
  { id, pid, fd, flags, owner, info }: OpenFile,
  { copies, extension, losses }: Pick<Collecting, "copies" | "extension" | "losses">,
): fanotify_file_entry {
  const found = placed.get(info)
  if (!found) throw new Error(`Unreachable: the marks of fd ${fd} were not judged`)
  const { group, marks } = found
  const queued = copies.lend(fd, readable) ?? 0
  if (queued > 0) losses.push(`${queued} bytes of events of fanotify fd ${fd} that nobody has read: they are not restored`)
  const whole = marks.filter(({ mark }) => mark.kind === "filesystem").map(filesystemMark)
  const restricted = copies.lend(fd, (copy) => isRestricted(copy, group.flags, pid)) ?? false
  if (queued > 0 || whole.length > 0 || restricted)
    extension.push({
      id,
      ...(queued > 0 ? { notify_lost: queued } : {}),
      ...(whole.length > 0 ? { filesystem_marks: { marks: whole } } : {}),
      ...(restricted ? { fanotify_user: readStatus(pid).uid.effective } : {}),
    })
  const mark = marks.filter(({ mark: { kind } }) => kind !== "filesystem").map(markEntry)
  return { id, flags, fown: owner, faflags: group.flags, evflags: group.eventFlags, mark }
}

const filesystemMark = ({ mark, path = "/" }: PlacedMark): stasis_filesystem_mark => ({
  path,
  mflags: mark.flags,
  mask: mark.mask,
  ignored_mask: mark.ignoredMask,
})

function markEntry({ mark, sdev, path }: PlacedMark): fanotify_mark_entry {
  const common = { id: 0, mflags: mark.flags, mask: mark.mask, ignored_mask: mark.ignoredMask, s_dev: sdev }
  if (mark.kind === "mount") return { ...common, type: mark_type.MOUNT, me: { mnt_id: mark.mntId ?? 0, path: path ?? "/" } }
  return { ...common, type: mark_type.INODE, ie: { i_ino: mark.ino ?? 0n, f_handle: savedHandle(mark.handle, path) } }
}
