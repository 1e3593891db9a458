import { AT, O, S_IF } from "../../../ffi/abi/file.ts"
import { AF as FAMILY } from "../../../ffi/abi/socket.ts"
import { INFO_ROOM } from "../../../ffi/stub/record.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError, syscall } from "../../../ffi/syscall.ts"
import { expectWork } from "../../base/engine.ts"
import { type FdInfo, parseFdInfo, readFdInfoIfOpen } from "../../proc/fdinfo.ts"
import { missing, numbersIfAlive } from "../../proc/source.ts"
import { DELETED, decodeBytes } from "../../proc/text.ts"
import type { Found } from "./collecting.ts"
import { type Borrowed, borrowDescriptors, type Copies, refuseCopy } from "./copies.ts"
import { noteLed } from "./name.ts"
import { ownerFrom } from "./owner.ts"
import { isPipeLink } from "./pipe/ends.ts"
import { eventsOf, POLL } from "./poll.ts"
import { untoldStat } from "./regular/departed.ts"
import { type Look, runLooks, Sight } from "./sight.ts"
import { askFilter, kindOfSocket } from "./socket/ask.ts"
import { boundFile } from "./socket/unix/bound.ts"
import { socketInode } from "./socket/unix/scene.ts"
import { kindOf, statIn } from "./stat.ts"

const ROOM = 4096
const memory = allocate(ROOM)
const text = Buffer.from(memory.bytes.buffer)

/** Folders in /proc of one process: what is asked relative to them takes a third of the time. */
interface Folders extends Disposable {
  /** A descriptor of fdinfo. */
  readonly infos: number
  /** What the link of a descriptor says; null = not open any more. */
  link(fd: number): string | null
}

/** True for a descriptor that was closed, or a task that is gone. @throws SyscallError any other failure */
function isGone(answer: number, call: "openat" | "readlinkat", path: string): boolean {
  if (!isFailure(answer)) return false
  const errno = errnoName(-answer)
  if (errno === "ENOENT" || errno === "ESRCH") return true
  throw new SyscallError(call, errno, [], ` for ${path}`)
}

function openFolder(pid: number, name: string): number {
  const path = `/proc/${pid}/${name}`
  const folder = attempt("openat", AT.FDCWD, pathArgument(path), O.DIRECTORY | O.CLOEXEC, 0)
  if (isGone(folder, "openat", path)) throw missing(pid, undefined, name)
  return folder
}

/** @throws CheckpointError E_NO_PROCESS it has ended · SyscallError */
export function openFolders(pid: number): Folders {
  using opened = new DisposableStack()
  const open = (name: string): number => opened.adopt(openFolder(pid, name), (folder) => void syscall("close", folder))
  const [infos, links] = [open("fdinfo"), open("fd")]
  const folders = opened.move()
  return {
    infos,
    link(fd) {
      const length = attempt("readlinkat", links, pathArgument(`${fd}`), memory.address, ROOM)
      return isGone(length, "readlinkat", `/proc/${pid}/fd/${fd}`) ? null : decodeBytes(text.subarray(0, length))
    },
    [Symbol.dispose]: () => folders.dispose(),
  }
}

/** So many of the numbers, those in the middle left out. */
const someOf = (numbers: readonly number[], most: number): readonly number[] =>
  numbers.length <= most ? numbers : [...numbers.slice(0, most / 2), ...numbers.slice(-most / 2)]

/** Of each process, from look to look. */
const sights = new Map<number, Sight>()

/** A look at descriptors of one process: `runLooks` has the kernel asked, then `found` tells. Disposal closes the ways to them. */
interface Scanning extends Look, Disposable {
  /** @throws CheckpointError E_NO_PROCESS · E_PERMISSION · SyscallError */
  found(): Found[]
}

/**
 * Begins a look at every open descriptor of a process.
 *
 * @param most even number of descriptors that are enough: the lowest and the highest are looked at
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · SyscallError
 * Kernel: fs/proc/fd.c
 */
export function beginScan(pid: number, copies: Borrowed, most = Number.POSITIVE_INFINITY): Scanning {
  const numbers = numbersIfAlive(`/proc/${pid}/fd`)
  if (!numbers) throw missing(pid, undefined, "fd")
  return beginScanOf(pid, copies, someOf(numbers, most))
}

function beginScanOf(pid: number, copies: Borrowed, numbers: readonly number[]): Scanning {
  expectWork({ descriptors: numbers.length })
  const folders = openFolders(pid)
  const sight = sights.getOrInsertComputed(pid, () => new Sight())
  const indices = sight.begin(numbers)
  return {
    sight,
    pidfd: copies.pidfd,
    infos: folders.infos,
    indices,
    found() {
      const all: Found[] = []
      for (const [place, index] of indices.entries()) {
        const found = foundAt(sight, index, { pid, fd: numbers[place] ?? 0, folders, copies })
        if (found) all.push(found)
        else sight.drop(index)
      }
      sight.end()
      return all
    },
    [Symbol.dispose]: () => folders[Symbol.dispose](),
  }
}

/** Where a descriptor is asked for what the look has not been told. */
interface Way {
  readonly pid: number
  readonly fd: number
  readonly folders: Folders
  readonly copies: Borrowed
}

/** A descriptor; undefined for one that was closed while it was looked at. */
function foundAt(sight: Sight, index: number, way: Way): Found | undefined {
  const { pid, fd, folders, copies } = way
  const copied = sight.number(index, "copied")
  if (copied < 0) return refuseCopy(pid, copies.pidfd, fd, -copied)
  const before = sight.isSame(index) ? sight.before(index) : undefined
  if (before?.socket) return withSocket(before, copies)
  if (before && (isPipeLink(before.target) || isLed(sight, index, before))) return before
  const info = before?.info ?? infoAt(sight, index, pid, fd)
  const target = info && folders.link(fd)
  if (!info || target === null) return undefined
  const stated = sight.number(index, "stated")
  const untold = stated < 0 ? untoldStat(target, info) : undefined
  if (!untold) expectAnswer("statx", stated, fd)
  const flags = info.flags & ~O.CLOEXEC
  const any: Found = {
    pid,
    fd,
    target,
    info,
    stat: untold ?? statIn(...sight.statx(index)),
    flags,
    cloexec: (info.flags & O.CLOEXEC) !== 0,
    owner: ownerFrom(sight, index, flags),
  }
  const found = socketInode(target) === undefined || flags & O.PATH ? any : withSocket(any, copies)
  if (found) sight.keep(index, found, hasName(any) ? target : undefined)
  return found
}

/** Whether a descriptor's link is a name that leads to its file, as far as that can be seen from here. */
const hasName = ({ target, stat: { mode, nlink } }: Found): boolean =>
  (kindOf(mode) === S_IF.REG || kindOf(mode) === S_IF.DIR) && nlink > 0 && target.startsWith("/") && !target.endsWith(DELETED)

/**
 * Whether a descriptor has the name still that it had: the same inode by the same mount, which this name leads to now. To read links takes
 * a quarter of a look.
 */
function isLed(sight: Sight, index: number, { target, stat }: Found): boolean {
  if (!sight.isNamed(index)) return false
  noteLed(target, stat)
  return true
}

/** @throws SyscallError the answer is a failure */
function expectAnswer(call: "statx" | "openat", answer: number, fd: number): void {
  if (answer < 0) throw new SyscallError(call, errnoName(-answer), [fd])
}

/** What fdinfo says; null = not open any more. */
function infoAt(sight: Sight, index: number, pid: number, fd: number): FdInfo | null {
  const length = sight.number(index, "infoLength")
  if (isGone(length, "openat", `/proc/${pid}/fdinfo/${fd}`)) return null
  // A list that fills the room, or a file closed meanwhile: the slow way knows what to say.
  return length === 0 || length === INFO_ROOM ? readFdInfoIfOpen(pid, fd) : parseFdInfo(sight.info(index, length))
}

/** The same with what is asked of sockets: through a copy, because only that leads to the very socket. */
function withSocket({ filtered: _, unread: __, bound: ___, ...rest }: Found, copies: Copies): Found | undefined {
  return copies.lend(rest.fd, (copy) => {
    const found = askFilter(copy) === "extended" ? { ...rest, filtered: true as const } : rest
    const socket = rest.socket ?? kindOfSocket(copy)
    if (socket.family === FAMILY.NETLINK && eventsOf(copy) & POLL.IN) return { ...found, socket, unread: true }
    const bound = socket.family === FAMILY.UNIX ? boundFile(copy) : undefined
    return { ...found, socket, ...(bound ? { bound } : {}) }
  })
}

/** A descriptor of our own, as those of other processes are told. */
export function scanOwn(fd: number): Found {
  using copies = borrowDescriptors(process.pid)
  using scanning = beginScanOf(process.pid, copies, [fd])
  runLooks([scanning])
  const [found] = scanning.found()
  if (!found) throw new Error(`Unreachable: our descriptor ${fd} is not open`)
  return found
}
