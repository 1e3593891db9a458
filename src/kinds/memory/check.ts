import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { hex } from "../../base/units.ts"

const PAGE_MASK = 4095n
const FILE = VMA.FILE_PRIVATE | VMA.FILE_SHARED
const KINDS = [VMA.FILE_PRIVATE, VMA.FILE_SHARED, VMA.ANON_PRIVATE, VMA.ANON_SHARED] as const
/** Areas that the kernel, or a socket, makes. */
const UNMADE = VMA.VDSO | VMA.VVAR | VMA.VSYSCALL | VMA.SOCKET
const ACCMODE = 3

/** Why no kernel has an area like this; undefined when one may. */
function faultOf({ start, end, pgoff, status, flags, prot, fdflags }: vma_entry): string | undefined {
  if ((start | end) & PAGE_MASK || start >= end) return "does not begin and end with a page"
  if (KINDS.filter((kind) => status & kind).length > 1) return "is of more than one kind"
  if ((status & FILE) === 0 || status & UNMADE) return undefined
  if (pgoff & PAGE_MASK) return `is at ${pgoff} of its file, where no page begins`
  const access = (fdflags ?? 2) & ACCMODE
  // mmap(2): whatever the protection is, the file must be open for reading.
  if (access !== 0 && access !== 2) return "is of a file that was not open for reading"
  if (flags & MAP.SHARED && prot & PROT.WRITE && access === 0) return "is shared and writable, and its file was open for reading alone"
  return undefined
}

/** Ids of files that processes execute: their programs, and what they have mapped for it. */
export const executedFiles = (all: readonly { readonly mm: Pick<mm_entry, "exe_file_id" | "vmas"> }[]): Set<number> =>
  new Set(
    all.flatMap(({ mm: { exe_file_id, vmas } }) => [
      exe_file_id,
      ...vmas.flatMap(({ status, prot, shmid }) => (status & FILE && prot & PROT.EXEC ? [Number(shmid)] : [])),
    ]),
  )

/** What is wrong with the areas of one process, by themselves and with each other; undefined when nothing is. Kernel: mmap(2) */
export function faultOfAreas(vmas: readonly vma_entry[]): string | undefined {
  const sorted = vmas.toSorted((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  let last = 0n
  for (const vma of sorted) {
    const isGuard = (vma.status & VMA.GUARD) !== 0 // a part of another one
    const fault = faultOf(vma) ?? (vma.start < last && !isGuard ? "overlaps another one" : undefined)
    if (fault !== undefined) return `the area ${hex(vma.start)}-${hex(vma.end)} ${fault}`
    if (!isGuard) last = vma.end
  }
  return undefined
}
