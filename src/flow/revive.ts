import { closeSync } from "../../ffi/fs.ts"
import { syscall } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import { remoteAddress } from "../base/units.ts"
import type { ImageSet } from "../image/set.ts"
import { applyFromOutside } from "../kinds/attributes/outside.ts"
import type { PreparedCgroups } from "../kinds/cgroup/place.ts"
import { inheritedKeyring } from "../kinds/creds/keyrings.ts"
import { readOrigin } from "../kinds/creds/origin.ts"
import { findShared } from "../kinds/files/shared.ts"
import { findHole } from "../kinds/memory/holes.ts"
import { holeSize } from "../kinds/memory/shared.ts"
import type { BirthPlan } from "../kinds/tree/plan.ts"
import { AT, readAuxv } from "../proc/auxv.ts"
import { readLimits } from "../proc/limits.ts"
import { readMaps } from "../proc/maps.ts"
import { pokeRseqCs } from "../rseq/register.ts"
import type { Program } from "../tracee/program.ts"
import { memoryFile, spawnSeed } from "../tracee/seed.ts"
import { type Deadline, patienceOf } from "../tracee/wait.ts"
import { type Job, openArea, openWorkshop, type Workshop, workshopSize } from "../tracee/workshop.ts"
import {
  buildDeaths,
  buildRoot,
  buildRound,
  distinctTables,
  endSignalsOf,
  type Nursery,
  openNursery,
  raisedLimits,
  sharesOf,
} from "./birth.ts"
import { buildEnd, buildProcess, buildThread } from "./build.ts"
import { appendMemory } from "./build-memory.ts"
import { placeProcess, placeThreads } from "./cgroups.ts"
import { buildCreds, checkCreds } from "./credentials.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { filterJobs, restoreHashes, suspendFilters } from "./filter-jobs.ts"
import type { Ground, Plot } from "./ground.ts"
import { freeSignal, ownerOf } from "./ids.ts"
import { kernelAreas, readFills, type SavedProcess, type SavedThread, type SavedTree } from "./images.ts"
import { type Fills, planInheritances, withoutInherited } from "./inherit.ts"
import type { ShellJob } from "./job.ts"
import type { RestoreOptions } from "./options.ts"
import { openPagesSource } from "./pages-source.ts"
import { planPlots } from "./plots.ts"
import { buildQueues } from "./queues.ts"
import { depart, killHalfBuilt, prepareDepartures } from "./release.ts"
import { runScripts } from "./scripts.ts"
import { planStops, runStops } from "./stops.ts"
import { shareTerminals } from "./terminals.ts"

const log = logger("restore")
/** Address space kept free for the stub's area: more than any program needs. */
const AREA_ROOM = 1n << 30n

/** What the running kernel says of rseq lengths. */
function kernelRseq(): Ground["kernelRseq"] {
  const auxv = readAuxv(process.pid)
  const number = (type: bigint): number | undefined => (auxv.value(type) === null ? undefined : Number(auxv.value(type)))
  return { featureSize: number(AT.RSEQ_FEATURE_SIZE), align: number(AT.RSEQ_ALIGN) }
}

/** Everything that is known when the first process exists. */
interface Site {
  readonly saved: SavedTree
  readonly ground: Ground
  readonly plots: ReadonlyMap<number, Plot>
  readonly nursery: Nursery
  readonly root: Program
  readonly cgroups: PreparedCgroups | undefined
}

/**
 * Creates the tree, fills it and lets it go.
 *
 * @returns pages restored
 * @throws CheckpointError, SyscallError; nothing that was created is left then
 */
export function revive(
  set: ImageSet,
  saved: SavedTree,
  plan: BirthPlan,
  options: RestoreOptions,
  ownTerminal: number | undefined,
  job: ShellJob | undefined,
  deadline: Deadline,
  cgroups: PreparedCgroups | undefined,
): number {
  const { root, processes, segments } = saved
  const { pid } = root.tree
  using scope = new DisposableStack()
  const services = scope.use(new ServiceDescriptors(processes.flatMap(({ files }) => files.fdinfos.map(({ fd }) => fd))))
  const source = scope.use(openPagesSource(services))
  const areaFile = scope.adopt(memoryFile("stasis", 0, true), closeSync)
  const areaFd = services.share(areaFile)
  const terminals = scope.use(shareTerminals(root.files, ownTerminal, services))
  const exe = services.reserve()
  const shares = sharesOf(processes)
  const fills = new Map(processes.flatMap((one) => (shares.get(one.tree.pid)?.memory ? [[one.tree.pid, fillsOf(set, one)] as const] : [])))
  const inheritances = planInheritances(saved, plan, fills)
  const pages = new Map([...fills].map(([pid, own]) => [pid, source.of(withoutInherited(own, inheritances.get(pid)))]))
  const segmentPages = new Map(
    segments.flatMap(({ shmid }) => {
      const [stored] = set.has("pagemap-shmem", shmid) ? source.of(readFills(set, "pagemap-shmem", shmid)) : []
      return stored ? [[shmid, stored] as const] : []
    }),
  )
  const pids = new Set([...processes, ...saved.dead].map(({ tree }) => tree.pid))
  const tables = processes.map(({ tree, files: { fdinfos } }) => ({ pid: tree.pid, fdinfos }))
  const { ids, finisher } = findShared(distinctTables(processes, tables), root.files.files)
  const shared = new Map(ids.map((id) => [id, services.reserve()]))
  const made = new Map(segments.map(({ inode_id }) => [Number(inode_id), services.reserve()]))

  const wanted = new Set([...pids, ...processes.flatMap(({ tree }) => tree.threads)])
  const living = new Set(processes.map(({ tree }) => tree.pid))
  const nursery = openNursery(plan, saved, shares, wanted, terminals.takeTerminal(living))

  spawnSeed(pid, options.sibling, deadline, (tid) => ownerOf(tid) ?? { name: "a process that just ended", dying: true })
  terminals.release()
  using half = new DisposableStack()
  const born = new Set([pid])
  half.defer(() => killHalfBuilt([...born]))
  suspendFilters(saved)
  placeProcess(cgroups, pid, saved) // the seed alone: all memory that follows counts for the right cgroup
  const mappings = readMaps(pid)
  const used = [...processes.flatMap(({ mm }) => mm.vmas), ...mappings]
  const area = findHole(used, AREA_ROOM)
  const ground: Ground = {
    services: services.numbers,
    placeholder: areaFd,
    exe,
    ...terminals.numbers,
    jobGroup: job?.group,
    segments: made,
    shared,
    finisher,
    pids,
    endSignals: endSignalsOf(saved),
    area,
    origin: readOrigin(pid),
    limits: raisedLimits(readLimits(pid)),
    kernelRseq: kernelRseq(),
    strict: options.strict,
  }
  // All processes are born before the first of them gets a keyring of its own.
  const plots = planPlots({ saved, plan, mappings, shares, inheritances, pages, keyring: inheritedKeyring() })
  const hole = findHole([...used, area], holeSize(segments)).start
  build({ saved, ground, plots, nursery, root: buildRoot(saved, ground, segmentPages, hole), cgroups }, areaFile, areaFd, born, options)
  half.move()
  let count = 0
  for (const parts of pages.values()) for (const { fills } of parts) for (const { length } of fills) count += Number(length / 4096n)
  return count
}

const fillsOf = (set: ImageSet, saved: SavedProcess): Fills =>
  set.has("pagemap", saved.tree.pid) ? readFills(set, "pagemap", saved.tree.pid, kernelAreas(saved)) : new Map()

/** Compiles the programs, has them run one after the other, and lets the tree go. */
function build(site: Site, areaFile: number, areaFd: number, born: Set<number>, { actionScripts, imagesDir }: RestoreOptions): void {
  const { saved, ground, plots, nursery, root, cgroups } = site
  const { pid } = saved.root.tree
  const script = { imagesDir, initPid: pid }
  const plotOf = ({ tree }: SavedProcess): Plot => {
    const plot = plots.get(tree.pid)
    if (!plot) throw new Error(`Unreachable: process ${tree.pid} has no plot`)
    return plot
  }
  const perProcess = (make: (one: SavedProcess) => Program): Job[] =>
    saved.processes.map((one) => ({ pid: one.tree.pid, tid: one.tree.pid, program: make(one) }))
  const perThread = (make: (one: SavedProcess, thread: SavedThread) => Program): Job[] =>
    saved.processes.flatMap((one) => one.threads.map((thread) => ({ pid: one.tree.pid, tid: thread.tid, program: make(one, thread) })))
  const early = new Map(saved.processes.filter((one) => plotOf(one).early).map((one) => [one.tree.pid, one]))
  const births = [...nursery.plan.rounds, ...nursery.plan.groups].map((round) =>
    buildRound(round, nursery, (task, program) => {
      const one = early.get(task)
      if (one) appendMemory(one, plotOf(one), ground, program)
      early.delete(task)
    }),
  )
  const deaths = buildDeaths(saved)
  const stops = planStops(saved, (one) => plotOf(one).makes.handlers)
  const first = perProcess((one) => buildProcess(one, plotOf(one), ground))
  const own = perThread((one, thread) => buildThread(one, thread, ground))
  const queues = perThread((one, thread) => buildQueues(one, thread, plotOf(one), ground, stops.parents.has(one)))
  const filters = filterJobs(saved)
  const creds = perThread((one, thread) => buildCreds(one, thread, ground))
  const end = perProcess((one) => buildEnd(one, plotOf(one), ground))
  log.debug(`the first programs have ${first.reduce((sum, { program }) => sum + program.length, 0)} calls`)

  const runs = [
    [{ pid, tid: pid, program: root }],
    ...births.map(({ jobs }) => jobs),
    deaths,
    first,
    own,
    queues,
    ...filters,
    creds,
    end,
    ...stops.levels.map(({ jobs }) => jobs),
  ]
  const size = Math.max(...runs.map((jobs) => workshopSize(jobs.map(({ program }) => program))))
  syscall("ftruncate", areaFile, size)
  using shared = openArea(areaFile, size)
  const workshop = openWorkshop(pid, areaFd, shared, ground.area.start, freeSignal(saved), patienceOf(0))
  workshop.run([{ pid, tid: pid, program: root }])
  for (const { jobs, born: children } of births) {
    // Known before they exist: a failure in between must end them too.
    for (const child of children) born.add(nursery.pidOf(child))
    workshop.run(jobs)
    for (const child of children) {
      workshop.adopt(nursery.pidOf(child), nursery.pidOf(child))
      placeProcess(cgroups, nursery.pidOf(child), saved)
    }
    for (const { tid, ends } of jobs) if (ends) born.delete(tid)
  }
  workshop.run(deaths)
  for (const { tid } of deaths) born.delete(tid)
  workshop.run(first)
  for (const one of saved.processes) adoptThreads(one, workshop)
  placeThreads(cgroups, saved)
  workshop.run(own)
  for (const { tree, tc, extension } of saved.processes) applyFromOutside(tree.pid, { entry: tc, extension })
  restoreHashes(saved, workshop, (member) => plots.get(member)?.makes.memory ?? true)
  workshop.run(queues)
  runScripts(actionScripts, "post-restore", script)
  for (const jobs of [...filters, creds]) workshop.run(jobs)
  for (const { tree, threads } of saved.processes) for (const thread of threads) checkCreds(tree.pid, thread, ground)
  workshop.run(end)
  cgroups?.setLimits()
  const departures = prepareDepartures(saved, workshop)
  runScripts(actionScripts, "pre-resume", script)
  const stopped = runStops(stops, departures, workshop)
  const left = saved.processes.filter((one) => plotOf(one).makes.memory && !stopped.has(one.tree.pid))
  workshop.remove(left.map(({ tree }) => tree.pid))
  depart(saved, departures, stopped)
}

/** Takes the threads that a process has just cloned into our hands. */
function adoptThreads({ tree: { pid }, threads }: SavedProcess, workshop: Workshop): void {
  for (const { tid, core } of threads) {
    if (tid !== pid) workshop.adopt(pid, tid)
    // CRIU's images may hold a stale pointer, and some kernels look at it when the area is registered.
    if (core.rseq_entry?.rseq_abi_pointer) pokeRseqCs(pid, remoteAddress(core.rseq_entry.rseq_abi_pointer), 0n)
  }
}
