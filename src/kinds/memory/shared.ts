import { AT, F, F_SEAL_SEAL, MFD_ALLOW_SEALING, MFD_HUGETLB, O, S_IF, SEEK } from "../../../ffi/abi/file.ts"
import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { closeSync, fstatSync, openSync } from "../../../ffi/fs.ts"
import { attempt, errnoName, SyscallError } from "../../../ffi/syscall.ts"
import type { memfd_inode_entry } from "../../../proto/gen/memfd_pb.ts"
import { PE } from "../../../proto/values.ts"
import { hex, PAGE, PAGE_SIZE, pageUp } from "../../base/units.ts"
import { mapLink } from "../../proc/maps.ts"
import type { Program, Result } from "../../tracee/program.ts"
import { HUGE_ANONYMOUS } from "./huge/mapping.ts"
import { isHugeSegment, type Making, restoreHugeSegment } from "./huge/restore.ts"
import { hugePageSize, hugeRanges } from "./huge-data.ts"
import { namedSize, sizeBits } from "./huge-size.ts"
import { restoreOwner } from "./owner.ts"
import type { PageRange } from "./pages.ts"
import type { PagesToRead } from "./restore.ts"
import { ANONYMOUS } from "./shmem.ts"
import { extentOf, type SegmentSource, unionOf, type Window } from "./windows.ts"

/** Name of the memfd that stands for memory without a name where it cannot be opened. */
const STAND_IN = "dev/zero"

/** Shared memory without a System V ID, found through a mapping or a descriptor. */
export interface SharedMemory {
  readonly inode: memfd_inode_entry
  /** Parts that hold data: offsets in it, bytes. */
  readonly ranges: PageRange[]
  readonly source: SegmentSource
}

/** Data of a file between its holes, whole pages. @param size bytes   @throws SyscallError. Man page: lseek(2). */
export function dataRanges(fd: number, size: number): PageRange[] {
  const ranges: PageRange[] = []
  for (let at = 0; at < size; ) {
    const start = attempt("lseek", fd, at, SEEK.DATA)
    if (start < 0) {
      if (errnoName(-start) === "ENXIO") break
      throw new SyscallError("lseek", errnoName(-start), [fd, at, SEEK.DATA])
    }
    at = attempt("lseek", fd, start, SEEK.HOLE)
    ranges.push({ start: BigInt(start), end: pageUp(BigInt(at)), flags: PE.PRESENT })
  }
  return ranges
}

/**
 * Shared anonymous memory or a memfd -> its inode entry and where its data is. Mirror: restoreSharedMemory.
 *
 * @param path link to it in /proc, of a mapping or a descriptor   @param shown what the link says, without " (deleted)"
 * Precondition: the process is stopped. Kernel: mm/shmem.c. Needs CAP_CHECKPOINT_RESTORE for /proc/PID/map_files.
 */
export function collectSharedMemory(path: string, shown: string, inodeId: number): SharedMemory {
  const fd = openSync(path, "r")
  try {
    const { ino, size, uid, gid, mode } = fstatSync(fd)
    const seals = attempt("fcntl", fd, F.GET_SEALS)
    const pageSize = hugePageSize(fd)
    const inode = {
      ...{ name: nameOf(shown, pageSize), uid, gid, size: BigInt(size), shmid: ino },
      ...{ seals: seals < 0 ? 0 : seals, inode_id: BigInt(inodeId), mode },
      ...(pageSize ? { hugetlb_flag: MFD_HUGETLB | sizeBits(pageSize) } : {}),
    }
    return { inode, ranges: pageSize ? hugeRanges(fd, size, pageSize) : dataRanges(fd, size), source: path }
  } finally {
    closeSync(fd)
  }
}

const nameOf = (shown: string, hugePages: bigint | undefined): string =>
  shown.startsWith("/memfd:") ? shown.slice("/memfd:".length) : hugePages ? HUGE_ANONYMOUS : ANONYMOUS

/** Permissions of memory without a name. Kernel: mm/shmem.c */
const OPEN_TO_ALL = S_IF.REG | 0o777

/**
 * The same of shared memory whose link may not be followed and that nobody has open: as much of it as is mapped.
 *
 * Lost: what lies behind the last mapping of it, and the seals of a memfd, which nobody could see again.
 *
 * @param ino its inode number   @param owner of the processes that have it
 */
export function collectWindowed(
  windows: readonly Window[],
  shown: string,
  ino: bigint,
  owner: { readonly uid: number; readonly gid: number },
  inodeId: number,
): SharedMemory {
  const facts = { size: extentOf(windows), shmid: Number(ino), seals: F_SEAL_SEAL, inode_id: BigInt(inodeId), mode: OPEN_TO_ALL }
  return {
    inode: { name: nameOf(shown, undefined), ...owner, ...facts },
    ranges: unionOf(windows.flatMap(({ ranges }) => ranges)),
    source: windows,
  }
}

/**
 * Appends the making of shared memory; the result is its descriptor. Mirror: collectSharedMemory. Seals: `sealSharedMemory`.
 *
 * Shared anonymous memory is made as such and opened through /proc/self/map_files, so that its mappings look as before; a memfd by
 * memfd_create.
 */
export function restoreSharedMemory(inode: memfd_inode_entry, pages: PagesToRead, making: Making, program: Program): Result {
  if (isHugeSegment(inode)) return restoreHugeSegment(inode, pages, making, program)
  const { hole, unreserved = false, mayFollow = true } = making
  const { name, size, seals } = inode
  const about = `shared memory ${inode.inode_id}`
  let fd: Result
  if (name === ANONYMOUS && size > 0n && mayFollow) {
    const length = pageUp(size)
    const flags = MAP.SHARED | MAP.ANONYMOUS | MAP.FIXED_NOREPLACE | (unreserved ? MAP.NORESERVE : 0)
    program.callWith({ about }, "mmap", hole, length, PROT.READ | PROT.WRITE, flags, -1, 0)
    const link = program.string(mapLink("self", { start: hole, end: hole + length }))
    fd = program.callWith({ about }, "openat", AT.FDCWD, link, O.RDWR)
    program.call("munmap", hole, length)
  } else {
    fd = program.callWith(
      { about },
      "memfd_create",
      program.string(name === ANONYMOUS ? STAND_IN : name),
      seals === F_SEAL_SEAL ? 0 : MFD_ALLOW_SEALING,
    )
    program.callWith({ about }, "ftruncate", fd, size)
  }
  restoreOwner(inode, fd, program)
  for (const { start, length: whole, offset } of pages.fills) {
    // Pages are stored whole; a write past the end would make the memory longer.
    const length = start + whole > size ? size - start : whole
    program.call("lseek", fd, start, 0)
    const from = program.bytes(new Uint8Array(new BigUint64Array([offset]).buffer))
    program.callWith({ about: `${about} at ${hex(start)}`, returns: length }, "sendfile", fd, pages.fd, from, length)
  }
  return fd
}

/** Appends the sealing of a memfd: when all is mapped, for areas that were mapped before a seal may do what it forbids others. */
export function sealSharedMemory({ inode_id, seals }: memfd_inode_entry, fd: number, program: Program): void {
  if (seals && seals !== F_SEAL_SEAL) program.callWith({ about: `the seals of shared memory ${inode_id}` }, "fcntl", fd, F.ADD_SEALS, seals)
}

/**
 * Gives another number to shared memory whose own is taken: System V segments have their ids as numbers, and their pages stand in images of
 * the same kind.
 */
export function numberApart(memories: readonly SharedMemory[], taken: ReadonlySet<number>): SharedMemory[] {
  const used = new Set([...taken, ...memories.map(({ inode }) => inode.shmid)])
  let last = 0
  return memories.map((memory) => {
    if (!taken.has(memory.inode.shmid)) return memory
    while (used.has(++last));
    return { ...memory, inode: { ...memory.inode, shmid: last } }
  })
}

/** Where the shared memory of a restore has room, one after the other: bytes, with a page behind, and what its start is a multiple of. */
export function holeFor(inodes: readonly memfd_inode_entry[]): { size: bigint; unit: bigint } {
  const units = inodes.map((inode) => (isHugeSegment(inode) ? namedSize(inode.hugetlb_flag ?? 0) : PAGE))
  const unit = units.reduce((largest, one) => (one > largest ? one : largest), PAGE)
  return { size: inodes.reduce((largest, { size }) => (pageUp(size) > largest ? pageUp(size) : largest), BigInt(PAGE_SIZE)) + PAGE, unit }
}
