import { syscall } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import type { ImageSet } from "../../image/set.ts"
import { applyFromOutside } from "../../kinds/attributes/from-outside.ts"
import type { PreparedCgroups } from "../../kinds/cgroup/place.ts"
import { hasOwnClocks } from "../../kinds/clocks/restore.ts"
import type { GivenFd } from "../../kinds/files/external.ts"
import { savedRseq } from "../../rseq/image.ts"
import { clearArea } from "../../rseq/register.ts"
import { type Job, openStubArea, type StubArea, stubAreaSize, viewArea } from "../../tracee/stub-area.ts"
import { patienceOf } from "../../tracee/wait.ts"
import { placeProcess, placeThreads } from "../cgroups.ts"
import type { SavedProcess } from "../images.ts"
import type { RestoreOptions } from "../options.ts"
import { runScripts } from "../scripts.ts"
import { holdSysvSegments } from "../sysv-segments.ts"
import type { verifyTree } from "../verify/verify.ts"
import type { BuildInputs } from "./build-inputs.ts"
import { checkCreds } from "./credentials.ts"
import { restoreHashes } from "./filter-jobs.ts"
import { depart, prepareDepartures, settleThreads } from "./release.ts"
import type { RestoredConnections } from "./restored-connections.ts"
import { inOrder, layStages, processPlanOf, realise, type Stage, type Stages } from "./stages.ts"
import { runStops } from "./stops.ts"
import { freeStubSignal } from "./stub-signal.ts"
import { restoreWatches } from "./watches.ts"

const log = logger("restore")

/** The options of a restore, and with --verify what verifies, which loads the whole of the dump. */
export interface StageOptions extends RestoreOptions {
  readonly verifier: typeof verifyTree | undefined
  /** What descriptors of ours stand for, by file id. */
  readonly given: ReadonlyMap<number, GivenFd>
}

/** What the stages of a restore run in and by. */
interface StageInputs extends BuildInputs {
  readonly set: ImageSet
  readonly cgroups: PreparedCgroups | undefined
  readonly connections: RestoredConnections
}

/** Stages whose programs are built, and the area that these run in. Disposal takes the tool's view of it away. */
interface BuiltStages extends Disposable {
  readonly stages: Stages
  readonly stubArea: StubArea
  /** Runs a stage and waits for its end. @returns its jobs @throws as `StubArea.run` */
  run(stage: Stage): readonly Job[]
  /** Builds all but the first stage again: what they were built from has changed. @throws CheckpointError */
  buildAgain(): void
}

/**
 * Builds all programs before the first of them runs, for building may refuse what the images want, and has the root map their area.
 *
 * @param areaFile the area's memfd   @param areaFd its number in the new processes
 * @throws CheckpointError · SyscallError
 */
function buildStages(inputs: StageInputs, areaFile: number, areaFd: number): BuiltStages {
  const { saved, context } = inputs
  const stages = layStages(inputs)
  const built = new Map(inOrder(stages).map((stage) => [stage, realise(stage)]))
  log.debug(`the programs have ${[...built.values()].flat().reduce((sum, { program }) => sum + program.length, 0)} calls`)
  const size = Math.max(...[...built.values()].map((jobs) => stubAreaSize(jobs.map(({ program }) => program))))
  syscall("ftruncate", areaFile, size)
  using scope = new DisposableStack()
  const view = scope.use(viewArea(areaFile, size))
  const plan = { fd: areaFd, start: context.area.start, stubSignal: freeStubSignal(saved), patience: patienceOf(0) }
  const stubArea = openStubArea(saved.root.tree.pid, view, plan)
  const kept = scope.move()
  return {
    stages,
    stubArea,
    run(stage) {
      const jobs = built.get(stage) ?? []
      stubArea.run(jobs)
      return jobs
    },
    buildAgain() {
      for (const stage of inOrder(stages).slice(1)) built.set(stage, realise(stage))
    },
    [Symbol.dispose]: () => kept.dispose(),
  }
}

/** Compiles the programs, has them run one after the other, and lets the tree go. @param born gets PIDs before they are born */
export function runStages(inputs: StageInputs, areaFile: number, areaFd: number, born: Set<number>, options: StageOptions): void {
  const { saved, set, context, cgroups } = inputs
  const { pid } = saved.root.tree
  using built = buildStages(inputs, areaFile, areaFd)
  const { stages, stubArea, run } = built
  run(stages.root)
  using held = holdSysvSegments(context.shm, pid)
  setClocks(inputs, built)
  runBirths(inputs, built, born)
  for (const stage of stages.processes) run(stage)
  held[Symbol.dispose]()
  for (const one of saved.processes) {
    adoptThreads(one, stubArea)
    clearAreas(one)
  }
  placeThreads(cgroups, saved)
  finishThreads(inputs, built, options)
  cgroups?.setLimits()
  const departures = prepareDepartures(saved, stubArea)
  runScripts(options.actionScripts, "pre-resume", { imagesDir: options.imagesDir, initPid: pid })
  const stopped = runStops(stages.stops, departures, stubArea)
  const left = saved.processes.filter((one) => processPlanOf(inputs, one).makes.memory && !stopped.has(one.tree.pid))
  stubArea.remove(left.map(({ tree }) => tree.pid))
  settleThreads(saved, departures, stopped)
  restoreWatches(saved, context.ghosts)
  options.verifier?.(set, saved, options)
  using connections = inputs.connections.makeReady()
  depart(saved, departures, stopped, stubArea.stops, connections)
}

/** Finds whether the clocks of the tree go on in a time namespace; only the root, which is in it by now, can tell. */
function setClocks({ saved, context }: StageInputs, built: BuiltStages): void {
  const goOn = saved.clocks !== undefined && hasOwnClocks(saved.root.tree.pid)
  if (context.clocks.goOn !== goOn) {
    context.clocks.goOn = goOn
    // What was built with moments of these clocks in it, as absolute timerfds are.
    built.buildAgain()
  }
  context.clocks.tellJump()
}

/** Has all processes born, each into its cgroup, and zombies die. @param born gets PIDs before they are born, and loses those that end */
function runBirths({ saved, cgroups }: StageInputs, { stages, stubArea, run }: BuiltStages, born: Set<number>): void {
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
}

/** Runs what is done when all threads are there: from what is each one's own to the end of what the tool lent. */
function finishThreads(inputs: StageInputs, { stages, stubArea, run }: BuiltStages, options: StageOptions): void {
  const { saved, context, processPlans } = inputs
  run(stages.threads)
  for (const { tree, tc, extension } of saved.processes) applyFromOutside(tree.pid, { entry: tc, extension })
  restoreHashes(saved, stubArea, (member) => processPlans.get(member)?.makes.memory ?? true)
  run(stages.queues)
  runScripts(options.actionScripts, "post-restore", { imagesDir: options.imagesDir, initPid: saved.root.tree.pid })
  for (const stage of [...stages.filters, stages.creds]) run(stage)
  for (const { tree, threads } of saved.processes) for (const thread of threads) checkCreds(tree.pid, thread, context)
  run(stages.end)
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
