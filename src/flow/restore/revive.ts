import { closeSync } from "../../../ffi/fs.ts"
import { syscall } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import { PAGE } from "../../base/units.ts"
import type { ImageSet } from "../../image/set.ts"
import { applyFromOutside } from "../../kinds/attributes/from-outside.ts"
import { shedAttributes } from "../../kinds/attributes/shed.ts"
import type { PreparedCgroups } from "../../kinds/cgroup/place.ts"
import { hasOwnClocks } from "../../kinds/clocks/restore.ts"
import type { GivenFd } from "../../kinds/files/external.ts"
import { wantedNumbers } from "../../kinds/files/images.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { savedRseq } from "../../rseq/image.ts"
import { clearArea } from "../../rseq/register.ts"
import { memoryFile } from "../../tracee/child.ts"
import { lendCapabilities } from "../../tracee/own-caps.ts"
import { roomForDescriptors } from "../../tracee/own-limit.ts"
import { spawnSeed } from "../../tracee/seed.ts"
import { type Job, openStubArea, type StubArea, stubAreaSize, viewArea } from "../../tracee/stub-area.ts"
import { type Deadline, patienceOf } from "../../tracee/wait.ts"
import { placeProcess, placeThreads } from "../cgroups.ts"
import type { SavedProcess, SavedTree } from "../images.ts"
import type { RestoreOptions } from "../options.ts"
import { runScripts } from "../scripts.ts"
import { holdSysvSegments, removeMadeSysvSegments } from "../sysv-segments.ts"
import type { verifyTree } from "../verify/verify.ts"
import { type BuildInputs, gatherInputs, prepareTree, readSeedFacts } from "./build-inputs.ts"
import { checkCreds } from "./credentials.ts"
import { countDeparted, shareDeparted } from "./departed.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { restoreHashes, suspendFilters, tellOwnFilters } from "./filter-jobs.ts"
import { shareGhosts } from "./ghosts.ts"
import { shareGiven } from "./given.ts"
import { keeperOf } from "./ids.ts"
import { openPagesSource } from "./pages-source.ts"
import { depart, killHalfBuilt, prepareDepartures, settleThreads } from "./release.ts"
import { holdConnections, type RestoredConnections } from "./restored-connections.ts"
import { inOrder, layStages, processPlanOf, realise, type Stage } from "./stages.ts"
import { runStops } from "./stops.ts"
import { freeStubSignal } from "./stub-signal.ts"
import { shareTerminals } from "./terminals.ts"
import { restoreWatches } from "./watches.ts"

const log = logger("restore")

/** What restores: the options, and with --verify what verifies, which loads the whole of the dump. */
interface ReviveOptions extends RestoreOptions {
  readonly verifier: typeof verifyTree | undefined
  /** What descriptors of ours stand for, by file id. */
  readonly given: ReadonlyMap<number, GivenFd>
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

/**
 * Creates the tree, fills it and lets it go.
 *
 * @param deadline until which the first process must exist   @param cgroups that its processes go into; undefined = they stay in the tool's
 * @returns pages restored
 * @throws CheckpointError, SyscallError; nothing that was created is left then
 */
export function revive(
  set: ImageSet,
  saved: SavedTree,
  birthPlan: BirthPlan,
  options: ReviveOptions,
  deadline: Deadline,
  cgroups: PreparedCgroups | undefined,
): number {
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

/** Compiles the programs, has them run one after the other, and lets the tree go. */
function runStages(
  inputs: BuildInputs & {
    readonly set: ImageSet
    readonly cgroups: PreparedCgroups | undefined
    readonly connections: RestoredConnections
  },
  areaFile: number,
  areaFd: number,
  born: Set<number>,
  options: ReviveOptions,
): void {
  const { saved, set, context, processPlans, cgroups } = inputs
  const { actionScripts, imagesDir } = options
  const { pid } = saved.root.tree
  const script = { imagesDir, initPid: pid }
  const stages = layStages(inputs)
  // All are built before the first runs: building may refuse what the images want.
  const built = new Map(inOrder(stages).map((stage) => [stage, realise(stage)]))
  log.debug(`the programs have ${[...built.values()].flat().reduce((sum, { program }) => sum + program.length, 0)} calls`)
  const size = Math.max(...[...built.values()].map((jobs) => stubAreaSize(jobs.map(({ program }) => program))))
  syscall("ftruncate", areaFile, size)
  using view = viewArea(areaFile, size)
  const stubArea = openStubArea(pid, areaFd, view, context.area.start, freeStubSignal(saved), patienceOf(0))
  const run = (stage: Stage): readonly Job[] => {
    const jobs = built.get(stage) ?? []
    stubArea.run(jobs)
    return jobs
  }
  run(stages.root)
  using held = holdSysvSegments(context.shm, pid)
  const goOn = saved.clocks !== undefined && hasOwnClocks(pid)
  if (context.clocks.goOn !== goOn) {
    // What was built with moments of these clocks in it, as absolute timerfds are, is built again.
    context.clocks.goOn = goOn
    for (const stage of inOrder(stages).slice(1)) built.set(stage, realise(stage))
  }
  context.clocks.tellJump()
  for (const stage of stages.births) {
    // Known before they exist: a failure in between must end them too.
    for (const child of stage.born) born.add(child)
    const jobs = run(stage)
    for (const child of stage.born) {
      stubArea.adopt(child, child)
      placeProcess(cgroups, child, saved)
    }
    for (const { tid, ends } of jobs) if (ends) born.delete(tid)
  }
  for (const { tid } of run(stages.deaths)) born.delete(tid)
  for (const stage of stages.processes) run(stage)
  held[Symbol.dispose]()
  for (const one of saved.processes) {
    adoptThreads(one, stubArea)
    clearAreas(one)
  }
  placeThreads(cgroups, saved)
  run(stages.threads)
  for (const { tree, tc, extension } of saved.processes) applyFromOutside(tree.pid, { entry: tc, extension })
  restoreHashes(saved, stubArea, (member) => processPlans.get(member)?.makes.memory ?? true)
  run(stages.queues)
  runScripts(actionScripts, "post-restore", script)
  for (const stage of [...stages.filters, stages.creds]) run(stage)
  for (const { tree, threads } of saved.processes) for (const thread of threads) checkCreds(tree.pid, thread, context)
  run(stages.end)
  cgroups?.setLimits()
  const departures = prepareDepartures(saved, stubArea)
  runScripts(actionScripts, "pre-resume", script)
  const stopped = runStops(stages.stops, departures, stubArea)
  const left = saved.processes.filter((one) => processPlanOf(inputs, one).makes.memory && !stopped.has(one.tree.pid))
  stubArea.remove(left.map(({ tree }) => tree.pid))
  settleThreads(saved, departures, stopped)
  restoreWatches(saved, context.ghosts)
  options.verifier?.(set, saved, options)
  using connections = inputs.connections.makeReady()
  depart(saved, departures, stopped, stubArea.stops, connections)
}

/** Takes the threads that a process has just cloned into our hands. */
function adoptThreads({ tree: { pid }, threads }: SavedProcess, stubArea: StubArea): void {
  for (const { tid } of threads) if (tid !== pid) stubArea.adopt(pid, tid)
}

/** Makes rseq areas ready to be registered. CRIU's images may hold a stale pointer there, and some kernels look at it then. */
function clearAreas({ tree: { pid }, threads }: SavedProcess): void {
  for (const { core } of threads) {
    const rseq = savedRseq(core.rseq_entry)
    if (rseq) clearArea(pid, rseq.abiPointer)
  }
}
