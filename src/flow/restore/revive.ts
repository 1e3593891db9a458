import { closeSync } from "../../../ffi/fs.ts"
import { PAGE } from "../../base/units.ts"
import type { ImageSet } from "../../image/set.ts"
import { shedAttributes } from "../../kinds/attributes/shed.ts"
import type { PreparedCgroups } from "../../kinds/cgroup/place.ts"
import { wantedNumbers } from "../../kinds/files/images.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { memoryFile } from "../../tracee/child.ts"
import { lendCapabilities } from "../../tracee/own-caps.ts"
import { roomForDescriptors } from "../../tracee/own-limit.ts"
import { spawnSeed } from "../../tracee/seed.ts"
import type { Deadline } from "../../tracee/wait.ts"
import { placeProcess } from "../cgroups.ts"
import type { SavedTree } from "../images.ts"
import type { RestoreOptions } from "../options.ts"
import { removeMadeSysvSegments } from "../sysv-segments.ts"
import { gatherInputs, prepareTree, readSeedFacts } from "./build-inputs.ts"
import { countDeparted, shareDeparted } from "./departed.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { suspendFilters, tellOwnFilters } from "./filter-jobs.ts"
import { shareGhosts } from "./ghosts.ts"
import { shareGiven } from "./given.ts"
import { keeperOf } from "./ids.ts"
import { openPagesSource } from "./pages-source.ts"
import { killHalfBuilt } from "./release.ts"
import { holdConnections } from "./restored-connections.ts"
import { runStages, type StageOptions } from "./run-stages.ts"
import { shareTerminals } from "./terminals.ts"

/** What restores: the options, and what they came to on this machine. */
interface ReviveOptions extends StageOptions {
  /** Descriptor of the terminal that the tool runs on; undefined without one. */
  readonly ownTerminal: number | undefined
  /** Group of a shell's job that is in the foreground, see RestoreContext. */
  readonly jobGroup: number | undefined
}

/**
 * True when the root gets a signal at its parent's death, which must not be that of a tool that ends before it. Man page:
 * PR_SET_PDEATHSIG(2const)
 */
const isOrphaned = ({ root }: SavedTree, { detached, sibling }: RestoreOptions): boolean =>
  detached && !sibling && root.threads.some(({ core }) => (core.pdeath_sig ?? 0) !== 0)

/** Where and when the processes come to life. */
interface Birthplace {
  /** Who clones whom. */
  readonly birthPlan: BirthPlan
  /** Until when the first process must exist. */
  readonly deadline: Deadline
  /** What the processes go into; undefined = they stay in the tool's cgroups. */
  readonly cgroups: PreparedCgroups | undefined
}

/**
 * Creates the tree, fills it and lets it go.
 *
 * @returns pages restored   @throws CheckpointError, SyscallError; nothing that was created is left then
 */
export function revive(set: ImageSet, saved: SavedTree, { birthPlan, deadline, cgroups }: Birthplace, options: ReviveOptions): number {
  const { root, processes } = saved
  const { pid } = root.tree
  using scope = new DisposableStack()
  // Of each file of pages, and of each deleted file, the copy that the seed inherits.
  scope.use(roomForDescriptors(processes.length + saved.memfds.length + 2 * root.files.ghosts.size + 2 * countDeparted(root.files)))
  const services = scope.use(new ServiceDescriptors(processes.flatMap(({ files }) => wantedNumbers(files))))
  const source = openPagesSource(services)
  const areaFile = scope.adopt(memoryFile("stasis"), closeSync)
  const areaFd = services.share(areaFile)
  const terminals = scope.use(shareTerminals(root.files, options.ownTerminal, services))
  const connections = scope.use(holdConnections(set, saved, options))
  const ghosts = shareGhosts(root.files, services)
  const given = shareGiven(saved, options.given, services)
  const departed = shareDeparted(root.files, services, deadline)
  const prepared = prepareTree(set, saved, birthPlan, { services, source, areaFd, terminals, ghosts, departed, given })

  // Sets of CRIU do not tell all of it: there it stays as inherited.
  if (processes.some(({ extension }) => extension)) shedAttributes()
  {
    using _lent = lendCapabilities()
    spawnSeed(pid, { sibling: options.sibling, orphan: isOrphaned(saved, options) }, deadline, keeperOf)
  }
  terminals.release()
  using half = new DisposableStack()
  const born = new Set([pid])
  half.defer(() => removeMadeSysvSegments(prepared.context.shm, pid))
  half.defer(() => killHalfBuilt([...born]))
  tellOwnFilters()
  suspendFilters(saved)
  placeProcess(cgroups, pid, saved) // the seed alone: all memory that follows counts for the right cgroup
  const inputs = gatherInputs(saved, prepared, readSeedFacts(pid), options)
  runStages({ ...inputs, set, cgroups, connections }, areaFile, areaFd, born, options)
  half.move()
  let count = 0
  for (const parts of prepared.pages.values()) for (const { fills } of parts) for (const { length } of fills) count += Number(length / PAGE)
  return count
}
