import { SIOCUNIXFILE } from "../../../../../ffi/abi/socket.ts"
import { attempt, isFailure } from "../../../../../ffi/syscall.ts"
import { textOf } from "../../../../../proto/text.ts"
import { readLinkIfAlive } from "../../../../proc/source.ts"
import { cutDeleted } from "../../../../proc/text.ts"
import { type FileStat, sameFile, statDescriptor, statPath } from "../../stat.ts"
import type { UnixSocket } from "./sockets.ts"

/** The file that a socket is bound to. */
export interface Bound {
  /** Where it is, as the kernel tells it: with " (deleted)" when it is not any more. */
  readonly target: string
  readonly stat: FileStat
}

/**
 * The file that a socket of ours, or a copy, is bound to; undefined without one, or without CAP_NET_ADMIN. Kernel: net/unix/af_unix.c
 * unix_open_file()
 */
export function boundFile(socket: number): Bound | undefined {
  const file = attempt("ioctl", socket, SIOCUNIXFILE, 0)
  if (isFailure(file)) return undefined
  try {
    const target = readLinkIfAlive(`/proc/self/fd/${file}`)
    return target === null ? undefined : { target, stat: statDescriptor(file) }
  } finally {
    attempt("close", file)
  }
}

/**
 * The file that a socket is bound to, by its name, for who may not open it by the socket itself: the kernel tells everybody which file it
 * is.
 *
 * @param pid whose working directory a relative name may count from
 * @returns undefined when the name leads to another file, or to none
 */
export function namedFile(pid: number, { name, file }: Pick<UnixSocket, "name" | "file">): Bound | undefined {
  const path = pathText(name)
  const folder = path.startsWith("/") ? undefined : readLinkIfAlive(`/proc/${pid}/cwd`)
  if (folder === null || !file) return undefined
  const target = folder === undefined ? path : below(folder, path)
  const stat = statPath(target, false)
  return stat && Number(stat.ino & 0xffffffffn) === file.ino && stat.dev === file.dev ? { target, stat } : undefined
}

/** The whole of the path that a socket is bound to again. */
export const wholePath = (name: Uint8Array, { directory }: BoundPlace): string =>
  directory === undefined ? pathText(name) : below(directory, pathText(name))

/** How a path leads to the file of a socket. */
export interface BoundPlace {
  /** Directory that a relative path counts from. */
  readonly directory: string | undefined
  /** Nothing, or another file, has the path now. */
  readonly deleted: boolean
  /** The file was renamed, and is here now; nothing has the path. */
  readonly renamed?: string
}

const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 1))
const lastOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** A path without its NUL, as text that keeps every byte. */
export const pathText = (name: Uint8Array): string => textOf(name.at(-1) === 0 ? name.subarray(0, -1) : name)

const isRelative = (path: string): boolean => !path.startsWith("/")
/** A relative path without what says that it is one. */
const plainOf = (path: string): string => path.replace(/^(?:\.\/+)+/, "")
/** Where a relative path leads from a directory. */
const below = (directory: string, path: string): string => `${directory === "/" ? "" : directory}/${plainOf(path)}`

/** True for a relative name with which the path of its file does not end: nobody knows which directory it counts from. */
export function isAdrift(name: Uint8Array, { target }: Pick<Bound, "target">): boolean {
  const path = pathText(name)
  return isRelative(path) && !cutDeleted(target).path.endsWith(`/${plainOf(path)}`)
}

/**
 * Finds out whether the path that a socket was bound to would lead there again.
 *
 * @returns undefined when it would not, even when the file is renamed as it was: something else has the path now, or it is adrift
 */
export function placeOf(name: Uint8Array, { target, stat }: Bound): BoundPlace | undefined {
  const path = pathText(name)
  const { path: was, deleted } = cutDeleted(target)
  const gone = stat.nlink === 0 || deleted
  if (isAdrift(name, { target })) return undefined
  const directory = isRelative(path) ? was.slice(0, -plainOf(path).length - 1) || "/" : undefined
  const whole = isRelative(path) ? was : path
  const now = statPath(whole, false)
  if (!gone) {
    if (now) return sameFile(now, stat) ? { directory, deleted: false } : undefined
    const moved = statPath(was, false)
    return moved && sameFile(moved, stat) ? { directory, deleted: false, renamed: was } : undefined
  }
  const [there, here] = [statPath(parentOf(was), true), statPath(parentOf(whole), true)]
  return there && here && sameFile(there, here) && lastOf(was) === lastOf(whole) ? { directory, deleted: true } : undefined
}
