import { TTY_CC, TTY_FLAG } from "../../../../ffi/abi/tty.ts"
import { pause } from "../../../../ffi/interrupt.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../../ffi/syscall.ts"
import type { termios_entry } from "../../../../proto/gen/tty_pb.ts"
import { readable } from "../poll.ts"
import { tell } from "./ask.ts"
import { controlCharacters, termiosBytes } from "./mode.ts"

/**
 * Bytes that the line discipline holds for a reader; what is written beyond waits in front of it. Kernel: drivers/tty/n_tty.c
 * N_TTY_BUF_SIZE
 */
export const DISCIPLINE_ROOM = 4095
/** Bytes written before their echo is awaited. */
const CHUNK = 128
/** How long the kernel's worker may take for one step, ms. */
const PATIENCE = 2000
const memory = allocate(64 * 1024)

/** Calls until the answer is neither EAGAIN, EINTR (of the tool's own timer) nor 0, or the time is over. @returns 0 when it is */
function insist(call: () => number): number {
  const end = performance.now() + PATIENCE
  for (;;) {
    const answer = call()
    if (answer > 0) return answer
    if (answer < 0 && errnoName(-answer) !== "EAGAIN" && errnoName(-answer) !== "EINTR")
      throw new SyscallError("write", errnoName(-answer), [], " for the content of a terminal")
    if (performance.now() > end) return 0
    pause(1)
  }
}

/** Writes all, as far as there is room. @returns bytes that found none */
function writeAll(fd: number, bytes: Uint8Array): number {
  for (let done = 0; done < bytes.length; ) {
    const part = bytes.subarray(done, done + memory.bytes.length)
    memory.bytes.set(part)
    const count = insist(() => attempt("write", fd, memory.address, part.length))
    if (count === 0) return bytes.length - done
    done += count
  }
  return 0
}

/** Reads bytes away. @returns how many did not come */
function readAway(fd: number, bytes: number): number {
  let left = bytes
  while (left > 0) {
    const count = insist(() => attempt("read", fd, memory.address, left))
    if (count === 0) return left
    left -= count
  }
  return 0
}

/** A mode that changes nothing that passes; lines are still lines, and end of file is typed as before. */
function plainMode(mode: termios_entry, echo: boolean): Uint8Array {
  const isCanonical = (mode.c_lflag & TTY_FLAG.ICANON) !== 0
  const known = controlCharacters(mode)
  const characters = new Uint8Array(known.length)
  if (isCanonical) for (const at of [TTY_CC.VEOF, TTY_CC.VEOL, TTY_CC.VEOL2]) characters[at] = known[at] ?? 0
  else characters[TTY_CC.VMIN] = 1
  const c_lflag = isCanonical ? TTY_FLAG.ICANON | (echo ? TTY_FLAG.ECHO : 0) : 0
  return termiosBytes({ ...mode, c_iflag: 0, c_oflag: 0, c_lflag }, characters)
}

/**
 * Puts back what the program on a terminal had not read yet.
 *
 * The kernel passes it on by a worker, so the mode may change only when it has arrived: of plain bytes the terminal tells how many there
 * are; of lines it does not count an unfinished one, so the echo of each byte is awaited.
 *
 * @returns bytes that could not be put back
 */
function fillInput(master: number, slave: number, mode: termios_entry, input: Uint8Array): number {
  tell(master, "TCSETS", plainMode(mode, true))
  if (mode.c_lflag & TTY_FLAG.ICANON) {
    const endOfFile = controlCharacters(mode)[TTY_CC.VEOF] ?? 0
    for (let done = 0; done < input.length; done += CHUNK) {
      const part = input.subarray(done, done + CHUNK)
      const silent = endOfFile === 0 ? 0 : part.filter((byte) => byte === endOfFile).length
      const lost = writeAll(master, part) || readAway(master, part.length - silent)
      if (lost > 0) return input.length - done
    }
    return 0
  }
  const lost = writeAll(master, input)
  const wanted = Math.min(input.length - lost, DISCIPLINE_ROOM)
  return insist(() => (readable(slave) >= wanted ? 1 : 0)) ? lost : input.length - readable(slave)
}

/**
 * Puts back what was queued between the two ends of a new pair. Its mode is another one afterwards: set it then.
 *
 * @param slave open without waiting (O_NONBLOCK), as the master
 * @param input what the slave had not read yet; needs a master that can be written
 * @param output what the master had not read yet
 * @returns bytes that could not be put back
 */
export function fillQueues(master: number, slave: number, mode: termios_entry, input: Uint8Array, output: Uint8Array): number {
  const lost = input.length > 0 ? fillInput(master, slave, mode, input) : 0
  if (output.length === 0) return lost
  tell(master, "TCSETS", plainMode(mode, false))
  return lost + writeAll(slave, output)
}
