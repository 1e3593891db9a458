import { AT, O } from "../../../../ffi/abi/file.ts"
import { IPC, SHM, shmidDs } from "../../../../ffi/abi/ipc.ts"
import { MADV, MAP, MREMAP, PROT } from "../../../../ffi/abi/mman.ts"
import { PR } from "../../../../ffi/abi/prctl.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { vma_entry } from "../../../../proto/gen/vma_pb.ts"
import { damagedImage } from "../../../base/errors.ts"
import { hex, PAGE, type Range, roundUp } from "../../../base/units.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { overlaps, without } from "../holes.ts"
import { isHuge, sizeBits } from "../huge-size.ts"
import { type Fill, restorePages } from "../restore.ts"
import { isSysv } from "./saved.ts"

/** What becomes of a segment: it is made anew, or it is still there and gets the content of the images. */
export interface PlannedShm {
  readonly id: number
  /** The key that it is made with. */
  readonly key: number
  readonly size: bigint
  /** Bytes of its pages. */
  readonly pageSize: bigint
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly cuid: number
  readonly cgid: number
  readonly way: "make" | "fill"
  /** Segments that were there before. */
  readonly known: ReadonlySet<number>
}

/** The ID that the next segment gets: needs CAP_CHECKPOINT_RESTORE. Documentation/admin-guide/sysctl/kernel.rst */
export const NEXT_ID = "/proc/sys/kernel/shm_next_id"
const UNCHANGED = -1

type Sized = Pick<PlannedShm, "size" | "pageSize">

/** Bytes that an attachment of the whole segment has. */
const lengthOf = ({ size, pageSize }: Sized): bigint => roundUp(size, pageSize)

/** Addresses that all segments of a restore take, each with a page between: bytes, and what their start is a multiple of. */
export function roomFor(planned: readonly Sized[]): { size: bigint; unit: bigint } {
  const size = planned.reduce((at, one) => roundUp(at, one.pageSize) + lengthOf(one) + PAGE, PAGE)
  return { size, unit: planned.reduce((largest, { pageSize }) => (pageSize > largest ? pageSize : largest), PAGE) }
}

/** Bytes that an attachment of each segment has, by its ID. */
export const attachedLengths = (planned: readonly PlannedShm[]): ReadonlyMap<number, bigint> =>
  new Map(planned.map((one) => [one.id, lengthOf(one)]))

/** Appends the making of a segment with its ID, key, owners and mode. @param self IDs that the maker has, and has again afterwards */
function makeShm(one: PlannedShm, self: { readonly uid: number; readonly gid: number }, program: Program): Argument {
  const { id, key, size, pageSize, mode, uid, gid, cuid, cgid } = one
  const about = `System V segment ${id}`
  const text = new TextEncoder().encode(`${id}`)
  const file = program.callWith({ about }, "openat", AT.FDCWD, program.string(NEXT_ID), O.WRONLY)
  program.callWith({ about }, "write", file, program.bytes(text), text.length)
  program.call("close", file)
  const asCreator = cuid !== self.uid || cgid !== self.gid
  if (asCreator) {
    program.callWith({ about }, "setresgid", UNCHANGED, cgid, UNCHANGED)
    program.callWith({ about }, "setresuid", UNCHANGED, cuid, UNCHANGED)
  }
  const pages = pageSize === PAGE ? 0 : SHM.HUGETLB | sizeBits(pageSize)
  const made = program.callWith({ about }, "shmget", key, size, IPC.CREAT | IPC.EXCL | pages | (mode & 0o777))
  if (asCreator) {
    program.callWith({ about }, "setresuid", UNCHANGED, self.uid, UNCHANGED)
    program.callWith({ about }, "setresgid", UNCHANGED, self.gid, UNCHANGED)
    // Other IDs take it away. Kernel: kernel/cred.c commit_creds()
    program.call("prctl", PR.SET_DUMPABLE, 1, 0, 0, 0)
  }
  if (uid !== cuid || gid !== cgid)
    program.callWith({ about }, "shmctl", made, IPC.SET, program.bytes(encode(shmidDs, { uid, gid, mode: mode & 0o777 })))
  if (mode & SHM.LOCKED) program.callWith({ about }, "shmctl", made, SHM.LOCK, 0)
  return made
}

function checkBounds(one: PlannedShm, end: bigint): void {
  if (end <= lengthOf(one)) return
  const { id, size } = one
  const found = `pagemap-shmem-${id}.img has pages up to ${end}, beyond its ${size} bytes`
  throw damagedImage(`Cannot restore System V segment ${id}`, found)
}

/**
 * Appends, in the first process, the making and filling of all segments; they stay attached to it until it empties its address space. One
 * that was removed is removed as soon as it is attached, so that it goes with the tree whatever happens. Mirror: ./collect.ts
 *
 * @param pagesOf where the content of a segment stands
 * @param hole where nothing else is, `roomFor` bytes
 * Kernel: ipc/shm.c do_shmat(), which attaches what was removed as well
 */
export function restoreShm(
  planned: readonly PlannedShm[],
  self: { readonly uid: number; readonly gid: number },
  pagesOf: (id: number) => { readonly fd: number; readonly fills: readonly Fill[] } | undefined,
  hole: bigint,
  program: Program,
): void {
  let at = hole
  for (const one of planned) {
    const about = `System V segment ${one.id}`
    at = roundUp(at, one.pageSize)
    const id = one.way === "make" ? makeShm(one, self, program) : one.id
    program.callWith({ about }, "shmat", id, at, 0)
    // What is there is of a later time than the images, or of an earlier one.
    if (one.way === "fill") program.callWith({ about }, "madvise", at, lengthOf(one), MADV.REMOVE)
    const pages = pagesOf(one.id)
    const base = at
    for (const { start, length } of pages?.fills ?? []) checkBounds(one, start + length)
    if (pages)
      restorePages(
        pages.fills.map(({ start, ...fill }) => ({ ...fill, start: start + base })),
        pages.fd,
        program,
      )
    if (one.way === "make" && one.mode & SHM.DEST) program.callWith({ about }, "shmctl", id, IPC.RMID, 0)
    at += lengthOf(one) + PAGE
  }
}

/** Areas of one attachment: they have their segment, its first address and their access in common. */
function attachmentsOf(vmas: readonly vma_entry[]): vma_entry[][] {
  const keyOf = ({ start, pgoff, shmid, fdflags }: vma_entry): string => `${shmid} ${start - pgoff} ${fdflags}`
  return [...Map.groupBy(vmas.filter(isSysv), keyOf).values()]
}

/** Whether areas are the whole segment, without a gap. */
function isWhole(areas: readonly vma_entry[], length: bigint): boolean {
  let at = 0n
  for (const { start, end, pgoff } of areas) {
    if (pgoff !== at) return false
    at += end - start
  }
  return at === length
}

/**
 * Appends the attachment of a segment at its place, and what had been cut out of it. Huge pages: they cannot be moved before Linux 5.16.
 *
 * @param whole bounds of the uncut attachment
 */
function attachCut(id: number, areas: readonly vma_entry[], whole: Range, access: number, program: Program): void {
  program.callWith({ about: `System V segment ${id} at ${hex(whole.start)}` }, "shmat", id, whole.start, access)
  for (const { start, end } of without(whole, areas)) program.call("munmap", start, end - start)
}

/**
 * Appends the attachments of a process, with their final protection. What was cut out of an attachment, or moved, is attached elsewhere
 * first and moved into its place: so shmdt(2) finds all of its parts.
 *
 * @param lengths of the segments' whole attachments, bytes   @param hole where nothing else is, as large as the largest
 * Kernel: ipc/shm.c ksys_shmdt(), which takes what has one file and the right offset
 */
export function restoreAttachments(vmas: readonly vma_entry[], lengths: ReadonlyMap<number, bigint>, hole: bigint, program: Program): void {
  for (const areas of attachmentsOf(vmas)) {
    const [first] = areas
    if (!first) continue
    const id = Number(first.shmid)
    const length = lengths.get(id)
    if (length === undefined) throw new Error(`Unreachable: segment ${id} was not checked`)
    const about = `System V segment ${id} at ${hex(first.start)}`
    const isReadOnly = first.fdflags === 0
    const access = isReadOnly ? SHM.RDONLY : 0
    const uncut = { start: first.start - first.pgoff, end: first.start - first.pgoff + length }
    const isAlone = isHuge(first) && !vmas.some((vma) => !areas.includes(vma) && overlaps(vma, uncut))
    const whole = isAlone || isWhole(areas, length)
    if (isAlone) attachCut(id, areas, uncut, access, program)
    else program.callWith({ about }, "shmat", id, whole ? first.start : hole, access)
    for (const { start, end, pgoff, prot } of areas) {
      if (!whole) {
        const room = length - pgoff
        const old = room < end - start ? room : end - start
        // MREMAP_FIXED would take what is there: so nothing may be.
        const free = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE
        program.callWith({ about }, "mmap", start, end - start, PROT.NONE, free, -1, 0)
        program.callWith({ about }, "mremap", hole + pgoff, old, end - start, MREMAP.MAYMOVE | MREMAP.FIXED, start)
      }
      const given = PROT.READ | (isReadOnly ? 0 : PROT.WRITE)
      if (prot !== given) program.callWith({ about }, "mprotect", start, end - start, prot)
    }
    if (!whole) program.call("munmap", hole, length)
  }
}
