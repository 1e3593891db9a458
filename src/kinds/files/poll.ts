import { allocate, syscall } from "../../../ffi/syscall.ts"

const memory = allocate(4096)

/** Header: include/uapi/asm-generic/poll.h */
export const POLL = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16 } as const

const ALL = 0x1f

/**
 * Events of a descriptor right now: bits of POLL. Waits until a line discipline has taken what was written, if nothing can be read yet.
 *
 * @param asked what is asked for; ERR and HUP are told unasked
 */
export function eventsOf(fd: number, asked: number = ALL): number {
  memory.view.setInt32(0, fd, true)
  memory.view.setInt16(4, asked, true)
  syscall("poll", memory.address, 1, 0)
  return memory.view.getInt16(6, true)
}
