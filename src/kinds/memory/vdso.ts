import { MREMAP } from "../../../ffi/abi/mman.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { Range } from "../../base/units.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { Program } from "../../tracee/program.ts"
import { findHole, overlaps } from "./holes.ts"

/** One special mapping of the new process and where it must go. */
interface Move {
  readonly from: Range
  readonly to: Range
}

/** The kernel's own mappings in a process, by name: vvar, vvar_vclock and whatever comes, and the vdso. */
export const specialMappings = (mappings: readonly Mapping[]): Mapping[] =>
  mappings.filter(({ path }) => path === "[vdso]" || path.startsWith("[vvar"))

/** Ranges that follow one another without a gap as one: images may have [vvar] and [vvar_vclock] apart. */
function joined(ranges: readonly Range[]): Range[] {
  const found: { start: bigint; end: bigint }[] = []
  for (const { start, end } of ranges) {
    const last = found.at(-1)
    if (last?.end === start) last.end = end
    else found.push({ start, end })
  }
  return found
}

/** The kernel's own areas of a saved process, in the order of their addresses. */
export const savedSpecial = (vmas: readonly vma_entry[]): { readonly vvar: Range[]; readonly vdso: Range[] } => ({
  vvar: joined(vmas.filter(({ status }) => status & VMA.VVAR)),
  vdso: joined(vmas.filter(({ status }) => status & VMA.VDSO)),
})

const total = (ranges: readonly Range[]): bigint => ranges.reduce((sum, { start, end }) => sum + end - start, 0n)

/**
 * Where each special mapping of the new process goes so that it stands where the dumped process had it. One of a kind that the images do
 * not have goes nowhere: valgrind unmaps the vdso alone.
 *
 * @returns undefined when the images have none of them
 * @throws CheckpointError E_IMAGE_UNSUPPORTED the images come from a kernel whose vdso has another shape
 */
export function planVdso(vmas: readonly vma_entry[], mappings: readonly Mapping[]): Move[] | undefined {
  const special = specialMappings(mappings)
  const wanted = savedSpecial(vmas)
  if (wanted.vdso.length === 0 && wanted.vvar.length === 0) return undefined
  const moves: Move[] = []
  for (const kind of ["vvar", "vdso"] as const) {
    const have = special.filter(({ path }) => path.startsWith(`[${kind}`))
    const want = wanted[kind]
    const first = want[0]
    if (!first) continue
    if (total(have) !== total(want) || want.length !== 1)
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        "Cannot place the vdso",
        `the images have ${total(want)} bytes of ${kind}, this kernel ${total(have)}`,
        "Restore on a machine with the kernel that the images were made on",
      )
    let at = first.start
    for (const { start, end } of have) {
      moves.push({ from: { start, end }, to: { start: at, end: at + end - start } })
      at += end - start
    }
  }
  return moves
}

/**
 * Whether the kernel's own mappings of the running kernel fit in the places of the dump's, as far as sizes tell: the code finds its data by
 * their distance. What the program has unmapped needs no place.
 */
export function isSameShape(vmas: readonly vma_entry[], mappings: readonly Mapping[]): boolean {
  const { vvar, vdso } = savedSpecial(vmas)
  const special = specialMappings(mappings)
  const have = {
    vvar: joined(special.filter(({ path }) => path !== "[vdso]")),
    vdso: joined(special.filter(({ path }) => path === "[vdso]")),
  }
  const distance = (a: readonly Range[], b: readonly Range[]): bigint | undefined => a[0] && b[0] && b[0].start - a[0].start
  const between = distance(vvar, vdso)
  return (
    (["vvar", "vdso"] as const).every((kind) => {
      const was = { vvar, vdso }[kind]
      return was.length === 0 || (was.length === have[kind].length && total(was) === total(have[kind]))
    }) &&
    (between === undefined || between === distance(have.vvar, have.vdso))
  )
}

/**
 * Appends the moves, one mapping at a time, through a hole where a place is still taken by another of them.
 *
 * @param keep ranges that must not be touched
 * Kernel: mm/mremap.c, arch/x86/entry/vdso/vma.c vdso_mremap()
 */
export function restoreVdso(moves: readonly Move[], keep: readonly Range[], program: Program): void {
  const move = ({ start, end }: Range, to: bigint): void => {
    if (start === to) return
    program.callWith({ about: "the vdso" }, "mremap", start, end - start, end - start, MREMAP.MAYMOVE | MREMAP.FIXED, to)
  }
  const clash = moves.some(({ to }) => moves.some(({ from }) => overlaps(from, to)))
  if (!clash) {
    for (const { from, to } of moves) move(from, to.start)
    return
  }
  const hole = findHole([...keep, ...moves.map(({ from }) => from), ...moves.map(({ to }) => to)], total(moves.map(({ from }) => from)))
  let at = hole.start
  const parked = moves.map(({ from, to }) => {
    const place = { start: at, end: at + from.end - from.start }
    move(from, place.start)
    at = place.end
    return { from: place, to }
  })
  for (const { from, to } of parked) move(from, to.start)
}
