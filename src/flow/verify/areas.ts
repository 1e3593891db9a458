import type { stasis_vma_entry } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { hex } from "../../base/units.ts"
import type { Comparison } from "../../image/compare.ts"
import { isSysv } from "../../kinds/memory/sysv/saved.ts"

/** Areas cut at every border, by where the pieces start. @param borders ascending, those of the areas among them */
function piecesOf(areas: readonly vma_entry[], borders: readonly bigint[]): Map<bigint, vma_entry> {
  const pieces = new Map<bigint, vma_entry>()
  let index = 0
  for (const area of areas.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    while ((borders[index] ?? area.start) < area.start) index++
    for (let at = borders[index]; at !== undefined && at < area.end; at = borders[index]) {
      const end = borders[++index] ?? at
      pieces.set(at, { ...area, start: at, end, pgoff: area.shmid || isSysv(area) ? area.pgoff + at - area.start : 0n })
    }
  }
  return pieces
}

/** What our extension tells of areas, where it is the same of neighbours told once. */
export function joined(areas: readonly stasis_vma_entry[]): stasis_vma_entry[] {
  const joint: stasis_vma_entry[] = []
  for (const area of areas) {
    const last = joint.at(-1)
    if (last?.end === area.start && Bun.deepEquals({ ...last, start: area.start, end: area.end }, area)) last.end = area.end
    else joint.push({ ...area })
  }
  return joint
}

/** Compares areas piece by piece. Which bounds they have between equal neighbours is the kernel's affair. */
export function areaDifferences(
  saved: readonly vma_entry[],
  now: readonly vma_entry[],
  { aliases, complete }: Comparison,
  where: string,
): string[] {
  const mapped = (list: readonly vma_entry[], guards: boolean): vma_entry[] =>
    list.filter(({ status }) => ((status & VMA.GUARD) !== 0) === guards && !(status & VMA.VSYSCALL))
  return [false, true].flatMap((guards) => {
    const [before, after] = [mapped(saved, guards), mapped(now, guards)]
    const borders = [...new Set([...before, ...after].flatMap(({ start, end }) => [start, end]))].sort((a, b) => (a < b ? -1 : 1))
    const [was, is] = [piecesOf(before, borders), piecesOf(after, borders)]
    return borders.flatMap((at) => {
      const [a, b] = [was.get(at), is.get(at)]
      const name = `${where} ${guards ? "guard" : "area"} ${hex(at)}`
      if (!a && !b) return []
      if (!a || !b) return [`${name}-${hex((a ?? b)?.end ?? at)}: ${a ? "is missing" : "was not there"}`]
      // What the kernel's own areas are advised to is its affair, and differs from kernel to kernel.
      const isKernels = ((a.status | b.status) & (VMA.VDSO | VMA.VVAR)) !== 0
      const fields = (
        complete && !isKernels ? ["prot", "pgoff", "flags", "status", "madv"] : isKernels ? ["prot", "status"] : ["prot"]
      ) as readonly (keyof vma_entry)[]
      const texts = fields.flatMap((field) =>
        (a[field] ?? 0n) === (b[field] ?? 0n) ? [] : [`${name} ${field}: was ${a[field]}, is ${b[field]}`],
      )
      if (isSysv(a)) return [...texts, ...(a.shmid === b.shmid && a.fdflags === b.fdflags ? [] : [`${name}: another segment or access`])]
      const file = complete && a.shmid && b.shmid && !aliases.unite("file", a.shmid, b.shmid) ? [`${name}: another file`] : []
      return [...texts, ...file]
    })
  })
}
