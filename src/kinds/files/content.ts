import { F, FIONREAD, O, SPLICE_F_NONBLOCK } from "../../../ffi/abi/file.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { PipeData } from "./kind.ts"

const CHUNK = 64 * 1024
const memory = allocate(4096 + CHUNK)

/**
 * Size and content of a pipe with or without a name, which keeps it.
 *
 * @param copy an end that can be read
 * @throws CheckpointError E_TARGET_CHANGED the content moved while it was copied
 */
export function contentOf(copy: number, pipe_id: number): PipeData {
  const size = syscall("fcntl", copy, F.GETPIPE_SZ)
  const payload = peek(copy, size)
  return { message: { pipe_id, bytes: payload.length, size }, payload }
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
