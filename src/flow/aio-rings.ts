import { aioRing } from "../../ffi/abi/aio.ts"
import { closeSync, openSync } from "../../ffi/fs.ts"
import type { vma_entry } from "../../proto/gen/vma_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { readFully } from "../base/read-fully.ts"
import { hex, PAGE, remoteAddress } from "../base/units.ts"
import { pagemapRuns } from "../image/pagemap.ts"
import type { ImageSet } from "../image/set.ts"
import { type SavedAioRing, savedAioRings } from "../kinds/memory/aio/restore.ts"
import { isAioRingArea } from "../kinds/memory/aio/ring.ts"
import { MASK_SIZE } from "../kinds/sched/cpus.ts"
import { parseBitList } from "../proc/bitlist.ts"
import { readBytesIfAlive } from "../proc/source.ts"
import { readMemoryIfMapped } from "../tracee/memory.ts"
import type { SavedProcess } from "./images.ts"

/** CPUs that this machine may come to have. Man page: Documentation/admin-guide/cputopology.rst */
export function possibleCpus(): number {
  const mask = parseBitList(readBytesIfAlive("/sys/devices/system/cpu/possible")?.toString() ?? "0", MASK_SIZE)
  return mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0)
}

/** The AIO rings of a process in a set. @throws CheckpointError see `savedAioRings` */
export function aioRingsOf(set: ImageSet, { tree: { pid }, mm }: SavedProcess): SavedAioRing[] {
  if (mm.aios.length === 0 && !mm.vmas.some(isAioRingArea)) return []
  const runs = [...pagemapRuns(set, "pagemap", pid)]
  const headOf = (start: bigint, bytes: number): Uint8Array | undefined => {
    const run = runs.find(({ vaddr, pages }) => vaddr <= start && start < vaddr + BigInt(pages) * PAGE)
    if (!run) return undefined
    const into = Buffer.alloc(bytes)
    const fd = openSync(run.path, "r")
    try {
      return readFully(fd, into, Number(run.offset + start - run.vaddr)) === bytes ? into : undefined
    } finally {
      closeSync(fd)
    }
  }
  return savedAioRings(pid, mm, headOf, possibleCpus())
}

interface WithAreas {
  readonly pid: number
  readonly memory: { readonly vmas: readonly vma_entry[] }
}

/** The heads of all rings of a stopped tree, to be compared with later ones: requests that were made go on to their ends. */
function headsOf(processes: readonly WithAreas[]): Map<string, string> {
  return new Map(
    processes.flatMap(({ pid, memory: { vmas } }) =>
      vmas.filter(isAioRingArea).map(({ start }) => {
        const bytes = readMemoryIfMapped(pid, remoteAddress(start), aioRing.size)
        return [`task ${pid} AIO ring ${hex(start)}`, Buffer.from(bytes ?? []).toString("hex")]
      }),
    ),
  )
}

/**
 * Copies memory, and makes sure that no AIO request ended meanwhile: the part of it that was copied before would be of another time.
 *
 * @throws CheckpointError E_TARGET_CHANGED
 */
export function withAioRingsAtRest<T>(processes: readonly WithAreas[], copy: () => T): T {
  const before = headsOf(processes)
  const copied = copy()
  const after = before.size > 0 ? headsOf(processes) : before
  for (const [where, head] of before)
    if (after.get(where) !== head)
      throw new CheckpointError(
        "E_TARGET_CHANGED",
        "Cannot copy memory",
        `${where}: a request has ended meanwhile`,
        "Dump again when the program waits for no asynchronous I/O",
      )
  return copied
}
