import type { Inheritance } from "../../kinds/memory/inherit.ts"
import type { PagesToRead } from "../../kinds/memory/restore.ts"
import { planVdso, specialMappings } from "../../kinds/memory/vdso.ts"
import { type BirthPlan, bornFrom, clonersOf, earlyTasks, type TaskId } from "../../kinds/tree/plan.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { SavedTree } from "../images.ts"
import type { ProcessPlan, Share } from "./restore-context.ts"

/** What the plans of the processes of a tree are made from. */
interface PlanSources {
  readonly saved: SavedTree
  readonly birthPlan: BirthPlan
  /** Of the seed. */
  readonly mappings: readonly Mapping[]
  readonly shares: ReadonlyMap<number, Share>
  readonly inheritances: ReadonlyMap<number, Inheritance>
  readonly pages: ReadonlyMap<number, readonly PagesToRead[]>
  readonly aioRings: ReadonlyMap<number, ProcessPlan["aioRings"]>
  readonly keyring: ProcessPlan["keyring"]
}

/**
 * What each process is made from. A process whose children inherit memory makes its own before it clones them, and then all its children
 * begin with its layout; the others begin with the seed's.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED the vdso of the images has another shape
 */
export function planProcesses({
  saved: { processes },
  birthPlan,
  mappings,
  shares,
  inheritances,
  pages,
  aioRings,
  keyring,
}: PlanSources): Map<number, ProcessPlan> {
  const cloners = clonersOf(birthPlan)
  const early = earlyTasks(inheritances.keys(), cloners)
  const ofSeed = specialMappings(mappings)
  const byPid = new Map(processes.map((one) => [one.tree.pid, one]))
  const found = new Map<TaskId, readonly Mapping[]>()

  /** The special mappings of a task when its children are born: where it has moved them if it has its memory by then. */
  function specialOf(task: TaskId | undefined): readonly Mapping[] {
    if (task === undefined) return ofSeed
    const known = found.get(task)
    if (known) return known
    const before = specialOf(cloners.get(task))
    const one = early.has(task) ? byPid.get(task) : undefined
    const moves = one && (planVdso(one.mm.vmas, before) ?? [])
    const after = before.flatMap((mapping) => {
      if (!moves) return [mapping]
      // What does not move is unmapped.
      const to = moves.find(({ from }) => from.start === mapping.start)?.to
      return to ? [{ ...mapping, start: to.start, end: to.end }] : []
    })
    found.set(task, after)
    return after
  }

  return new Map(
    processes.map(({ tree: { pid }, mm }) => {
      // Its executable and its protection keys are what this one is born with.
      const parent = byPid.get(bornFrom(pid, cloners, early) ?? 0)
      const makes = shares.get(pid) ?? { memory: true, files: true, directories: true, handlers: true }
      const plan: ProcessPlan = {
        pages: pages.get(pid) ?? [],
        moves: planVdso(mm.vmas, specialOf(cloners.get(pid))) ?? [],
        makes,
        aioRings: aioRings.get(pid) ?? [],
        inherited: inheritances.get(pid),
        early: early.has(pid),
        exeAtBirth: parent?.mm.exe_file_id,
        keysAtBirth: parent?.extension ?? {},
        keyring,
      }
      return [pid, plan]
    }),
  )
}
