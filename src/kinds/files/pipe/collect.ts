import { F, FIONREAD, O, SPLICE_F_NONBLOCK } from "../../../../ffi/abi/file.ts"
import { allocate, syscall } from "../../../../ffi/syscall.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../kind.ts"
import { pipeInode } from "./holders.ts"

const CHUNK = 64 * 1024
const memory = allocate(4096 + CHUNK)

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
    const data = copies.lend(fd, (copy) => {
      const size = syscall("fcntl", copy, F.GETPIPE_SZ)
      const payload = peek(copy, size)
      return { message: { pipe_id, bytes: payload.length, size }, payload }
    })
    if (data) pipesData.set(pipe_id, data)
  }
  return { id, pipe_id, flags, fown: owner }
}

/**
 * What is in a pipe, which keeps it: tee(2) lends the buffers to a pipe of ours.
 *
 * @param size capacity of the pipe, bytes: ours must have as many slots, for each may hold a single byte
 */
function peek(copy: number, size: number): Uint8Array {
  syscall("ioctl", copy, FIONREAD, memory.address)
  const bytes = memory.view.getInt32(0, true)
  const payload = new Uint8Array(bytes)
  if (bytes === 0) return payload
  syscall("pipe2", memory.address, O.CLOEXEC)
  const [read, write] = [memory.view.getInt32(0, true), memory.view.getInt32(4, true)]
  try {
    syscall("fcntl", write, F.SETPIPE_SZ, size)
    const lent = syscall("tee", copy, write, bytes, SPLICE_F_NONBLOCK)
    if (lent !== bytes)
      throw new CheckpointError("E_TARGET_CHANGED", "Cannot copy what is in a pipe", `${lent} of ${bytes} bytes could be had`, "Dump again")
    for (let done = 0; done < bytes; ) {
      const got = syscall("read", read, memory.address + 4096, Math.min(CHUNK, bytes - done))
      payload.set(memory.bytes.subarray(4096, 4096 + got), done)
      done += got
    }
  } finally {
    syscall("close", read)
    syscall("close", write)
  }
  return payload
}
