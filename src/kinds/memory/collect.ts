import { O } from "../../../ffi/abi/file.ts"
import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { stasis_mempolicy_entry, stasis_vma_entry } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { logger } from "../../base/log.ts"
import type { Range } from "../../base/units.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { Stat } from "../../proc/stat.ts"
import type { Program, Result } from "../../tracee/program.ts"
import { ADVICE } from "./advice.ts"
import { collectAioRings } from "./aio/collect.ts"
import { isAioRing } from "./aio/ring.ts"
import { isHugeAnonymous } from "./huge/mapping.ts"
import { sizeBits } from "./huge-size.ts"
import { isLockedOnFault } from "./on-fault.ts"
import { isSocketMapping } from "./packet-ring.ts"
import { areaKey } from "./protection-keys.x86_64.ts"
import { isShmem } from "./shmem.ts"
import type { LowerFiles } from "./stale.ts"
import { isAttachment, segmentId } from "./sysv/mapping.ts"

const log = logger("memory")

/** How the files behind mappings get their ids: by the files table of the dump. */
export interface MappedFiles {
  /** Id of the REG entry of a mapped file, opened with `fdflags` (O_RDONLY, O_WRONLY, O_RDWR). */
  mapped(mapping: MappingDetail, fdflags: number): number
  /** Id of the MEMFD entry of shared anonymous memory or a memfd. */
  memory(mapping: MappingDetail, fdflags: number): number
  /** Id of the PACKETSK entry of a socket whose rings are mapped. */
  ring(mapping: MappingDetail): number
  /** Open mode of the mapping's file, from the permissions of its link in /proc/PID/map_files. */
  openMode(mapping: MappingDetail): number
  /** See ./stale.ts. */
  readonly lower: LowerFiles
}

/** True where no file stands behind a mapping, or none that others could have: that of private huge pages. */
const isAnonymous = (mapping: MappingDetail): boolean =>
  (mapping.inode === 0n && !mapping.path.startsWith("/")) || (isHugeAnonymous(mapping) && !mapping.shared)
/** Shared anonymous memory and memfds live on the kernel's own mounts of shmem and hugetlbfs. */
const isKernelShmem = (mapping: MappingDetail): boolean => isShmem(mapping) || isHugeAnonymous(mapping)

/** Status bits, flags and file of one mapping. */
function describe(mapping: MappingDetail, files: MappedFiles): Pick<vma_entry, "status" | "flags" | "shmid" | "fdflags"> {
  const { path, shared, vmFlags } = mapping
  const anonymous = MAP.PRIVATE | MAP.ANONYMOUS
  if (path === "[vsyscall]") return { status: VMA.VSYSCALL | VMA.ANON_PRIVATE, flags: anonymous, shmid: 0n }
  if (path === "[vdso]") return { status: VMA.REGULAR | VMA.VDSO | VMA.ANON_PRIVATE, flags: anonymous, shmid: 0n }
  if (path.startsWith("[vvar")) return { status: VMA.REGULAR | VMA.VVAR | VMA.ANON_PRIVATE, flags: anonymous, shmid: 0n }
  if (isAioRing(mapping)) return { status: VMA.AIORING, flags: MAP.SHARED, shmid: 0n }
  let flags: number = shared ? MAP.SHARED : MAP.PRIVATE
  if (vmFlags.has("gd")) flags |= MAP.GROWSDOWN
  if (vmFlags.has("lo")) flags |= MAP.LOCKED
  if (vmFlags.has("nr")) flags |= MAP.NORESERVE
  if (vmFlags.has("ht")) flags |= MAP.HUGETLB | sizeBits(mapping.counters.kernelPageSize * 1024)
  if (isAnonymous(mapping)) {
    const sharing = vmFlags.has("dp") ? MAP.DROPPABLE | (flags & ~MAP.PRIVATE) : flags
    const heap = path === "[heap]" ? VMA.HEAP : 0
    return { status: VMA.REGULAR | VMA.ANON_PRIVATE | heap, flags: sharing | MAP.ANONYMOUS, shmid: 0n }
  }
  // A memfd with F_SEAL_FUTURE_WRITE is mapped read-only by whoever has it open for writing too. Kernel: mm/memfd.c
  // memfd_check_seals_mmap()
  const isSealed = shared && isKernelShmem(mapping) && !vmFlags.has("mw")
  const fdflags = isSealed ? O.RDONLY : files.openMode(mapping)
  if (isSocketMapping(mapping)) return { status: VMA.REGULAR | VMA.SOCKET, flags, shmid: BigInt(files.ring(mapping)), fdflags }
  if (isAttachment(mapping)) {
    const status = VMA.REGULAR | VMA.ANON_SHARED | VMA.SYSVIPC
    return { status, flags: flags | MAP.ANONYMOUS, shmid: BigInt(segmentId(mapping)), fdflags }
  }
  const status = VMA.REGULAR | (shared ? VMA.FILE_SHARED : VMA.FILE_PRIVATE)
  if (isKernelShmem(mapping)) return { status: status | VMA.MEMFD, flags, shmid: BigInt(files.memory(mapping, fdflags)), fdflags }
  return { status, flags, shmid: BigInt(files.mapped(mapping, fdflags)), fdflags }
}

/**
 * The mappings of a process -> its vma entries, ascending, guard ranges last. Mirror: ./restore.ts.
 *
 * @param guards ranges under MADV_GUARD_INSTALL
 */
export function collectVmas(mappings: readonly MappingDetail[], guards: readonly Range[], files: MappedFiles): vma_entry[] {
  const entries: vma_entry[] = []
  for (const mapping of mappings) {
    const { start, end, read, write, exec, offset, vmFlags } = mapping
    const facts = describe(mapping, files)
    const previous = entries.at(-1)
    if (previous && facts.status & VMA.VVAR && previous.status & VMA.VVAR && previous.end === start) {
      previous.end = end // [vvar] and [vvar_vclock] are one entry
      continue
    }
    let madv = 0n
    for (const [flag, advice] of ADVICE) if (vmFlags.has(flag)) madv |= 1n << BigInt(advice)
    const prot = (read ? PROT.READ : 0) | (write ? PROT.WRITE : 0) | (exec ? PROT.EXEC : 0)
    const file = facts.shmid !== 0n || (facts.status & VMA.SYSVIPC) !== 0
    entries.push({ start, end, pgoff: file ? offset : 0n, prot, fd: -1n, ...facts, ...(madv ? { madv } : {}) })
  }
  for (const { start, end } of guards) entries.push({ start, end, pgoff: 0n, shmid: 0n, prot: 0, flags: 0, status: VMA.GUARD, fd: -1n })
  return entries
}

const NAME = /^\[anon(?:_shmem)?:(.*)\]$/

/**
 * What CRIU's entries have no field for: names of anonymous areas, locks that work on fault, memory policies, protection keys.
 * Mirror: restoreProtection of ./restore.ts, ./policy/restore.ts, ./protection-keys.x86_64.ts
 *
 * @param policies by the start of their area
 */
export function collectVmaExtension(
  mappings: readonly MappingDetail[],
  policies: ReadonlyMap<bigint, stasis_mempolicy_entry> = new Map(),
): stasis_vma_entry[] {
  return mappings.flatMap((mapping) => {
    const { start, end, path, vmFlags } = mapping
    const name = NAME.exec(path)?.[1]
    const locked_on_fault = isLockedOnFault(vmFlags)
    const mempolicy = policies.get(start)
    const protection_key = areaKey(mapping)
    if (name === undefined && !locked_on_fault && !mempolicy && protection_key === undefined) return []
    return [
      {
        start,
        end,
        ...(mempolicy ? { mempolicy } : {}),
        ...(name === undefined ? {} : { name }),
        ...(locked_on_fault ? { locked_on_fault } : {}),
        ...(protection_key === undefined ? {} : { protection_key }),
      },
    ]
  })
}

/** Asks for the end of the heap, which only the process itself can tell. */
export const askBreak = (program: Program): Result => program.call("brk", 0)

/** Words of an auxiliary vector that CRIU 4 takes on this architecture. */
const CRIU_AUXV_WORDS = 44

/**
 * Bounds of the address space from /proc/PID/stat, and the break the process told. Kernel: include/linux/mm_types.h struct mm_struct
 *
 * @param auxv pairs of words without the closing AT_NULL, which CRIU has no room for and the kernel adds
 */
export function collectMm(stat: Stat, brk: bigint, auxv: readonly bigint[], vmas: vma_entry[], exe: number): mm_entry {
  if (auxv.length > CRIU_AUXV_WORDS)
    log.warn(`the auxiliary vector has ${auxv.length} words: CRIU restores at most ${CRIU_AUXV_WORDS}, stasis all of them`)
  return {
    mm_start_code: BigInt(stat.startcode),
    mm_end_code: BigInt(stat.endcode),
    mm_start_data: BigInt(stat.start_data),
    mm_end_data: BigInt(stat.end_data),
    mm_start_stack: BigInt(stat.startstack),
    mm_start_brk: BigInt(stat.start_brk),
    mm_brk: brk,
    mm_arg_start: BigInt(stat.arg_start),
    mm_arg_end: BigInt(stat.arg_end),
    mm_env_start: BigInt(stat.env_start),
    mm_env_end: BigInt(stat.env_end),
    exe_file_id: exe,
    mm_saved_auxv: [...auxv],
    vmas,
    aios: collectAioRings(vmas),
  }
}
