import type { aio_ring_entry } from "../../../../proto/gen/mm_pb.ts"
import type { vma_entry } from "../../../../proto/gen/vma_pb.ts"
import type { Refusal } from "../../../base/errors.ts"
import { hex } from "../../../base/units.ts"
import type { Mapping } from "../../../proc/maps.ts"
import type { Answers, Program, Result } from "../../../tracee/program.ts"
import { isAioRing, isAioRingArea, requestsFor } from "./ring.ts"

/** The rings of a process -> their entries; what is in them stands with its pages. Mirror: ./restore.ts. Authority: REFERENCE 4.1 */
export const collectAioRings = (vmas: readonly vma_entry[]): aio_ring_entry[] =>
  vmas.filter(isAioRingArea).map(({ start, end }) => {
    const ring_len = Number(end - start)
    return { id: start, nr_req: requestsFor(ring_len), ring_len }
  })

/** A ring, and what the kernel says of it. */
interface AskedAioRing {
  readonly start: bigint
  readonly known: Result
}

/** Asks for no event of each ring, which changes nothing: only the process that made a ring has it, though children see the memory. */
export const askAioRings = (program: Program, mappings: readonly Mapping[]): AskedAioRing[] =>
  mappings.filter(isAioRing).map(({ start }) => ({ start, known: program.callWith({ mayFail: true }, "io_getevents", start, 0, 0, 0, 0) }))

/** Rings that a process has by fork(2) alone: nothing but the memory, in which it cannot be told what for. */
export const refuseAioRings = (pid: number, answers: Answers, rings: readonly AskedAioRing[]): Refusal[] =>
  rings.flatMap(({ start, known }) => {
    if (answers.of(known) >= 0n) return []
    const remedy = "Let children unmap the AIO rings of their parents, or execute a program"
    return [{ what: "an AIO ring of another process, its parent's perhaps", where: `task ${pid} VMA ${hex(start)}`, remedy }]
  })
