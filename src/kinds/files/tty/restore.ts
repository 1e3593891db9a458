import { AT, O } from "../../../../ffi/abi/file.ts"
import { TTY_IOCTL } from "../../../../ffi/abi/tty.ts"
import { TtyType, type tty_file_entry, type tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import type { Program, Result } from "../../../tracee/program.ts"
import { openFlags, openRegular } from "../open.ts"
import type { Restoring } from "../restoring.ts"
import { infoId, masterInfo, masterOfSession, type Role, roleOf } from "./driver.ts"
import { termiosBytes } from "./mode.ts"

/** What a terminal needs of a restore. */
type Terminals = Pick<Restoring, "program" | "files" | "ttyInfos" | "terminal" | "masters" | "ghosts" | "isControlled" | "configuredTtys">

/** Permission bits of a mode. */
const PERMISSIONS = 0o7777

/** A terminal on its way. */
interface Wanted {
  readonly entry: tty_file_entry
  readonly info: tty_info_entry
  readonly about: string
}

const number32 = (program: Program, value: number) => program.bytes(new Uint8Array(new Int32Array([value]).buffer))

/** Reserved descriptor of the master of a pair. */
function masterOf({ info, about }: Wanted, masters: Terminals["masters"]): number {
  const master = masters.get(info.pty?.index ?? -1)
  if (master === undefined) throw new Error(`Unreachable: ${about} was not made`)
  return master
}

/** Appends the opening of a slave by its master: no path is looked up, so a lock on the path or another mount does not matter. */
const openSlave = (wanted: Wanted, { program, masters }: Terminals): Result =>
  program.callWith({ about: wanted.about }, "ioctl", masterOf(wanted, masters), TTY_IOCTL.TIOCGPTPEER, openFlags(wanted.entry.flags))

/** Each role's way to a descriptor. */
const OPENERS: Readonly<Record<Role, (wanted: Wanted, terminals: Terminals) => Result>> = {
  master: (wanted, { program, masters }) => program.call("dup", masterOf(wanted, masters)),
  slave: openSlave,
  "hung-up": openSlave,
  inherited: ({ entry, about }, { program, terminal }) =>
    program.callWith({ about }, "openat", AT.FDCWD, program.string(`/proc/self/fd/${terminal}`), openFlags(entry.flags), 0),
  given: ({ about }) => {
    throw new Error(`Unreachable: ${about} is not given`)
  },
  named: (wanted, terminals) => {
    const { entry, info, about } = wanted
    const { program, files, ttyInfos, isControlled } = terminals
    // Where nothing is behind /dev/tty yet, the terminal that it means is opened by its other name.
    const pty = isControlled || info.type !== TtyType.CTTY ? undefined : masterOfSession(info.sid, ttyInfos)?.pty
    if (pty) return openSlave({ entry, info: { ...info, pty }, about }, terminals)
    const reg = files.get(entry.regf_id ?? 0)?.reg
    if (!reg) throw new Error(`Unreachable: ${about} was not checked`)
    return openRegular(program, reg, entry.flags, terminals.ghosts)
  },
}

/** Each role's settings, once a terminal. A hung-up one takes none, those of a pair are set: see ./reserve.ts */
const SETTERS: Readonly<Record<Role, (fd: Result, wanted: Wanted, terminals: Terminals) => void>> = {
  master: () => {},
  slave: (fd, { entry, info, about }, { program, files }) => {
    const mode = files.get(entry.regf_id ?? 0)?.reg?.mode
    if (info.uid !== undefined && info.gid !== undefined)
      program.callWith({ about: `the owner of ${about}` }, "fchown", fd, info.uid, info.gid)
    if (mode !== undefined) program.callWith({ about: `the permissions of ${about}` }, "fchmod", fd, mode & PERMISSIONS)
    if (info.exclusive) program.callWith({ about }, "ioctl", fd, TTY_IOCTL.TIOCEXCL, 0)
  },
  "hung-up": () => {},
  given: () => {},
  inherited: (fd, wanted, terminals) => setMode(fd, wanted, terminals),
  named: (fd, wanted, terminals) => {
    // /dev/tty is another name for a terminal that has its mode already.
    if (wanted.info.type !== TtyType.CTTY) setMode(fd, wanted, terminals)
  },
}

/** Mode of a terminal that stays when the process goes, so that its size is its own; whoever restores may not be allowed to set it. */
function setMode(fd: Result, { info, about }: Wanted, { program }: Terminals): void {
  if (!info.termios) return
  program.callWith(
    { about: `the mode of ${about}`, mayFail: true },
    "ioctl",
    fd,
    TTY_IOCTL.TCSETS,
    program.bytes(termiosBytes(info.termios)),
  )
}

/**
 * An entry -> an open terminal appended to the program. Mirror: ./collect.ts
 *
 * Preconditions: `makePairs` has made what the masters are of, and `restoreControl` has run where a terminal controls the process; SIGTTOU
 * is blocked, else setting a mode from the background stops it (termios(3)).
 */
export function restoreTty(entry: tty_file_entry, restoring: Terminals): Result {
  const { files, ttyInfos, configuredTtys } = restoring
  const about = `terminal ${files.get(entry.regf_id ?? 0)?.reg?.name ?? entry.id}`
  const info = ttyInfos.get(entry.tty_info_id)
  const role = info && roleOf(info, ttyInfos)
  if (!info || !role) throw new Error(`Unreachable: ${about} was not checked`)
  const wanted = { entry, info, about }
  const fd = OPENERS[role](wanted, restoring)
  if (configuredTtys.has(info.id)) return fd
  configuredTtys.add(info.id)
  SETTERS[role](fd, wanted, restoring)
  return fd
}

/** Terminals as a process sees them that one of them controls. */
interface Control {
  readonly ttyInfos: readonly tty_info_entry[]
  readonly masters: ReadonlyMap<number, number>
  /** Reserved descriptor of the terminal that stasis runs on. */
  readonly terminal: number | undefined
}

/** The terminal that controls a session: the info that tells its foreground group, and the reserved descriptor that leads to it. */
function controlOf(
  sid: number,
  { ttyInfos, masters, terminal }: Control,
): { pgrp: number; fd: number; index: number | undefined } | undefined {
  const infos = new Map(ttyInfos.map((info) => [info.id, info]))
  const own = ttyInfos.filter((info) => info.sid === sid && info.type !== TtyType.CTTY)
  for (const { pty, pgrp } of own) {
    const fd = masterInfo(pty?.index, infos) && masters.get(pty?.index ?? -1)
    if (fd !== undefined) return { pgrp, fd, index: pty?.index }
  }
  const inherited = own.find((info) => roleOf(info, infos) === "inherited")
  return inherited && terminal !== undefined ? { pgrp: inherited.pgrp, fd: terminal, index: undefined } : undefined
}

/**
 * Appends that a session leader takes its controlling terminal: a pair's, or with --shell-job the one that stasis runs on, if no other
 * session has it.
 *
 * Preconditions: setsid was called. Children that the leader makes afterwards have the terminal too, those made before do not.
 * Kernel: drivers/tty/tty_jobctrl.c tiocsctty()
 */
export function restoreControl(sid: number, control: Control, program: Program): void {
  const found = controlOf(sid, control)
  if (!found) return
  if (found.index === undefined) {
    program.callWith({ about: "the controlling terminal", mayFail: true }, "ioctl", found.fd, TTY_IOCTL.TIOCSCTTY, 0)
    return
  }
  const about = `the controlling terminal /dev/pts/${found.index}`
  const slave = program.callWith({ about }, "ioctl", found.fd, TTY_IOCTL.TIOCGPTPEER, O.RDWR | O.NOCTTY)
  program.callWith({ about }, "ioctl", slave, TTY_IOCTL.TIOCSCTTY, 0)
  program.call("close", slave)
}

/**
 * Appends which process group is in the foreground of the terminal that controls a session; one that has ended meanwhile is left out.
 *
 * Preconditions: `restoreControl` has run in the same process, and every group of the session exists; SIGTTOU is blocked.
 */
export function restoreForeground(sid: number, control: Control, program: Program): void {
  const found = controlOf(sid, control)
  if (!found || found.pgrp === 0) return
  const options = found.index === undefined ? { mayFail: true } : ({ expects: "ESRCH" } as const)
  program.callWith(
    { about: "the foreground process group", ...options },
    "ioctl",
    found.fd,
    TTY_IOCTL.TIOCSPGRP,
    number32(program, found.pgrp),
  )
}

/**
 * Appends the locks of pairs whose slaves are open, too: no slave can be opened from then on.
 *
 * Precondition: every process has its terminals.
 */
export function restoreLocks({ ttyInfos, masters }: Control, program: Program): void {
  const infos = new Map(ttyInfos.map((info) => [info.id, info]))
  for (const [index, master] of masters) {
    const isOpen = infos.get(infoId(index, false))?.termios !== undefined
    if (!isOpen || !masterInfo(index, infos)?.locked) continue
    program.callWith({ about: `the lock of /dev/pts/${index}` }, "ioctl", master, TTY_IOCTL.TIOCSPTLCK, number32(program, 1))
  }
}

/** The terminal that a program takes over from whoever restores it, if there is one. */
export function inheritedTerminal(ttyInfos: readonly tty_info_entry[]): tty_info_entry | undefined {
  const infos = new Map(ttyInfos.map((info) => [info.id, info]))
  return ttyInfos.find((info) => roleOf(info, infos) === "inherited")
}

/**
 * Appends that the process group of a shell's job takes the foreground of the terminal that it inherits, where this is the terminal of its
 * session. CRIU does the same.
 *
 * Precondition: SIGTTOU is blocked.
 */
export function restoreJob(pgrp: number, { ttyInfos, terminal }: Control, program: Program): void {
  if (terminal === undefined || !inheritedTerminal(ttyInfos)) return
  program.callWith({ about: "the foreground", mayFail: true }, "ioctl", terminal, TTY_IOCTL.TIOCSPGRP, number32(program, pgrp))
}
