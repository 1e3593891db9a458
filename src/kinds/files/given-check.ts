import { F, FD_CLOEXEC, O, S_IF } from "../../../ffi/abi/file.ts"
import { AF, SO, SOL_SOCKET } from "../../../ffi/abi/socket.ts"
import { TTY_IOCTL } from "../../../ffi/abi/tty.ts"
import { allocate, attempt } from "../../../ffi/syscall.ts"
import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { readLinkIfAlive } from "../../proc/source.ts"
import { type GivenFd, inheritOption, pipeResource } from "./external.ts"
import type { FileImages } from "./images.ts"
import { readable } from "./poll.ts"
import { rowOfType } from "./registry.ts"
import { askNumber } from "./socket/ask.ts"
import { relationOf } from "./socket/unix/relations.ts"
import { kindOf, statDescriptor } from "./stat.ts"

const log = logger("files")
const memory = allocate(64)

const misused = (action: string, found: string, next: string): CheckpointError => new CheckpointError("E_USAGE", action, found, next)

/** True for a pipe, with or without a name. */
export const isPipeFd = (fd: number): boolean => kindOf(statDescriptor(fd).mode) === S_IF.IFO

/** What Bun opens at its start; nothing of that kind stands for a resource. */
const OWN = "anon_inode:"

/** Standard error, the last of the standard descriptors. */
const LAST_STANDARD = 2

/** Whether it is /dev/null that Bun opened for a standard descriptor that was closed: one that was given was never closed by exec. */
const isStandIn = (fd: number): boolean => fd <= LAST_STANDARD && (attempt("fcntl", fd, F.GETFD, 0) & FD_CLOEXEC) === FD_CLOEXEC

/**
 * Checks that a descriptor was given to the tool. Of others close-on-exec tells nothing: Bun sets it for all from 4 on.
 *
 * @throws CheckpointError E_USAGE
 * Precondition: the tool has opened nothing yet.
 */
export function checkGivenFd({ fd, resource }: GivenFd): void {
  const target = readLinkIfAlive(`/proc/self/fd/${fd}`)
  if (target !== null && !isStandIn(fd) && !target.startsWith(OWN)) return
  throw misused(
    `Cannot give fd[${fd}] for "${resource}"`,
    `stasis was started without descriptor ${fd}`,
    `Open it in the shell: stasis restore ... ${inheritOption(resource).replace("N", `${fd}`)} ${fd}<>FILE`,
  )
}

/** What was queued goes into the pipe that is given; nothing may be in it yet. */
function checkContent(pipeId: number, { fd }: GivenFd, images: Pick<FileImages, "pipesData">): void {
  const bytes = images.pipesData.find(({ message }) => message.pipe_id === pipeId)?.payload.length ?? 0
  if (bytes === 0) return
  const resource = pipeResource(pipeId)
  if (!isPipeFd(fd)) log.warn(`${resource}: the ${bytes} bytes that were queued in it are lost, for fd[${fd}] is no pipe`)
  else if (readable(fd) > 0)
    throw misused(
      `Cannot give fd[${fd}] for "${resource}"`,
      `${readable(fd)} bytes are in it, which would be read before the ${bytes} that were queued at the dump`,
      "Start the program that writes to it when the tree is restored",
    )
}

/** What was queued in a socket came from its peer: it cannot go into one that is given. */
function warnOfQueue({ id }: file_entry, { resource }: GivenFd, { skQueues }: Pick<FileImages, "skQueues">): void {
  const queue = skQueues.filter(({ message }) => message.id_for === id)
  const bytes = queue.reduce((sum, { payload }) => sum + payload.length, 0)
  if (queue.length > 0) log.warn(`${resource}: the ${bytes} bytes that were queued in it are lost, for it is given`)
}

/** What is of another kind is shared all the same, as /dev/null may be; only, the program will find that calls fail that did not. */
function warnOfKind({ usk, tty }: file_entry, { fd, resource }: GivenFd): void {
  const isSocket = kindOf(statDescriptor(fd).mode) === S_IF.SOCK
  if (tty && attempt("ioctl", fd, TTY_IOCTL.TCGETS, memory.address) < 0) log.warn(`${resource}: fd[${fd}] is no terminal`)
  if (usk && !(isSocket && askNumber(fd, SOL_SOCKET, SO.DOMAIN) === AF.UNIX && askNumber(fd, SOL_SOCKET, SO.TYPE) === usk.type))
    log.warn(`${resource}: fd[${fd}] is no unix socket of the same type`)
}

/** What is shared as it is must allow what the program did with it. */
function checkAccess(file: file_entry, { fd, resource }: GivenFd, flags: number): void {
  if (file.pipe && isPipeFd(fd)) return
  const access = attempt("fcntl", fd, F.GETFL)
  const [has, wants] = [access & O.ACCMODE, flags & O.ACCMODE]
  if ((access & O.PATH) === 0 && (has === O.RDWR || has === wants)) return
  const how = wants === O.RDWR ? "reading and writing" : wants === O.RDONLY ? "reading" : "writing"
  throw misused(`Cannot give fd[${fd}] for "${resource}"`, `it is not open for ${how}`, "Open it as the program had it")
}

/** A pair that is in the tree with both ends: giving one would leave the other without it. */
function checkPair({ usk }: file_entry, { fd, resource }: GivenFd, given: ReadonlyMap<number, GivenFd>, files: FileImages["files"]): void {
  const relation = usk && relationOf(usk, files)
  if (!relation || !("peer" in relation) || given.has(relation.peer.id)) return
  throw misused(
    `Cannot give fd[${fd}] for "${resource}"`,
    `the other end of this socket is in the images too, as "socket:[${relation.peer.ino}]"`,
    "Give both, or neither",
  )
}

/**
 * Checks of what is given, and of what would have to be.
 *
 * @param used ids of what descriptors lead to
 * @returns checks that throw E_USAGE
 */
export function* givenChecks(
  used: ReadonlySet<number>,
  images: Pick<FileImages, "files" | "pipesData" | "skQueues" | "extension">,
  given: ReadonlyMap<number, GivenFd>,
): Generator<() => void> {
  const { files, extension } = images
  const outside = new Set(extension.flatMap(({ id, pipe_outside }) => (pipe_outside ? [id] : [])))
  for (const id of used) {
    const file = files.get(id)
    const one = given.get(id)
    if (file && one)
      yield () => {
        const row = rowOfType(file.type)
        if (file.pipe) checkContent(file.pipe.pipe_id, one, images)
        if (row) checkAccess(file, one, file.usk ? O.RDWR : row.facts(file, files).flags)
        checkPair(file, one, given, files)
        warnOfQueue(file, one, images)
        warnOfKind(file, one)
      }
    else if (file?.pipe && outside.has(id)) {
      const resource = pipeResource(file.pipe.pipe_id)
      yield () => {
        throw misused(
          `Cannot restore ${resource}`,
          "its other end was outside the tree",
          `Give ${inheritOption(resource)}, where N is a descriptor of a pipe of yours, or of /dev/null`,
        )
      }
    } else if (file?.reg?.ext) {
      const resource = file.reg.name
      yield () => {
        throw misused(`Cannot restore the file "${resource}"`, "it was left outside (--external)", `Give ${inheritOption(resource)}`)
      }
    }
  }
}
