import { O } from "../../../../ffi/abi/file.ts"
import { TERMIOS_CC, TTY_FLAG } from "../../../../ffi/abi/tty.ts"
import { syscall } from "../../../../ffi/syscall.ts"
import type { tty_data_entry } from "../../../../proto/gen/tty_pb.ts"
import type { Collecting, TtyEnds } from "../collecting.ts"
import { eventsOf, POLL, readable } from "../poll.ts"
import { askBytes, askNumber, openPeer } from "./ask.ts"
import { mayInject, turnQueues } from "./drain.ts"
import { infoId } from "./driver.ts"
import { termiosEntry } from "./mode.ts"
import { DISCIPLINE_ROOM } from "./queue.ts"

/** The two ends of a pair, as descriptors of our own. */
interface Ends {
  readonly master: number
  /** Does not wait; undefined when no slave is open, or none can be. */
  readonly slave: number | undefined
  /** Flags of the master. */
  readonly flags: number
  readonly isOpen: boolean
  readonly signals: boolean
}

/** Why what is queued in a pair is not taken out, for it could not be put back unnoticed. */
function hindrance({ master, slave, flags, isOpen, signals }: Ends): string | undefined {
  if (signals) return "its readers are told by a signal (O_ASYNC)"
  if ((flags & O.ACCMODE) !== O.RDWR) return "its master cannot be read and written"
  if (isOpen && slave === undefined) return "it is locked"
  if (
    askBytes(master, "TIOCGLCKTRMIOS")
      ?.subarray(0, TERMIOS_CC)
      .some((byte) => byte !== 0)
  )
    return "its mode is locked"
  if (eventsOf(master) & POLL.PRI) return "a packet about its state is before it"
  // More than the line discipline takes goes the way it came, which has to be free.
  const full = (fd: number | undefined, way: number | undefined): boolean =>
    fd !== undefined && readable(fd) >= DISCIPLINE_ROOM && (way === undefined || (eventsOf(way) & POLL.OUT) === 0)
  if (full(master, slave) || full(slave, master)) return "it is stopped (^S) or has no room"
  return mayInject(master) ? undefined : "putting it back needs CAP_SYS_ADMIN"
}

/** Why a mode is left alone: its queue is another one, or a change of the mode would change what is in it. */
function strangeMode(c_iflag: number, c_lflag: number, c_line: number, inLines: boolean): string | undefined {
  if (c_line !== 0) return `it has line discipline ${c_line}`
  if (inLines && c_iflag & TTY_FLAG.PARMRK) return "it marks errors in its lines (PARMRK)"
  return c_lflag & TTY_FLAG.EXTPROC ? "its lines are edited elsewhere (EXTPROC)" : undefined
}

const NOBODY: readonly tty_data_entry[] = []

/** What is queued between the ends of one pair. */
function collectPair(index: number, ends: Ends, losses: string[]): readonly tty_data_entry[] {
  const { master, slave } = ends
  const answer = askBytes(master, "TCGETS")
  if (!answer) return NOBODY
  const { c_iflag, c_lflag, c_line } = termiosEntry(answer)
  const inLines = ends.isOpen && (c_lflag & TTY_FLAG.ICANON) !== 0
  const counts = [slave === undefined ? 0 : readable(slave), readable(master)] as const
  if (!inLines && counts[0] + counts[1] === 0) return NOBODY
  const name = `/dev/pts/${index}`
  const reason = strangeMode(c_iflag, c_lflag, c_line, inLines) ?? hindrance(ends)
  if (reason !== undefined) {
    if (counts[1] > 0) losses.push(`${counts[1]} bytes in ${name} that its master has not read yet: ${reason}`)
    if (counts[0] > 0 || inLines)
      losses.push(`${counts[0]} bytes in ${name} that the program has not read yet${inLines ? ", and an unfinished line" : ""}: ${reason}`)
    return NOBODY
  }
  const { input, output, literal } = turnQueues(master, slave, (askNumber(master, "TIOCGPKT") ?? 0) !== 0)
  if (literal) losses.push(`in ${name}, that a character which ends lines or files was typed as itself (^V)`)
  return [
    { tty_id: infoId(index, false), data: input },
    { tty_id: infoId(index, true), data: output },
  ].filter(({ data }) => data.length > 0)
}

/**
 * What is queued in pseudo-terminals with both ends in the dump: see `turnQueues`. Mirror: `fillQueues` of ./queue.ts
 *
 * @param losses gets what cannot be had, and why
 *
 * Precondition: every process with an end of them is stopped.
 */
export function collectQueued(all: ReadonlyMap<number, TtyEnds>, losses: Collecting["losses"]): tty_data_entry[] {
  return [...all].flatMap(([index, { master, hasSlave, signals }]) => {
    const found = master?.copies.lend(master.file.fd, (copy) => {
      const slave = hasSlave && askNumber(copy, "TIOCGPTLCK") === 0 ? openPeer(copy, O.RDWR | O.NONBLOCK) : undefined
      try {
        return collectPair(index, { master: copy, slave, flags: master.file.flags, isOpen: hasSlave, signals }, losses)
      } finally {
        if (slave !== undefined) syscall("close", slave)
      }
    })
    return found ?? NOBODY
  })
}
