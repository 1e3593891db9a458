import { AT, O } from "../../../ffi/abi/file.ts"
import { AF as FAMILY } from "../../../ffi/abi/socket.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError, syscall } from "../../../ffi/syscall.ts"
import { readDescriptors } from "../../proc/descriptors.ts"
import { type FdInfo, parseFdInfo, readFdInfo, readFdInfoIfOpen } from "../../proc/fdinfo.ts"
import { missing, readLinkIfAlive } from "../../proc/source.ts"
import type { Copies } from "./copies.ts"
import type { Found } from "./kind.ts"
import { collectOwner } from "./owner.ts"
import { eventsOf, POLL } from "./poll.ts"
import { kindOfSocket } from "./socket/ask.ts"
import { boundFile } from "./socket/unix/bound.ts"
import { statDescriptor } from "./stat.ts"

const ROOM = 64 * 1024
const memory = allocate(ROOM)
const text = Buffer.from(memory.bytes.buffer)

/** Reads many fdinfo files of one process: relative to their folder, in one read each, which takes a third of the time. */
interface InfoReader extends Disposable {
  /** null = not open any more. */
  read(fd: number): FdInfo | null
}

/** @throws CheckpointError E_NO_PROCESS it has ended · SyscallError */
export function openInfos(pid: number): InfoReader {
  const folder = attempt("openat", AT.FDCWD, pathArgument(`/proc/${pid}/fdinfo`), O.DIRECTORY | O.CLOEXEC, 0)
  if (isFailure(folder)) {
    const errno = errnoName(-folder)
    if (errno === "ENOENT" || errno === "ESRCH") throw missing(pid, undefined, "fdinfo")
    throw new SyscallError("openat", errno, [AT.FDCWD], ` for /proc/${pid}/fdinfo`)
  }
  return {
    read(fd) {
      const file = attempt("openat", folder, pathArgument(`${fd}`), O.CLOEXEC, 0)
      const errno = errnoName(-file)
      if (errno === "ENOENT" || errno === "ESRCH") return null
      if (isFailure(file)) throw new SyscallError("openat", errno, [fd], ` for /proc/${pid}/fdinfo/${fd}`)
      const length = attempt("read", file, memory.address, ROOM)
      syscall("close", file)
      // A list that fills the room, or a file closed meanwhile: the slow way knows what to say.
      if (length <= 0 || length === ROOM) return readFdInfoIfOpen(pid, fd)
      return parseFdInfo(text.toString("latin1", 0, length))
    },
    [Symbol.dispose]: () => void syscall("close", folder),
  }
}

/**
 * Every open descriptor of a process, ascending. One that is closed while it is looked at is left out.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · SyscallError
 * Kernel: fs/proc/fd.c
 */
export function scanDescriptors(pid: number, copies: Copies): Found[] {
  const all: Found[] = []
  const descriptors = readDescriptors(pid)
  using infos = openInfos(pid)
  for (const { fd, target } of descriptors) {
    const info = infos.read(fd)
    if (!info) continue
    // Through a copy, because only that leads to the very file without a walk along its path.
    const found = copies.lend(fd, (copy) => describe({ pid, fd, target }, info, copy))
    if (found) all.push(found)
  }
  return all
}

function describe(where: Pick<Found, "pid" | "fd" | "target">, info: FdInfo, copy: number): Found {
  const flags = info.flags & ~O.CLOEXEC
  const cloexec = (info.flags & O.CLOEXEC) !== 0
  const found = { ...where, info, stat: statDescriptor(copy), flags, cloexec, owner: collectOwner(copy, flags) }
  if (!where.target.startsWith(SOCKET) || flags & O.PATH) return found
  const socket = kindOfSocket(copy)
  if (socket.family === FAMILY.NETLINK && eventsOf(copy) & POLL.IN) return { ...found, socket, unread: true }
  const bound = socket.family === FAMILY.UNIX ? boundFile(copy) : undefined
  return { ...found, socket, ...(bound ? { bound } : {}) }
}

/** What the link of a socket begins with. */
const SOCKET = "socket:["

/** A descriptor of our own, as those of other processes are told. */
export function scanOwn(fd: number): Found {
  const info = readFdInfo(process.pid, fd)
  const target = readLinkIfAlive(`/proc/self/fd/${fd}`)
  if (target === null) throw new Error(`Unreachable: our descriptor ${fd} is not open`)
  return describe({ pid: process.pid, fd, target }, info, fd)
}
