import { AIO_RING_MAGIC, aioRing, IOCB_CMD_PREAD, iocb, ioEvent } from "../../../../ffi/abi/aio.ts"
import { AT } from "../../../../ffi/abi/file.ts"
import { MAP, MREMAP, PROT } from "../../../../ffi/abi/mman.ts"
import { decode, encode } from "../../../../ffi/layout.ts"
import type { mm_entry } from "../../../../proto/gen/mm_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import { hex } from "../../../base/units.ts"
import type { Data, Program } from "../../../tracee/program.ts"
import { aioRingLength, eventsIn, isAioRingArea } from "./ring.ts"

/** A ring as the images have it. */
export interface SavedAioRing {
  readonly start: bigint
  /** Bytes. */
  readonly length: number
  /** What io_setup(2) is asked for. */
  readonly requests: number
  /** Places of the first event that nobody has taken, and behind the last one. */
  readonly head: number
  readonly tail: number
}

/**
 * The rings of a process, checked.
 *
 * @param headOf reads the first bytes of a ring from the pages; undefined = they are not stored
 * @param cpus that this machine may have
 * @throws CheckpointError E_IMAGE_CORRUPT what is no ring · E_RESTORE this kernel would make another one
 */
export function savedAioRings(
  pid: number,
  { aios, vmas }: Pick<mm_entry, "aios" | "vmas">,
  headOf: (start: bigint, bytes: number) => Uint8Array | undefined,
  cpus: number,
): SavedAioRing[] {
  const areas = vmas.filter(isAioRingArea)
  const action = `Cannot restore the AIO rings of process ${pid}`
  const bad = (found: string): CheckpointError => damagedImage(action, found)
  if (areas.length !== aios.length) throw bad(`it has ${aios.length} of them and ${areas.length} areas for them`)
  return areas.map(({ start, end }): SavedAioRing => {
    const length = Number(end - start)
    const entry = aios.find(({ id }) => id === start)
    if (entry?.ring_len !== length) throw bad(`the area at ${hex(start)} has ${length} bytes, its ring ${entry?.ring_len ?? 0}`)
    const bytes = headOf(start, aioRing.size)
    if (!bytes) throw bad(`the page at ${hex(start)} is not stored`)
    const { nr, head, tail, magic, incompat_features } = decode(aioRing, bytes)
    if (magic !== AIO_RING_MAGIC || incompat_features !== 0 || nr !== eventsIn(length) || head >= nr || tail >= nr)
      throw bad(`what is at ${hex(start)} is no ring of ${eventsIn(length)} events`)
    const made = aioRingLength(entry.nr_req, cpus)
    if (made !== length)
      throw new CheckpointError(
        "E_RESTORE",
        action,
        `the one at ${hex(start)} has ${length} bytes, and the kernel would make one of ${made}: it counts the CPUs, which may be ${cpus} here`,
        "Restore on a machine with fewer possible CPUs (kernel parameter possible_cpus)",
      )
    return { start, length, requests: entry.nr_req, head, tail }
  })
}

/** Requests that are made at once. */
const BATCH = 64

/**
 * Appends requests that end at once, each of which moves the ring's tail by one.
 *
 * @param taken their events are taken again, which moves the head
 */
function advance({ start }: SavedAioRing, count: number, pointers: Data, events: Data | undefined, program: Program): void {
  const about = `AIO ring ${hex(start)}`
  for (let left = count; left > 0; left -= BATCH) {
    const now = Math.min(left, BATCH)
    program.callWith({ about, returns: now }, "io_submit", start, now, pointers)
    if (events) program.callWith({ about, returns: now }, "io_getevents", start, now, now, events, 0)
  }
}

/**
 * Appends the making of rings at their places, with the head and tail that they had, for the kernel keeps a tail of its own and counts what
 * is not taken yet: that cannot be written. The events themselves are read into the ring with the other pages. Mirror: ./collect.ts
 *
 * Lost: requests that had not ended. Nobody can tell that there are any.
 *
 * @param number of a descriptor that is free
 * Precondition: the rest of the address space is laid out, for io_setup(2) takes any place. Kernel: fs/aio.c aio_ring_mremap(),
 * aio_complete()
 */
export function restoreAioRings(rings: readonly SavedAioRing[], number: number, program: Program): void {
  if (rings.length === 0) return
  const path = program.callWith({ about: "AIO rings" }, "openat", AT.FDCWD, program.string("/dev/null"), 0)
  program.call("dup3", path, number, 0)
  program.call("close", path)
  const request = program.bytes(encode(iocb, { aio_lio_opcode: IOCB_CMD_PREAD, aio_fildes: number }))
  const pointers = program.room(8 * BATCH)
  for (let index = 0; index < BATCH; index++) program.point(pointers, 8 * index, request)
  const events = program.room(BATCH * ioEvent.size)
  for (const ring of rings) {
    const { start, length, requests, head, tail } = ring
    const about = `AIO ring ${hex(start)}`
    // So that the kernel does not choose this very place, from which it could not be moved to itself.
    program.callWith({ about }, "mmap", start, length, PROT.NONE, MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE, -1, 0)
    const made = program.room(8)
    program.callWith({ about }, "io_setup", requests, made)
    program.callWith({ about }, "mremap", program.loadU64(made), length, length, MREMAP.MAYMOVE | MREMAP.FIXED, start)
    advance(ring, head, pointers, events, program)
    advance(ring, tail < head ? tail + eventsIn(length) - head : tail - head, pointers, undefined, program)
  }
  program.call("close", number)
}
