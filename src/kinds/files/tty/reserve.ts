import { F, O, SETTABLE } from "../../../../ffi/abi/file.ts"
import { attempt, pathArgument, syscall } from "../../../../ffi/syscall.ts"
import type { tty_data_entry, tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { logger } from "../../../base/log.ts"
import { readStatusIfAlive } from "../../../proc/status.ts"
import type { FileImages } from "../images.ts"
import { openFlags } from "../open.ts"
import { folderOf } from "../path.ts"
import { knownStat } from "../stat.ts"
import { askNumber, openPeer, tell, tellNumber } from "./ask.ts"
import { infoId, roleOf } from "./driver.ts"
import { whoHasTerminal } from "./holders.ts"
import { termiosBytes, winsizeBytes } from "./mode.ts"
import { fillQueues } from "./queue.ts"

const log = logger("tty")
const NOTHING = new Uint8Array(0)

/** A pseudo-terminal that has to be made. */
interface WantedPair {
  /** Its number: N of /dev/pts/N. */
  readonly index: number
  /** Path that masters are opened by. */
  readonly path: string
  /** Of the master. */
  readonly flags: number
  /** State of the pair; undefined for one that only existed until its master was closed. */
  readonly info: tty_info_entry | undefined
  /** A slave was opened and closed again. */
  readonly peerClosed: boolean
  readonly hasSlaves: boolean
}

/** Masters of new pairs, by their numbers in the images. Disposal closes our descriptors of them. */
interface Pairs extends Disposable {
  readonly masters: ReadonlyMap<number, number>
}

type Terminals = Pick<FileImages, "files" | "ttyInfos" | "ttyData" | "extension">

/** Pairs that a set of images wants, ascending, those that need their very number first. */
export function wantedPairs({ files, ttyInfos, extension }: Omit<Terminals, "ttyData">): WantedPair[] {
  const infos = new Map(ttyInfos.map((info) => [info.id, info]))
  const closed = new Set(extension.filter(({ tty_peer_closed }) => tty_peer_closed).map(({ id }) => id))
  const wanted = new Map<number, WantedPair>()
  for (const { id, tty } of files.values()) {
    const info = tty && infos.get(tty.tty_info_id)
    const index = info?.pty?.index
    if (index === undefined || !info) continue
    const name = files.get(tty.regf_id ?? 0)?.reg?.name ?? "/dev/pts/"
    const role = roleOf(info, infos)
    const hasSlaves = infos.get(infoId(index, false))?.termios !== undefined
    if (role === "master") wanted.set(index, { index, path: name, flags: tty.flags, info, peerClosed: closed.has(id), hasSlaves })
    else if (role === "hung-up" && !wanted.has(index)) {
      const path = `${name.slice(0, name.lastIndexOf("/"))}/ptmx`
      wanted.set(index, { index, path, flags: O.RDWR, info: undefined, peerClosed: false, hasSlaves: true })
    }
  }
  return [...wanted.values()].sort((a, b) => Number(!a.info) - Number(!b.info) || a.index - b.index)
}

/**
 * Makes the pseudo-terminals of a set of images: each with its number, mode, size, packet mode and what was queued in it.
 *
 * This is done by the tool and not by the new process, for what it waits for: the kernel hands out the lowest free number, so further
 * ones are opened until the right one comes, and passes on what is written by a worker. New processes inherit the masters; they open
 * the slaves themselves. A pair is gone with its last holder, so nothing is left when the restore fails or the tool is killed.
 *
 * @throws CheckpointError E_RESTORE a number belongs to another program
 */
export function makePairs(images: Terminals): Pairs {
  const masters = new Map<number, number>()
  const close = (): void => {
    for (const fd of masters.values()) attempt("close", fd)
    masters.clear()
  }
  try {
    for (const wanted of wantedPairs(images)) {
      const master = openMaster(wanted)
      masters.set(wanted.index, master)
      tellNumber(master, "TIOCSPTLCK", 0)
      if (wanted.info) configure(master, wanted, wanted.info, images.ttyData)
    }
  } catch (error) {
    close()
    throw error
  }
  return { masters, [Symbol.dispose]: close }
}

/** The terminal that a path of masters leads to, by its number: /dev/ptmx is the one of /dev/pts. */
const slavePath = ({ index, path }: WantedPair): string => `${path === "/dev/ptmx" ? "/dev/pts" : folderOf(path)}/${index}`

/** Checks of what `makePairs` would find in its way: terminals that have the numbers now. Checks that throw E_RESTORE */
export function* pairChecks(images: Omit<Terminals, "ttyData">): Generator<() => void> {
  for (const wanted of wantedPairs(images))
    if (wanted.info)
      yield () => {
        if (knownStat(slavePath(wanted))) throw taken(wanted.index)
      }
}

/** Opens masters until one has the wanted number. One that only has to hang up takes any. */
function openMaster({ index, path, flags, info }: WantedPair): number {
  const held: number[] = []
  try {
    for (;;) {
      const fd = syscall("open", pathArgument(path), openFlags(flags) | O.CLOEXEC | O.NONBLOCK, 0)
      const number = askNumber(fd, "TIOCGPTN") ?? -1
      if (number !== index && !info && number > index) log.warn(`a terminal that was hung up is number ${number} now and was ${index}`)
      if (number === index || (!info && number > index)) return fd
      held.push(fd)
      if (number > index || number < 0) throw taken(index)
    }
  } finally {
    for (const fd of held) attempt("close", fd)
  }
}

function taken(index: number): CheckpointError {
  const holder = whoHasTerminal(index)
  const name = holder === undefined ? undefined : readStatusIfAlive(holder)?.name
  return new CheckpointError(
    "E_RESTORE",
    `Cannot make the terminal /dev/pts/${index}`,
    holder === undefined ? "another program has this number" : `it belongs to task ${holder}${name ? ` "${name}"` : ""}`,
    "Close that terminal, or restore from a mount namespace with a devpts of its own",
  )
}

/** Sets up a pair. The mode comes last but for what would hinder or be noticed: locked flags, packets, the lock. */
function configure(
  master: number,
  { flags, peerClosed, hasSlaves }: WantedPair,
  info: tty_info_entry,
  data: readonly tty_data_entry[],
): void {
  const { termios, termios_locked, winsize, packet_mode, locked, pty } = info
  if (!termios || !termios_locked || !winsize || !pty) throw new Error(`Unreachable: master ${info.id} was not checked`)
  tell(master, "TIOCSWINSZ", winsizeBytes(winsize))
  const [input, output] = [false, true].map(
    (isMaster) => data.find(({ tty_id }) => tty_id === infoId(pty.index, isMaster))?.data ?? NOTHING,
  )
  const typed = (flags & O.ACCMODE) === O.RDWR && input ? input : NOTHING
  if (peerClosed || typed.length > 0 || output?.length) {
    const slave = openPeer(master, O.RDWR | O.NONBLOCK)
    const lost = fillQueues(master, slave, termios, typed, output ?? NOTHING) + (input?.length ?? 0) - typed.length
    if (lost > 0) log.warn(`${lost} bytes that were queued in /dev/pts/${pty.index} are lost`)
    syscall("close", slave)
  }
  tell(master, "TCSETS", termiosBytes(termios))
  // A new pair has no locks, and to set them takes CAP_SYS_ADMIN.
  const locks = termiosBytes(termios_locked)
  if (locks.some((byte) => byte !== 0)) tell(master, "TIOCSLCKTRMIOS", locks)
  if (packet_mode) tellNumber(master, "TIOCPKT", 1)
  if (locked && !hasSlaves) tellNumber(master, "TIOCSPTLCK", 1)
  // Who is to be signalled is signed up by the program, with the number that it has the master under.
  syscall("fcntl", master, F.SETFL, flags & SETTABLE & ~O.ASYNC)
}
