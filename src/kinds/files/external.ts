import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType, type tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import type { Found } from "./collecting.ts"
import { userDevice, userDeviceOf } from "./stat.ts"

/**
 * Names of what a tree has open and others must give it: the words of --external at dump, and of --inherit-fd at restore.
 * Authority: criu(8), --external and --inherit-fd; REFERENCE 5.10
 */

/** A descriptor of the tool that stands for a resource: --inherit-fd fd[N]:RESOURCE. */
export interface GivenFd {
  /** Number in the tool. */
  readonly fd: number
  /** A resource's name, without the slash that a path begins with. */
  readonly resource: string
}

/** Name of a pipe, as links of /proc have it. @param pipeId its inode */
export const pipeResource = (pipeId: number | bigint): string => `pipe:[${pipeId}]`
/** Name of a socket, as links of /proc have it. */
export const socketResource = (inode: number | bigint): string => `socket:[${inode}]`

/** Name of a terminal. @param rdev, dev as stat(2) tells them in user space */
export const terminalName = (rdev: number, dev: number): string => `tty[${rdev.toString(16)}:${dev.toString(16)}]`

/** Name of an open terminal. */
export const terminalResource = ({ stat }: Pick<Found, "stat">): string =>
  terminalName(userDevice(stat.rdevMajor, stat.rdevMinor), userDeviceOf(stat.dev))

/** Name of an open file: the number of its mount (fdinfo, mnt_id) and its inode. */
export const fileResource = ({ info, stat }: Pick<Found, "info" | "stat">): string =>
  `file[${info.mntId.toString(16)}:${stat.ino.toString(16)}]`

/** Name of an open device. */
export const deviceResource = ({ stat }: Pick<Found, "stat">): string => `dev[${stat.rdevMajor}/${stat.rdevMinor}]`

/** The name that a restore knows an open file by; undefined for kinds that nobody can give. */
export function resourceOf({ pipe, usk, reg, tty }: file_entry, infos: ReadonlyMap<number, tty_info_entry>): string | undefined {
  if (pipe) return pipeResource(pipe.pipe_id)
  if (usk) return socketResource(usk.ino)
  if (reg) return reg.ext ? reg.name : reg.name.replace(/^\//, "")
  const info = tty && infos.get(tty.tty_info_id)
  return info?.type === TtyType.EXT_TTY ? terminalName(info.rdev, info.dev ?? 0) : undefined
}

/** Files that descriptors of the tool stand for. */
interface GivenFiles {
  /** By file id. */
  readonly files: ReadonlyMap<number, GivenFd>
  /** What names no open file of the images. */
  readonly strays: readonly GivenFd[]
}

/**
 * Finds the open files that are given.
 *
 * @param used ids of what descriptors lead to: memory and directories are not given
 */
export function matchGiven(
  given: readonly GivenFd[],
  used: ReadonlySet<number>,
  files: ReadonlyMap<number, file_entry>,
  ttyInfos: readonly tty_info_entry[],
): GivenFiles {
  if (given.length === 0) return { files: new Map(), strays: [] }
  const infos = new Map(ttyInfos.map((info) => [info.id, info]))
  const byName = new Map(given.map((one) => [one.resource, one]))
  const matched = new Map<number, GivenFd>()
  for (const id of used) {
    const file = files.get(id)
    const one = file && byName.get(resourceOf(file, infos) ?? "")
    if (one) matched.set(id, one)
  }
  const taken = new Set([...matched.values()])
  return { files: matched, strays: given.filter((one) => !taken.has(one)) }
}

/** How an option is written in a shell. */
export const inheritOption = (resource: string): string => `--inherit-fd 'fd[N]:${resource}'`
