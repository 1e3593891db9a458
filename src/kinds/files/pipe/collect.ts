import { O } from "../../../../ffi/abi/file.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import { contentOf } from "../content.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../kind.ts"
import { pipeInode } from "./holders.ts"

/** Pipes without a name. */
export const isPipe = ({ target }: Found): boolean => pipeInode(target) !== undefined

/** Packets, whose bounds the format has no field for, and pipes that lead out of the process. */
export function refusePipe({ target, flags }: Found, { pipeHolder }: Pick<Surveying, "pipeHolder">): Reason | undefined {
  if (flags & O.DIRECT) return { what: `${target} in packet mode (O_DIRECT)`, remedy: "Let the program open its pipe without O_DIRECT" }
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
  { pipesData, copies }: Pick<Collecting, "pipesData" | "copies">,
): pipe_entry {
  const pipe_id = Number(pipeInode(target))
  if ((flags & O.ACCMODE) !== O.WRONLY && !pipesData.has(pipe_id)) {
    const data = copies.lend(fd, (copy) => contentOf(copy, pipe_id))
    if (data) pipesData.set(pipe_id, data)
  }
  return { id, pipe_id, flags, fown: owner }
}
