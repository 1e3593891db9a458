import { O, S_IF } from "../../../../ffi/abi/file.ts"
import { winsize } from "../../../../ffi/abi/tty.ts"
import { decode } from "../../../../ffi/layout.ts"
import { TtyType, type tty_file_entry, type tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import { readStat } from "../../../proc/stat.ts"
import { cutDeleted } from "../../../proc/text.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying, TtyEnds } from "../collecting.ts"
import { inheritOption, terminalResource } from "../external.ts"
import { refuseName } from "../name.ts"
import { eventsOf, POLL } from "../poll.ts"
import { kindOf, userDevice, userDeviceOf } from "../stat.ts"
import { askBytes, askNumber } from "./ask.ts"
import { type Driver, driverOf, infoId } from "./driver.ts"
import { isRemoved, masterIndex } from "./holders.ts"
import { termiosEntry } from "./mode.ts"

/** Terminals. */
export const isTty = ({ stat, flags }: Found): boolean =>
  kindOf(stat.mode) === S_IF.CHR && (flags & O.PATH) === 0 && driverOf(stat) !== undefined

type Asked = Pick<Surveying, "shellJob" | "masters" | "terminalHolder" | "externals">

/**
 * Why a terminal cannot be kept. A pair with both ends inside can; a hung-up one can; a terminal that stays outside only for being
 * restored from another one, and what is open as /dev/tty goes with the terminal that it means.
 */
export function refuseTty(found: Found, { shellJob, masters, terminalHolder, externals = [] }: Asked): Reason | undefined {
  const resource = terminalResource(found)
  if (externals.includes(resource)) return undefined
  const { target, stat, pid } = found
  const index = masterIndex(found)
  if (index !== undefined) {
    const holder = terminalHolder(index)
    if (holder === undefined) return refuseName(target, stat)
    const what = `the master of /dev/pts/${index}, a terminal that task ${holder} uses too`
    return { what, remedy: `End task ${holder}, or dump it together with this program` }
  }
  if (isRemoved(found)) return undefined
  const slave =
    driverOf(stat)?.type === TtyType.CTTY ? controllingIndex(pid) : driverOf(stat)?.type === TtyType.PTY ? stat.rdevMinor : undefined
  if (!shellJob && !(slave !== undefined && masters.has(slave))) {
    const own = `--external '${resource}' at dump and ${inheritOption(resource)} at restore`
    const remedy = `Give --shell-job (-j) at dump and restore, or ${own}, or start the program with its input and output redirected`
    return { what: `the terminal "${target}"`, remedy }
  }
  return refuseName(target, stat)
}

/** Number of the pseudo-terminal that controls a process; undefined when it is none. Device numbers have 20 bits of minor, in two parts. */
function controllingIndex(pid: number): number | undefined {
  const device = readStat(pid).tty_nr >>> 0
  const [major, minor] = [(device >>> 8) & 0xfff, (device & 0xff) | ((device >>> 12) & 0xfff00)]
  return driverOf({ rdevMajor: major, rdevMinor: minor })?.type === TtyType.PTY ? minor : undefined
}

/** Mode and size of a terminal, all or, after a hang-up, none. A master tells those of its slave. */
function settings(copy: number): Pick<tty_info_entry, "termios" | "termios_locked" | "winsize"> {
  const [mode, locked] = (["TCGETS", "TIOCGLCKTRMIOS"] as const).map((request) => {
    const bytes = askBytes(copy, request)
    return bytes && termiosEntry(bytes)
  })
  const size = askBytes(copy, "TIOCGWINSZ")
  return mode && locked && size ? { termios: mode, termios_locked: locked, winsize: decode(winsize, size) } : {}
}

/** Session and foreground group. A master tells anybody; of other terminals only those that a terminal controls may ask. */
function sessionOf({ master, type }: Driver, { pid, stat }: OpenFile, copy: number): Pick<tty_info_entry, "sid" | "pgrp"> {
  if (master) return { sid: askNumber(copy, "TIOCGSID") ?? 0, pgrp: Math.max(askNumber(copy, "TIOCGPGRP") ?? 0, 0) }
  const { tty_nr, session, tpgid } = readStat(pid)
  const controlling = tty_nr !== 0 && (type === TtyType.CTTY || tty_nr >>> 0 === userDevice(stat.rdevMajor, stat.rdevMinor))
  return { sid: controlling ? session : 0, pgrp: controlling && tpgid > 0 ? tpgid : 0 }
}

/** State of the terminal behind an open file. */
function describe(id: number, index: number, driver: Driver, file: OpenFile, copy: number): tty_info_entry {
  const { stat } = file
  const { type, master } = driver
  const flag = (request: Parameters<typeof askNumber>[1]): boolean => (askNumber(copy, request) ?? 0) !== 0
  return {
    id,
    type,
    locked: master === true && flag("TIOCGPTLCK"),
    exclusive: flag("TIOCGEXCL"),
    packet_mode: master === true && flag("TIOCGPKT"),
    ...sessionOf(driver, file, copy),
    rdev: userDevice(stat.rdevMajor, stat.rdevMinor),
    ...settings(copy),
    ...(type === TtyType.PTY ? { pty: { index } } : {}),
    dev: userDeviceOf(stat.dev),
    uid: stat.uid,
    gid: stat.gid,
  }
}

/** What a master knows of its session holds for the slave too, whichever of them came first. */
function shareSession(infos: Map<number, tty_info_entry>, index: number): void {
  const [master, slave] = [infos.get(infoId(index, true)), infos.get(infoId(index, false))]
  if (master && slave?.termios) infos.set(slave.id, { ...slave, sid: master.sid, pgrp: master.pgrp })
}

/** Remembers an end for ./queued.ts. */
function noteEnd(all: Collecting["ttyEnds"], index: number, isMaster: boolean, end: NonNullable<TtyEnds["master"]>): void {
  const ends = all.getOrInsertComputed(index, () => ({ hasSlave: false, signals: false }))
  if (isMaster) ends.master ??= end
  else ends.hasSlave = true
  ends.signals ||= (end.file.flags & O.ASYNC) !== 0
}

/** Number that CRIU gives to the first terminal that is left outside. Authority: REFERENCE 5.9 */
const FIRST_EXTERNAL = 1013
const EXTERNAL: Driver = { type: TtyType.EXT_TTY, matches: () => false }

/** A terminal that whoever restores gives -> its entry, which has no path. */
function collectExternal(file: OpenFile, { ttyInfos, copies }: Pick<Collecting, "ttyInfos" | "copies">): tty_file_entry {
  const { id, flags, owner, stat } = file
  const [rdev, dev] = [userDevice(stat.rdevMajor, stat.rdevMinor), userDeviceOf(stat.dev)]
  const others = [...ttyInfos.values()].filter(({ type }) => type === TtyType.EXT_TTY)
  const known = others.find((info) => info.rdev === rdev && info.dev === dev)
  if (known) return { id, tty_info_id: known.id, flags, fown: owner }
  const index = FIRST_EXTERNAL + others.length
  const tty_info_id = infoId(index, false)
  const info = copies.lend(file.fd, (copy) => describe(tty_info_id, index, EXTERNAL, file, copy))
  if (info) ttyInfos.set(tty_info_id, info)
  return { id, tty_info_id, flags, fown: owner }
}

/** An open terminal -> its entry; the terminal itself goes to tty-info.img, its path to a REG entry. Mirror: ./restore.ts */
export function collectTty(
  file: OpenFile,
  collecting: Pick<Collecting, "table" | "ttyInfos" | "ttyEnds" | "extension" | "copies" | "externals">,
): tty_file_entry {
  const { table, ttyInfos, ttyEnds, extension, copies, externals } = collecting
  if (externals.includes(terminalResource(file))) return collectExternal(file, collecting)
  const { id, flags, owner, stat, target } = file
  const driver = driverOf(stat)
  if (!driver) throw new Error(`Unreachable: "${target}" is no terminal`)
  const index = driver.master ? masterIndex(file) : (driver.index ?? stat.rdevMinor)
  if (index === undefined) throw new Error(`Unreachable: the kernel tells no number of "${target}"`)
  const tty_info_id = infoId(index, driver.master === true)
  if (!ttyInfos.has(tty_info_id)) {
    const info = copies.lend(file.fd, (copy) => describe(tty_info_id, index, driver, file, copy))
    if (info) ttyInfos.set(tty_info_id, info)
    if (driver.type === TtyType.PTY) shareSession(ttyInfos, index)
  }
  const pair =
    driver.type === TtyType.CTTY ? controllingIndex(file.pid) : isRemoved(file) || driver.type !== TtyType.PTY ? undefined : index
  if (pair !== undefined) noteEnd(ttyEnds, pair, driver.master === true, { file, copies })
  // A slave that was opened and closed again: the master reads end of file, not silence. CRIU's images have no field for it.
  if (driver.master && copies.lend(file.fd, (copy) => eventsOf(copy) & POLL.HUP)) extension.push({ id, tty_peer_closed: true })
  const name = isRemoved(file) ? cutDeleted(target).path : target
  return { id, tty_info_id, flags, fown: owner, regf_id: table.path(name, stat, flags & O.ACCMODE) }
}
