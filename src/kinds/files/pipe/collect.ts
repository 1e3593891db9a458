import { O } from "../../../../ffi/abi/file.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { contentOf } from "../content.ts"
import { inheritOption, pipeResource } from "../external.ts"
import { eventsOf, POLL } from "../poll.ts"
import { isPipeLink, pipeInode } from "./ends.ts"

/** Pipes without a name. */
export const isPipe = ({ target }: Found): boolean => isPipeLink(target)

/** Pipes that the tree talks to itself through, and somebody outside too: a new one would leave that one out in silence. */
export function refusePipe(
  { target }: Found,
  { pipeHolder, hasBothEnds }: Pick<Surveying, "pipeHolder" | "hasBothEnds">,
): Reason | undefined {
  const inode = pipeInode(target) ?? 0n
  const holder = pipeHolder(inode)
  if (holder === undefined || !hasBothEnds(inode)) return undefined
  const remedy = `Redirect it to a file or /dev/null when the program is started, or end task ${holder}`
  return { what: `${target}, with both ends in the tree, which task ${holder} has open too`, remedy }
}

/** True when somebody outside has the other end of a pipe. Kernel: fs/pipe.c pipe_poll() */
function leadsOutside(copy: number, flags: number): boolean {
  const alone = (flags & O.ACCMODE) === O.WRONLY ? POLL.ERR : POLL.HUP
  return (eventsOf(copy) & alone) === 0
}

/**
 * A pipe end -> its entry; the first end that can be read also gives what is in the pipe. Mirror: ./restore.ts
 *
 * @throws CheckpointError E_TARGET_CHANGED the content moved while it was copied
 */
export function collectPipe(
  { id, fd, flags, owner, target }: OpenFile,
  { pipesData, copies, extension, hasBothEnds, losses }: Pick<Collecting, "pipesData" | "copies" | "extension" | "hasBothEnds" | "losses">,
): pipe_entry {
  const pipe_id = Number(pipeInode(target))
  if (!hasBothEnds(BigInt(pipe_id)) && copies.lend(fd, (copy) => leadsOutside(copy, flags))) {
    extension.push({ id, pipe_outside: true })
    const loss = `the other end of ${target}, which is outside: a restore needs ${inheritOption(pipeResource(pipe_id))}`
    if (!losses.includes(loss)) losses.push(loss)
  }
  if ((flags & O.ACCMODE) !== O.WRONLY && !pipesData.has(pipe_id)) {
    const content = copies.lend(fd, (copy) => contentOf(copy, pipe_id))
    if (content) pipesData.set(pipe_id, content.data)
    if (content?.packets) extension.push({ id, pipe_packets: { lengths: content.packets } })
  }
  return { id, pipe_id, flags, fown: owner }
}
