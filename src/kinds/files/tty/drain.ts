import { TTY_CC, TTY_FLAG, TTY_IOCTL } from "../../../../ffi/abi/tty.ts"
import { allocate, attempt, errnoName, SyscallError, syscall } from "../../../../ffi/syscall.ts"
import type { termios_entry } from "../../../../proto/gen/tty_pb.ts"
import { eventsOf, POLL, readable } from "../poll.ts"
import { askBytes, tell, tellNumber } from "./ask.ts"
import { controlCharacters, termiosBytes, termiosEntry } from "./mode.ts"
import { DISCIPLINE_ROOM } from "./queue.ts"

const CHUNK = 64 * 1024
const memory = allocate(CHUNK)

/** What is on its way through a pseudo-terminal, as tty-data.img has it. */
interface Queued {
  /** What the slave has not read yet; in line mode an end of file is the character that types it. */
  readonly input: Uint8Array
  /** What the master has not read yet. */
  readonly output: Uint8Array
  /** A character of the input that would end a line or a file was typed as itself, which nothing tells from one that does. */
  readonly literal: boolean
}

/** One read(2) of a descriptor that does not wait; undefined when there is nothing. */
function readOnce(fd: number): Uint8Array | undefined {
  for (;;) {
    const count = attempt("read", fd, memory.address, CHUNK)
    if (count >= 0) return memory.bytes.slice(0, count)
    const errno = errnoName(-count)
    if (errno === "EAGAIN") return undefined
    // Also when the user has asked the tool to stop: what has been read must be put back first.
    if (errno !== "EINTR") throw new SyscallError("read", errno, [fd], " for the content of a terminal")
  }
}

/** All that can be read as bytes. */
function readBytes(fd: number): Uint8Array {
  const parts: Uint8Array[] = []
  while (eventsOf(fd) & POLL.IN || readable(fd) > 0) {
    const part = readOnce(fd)
    if (!part?.length) break
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Puts bytes into a terminal's queue as its line discipline holds them: what is not to be changed must mean nothing in its mode. */
function inject(fd: number, bytes: Uint8Array): void {
  for (const byte of bytes) {
    memory.bytes[0] = byte
    syscall("ioctl", fd, TTY_IOCTL.TIOCSTI, memory.address)
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const part = bytes.subarray(done, done + CHUNK)
    memory.bytes.set(part)
    const count = attempt("write", fd, memory.address, part.length)
    if (count >= 0) done += count
    else if (errnoName(-count) !== "EINTR") throw new SyscallError("write", errnoName(-count), [fd], " for the content of a terminal")
  }
}

/** The first byte that is in neither; from 1 on, for 0 switches a control character off. */
const unusedByte = (bytes: Uint8Array, others: ReadonlySet<number>): number | undefined =>
  Array.from({ length: 255 }, (_, at) => at + 1).find((byte) => !others.has(byte) && !bytes.includes(byte))

/** Characters that end a line, and the one that ends a file, while lines are read. */
const enders = (mode: termios_entry): { lines: Set<number>; endOfFile: number } => {
  const characters = controlCharacters(mode)
  const extra = [TTY_CC.VEOL, ...(mode.c_lflag & TTY_FLAG.IEXTEN ? [TTY_CC.VEOL2] : [])].flatMap((at) => characters[at] || [])
  return { lines: new Set([10, ...extra]), endOfFile: characters[TTY_CC.VEOF] ?? 0 }
}

/**
 * A mode in which what comes in is queued as it is, without echo or signals. Flow control stays on, with no character that means it: to
 * switch it off would let go on what ^S has stopped.
 */
function stillMode(mode: termios_entry, lines: boolean, endOfFile: number): Uint8Array {
  const known = controlCharacters(mode)
  const characters = new Uint8Array(known.length)
  if (lines) for (const at of [TTY_CC.VEOL, TTY_CC.VEOL2]) characters[at] = known[at] ?? 0
  if (lines) characters[TTY_CC.VEOF] = endOfFile
  else characters[TTY_CC.VMIN] = 1
  const c_lflag = lines ? TTY_FLAG.ICANON | (mode.c_lflag & TTY_FLAG.IEXTEN) : 0
  return termiosBytes({ ...mode, c_iflag: mode.c_iflag & TTY_FLAG.IXON, c_oflag: 0, c_lflag }, characters)
}

/** Takes lines out one by one, and then the unfinished one: `ends` are places behind which an end of file was typed. */
function takeLines(master: number, slave: number, mode: termios_entry): { bytes: Uint8Array; ends: number[]; literal: boolean } {
  const { lines, endOfFile } = enders(mode)
  const parts: Uint8Array[] = []
  const ends: number[] = []
  let length = 0
  let literal = false
  while (eventsOf(slave) & POLL.IN) {
    const line = readOnce(slave)
    if (!line) break
    parts.push(line)
    length += line.length
    if (!lines.has(line.at(-1) ?? -1)) ends.push(length)
    literal ||= line.subarray(0, -1).some((byte) => lines.has(byte)) || line.some((byte) => byte === endOfFile && endOfFile !== 0)
  }
  // Unfinished lines can be read in no other way; with the queue empty of lines the change loses nothing.
  tell(master, "TCSETS", stillMode(mode, false, 0))
  const rest = readBytes(slave)
  literal ||= rest.some((byte) => lines.has(byte) || (byte === endOfFile && endOfFile !== 0))
  return { bytes: Buffer.concat([...parts, rest]), ends, literal }
}

/** Bytes with a character at each end of file. */
function withEnds(bytes: Uint8Array, ends: readonly number[], character: number): Uint8Array {
  const cuts = [0, ...ends]
  return Buffer.concat(cuts.map((from, at) => Buffer.from([...(at > 0 ? [character] : []), ...bytes.subarray(from, cuts[at + 1])])))
}

/** Takes the input of a slave out and puts it back. @returns also what has to be written again when the mode is as before */
function turnInput(master: number, slave: number, mode: termios_entry): Pick<Queued, "input" | "literal"> & { rest: Uint8Array } {
  if (!(mode.c_lflag & TTY_FLAG.ICANON)) {
    const held = readable(slave)
    const input = readBytes(slave)
    inject(slave, input.subarray(0, held))
    return { input, literal: false, rest: input.subarray(held) }
  }
  const { lines, endOfFile } = enders(mode)
  const { bytes, ends, literal } = takeLines(master, slave, mode)
  const mark = unusedByte(bytes, lines) ?? endOfFile
  tell(master, "TCSETS", stillMode(mode, true, mark))
  inject(slave, withEnds(bytes, ends, mark).subarray(0, DISCIPLINE_ROOM))
  const input = withEnds(bytes, ends, endOfFile)
  return { input, literal: literal || (ends.length > 0 && endOfFile === 0), rest: input.subarray(DISCIPLINE_ROOM) }
}

/** Takes the output of a pair out of its master and puts it back. @param slave for what the line discipline has no room for */
function turnOutput(master: number, slave: number | undefined): Uint8Array {
  const held = readable(master)
  const output = readBytes(master)
  inject(master, output.subarray(0, held))
  if (slave !== undefined) writeAll(slave, output.subarray(held))
  return output
}

/**
 * Copies what is queued in a pseudo-terminal. The kernel shows it to nobody who does not take it out: so it is taken out and put back at
 * once, in the same order, in a mode that changes and echoes nothing.
 *
 * Preconditions: everybody who has an end open is stopped, `hindrance` has found none; `slave` is a descriptor of our own that does not
 * wait, undefined when no slave is open. A tool that is killed within these microseconds leaves the terminal in that mode, or loses what it
 * had taken out.
 *
 * @throws SyscallError
 * Kernel: drivers/tty/n_tty.c n_tty_read(), n_tty_set_termios(), drivers/tty/tty_io.c tiocsti()
 */
export function turnQueues(master: number, slave: number | undefined, packets: boolean): Queued {
  const answer = askBytes(master, "TCGETS")?.slice()
  if (!answer) throw new Error("Unreachable: a pair without a mode")
  const mode = termiosEntry(answer)
  // A change of the mode would be told to whoever reads packets.
  if (packets) tellNumber(master, "TIOCPKT", 0)
  let rest = new Uint8Array(0)
  try {
    if (slave === undefined) return { input: rest, output: turnOutput(master, slave), literal: false }
    tell(master, "TCSETS", stillMode(mode, (mode.c_lflag & TTY_FLAG.ICANON) !== 0, enders(mode).endOfFile))
    const output = turnOutput(master, slave)
    const turned = turnInput(master, slave, mode)
    rest = new Uint8Array(turned.rest)
    return { input: turned.input, output, literal: turned.literal }
  } finally {
    if (slave !== undefined) tell(master, "TCSETS", answer)
    if (packets) tellNumber(master, "TIOCPKT", 1)
    // What had not reached the line discipline yet goes through it in the program's own mode, when there is room.
    if (rest.length > 0) writeAll(master, rest)
  }
}

/**
 * Whether this process may put bytes back into a terminal, of which one end is open: the kernel asks for the right before it looks for the
 * byte, and there is none. Since Linux 6.2 the host may forbid it to all but root. Kernel: drivers/tty/tty_io.c tiocsti()
 */
export const mayInject = (end: number): boolean => errnoName(-attempt("ioctl", end, TTY_IOCTL.TIOCSTI, 0)) === "EFAULT"
