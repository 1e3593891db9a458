import { O, S_IF } from "../../../../ffi/abi/file.ts"
import { NCCS, TERMIOS_CC, TTY_IOCTL, termios, winsize } from "../../../../ffi/abi/tty.ts"
import { decode } from "../../../../ffi/layout.ts"
import { allocate, attempt, isFailure } from "../../../../ffi/syscall.ts"
import { TtyType, type termios_entry, type tty_file_entry, type tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import { readStat } from "../../../proc/stat.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../kind.ts"
import { refuseName } from "../name.ts"
import { kindOf, userDevice, userDeviceOf } from "../stat.ts"
import { type Driver, driverOf } from "./driver.ts"

const memory = allocate(4096)
/** Elements of c_cc in images, and how many of them hold bytes. */
const CC_ELEMENTS = 19
const CC_WORDS = 8

/** Terminals but masters of pseudo-terminals. */
export const isTty = ({ stat, flags }: Found): boolean =>
  kindOf(stat.mode) === S_IF.CHR && (flags & O.PATH) === 0 && driverOf(stat) !== undefined

/** Terminals stay where they are: a dump keeps them only for being restored from another one. */
export function refuseTty({ target, stat }: Found, { shellJob }: Pick<Surveying, "shellJob">): Reason | undefined {
  if (!shellJob) {
    const remedy = "Give --shell-job (-j) at dump and restore, or start the program with its input and output redirected"
    return { what: `the terminal "${target}"`, remedy }
  }
  return refuseName(target, stat)
}

/** Asks a terminal something. A terminal that was hung up answers EIO to everything. @returns false when it does not answer */
const ask = (copy: number, request: keyof typeof TTY_IOCTL): boolean =>
  !isFailure(attempt("ioctl", copy, TTY_IOCTL[request], memory.address))

/** Speeds are 0 in images: they are in c_cflag. Bytes of c_cc stand four in a word, little end first. */
function termiosEntry(): termios_entry {
  const { c_iflag, c_oflag, c_cflag, c_lflag, c_line } = decode(termios, memory.bytes)
  const bytes = new Uint8Array(CC_WORDS * 4)
  bytes.set(memory.bytes.subarray(TERMIOS_CC, TERMIOS_CC + NCCS))
  const c_cc = Array.from({ length: CC_ELEMENTS }, (_, at) => (at < CC_WORDS ? new DataView(bytes.buffer).getUint32(at * 4, true) : 0))
  return { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_ispeed: 0, c_ospeed: 0, c_cc }
}

/** Mode and size of a terminal, all or, after a hang-up, none. */
function settings(copy: number): Pick<tty_info_entry, "termios" | "termios_locked" | "winsize"> {
  if (!ask(copy, "TCGETS")) return {}
  const mode = termiosEntry()
  if (!ask(copy, "TIOCGLCKTRMIOS")) return {}
  const locked = termiosEntry()
  if (!ask(copy, "TIOCGWINSZ")) return {}
  return { termios: mode, termios_locked: locked, winsize: decode(winsize, memory.bytes) }
}

/** State of the terminal behind an open file. Session and group are known of the process's own terminal only: no other may be asked from outside. */
function describe(id: number, { type }: Driver, { pid, stat }: OpenFile, copy: number): tty_info_entry {
  const { tty_nr, session, tpgid } = readStat(pid)
  const rdev = userDevice(stat.rdevMajor, stat.rdevMinor)
  const controlling = tty_nr !== 0 && (type === TtyType.CTTY || tty_nr >>> 0 === rdev)
  return {
    id,
    type,
    locked: false,
    exclusive: ask(copy, "TIOCGEXCL") && memory.view.getInt32(0, true) !== 0,
    packet_mode: false,
    sid: controlling ? session : 0,
    pgrp: controlling && tpgid > 0 ? tpgid : 0,
    rdev,
    ...settings(copy),
    ...(type === TtyType.PTY ? { pty: { index: stat.rdevMinor } } : {}),
    dev: userDeviceOf(stat.dev),
    uid: stat.uid,
    gid: stat.gid,
  }
}

/** An open terminal -> its entry; the terminal itself goes to tty-info.img, its path to a REG entry. Mirror: ./restore.ts */
export function collectTty(file: OpenFile, { table, ttyInfos, copies }: Pick<Collecting, "table" | "ttyInfos" | "copies">): tty_file_entry {
  const { id, flags, owner, stat, target } = file
  const driver = driverOf(stat)
  if (!driver) throw new Error(`Unreachable: "${target}" is no terminal`)
  // The lowest bit tells masters.
  const tty_info_id = (driver.index ?? stat.rdevMinor) * 2
  if (!ttyInfos.has(tty_info_id)) {
    const info = copies.lend(file.fd, (copy) => describe(tty_info_id, driver, file, copy))
    if (info) ttyInfos.set(tty_info_id, info)
  }
  return { id, tty_info_id, flags, fown: owner, regf_id: table.path(target, stat, flags & O.ACCMODE) }
}
