import { MAP } from "../../../ffi/abi/mman.ts"
import { VMA } from "../../../proto/values.ts"
import { PAGE, type Range, roundUp } from "../../base/units.ts"
import type { ImageSet } from "../../image/set.ts"
import { type HugeProcess, type HugeSegment, neededPages } from "../../kinds/memory/huge/need.ts"
import { hugeShortage, readPools } from "../../kinds/memory/huge/pool.ts"
import { isHugeSegment } from "../../kinds/memory/huge/restore.ts"
import { isHuge } from "../../kinds/memory/huge-size.ts"
import { planShm } from "../../kinds/memory/sysv/check.ts"
import { shmPageSize } from "../../kinds/memory/sysv/saved.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { readShm } from "../../proc/sysvipc.ts"
import type { SavedProcess, SavedTree } from "../images.ts"
import { kernelAreas } from "../kernel-areas.ts"
import { readFills } from "../read-pages.ts"
import { sharesOf } from "./birth.ts"
import { type Fills, planInheritances, withoutInherited } from "./inherit.ts"

const rangesOf = (fills: Fills): Range[] => [...fills.values()].flat().map(({ start, length }) => ({ start, end: start + length }))

/** Processes that make memory of their own, with what is read into it. */
function hugeProcesses(set: ImageSet, saved: SavedTree, birthPlan: BirthPlan): HugeProcess[] {
  const shares = sharesOf(saved.processes)
  const own = saved.processes.filter(({ tree: { pid } }) => shares.get(pid)?.memory)
  const fills = new Map(own.map((one) => [one.tree.pid, readFills(set, "pagemap", one.tree.pid, kernelAreas(one))] as const))
  const inheritances = planInheritances(saved, birthPlan, fills)
  return own.map(({ tree: { pid }, mm: { vmas } }) => {
    const inherited = inheritances.get(pid)
    return { vmas, inherited, filled: rangesOf(withoutInherited(fills.get(pid) ?? new Map(), inherited)) }
  })
}

/** Parts of a segment that an area of some process asks a promise for. */
const promisedParts = (processes: readonly SavedProcess[], inodeId: bigint): Range[] =>
  processes.flatMap(({ mm, files: { files } }) =>
    mm.vmas
      .filter(({ status, flags }) => status & VMA.FILE_SHARED && !(flags & MAP.NORESERVE))
      .filter(({ shmid }) => BigInt(files.get(Number(shmid))?.memfd?.inode_id ?? -1) === inodeId)
      .map(({ start, end, pgoff }) => ({ start: pgoff, end: pgoff + end - start })),
  )

const storedParts = (set: ImageSet, shmid: number): Range[] =>
  set.has("pagemap-shmem", shmid) ? rangesOf(readFills(set, "pagemap-shmem", shmid)) : []

function hugeSegments(set: ImageSet, { processes, memfds, shm, root }: SavedTree): HugeSegment[] {
  const sysv = shm.filter(({ entry }) => shmPageSize(entry) !== PAGE)
  // One that is still there has its pages, or the promise of them.
  const made = sysv.length > 0 ? planShm(sysv, readShm(), root.tree.pid).filter(({ way }) => way === "make") : []
  const flagsOf = new Map(sysv.map(({ entry }) => [entry.desc.id, entry.hugetlb_flag ?? 0]))
  return [
    ...memfds.filter(isHugeSegment).map(({ shmid, inode_id, hugetlb_flag = 0 }) => ({
      flags: hugetlb_flag,
      parts: [...storedParts(set, shmid), ...promisedParts(processes, inode_id)],
    })),
    ...made.map(({ id, size, pageSize }) => ({ flags: flagsOf.get(id) ?? 0, parts: [{ start: 0n, end: roundUp(size, pageSize) }] })),
  ]
}

/**
 * Checks that this machine has the huge pages that a tree needs, those included that are promised to its areas.
 *
 * @throws CheckpointError E_KERNEL too few of a size · those of images and of System V segments
 */
export function checkHugePages(set: ImageSet, saved: SavedTree, birthPlan: BirthPlan): void {
  const hasAreas = saved.processes.some(({ mm }) => mm.vmas.some(isHuge))
  const segments = hugeSegments(set, saved)
  if (!hasAreas && segments.length === 0) return
  const pools = readPools()
  const [shortage] = pools ? hugeShortage(neededPages(hasAreas ? hugeProcesses(set, saved, birthPlan) : [], segments), pools) : []
  if (shortage) throw shortage
}
