import { IN, INOTIFY_IOC_SETNEXTWD, inotifyEvent } from "../../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../../ffi/fs.ts"
import { allocate, syscall } from "../../../../../ffi/syscall.ts"
import { logger } from "../../../../base/log.ts"
import { readSysctl } from "../../../../proc/sysctl.ts"
import { memoryFile } from "../../../../tracee/child.ts"
import { layPath } from "../../path.ts"
import { readable } from "../../poll.ts"

const log = logger("notify")
const ROOM = 16 * 4096
const memory = allocate(ROOM)
/** More events than this are not made: a machine that allows so many would be busy for seconds. */
const MOST = 200_000

/**
 * Makes the program read that events were lost (IN_Q_OVERFLOW), as inotify(7) wants programs to expect it: the queue is filled with events
 * of a file of ours until the kernel says so itself, and all but its word are read. Takes 20 ms for the usual 16384 events.
 *
 * @param copy of an inotify without a watch and without an event
 * @returns false where it cannot be: the queue is empty then   Kernel: fs/notify/notification.c fsnotify_insert_event()
 */
export function tellLoss(copy: number): boolean {
  const limit = readSysctl("fs/inotify/max_queued_events", 16384)
  if (limit > MOST) {
    log.warn(`an inotify is not told that events were lost: fs.inotify.max_queued_events is ${limit}`)
    return false
  }
  const file = memoryFile("stasis-events")
  try {
    syscall("ioctl", copy, INOTIFY_IOC_SETNEXTWD, 1)
    const wd = syscall("inotify_add_watch", copy, layPath(`/proc/self/fd/${file}`), IN.ATTRIB | IN.MODIFY)
    // Equal events that follow each other become one.
    for (let made = 0; made <= limit; made++)
      if (made % 2 === 0) syscall("fchmod", file, 0o600)
      else syscall("ftruncate", file, 0)
    // The queue is full: the end of this watch is not told.
    syscall("inotify_rm_watch", copy, wd)
  } finally {
    closeSync(file)
  }
  for (let left = readable(copy); left > inotifyEvent.size; left = readable(copy))
    syscall("read", copy, memory.address, Math.min(ROOM, left - inotifyEvent.size))
  return true
}
