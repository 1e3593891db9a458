import { O } from "../../../../ffi/abi/file.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import { contentOf } from "../content.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../kind.ts"
import { pipeInode } from "./holders.ts"

/** Pipes without a name. */
export const isPipe = ({ target }: Found): boolean => pipeInode(target) !== undefined

/** Pipes that lead out of the process. */
export function refusePipe({ target }: Found, { pipeHolder }: Pick<Surveying, "pipeHolder">): Reason | undefined {
  const holder = pipeHolder(pipeInode(target) ?? 0n)
  if (holder === undefined) return undefined
  const remedy = `Redirect it to a file or /dev/null when the program is started, or end task ${holder}`
  return { what: `${target}, which task ${holder} has open too`, remedy }
}

/**
 * A pipe end -> its entry; the first end that can be read also gives what is in the pipe. Mirror: ./restore.ts
 *
 * @throws CheckpointError E_TARGET_CHANGED the content moved while it was copied
 */
export function collectPipe(
  { id, fd, flags, owner, target }: OpenFile,
  { pipesData, copies, extension }: Pick<Collecting, "pipesData" | "copies" | "extension">,
): pipe_entry {
  const pipe_id = Number(pipeInode(target))
  if ((flags & O.ACCMODE) !== O.WRONLY && !pipesData.has(pipe_id)) {
    const content = copies.lend(fd, (copy) => contentOf(copy, pipe_id))
    if (content) pipesData.set(pipe_id, content.data)
    if (content?.packets) extension.push({ id, pipe_packets: { lengths: content.packets } })
  }
  return { id, pipe_id, flags, fown: owner }
}
