import { AT, O, S_IF } from "../../../ffi/abi/file.ts"
import { AF as FAMILY } from "../../../ffi/abi/socket.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError, syscall } from "../../../ffi/syscall.ts"
import { expectWork } from "../../base/engine.ts"
import { type FdInfo, parseFdInfo, readFdInfo, readFdInfoIfOpen } from "../../proc/fdinfo.ts"
import { listIfAlive, missing, readLinkIfAlive } from "../../proc/source.ts"
import { DELETED, decodeBytes } from "../../proc/text.ts"
import type { Found } from "./collecting.ts"
import type { Copies } from "./copies.ts"
import { leadsTo } from "./name.ts"
import { collectOwner } from "./owner.ts"
import { eventsOf, POLL } from "./poll.ts"
import { askFilter, kindOfSocket } from "./socket/ask.ts"
import { boundFile } from "./socket/unix/bound.ts"
import { socketInode } from "./socket/unix/scene.ts"
import { type FileStat, kindOf, sameFile, statDescriptor } from "./stat.ts"

const ROOM = 64 * 1024
const memory = allocate(ROOM)
const text = Buffer.from(memory.bytes.buffer)

/** Reads many files about the descriptors of one process: relative to their folders, which takes a third of the time. */
interface Folders extends Disposable {
  /** fdinfo; null = not open any more. */
  info(fd: number): FdInfo | null
  /** What its link says; null = not open any more. */
  link(fd: number): string | null
}

/** What was read before, by its text: a dump looks at each descriptor several times. */
const parsed = new Map<string, FdInfo>()
const MOST_PARSED = 100_000

function parse(content: string): FdInfo {
  if (parsed.size > MOST_PARSED) parsed.clear()
  return parsed.getOrInsertComputed(content, parseFdInfo)
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
    info(fd) {
      const file = attempt("openat", infos, pathArgument(`${fd}`), O.CLOEXEC, 0)
      if (isGone(file, "openat", `/proc/${pid}/fdinfo/${fd}`)) return null
      const length = attempt("read", file, memory.address, ROOM)
      syscall("close", file)
      // A list that fills the room, or a file closed meanwhile: the slow way knows what to say.
      if (length <= 0 || length === ROOM) return readFdInfoIfOpen(pid, fd)
      return parse(text.toString("latin1", 0, length))
    },
    link(fd) {
      const length = attempt("readlinkat", links, pathArgument(`${fd}`), memory.address, ROOM)
      return isGone(length, "readlinkat", `/proc/${pid}/fd/${fd}`) ? null : decodeBytes(text.subarray(0, length))
    },
    [Symbol.dispose]: () => folders.dispose(),
  }
}

/** Descriptors as they were found last, by process. */
const before = new Map<number, Map<number, Found>>()

/**
 * The name that a descriptor had at an earlier look, if it has it still: the same inode by the same mount, which this name leads to now. To
 * read links takes a quarter of a look.
 */
function knownTarget(known: Found | undefined, info: FdInfo, stat: FileStat): string | undefined {
  if (!known || known.info !== info || info.ino === null) return undefined
  const { target, stat: was } = known
  if (was.mode !== stat.mode || was.nlink !== stat.nlink || !sameFile(was, stat)) return undefined
  const kind = kindOf(stat.mode)
  if (kind === S_IF.IFO && target.startsWith("pipe:[")) return target
  const isNamed = (kind === S_IF.REG || kind === S_IF.DIR) && stat.nlink > 0 && target.startsWith("/") && !target.endsWith(DELETED)
  return isNamed && leadsTo(target, stat) ? target : undefined
}

/** So many of the numbers, those in the middle left out. */
const someOf = (numbers: readonly number[], most: number): readonly number[] =>
  numbers.length <= most ? numbers : [...numbers.slice(0, most / 2), ...numbers.slice(-most / 2)]

/**
 * Every open descriptor of a process, ascending. One that is closed while it is looked at is left out.
 *
 * @param most even number of descriptors that are enough: the lowest and the highest are looked at
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · SyscallError
 * Kernel: fs/proc/fd.c
 */
export function scanDescriptors(pid: number, copies: Copies, most = Number.POSITIVE_INFINITY): Found[] {
  const numbers = listIfAlive(`/proc/${pid}/fd`)?.map(Number)
  if (!numbers) throw missing(pid, undefined, "fd")
  const wanted = someOf(
    numbers.sort((a, b) => a - b),
    most,
  )
  expectWork({ descriptors: wanted.length })
  const all: Found[] = []
  const known = before.get(pid)
  using folders = openFolders(pid)
  for (const fd of wanted) {
    const info = folders.info(fd)
    if (!info) continue
    // Through a copy, because only that leads to the very file without a walk along its path.
    const found = copies.lend(fd, (copy) => {
      const stat = statDescriptor(copy)
      const target = knownTarget(known?.get(fd), info, stat) ?? folders.link(fd)
      return target === null ? undefined : describe({ pid, fd, target, stat }, info, copy)
    })
    if (found) all.push(found)
  }
  if (wanted === numbers) before.set(pid, new Map(all.map((found) => [found.fd, found])))
  return all
}

function describe(where: Pick<Found, "pid" | "fd" | "target" | "stat">, info: FdInfo, copy: number): Found {
  const flags = info.flags & ~O.CLOEXEC
  const cloexec = (info.flags & O.CLOEXEC) !== 0
  const any = { ...where, info, flags, cloexec, owner: collectOwner(copy, flags) }
  if (socketInode(where.target) === undefined || flags & O.PATH) return any
  const found = askFilter(copy) === "extended" ? { ...any, filtered: true as const } : any
  const socket = kindOfSocket(copy)
  if (socket.family === FAMILY.NETLINK && eventsOf(copy) & POLL.IN) return { ...found, socket, unread: true }
  const bound = socket.family === FAMILY.UNIX ? boundFile(copy) : undefined
  return { ...found, socket, ...(bound ? { bound } : {}) }
}

/** A descriptor of our own, as those of other processes are told. */
export function scanOwn(fd: number): Found {
  const info = readFdInfo(process.pid, fd)
  const target = readLinkIfAlive(`/proc/self/fd/${fd}`)
  if (target === null) throw new Error(`Unreachable: our descriptor ${fd} is not open`)
  return describe({ pid: process.pid, fd, target, stat: statDescriptor(fd) }, info, fd)
}
