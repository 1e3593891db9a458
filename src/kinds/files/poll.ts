import { FIONREAD } from "../../../ffi/abi/file.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError, syscall } from "../../../ffi/syscall.ts"

const memory = allocate(4096)

/** Header: include/uapi/asm-generic/poll.h */
export const POLL = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, RDHUP: 0x2000 } as const

const ALL = 0x1f

/**
 * Events of a descriptor right now: bits of POLL. Waits until a line discipline has taken what was written, if nothing can be read yet.
 *
 * @param asked what is asked for; ERR and HUP are told unasked
 */
export function eventsOf(fd: number, asked = ALL): number {
  memory.view.setInt32(0, fd, true)
  memory.view.setInt16(4, asked, true)
  // The tool's own timer interrupts calls, this one too, although it does not wait.
  for (;;) {
    const answer = attempt("poll", memory.address, 1, 0)
    if (!isFailure(answer)) break
    if (errnoName(-answer) !== "EINTR") throw new SyscallError("poll", errnoName(-answer), [fd, asked])
  }
  return memory.view.getInt16(6, true)
}

/** Bytes that are there to be read, and stay. Man pages: ioctl_pipe(2), ioctl_tty(2), inotify(7), FIONREAD */
export function readable(fd: number): number {
  syscall("ioctl", fd, FIONREAD, memory.address)
  return memory.view.getInt32(0, true)
}
