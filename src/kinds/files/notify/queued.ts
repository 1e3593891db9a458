import { FIONREAD } from "../../../../ffi/abi/file.ts"
import { allocate, syscall } from "../../../../ffi/syscall.ts"

const memory = allocate(4096)

/** Bytes of events that nobody has read. They stay. Man pages: inotify(7), fanotify(7), FIONREAD */
export function queuedIn(copy: number): number {
  syscall("ioctl", copy, FIONREAD, memory.address)
  return memory.view.getInt32(0, true)
}
