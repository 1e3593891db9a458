import { FIRST_SERIAL, TTY_AUX, TTY_MAJOR } from "../../../../ffi/abi/tty.ts"
import { TtyType } from "../../../../proto/gen/tty_pb.ts"
import type { FileStat } from "../stat.ts"

/** One kind of terminal: what it is in images, and how it is found again. */
export interface Driver {
  readonly type: TtyType
  readonly matches: (rdevMajor: number, rdevMinor: number) => boolean
  /** Number of the terminal in images; without it the minor number is meant. Only pseudo-terminals are told apart. */
  readonly index?: number
  /** Restored by opening the terminal of whoever restores; others by their path. */
  readonly inherited: boolean
}

const drivers: readonly Driver[] = [
  { type: TtyType.PTY, matches: (major) => major === TTY_MAJOR.PTY_SLAVE, inherited: true },
  { type: TtyType.CTTY, matches: (major, minor) => major === TTY_MAJOR.AUX && minor === TTY_AUX.CURRENT, index: 1006, inherited: false },
  { type: TtyType.CONSOLE, matches: (major, minor) => major === TTY_MAJOR.AUX && minor === TTY_AUX.CONSOLE, index: 1002, inherited: false },
  { type: TtyType.VT, matches: (major, minor) => major === TTY_MAJOR.TTY && minor < FIRST_SERIAL, index: 1004, inherited: false },
  { type: TtyType.SERIAL, matches: (major, minor) => major === TTY_MAJOR.TTY && minor >= FIRST_SERIAL, index: 1010, inherited: false },
]

/** The driver of a terminal's device node; undefined when it is none of ours. */
export const driverOf = ({ rdevMajor, rdevMinor }: Pick<FileStat, "rdevMajor" | "rdevMinor">): Driver | undefined =>
  drivers.find(({ matches }) => matches(rdevMajor, rdevMinor))

/** The driver of a kind in images; undefined for external ones and masters' kinds that no row has. */
export const driverOfType = (type: TtyType): Driver | undefined => drivers.find((driver) => driver.type === type)
