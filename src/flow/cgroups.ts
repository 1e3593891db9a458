import { readFileSync } from "../../ffi/fs.ts"
import { CheckpointError, type Refusal } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import type { ImageSet } from "../image/set.ts"
import { type CgroupSaving, type CollectedCgroups, collectCgroups, OWN_SET } from "../kinds/cgroup/collect.ts"
import type { FrozenCgroup } from "../kinds/cgroup/freezer.ts"
import { findHierarchies } from "../kinds/cgroup/hierarchy.ts"
import { type PreparedCgroups, prepareCgroups } from "../kinds/cgroup/place.ts"
import { type CgroupFacts, type CgroupPlan, planCgroups } from "../kinds/cgroup/restore.ts"
import { parseProperties } from "../kinds/cgroup/spec.ts"
import { frozenDirectory, saidOnce, shownAs, surveyCgroups } from "../kinds/cgroup/survey.ts"
import { readCgroupsIfAlive } from "../proc/cgroup.ts"
import { readMountinfo } from "../proc/mountinfo.ts"
import type { SavedProcess, SavedThread, SavedTree } from "./images.ts"
import type { CgroupOptions, DumpOptions } from "./options.ts"

const log = logger("cgroup")

/** What a dump knows of cgroups before the freeze. */
export interface CgroupSurvey extends CgroupFacts {
  readonly saving: Omit<CgroupSaving, "instead">
}

const readCgroupFacts = (): CgroupFacts => {
  // A kernel without CONFIG_CGROUPS has no such file, and as long as nobody has mounted a hierarchy it is empty: then nobody is in any.
  const own = readCgroupsIfAlive(process.pid) ?? []
  return { own, hierarchies: findHierarchies(own, readMountinfo(process.pid)) }
}

/** Reads the options of a dump and where the hierarchies are mounted. @throws CheckpointError E_USAGE · E_IO */
export function prepareSaving({
  cgroupProps,
  cgroupPropsFiles,
  cgroupRoots,
  cgroupDumpControllers,
}: Pick<DumpOptions, "cgroupProps" | "cgroupPropsFiles" | "cgroupRoots" | "cgroupDumpControllers">): CgroupSurvey {
  const texts = [...cgroupProps, ...cgroupPropsFiles.map(readText)]
  return { ...readCgroupFacts(), saving: { rules: texts.flatMap(parseProperties), roots: cgroupRoots, only: cgroupDumpControllers } }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new CheckpointError("E_IO", `Cannot read ${path}`, "the file cannot be read", "Name another --cgroup-props-file", error)
  }
}

/** Refuses cgroups that a dump cannot keep, or in which nothing can be run. */
export const surveyProcessCgroups = (
  pid: number,
  tids: readonly number[],
  { hierarchies }: CgroupFacts,
  { freezeCgroup, manageCgroups }: Pick<DumpOptions, "freezeCgroup" | "manageCgroups">,
): Refusal[] =>
  manageCgroups === "ignore"
    ? []
    : saidOnce(
        pid,
        tids.flatMap((tid) => surveyCgroups(tid, readCgroupsIfAlive(pid, tid) ?? [], hierarchies, freezeCgroup !== undefined)),
      )

/** @throws CheckpointError E_UNSUPPORTED a process is in a frozen cgroup, where no thread of it can be stopped */
export function checkThawed(pid: number, action: string): void {
  const { hierarchies } = readCgroupFacts()
  const frozen = readCgroupsIfAlive(pid)?.find((membership) => frozenDirectory(membership, hierarchies))
  if (frozen) throw new CheckpointError("E_UNSUPPORTED", action, `it is in the frozen cgroup ${shownAs(frozen)}`, "Thaw it")
}

/** Reads the cgroups of stopped processes. @param frozen the cgroup that this dump froze, whose switch is saved as it was found */
export function saveCgroups(
  processes: readonly { readonly pid: number; readonly threads: readonly { readonly tid: number }[] }[],
  { own, hierarchies, saving }: CgroupSurvey,
  frozen: FrozenCgroup | undefined,
  { manageCgroups }: DumpOptions,
): CollectedCgroups {
  if (manageCgroups === "ignore" || own.length === 0) return { setOf: () => OWN_SET, entry: () => undefined }
  const instead = new Map(frozen ? [[frozen.file, frozen.found] as const] : [])
  const tasks = processes.map(({ pid, threads }) => ({ pid, tids: threads.map(({ tid }) => tid) }))
  return collectCgroups(tasks, own, hierarchies, { ...saving, instead })
}

/** Set of a thread: its own, or its process's in images that have no other. */
const setOf = ({ core }: SavedThread, { tc, threads }: SavedProcess): number | undefined =>
  core.cg_set ?? threads[0]?.core.cg_set ?? tc.cg_set

/**
 * Plans the cgroups of saved processes, the root's first. Undefined when there are none, or they are ignored. Creates nothing.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT · E_RESTORE
 */
export function planOwnCgroups(
  set: ImageSet,
  { root, processes }: SavedTree,
  { manageCgroups, cgroupRoots }: CgroupOptions,
): CgroupPlan | undefined {
  if (manageCgroups === "ignore") return undefined
  const [entry] = set.optional("cgroup")
  const ownSet = set.inventory.root_cg_set ?? OWN_SET
  const wanted = new Set(processes.flatMap((saved) => saved.threads.map((thread) => setOf(thread, saved) ?? ownSet)))
  if (!entry) {
    if (cgroupRoots.length > 0)
      log.warn("--cgroup-root does nothing: the images hold no cgroups, all tasks were where the dumping tool was")
    const [stray] = [...wanted].filter((id) => id !== ownSet && id !== 0)
    if (stray === undefined) return undefined
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      "Cannot restore the cgroups",
      `cgroup set ${stray} is used and there is no cgroup.img`,
      "Dump the program again, or restore with --manage-cgroups=ignore",
    )
  }
  const rootSet = leaderSet(root) ?? ownSet
  return planCgroups(entry, { rootSet, wanted, ownSet }, cgroupRoots, readCgroupFacts())
}

/** Makes the cgroups of `planOwnCgroups` ready. @throws CheckpointError E_IMAGE_CORRUPT · E_RESTORE: nothing is left then */
export function openCgroups(set: ImageSet, saved: SavedTree, options: CgroupOptions): PreparedCgroups | undefined {
  const plan = planOwnCgroups(set, saved, options)
  return plan && prepareCgroups(plan, options.manageCgroups)
}

const leaderSet = (saved: SavedProcess): number | undefined => saved.threads[0] && setOf(saved.threads[0], saved)

/** Moves a process that is only born; what it makes is born where it is. PIDs that are no saved process's are helpers, which stay. */
export function placeProcess(cgroups: PreparedCgroups | undefined, pid: number, { root, processes }: SavedTree): void {
  if (cgroups?.uniform && pid !== root.tree.pid) return
  const saved = processes.find(({ tree }) => tree.pid === pid)
  const set = saved && leaderSet(saved)
  if (cgroups && set !== undefined) cgroups.placeProcess(pid, set)
}

/** Moves the threads whose set is not their leader's, once they exist. */
export function placeThreads(cgroups: PreparedCgroups | undefined, { processes }: SavedTree): void {
  for (const saved of processes)
    for (const thread of saved.threads) {
      const set = setOf(thread, saved)
      if (cgroups && set !== undefined && set !== leaderSet(saved)) cgroups.placeThread(thread.tid, set)
    }
}
