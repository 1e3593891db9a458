import {
  MADV,
  MAP,
  MLOCK_ONFAULT,
  PR_SET_MM,
  PR_SET_MM_MAP,
  PR_SET_VMA,
  PR_SET_VMA_ANON_NAME,
  PROT,
  prctlMmMap,
} from "../../../ffi/abi/mman.ts"
import { encode } from "../../../ffi/layout.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { stasis_vma_entry } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { hex, PAGE, type Range } from "../../base/units.ts"
import type { Argument, Program, Result } from "../../tracee/program.ts"
import { restoreAdvice } from "./advice.ts"
import { outside } from "./holes.ts"
import { HUGE_BITS } from "./huge-size.ts"
import type { Inheritance } from "./inherit.ts"
import { isSysv } from "./sysv/saved.ts"
import { restoreVdso } from "./vdso.ts"

/** Areas that restore makes: the kernel's own and guards aside, and rings of sockets, see ./packet-ring.ts */
const isMade = ({ status }: vma_entry): boolean =>
  (status & VMA.REGULAR) !== 0 && (status & (VMA.VDSO | VMA.VVAR | VMA.VSYSCALL | VMA.GUARD | VMA.SOCKET)) === 0

const isFile = ({ status }: vma_entry): boolean => (status & (VMA.FILE_PRIVATE | VMA.FILE_SHARED)) !== 0
const isPrivate = ({ flags }: vma_entry): boolean => (flags & MAP.SHARED) === 0

/** Empties the address space but for `keep` and the special mappings, which go to their places. */
export function clearAddressSpace(moves: Parameters<typeof restoreVdso>[0], keep: readonly Range[], program: Program): void {
  for (const { start, end } of outside([...keep, ...moves.map(({ from }) => from)])) program.call("munmap", start, end - start)
  restoreVdso(moves, keep, program)
}

/** Appends what makes inherited areas ready to be filled: pages that only the parent has go, and what is filled becomes writable. */
export function restoreInherited({ kept, dropped }: Inheritance, isFilled: (vma: vma_entry) => boolean, program: Program): void {
  for (const { start, end } of dropped)
    program.callWith({ about: "pages of the parent alone" }, "madvise", start, end - start, MADV.DONTNEED)
  for (const { area, prot } of kept) {
    const { start, end } = area
    if (isFilled(area) && !(prot & PROT.WRITE))
      program.callWith({ about: `VMA ${hex(start)}-${hex(end)}` }, "mprotect", start, end - start, prot | PROT.WRITE)
  }
}

/** What a mapping's file is opened with: as stored, else as its protection needs. */
const accessOf = ({ fdflags, flags, prot }: vma_entry): number => fdflags ?? (flags & MAP.SHARED && prot & PROT.WRITE ? 2 : 0)

/**
 * Appends the areas, writable while they are filled. Mirror: ./collect.ts
 *
 * @param isFilled whether pages will be read into an area; others are made as they will be, for the kernel remembers that an area was
 *   writable
 * @param inherited areas that are there already
 * @param open appends the opening of file `id` with an access mode; the descriptor is closed here when its last area is mapped
 * Kernel: mmap(2). MAP_FIXED_NOREPLACE makes an overlap an error instead of a loss.
 */
export function restoreVmas(
  vmas: readonly vma_entry[],
  open: (id: number, access: number) => Result,
  isFilled: (vma: vma_entry) => boolean,
  inherited: Inheritance | undefined,
  program: Program,
): void {
  const opened = new Map<string, Result>()
  const kept = new Set(inherited?.kept.map(({ area }) => area))
  for (const vma of vmas) {
    if (!isMade(vma) || isSysv(vma) || kept.has(vma)) continue
    const { start, end, prot, flags, shmid, pgoff } = vma
    const sharing = flags & (MAP.SHARED | MAP.PRIVATE | MAP.DROPPABLE | MAP.GROWSDOWN | MAP.NORESERVE)
    const anonymous = isFile(vma) ? 0 : MAP.ANONYMOUS | (flags & HUGE_BITS)
    const filled = isPrivate(vma) && isFilled(vma) ? prot | PROT.WRITE : prot
    let fd: Argument = -1
    if (isFile(vma)) {
      const key = `${shmid}/${accessOf(vma)}`
      const known = opened.get(key) ?? open(Number(shmid), accessOf(vma))
      opened.set(key, known)
      fd = known
    }
    const about = `VMA ${hex(start)}-${hex(end)}`
    program.callWith({ about }, "mmap", start, end - start, filled, sharing | anonymous | MAP.FIXED_NOREPLACE, fd, isFile(vma) ? pgoff : 0)
  }
  for (const fd of opened.values()) program.call("close", fd)
}

/** Bytes that are faulted in by one MADV_POPULATE_WRITE in front of their read. */
const CHUNK = 512n << 10n
/** That call is made for more bytes than these. */
const WORTH_POPULATING = 16n * PAGE

/** Pages in a row, and where they stand in a file. Bytes. */
export interface Fill {
  readonly start: bigint
  readonly length: bigint
  readonly offset: bigint
}

/** A pages file that all new processes have open, and what is read from where in it. */
export interface PagesToRead {
  readonly fd: number
  readonly fills: readonly Fill[]
}

/**
 * Appends the filling of pages from an open pages file.
 *
 * Populating in front of the read lets the kernel take a run's page faults at once; where MADV_POPULATE_WRITE is missing (before 5.14) the
 * read faults.
 */
export function restorePages(fills: Iterable<Fill>, fd: number, program: Program): void {
  for (const { start, length, offset } of fills) {
    for (let done = 0n; done < length; done += CHUNK) {
      const part = length - done < CHUNK ? length - done : CHUNK
      if (part > WORTH_POPULATING) program.callWith({ mayFail: true }, "madvise", start + done, part, MADV.POPULATE_WRITE)
      program.callWith({ about: `pages at ${hex(start + done)}`, returns: part }, "pread64", fd, start + done, part, offset + done)
    }
  }
}

/** Appends what comes after the filling: final protection, advice, locks, guards, names. */
export function restoreProtection(
  vmas: readonly vma_entry[],
  extension: readonly stasis_vma_entry[],
  isFilled: (vma: vma_entry) => boolean,
  inherited: Inheritance | undefined,
  program: Program,
): void {
  const came = new Map(inherited?.kept.map(({ area, prot }) => [area, prot]))
  const onFault = new Set(extension.filter(({ locked_on_fault }) => locked_on_fault).map(({ start }) => start))
  // All guards in front of the locks: the kernel puts none into a locked area.
  for (const { start, end, status } of vmas)
    if (status & VMA.GUARD) program.callWith({ about: `VMA ${hex(start)}-${hex(end)}` }, "madvise", start, end - start, MADV.GUARD_INSTALL)
  for (const vma of vmas) {
    if (!isMade(vma)) continue
    const { start, end, prot, flags } = vma
    const about = `VMA ${hex(start)}-${hex(end)}`
    restoreAdvice(vma, program)
    const current = (came.get(vma) ?? prot) | (isPrivate(vma) && isFilled(vma) ? PROT.WRITE : 0)
    if (current !== prot) program.callWith({ about }, "mprotect", start, end - start, prot)
    // ENOMEM: the area is locked, but its protection keeps pages from being faulted in.
    if (flags & MAP.LOCKED)
      program.callWith({ about, expects: "ENOMEM" }, "mlock2", start, end - start, onFault.has(start) ? MLOCK_ONFAULT : 0)
  }
  for (const { start, end, name } of extension)
    if (name) program.callWith({ mayFail: true }, "prctl", PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, end - start, program.string(name))
}

/** "Leave the exe link as it is". Kernel: kernel/sys.c prctl_set_mm_map() */
const NO_CHANGE = 0xffffffff

/**
 * Appends the bounds of the address space and the exe link.
 *
 * @param exeFd descriptor of the executable, open in the new process; undefined = it has the right one by birth
 * Kernel: kernel/sys.c prctl_set_mm_map(); needs CAP_CHECKPOINT_RESTORE for the exe link, no CAP_SYS_RESOURCE.
 * Precondition: nothing of the old executable is mapped any more.
 */
export function restoreMm(mm: mm_entry, exeFd: number | undefined, program: Program): void {
  const auxv = new Uint8Array(new BigUint64Array(mm.mm_saved_auxv).buffer)
  const map = program.bytes(
    encode(prctlMmMap, {
      start_code: mm.mm_start_code,
      end_code: mm.mm_end_code,
      start_data: mm.mm_start_data,
      end_data: mm.mm_end_data,
      start_brk: mm.mm_start_brk,
      brk: mm.mm_brk,
      start_stack: mm.mm_start_stack,
      arg_start: mm.mm_arg_start,
      arg_end: mm.mm_arg_end,
      env_start: mm.mm_env_start,
      env_end: mm.mm_env_end,
      auxv_size: auxv.length,
      exe_fd: exeFd ?? NO_CHANGE,
    }),
  )
  program.point(map, prctlMmMap.fields.auxv[0], program.bytes(auxv))
  program.callWith({ about: "the bounds of the address space" }, "prctl", PR_SET_MM, PR_SET_MM_MAP, map, prctlMmMap.size, 0)
}
