import { O } from "../../../../ffi/abi/file.ts"
import { fd_types } from "../../../../proto/gen/fdinfo_pb.ts"
import type { fifo_entry } from "../../../../proto/gen/fifo_pb.ts"
import { fileLocks } from "../../../proc/locks.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { contentOf } from "../content.ts"
import { refuseName } from "../name.ts"
import type { PipeData } from "../payloads.ts"
import { eventsOf, POLL } from "../poll.ts"
import { type FileStat, inodeKey } from "../stat.ts"
import { fileFacts } from "../table.ts"

/** FIFOs without their name, with locks, and those that others have open too. */
export function refuseFifo({ target, stat, info }: Found, { fifoHolder }: Pick<Surveying, "fifoHolder">): Reason | undefined {
  const [lock] = fileLocks(info)
  if (lock) return { what: `"${target}" with a lock (${lock.kind})`, remedy: "Let the program release the lock before the dump" }
  const holder = fifoHolder(stat)
  if (holder === undefined) return refuseName(target, stat)
  return {
    what: `the FIFO "${target}", which task ${holder} has open too`,
    remedy: `End task ${holder}, or dump it together with this program`,
  }
}

/** Id of a FIFO: its inode number, 32 bits of it, unless another file system has the same one. */
function idOf(stat: FileStat, known: ReadonlyMap<string, PipeData>): number {
  const taken = new Set([...known.values()].map(({ message }) => message.pipe_id))
  let id = Number(stat.ino & 0xffffffffn)
  while (taken.has(id)) id = (id + 1) >>> 0
  return id
}

/**
 * An open FIFO -> its entry; its path, flags and owner go to an entry of an ordinary file; the first end that can be read also gives what
 * is in it. Mirror: ./restore.ts. Lost: what was written to a FIFO that nobody has open for reading any more.
 *
 * @throws CheckpointError E_TARGET_CHANGED the content moved while it was copied
 */
export function collectFifo(
  { id, fd, flags, info, owner, target, stat }: OpenFile,
  { table, copies, fifoData, extension }: Pick<Collecting, "table" | "copies" | "fifoData" | "extension">,
): fifo_entry {
  const key = inodeKey(stat)
  const known = fifoData.get(key)
  const pipe_id = known?.message.pipe_id ?? idOf(stat, fifoData)
  const isReader = (flags & O.ACCMODE) !== O.WRONLY
  const content = isReader && !known?.message.size ? copies.lend(fd, (copy) => contentOf(copy, pipe_id)) : undefined
  // Even an empty one is noted: it holds the id.
  fifoData.set(key, content?.data ?? known ?? { message: { pipe_id, bytes: 0 }, payload: new Uint8Array(0) })
  const isOver = copies.lend(fd, (copy) => (eventsOf(copy) & POLL.HUP) !== 0)
  const packets = content?.packets && { pipe_packets: { lengths: content.packets } }
  const unwritten = (flags & O.ACCMODE) === O.RDONLY && !isOver && { fifo_unwritten: true }
  if (packets || unwritten) extension.push({ id, ...packets, ...unwritten })
  const regf_id = table.nextId()
  const reg = { id: regf_id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner, ...fileFacts(target, stat, flags), build_id: [] }
  table.add({ type: fd_types.REG, id: regf_id, reg })
  return { id, pipe_id, regf_id }
}
