import { KCMP } from "../../../../ffi/abi/file.ts"
import { TTY_MAJOR } from "../../../../ffi/abi/tty.ts"
import { attempt } from "../../../../ffi/syscall.ts"
import type { Descriptor } from "../../../proc/descriptors.ts"
import { readFdInfoIfOpen } from "../../../proc/fdinfo.ts"
import { type Holders, Other, type Outside } from "../../../proc/outside.ts"
import { readStatIfAlive } from "../../../proc/stat.ts"
import { listProcesses } from "../../../proc/tasks.ts"
import { DELETED } from "../../../proc/text.ts"
import type { Found } from "../collecting.ts"
import { knownStat, statPath, userDevice } from "../stat.ts"
import { driverOf } from "./driver.ts"

const SLAVES = "/dev/pts/"
const PTMX = "ptmx"

/** Number of a pseudo-terminal, from its master; undefined for anything else. Kernel: drivers/tty/pty.c pty_show_fdinfo() */
export const masterIndex = ({ stat, info }: Pick<Found, "stat" | "info">): number | undefined =>
  stat.rdevMajor !== 0 && driverOf(stat)?.master && info.has("tty-index") ? Number(info.dec("tty-index")) : undefined

/** What a slave's path begins with where only a hang-up can have removed it. */
export const isRemoved = ({ target, stat }: Pick<Found, "target" | "stat">): boolean =>
  stat.rdevMajor === TTY_MAJOR.PTY_SLAVE && stat.nlink === 0 && target.endsWith(DELETED)

/**
 * A task outside the dump for each of its pseudo-terminals that one uses, by number: it has an end open, or is controlled by it.
 *
 * @param all descriptors of the dump
 */
export function findTerminalHolders(outside: Outside, all: readonly Found[]): Holders<number> {
  const masters = all.flatMap((found) => {
    const index = masterIndex(found)
    return index === undefined ? [] : [{ index, pid: found.pid, fd: found.fd, dev: statPath(`${SLAVES}${index}`, true)?.dev }]
  })
  return outside.holders((other) => {
    const controlling = readStatIfAlive(other.pid)?.tty_nr ?? 0
    const links = linksOf(other)
    return masters.flatMap((master) => {
      const isControlled = controlling !== 0 && controlling >>> 0 === userDevice(TTY_MAJOR.PTY_SLAVE, master.index)
      return isControlled || links.some((link) => holds(other.pid, link, master)) ? [master.index] : []
    })
  })
}

/** True when a descriptor of another process is an end of this terminal. Numbers are those of one devpts: a container may have the same. */
function holds(
  other: number,
  { fd, target }: { fd: number; target: string },
  master: { pid: number; index: number; fd: number; dev: number | undefined },
): boolean {
  if (target === `${SLAVES}${master.index}`) return knownStat(`/proc/${other}/fd/${fd}`)?.dev === master.dev
  if (!target.endsWith(PTMX)) return false
  const info = readFdInfoIfOpen(other, fd)
  if (!info?.has("tty-index") || Number(info.dec("tty-index")) !== master.index) return false
  return attempt("kcmp", master.pid, other, KCMP.FILE, master.fd, fd) === 0
}

const linksOf = ({ descriptors }: Other): readonly Descriptor[] => descriptors.filter(({ target }) => target.startsWith("/dev/"))

/** A task that has an end of the pseudo-terminal with this number open, for messages. */
export function whoHasTerminal(index: number): number | undefined {
  return listProcesses().find((pid) =>
    linksOf(new Other(pid)).some(({ fd, target }) => {
      if (target === `${SLAVES}${index}`) return true
      const info = target.endsWith(PTMX) ? readFdInfoIfOpen(pid, fd) : null
      return info?.has("tty-index") === true && Number(info.dec("tty-index")) === index
    }),
  )
}
