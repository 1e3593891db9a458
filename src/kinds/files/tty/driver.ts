import { FIRST_SERIAL, TTY_AUX, TTY_MAJOR } from "../../../../ffi/abi/tty.ts"
import { TtyType, type tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import type { FileStat } from "../stat.ts"
import { userDevice } from "../stat.ts"

/** One kind of terminal: what it is in images, and how it is found again. */
export interface Driver {
  readonly type: TtyType
  readonly matches: (rdevMajor: number, rdevMinor: number) => boolean
  /** Number of the terminal in images; without it the minor number is meant. Only pseudo-terminals are told apart. */
  readonly index?: number
  /** The end of a pseudo-terminal that plays the screen and the keyboard. */
  readonly master?: true
}

const drivers: readonly Driver[] = [
  { type: TtyType.PTY, matches: (major, minor) => major === TTY_MAJOR.AUX && minor === TTY_AUX.PTMX, master: true },
  { type: TtyType.PTY, matches: (major) => major === TTY_MAJOR.PTY_SLAVE },
  { type: TtyType.CTTY, matches: (major, minor) => major === TTY_MAJOR.AUX && minor === TTY_AUX.CURRENT, index: 1006 },
  { type: TtyType.CONSOLE, matches: (major, minor) => major === TTY_MAJOR.AUX && minor === TTY_AUX.CONSOLE, index: 1002 },
  { type: TtyType.VT, matches: (major, minor) => major === TTY_MAJOR.TTY && minor < FIRST_SERIAL, index: 1004 },
  { type: TtyType.SERIAL, matches: (major, minor) => major === TTY_MAJOR.TTY && minor >= FIRST_SERIAL, index: 1010 },
]

/** The driver of a terminal's device node; undefined when it is none of ours. */
export const driverOf = ({ rdevMajor, rdevMinor }: Pick<FileStat, "rdevMajor" | "rdevMinor">): Driver | undefined =>
  drivers.find(({ matches }) => matches(rdevMajor, rdevMinor))

const PTMX = userDevice(TTY_MAJOR.AUX, TTY_AUX.PTMX)

/**
 * How a terminal of an image comes back:
 *
 * - master: opened as a new pair, with the same number
 * - slave: the other end of a master in the images
 * - hung-up: the slave of a pair whose master is closed again
 * - inherited: a slave whose master stays outside; the terminal of whoever restores takes its place
 * - named: opened by its path
 * - given: left outside at the dump (--external): whoever restores gives it
 */
export type Role = "master" | "slave" | "hung-up" | "inherited" | "named" | "given"

/** True for the info of a master. CRIU goes by the device, too. */
export const isMasterInfo = ({ type, rdev }: tty_info_entry): boolean => type === TtyType.PTY && rdev === PTMX

/** The role of a terminal among all of its set; undefined for kinds that no row has. */
export function roleOf(info: tty_info_entry, infos: ReadonlyMap<number, tty_info_entry>): Role | undefined {
  if (info.type === TtyType.EXT_TTY) return "given"
  if (info.type !== TtyType.PTY) return drivers.some(({ type }) => type === info.type) ? "named" : undefined
  if (isMasterInfo(info)) return "master"
  if (!info.termios) return "hung-up"
  return masterInfo(info.pty?.index, infos) ? "slave" : "inherited"
}

/** Info of the master with this number. */
export const masterInfo = (index: number | undefined, infos: ReadonlyMap<number, tty_info_entry>): tty_info_entry | undefined =>
  infos.values().find((info) => isMasterInfo(info) && info.pty?.index === index)

/** Info of a master whose pair controls this session. */
export const masterOfSession = (sid: number, infos: ReadonlyMap<number, tty_info_entry>): tty_info_entry | undefined =>
  sid === 0 ? undefined : infos.values().find((info) => info.sid === sid && isMasterInfo(info))

/** Id that CRIU gives to a terminal: the lowest bit tells masters. */
export const infoId = (index: number, master: boolean): number => index * 2 + (master ? 1 : 0)
