import type { ImageSet } from "../../image/set.ts"
import { RestoredClocks } from "../../kinds/clocks/restore.ts"
import { inheritedKeyring } from "../../kinds/creds/keyrings.ts"
import { type Origin, readOrigin } from "../../kinds/creds/origin.ts"
import { queuesOf } from "../../kinds/files/images.ts"
import type { Checking } from "../../kinds/files/keeping.ts"
import { findCuts } from "../../kinds/files/regular/check.ts"
import { findControlled, findShared } from "../../kinds/files/restore-shared.ts"
import { findHole } from "../../kinds/memory/holes.ts"
import type { PagesToRead } from "../../kinds/memory/restore.ts"
import { holeFor } from "../../kinds/memory/shared.ts"
import { planShm } from "../../kinds/memory/sysv/check.ts"
import { roomFor } from "../../kinds/memory/sysv/restore.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { type Limit, readLimits } from "../../proc/limits.ts"
import { type Mapping, readMaps } from "../../proc/maps.ts"
import { readShm } from "../../proc/sysvipc.ts"
import { aioRingsOf } from "../aio-rings.ts"
import type { SavedProcess, SavedTree } from "../images.ts"
import { kernelAreas } from "../kernel-areas.ts"
import { kernelRseq } from "../kernel-rseq.ts"
import { readFills } from "../read-pages.ts"
import { distinctTables, endSignalsOf, type PlannedBirths, prepareBirths, raisedLimits, sharesOf } from "./birth.ts"
import type { ServiceDescriptors } from "./descriptors.ts"
import type { SharedGiven } from "./given.ts"
import { pidsOf } from "./ids.ts"
import { type Fills, planInheritances, withoutInherited } from "./inherit.ts"
import type { PagesSource } from "./pages-source.ts"
import { planProcesses } from "./process-plans.ts"
import type { ProcessPlan, RestoreContext, Share } from "./restore-context.ts"
import type { SharedTerminals } from "./terminals.ts"

/** Address space kept free for the stub's area: more than any program needs. */
const AREA_ROOM = 1n << 30n

/** What a fresh process has: known for certain only when it exists. */
export interface SeedFacts {
  /** The kernel's own mappings are among them, at an address that nobody chose. */
  readonly mappings: readonly Mapping[]
  readonly origin: Origin
  readonly limits: readonly Limit[]
}

/** Facts of a process that nothing was changed in yet. @throws CheckpointError E_NO_PROCESS */
export const readSeedFacts = (pid: number): SeedFacts => ({
  mappings: readMaps(pid),
  origin: readOrigin(pid),
  limits: readLimits(pid),
})

/** Numbers for descriptors of ours in the new processes. */
export type Services = Pick<ServiceDescriptors, "numbers" | "share" | "reserve">

/** Parts of the context that are known before the first process exists: numbers of descriptors for the most part, and what has them. */
type EarlyContext =
  | "services"
  | "placeholder"
  | "exeNumber"
  | "terminal"
  | "masters"
  | "ghosts"
  | "memfds"
  | "executed"
  | "shm"
  | "given"
  | "shared"
  | "controlled"
  | "finisher"
  | "pids"

/** What is prepared before the first process exists. */
interface PreparedTree {
  readonly context: Pick<RestoreContext, EarlyContext>
  readonly birthPlan: BirthPlan
  readonly pages: ReadonlyMap<number, readonly PagesToRead[]>
  readonly sharedPages: ReadonlyMap<number, PagesToRead>
  /** AIO rings by process. */
  readonly aioRings: ReadonlyMap<number, ProcessPlan["aioRings"]>
  readonly shares: ReadonlyMap<number, Share>
  readonly inheritances: ReturnType<typeof planInheritances>
  readonly births: PlannedBirths
}

/** What the new processes inherit of the tool's. */
interface HandedDown {
  readonly services: Services
  readonly source: PagesSource
  /** Number at which they have the stub's area. */
  readonly areaFd: number
  readonly terminals: Pick<SharedTerminals, "numbers" | "takeTerminal">
  /** Numbers of deleted files, by file id. */
  readonly ghosts: RestoreContext["ghosts"]
  readonly given: SharedGiven
  /** Numbers of what leads to processes that had ended, by file id. */
  readonly departed: ReadonlyMap<number, number>
}

/**
 * Decides on numbers of descriptors, who shares what with whom, which memory comes by birth, and PIDs of helpers. Creates no process.
 *
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT of pages · E_IMAGE_UNSUPPORTED · E_RESTORE no PID is left
 */
export function prepareTree(
  set: ImageSet,
  saved: SavedTree,
  birthPlan: BirthPlan,
  { services, source, areaFd, terminals, ghosts, departed, given }: HandedDown,
): PreparedTree {
  const { root, processes, memfds } = saved
  const shm = planShm(saved.shm, readShm(), root.tree.pid)
  const exeNumber = services.reserve()
  const shares = sharesOf(processes)
  const fills = new Map(processes.flatMap((one) => (shares.get(one.tree.pid)?.memory ? [[one.tree.pid, fillsOf(set, one)] as const] : [])))
  const inheritances = planInheritances(saved, birthPlan, fills)
  const pages = new Map([...fills].map(([pid, own]) => [pid, source.of(withoutInherited(own, inheritances.get(pid)))]))
  const sharedPages = new Map(
    [...memfds.map(({ shmid }) => shmid), ...shm.map(({ id }) => id)].flatMap((shmid) => {
      const [stored] =
        set.has("pagemap-shmem", shmid) || shm.some(({ id }) => id === shmid) ? source.of(readFills(set, "pagemap-shmem", shmid)) : []
      return stored ? [[shmid, stored] as const] : []
    }),
  )
  const pids = pidsOf(saved)
  const members = processes.map(({ tree: { pid, sid }, files: { fdinfos } }) => ({ pid, sid, fdinfos }))
  const { ids, finisher } = findShared(distinctTables(processes, members), {
    files: root.files.files,
    skQueues: queuesOf(root.files.skQueues),
    extension: root.files.extension,
    departed: root.files.departed,
  })
  const shared = new Map(ids.map((id) => [id, departed.get(id) ?? services.reserve()]))
  const controlled = findControlled(members, ids, root.files)
  const made = new Map(memfds.map(({ inode_id }) => [Number(inode_id), services.reserve()]))
  const wanted = new Set([...pids, ...processes.flatMap(({ tree }) => tree.threads)])
  const living = new Set(processes.map(({ tree }) => tree.pid))
  const births = prepareBirths(birthPlan, saved, shares, wanted, terminals.takeTerminal(living, { shared, controlled, finisher, pids }))
  const context = {
    services: services.numbers,
    placeholder: areaFd,
    exeNumber,
    ...terminals.numbers,
    ghosts: new Map([...ghosts, ...given.opened]),
    given: given.given,
    memfds: made,
    executed: new Set(processes.flatMap(({ mm }) => root.files.files.get(mm.exe_file_id)?.memfd?.inode_id ?? [])),
    shm,
    shared,
    controlled,
    finisher,
    pids,
  }
  const aioRings = new Map(
    processes.flatMap((one) => (shares.get(one.tree.pid)?.memory ? [[one.tree.pid, aioRingsOf(set, one)] as const] : [])),
  )
  return { context, birthPlan, pages, sharedPages, aioRings, shares, inheritances, births }
}

/** Every process with memory of its own has a pagemap: without it, all pages would be lost and nobody told. */
const fillsOf = (set: ImageSet, saved: SavedProcess): Fills => readFills(set, "pagemap", saved.tree.pid, kernelAreas(saved))

/** All that programs are built from. */
export interface BuildInputs {
  readonly saved: SavedTree
  readonly context: RestoreContext
  readonly processPlans: ReadonlyMap<number, ProcessPlan>
  readonly births: PlannedBirths
  readonly sharedPages: PreparedTree["sharedPages"]
  /** Where the root maps shared memory for a moment. */
  readonly hole: bigint
}

/** The process that makes the table of descriptors of another: itself, or one above it that shares it. */
function makerOf(pid: number, saved: SavedTree, shares: PreparedTree["shares"]): number {
  const parent = saved.processes.find(({ tree }) => tree.pid === pid)?.tree.ppid
  return parent === undefined || shares.get(pid)?.files !== false ? pid : makerOf(parent, saved, shares)
}

/**
 * Brings together what was prepared and what the first process turned out to have.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED the vdso of the images has another shape
 */
export function gatherInputs(
  saved: SavedTree,
  prepared: PreparedTree,
  { mappings, origin, limits }: SeedFacts,
  { strict, jobGroup, ...checking }: Pick<RestoreContext, "strict" | "jobGroup"> & Pick<Checking, "fileChanged">,
): BuildInputs {
  const { processes, memfds } = saved
  const { context: early, sharedPages, births } = prepared
  const used = [...processes.flatMap(({ mm }) => mm.vmas), ...mappings]
  const area = findHole(used, AREA_ROOM)
  const shmRoom = roomFor(early.shm)
  const shmHole = findHole([...used, area], shmRoom.size, shmRoom.unit).start
  const context: RestoreContext = {
    ...early,
    shmHole,
    endSignals: endSignalsOf(saved),
    cuts: findCuts(saved.root.files.files, checking),
    locks: Map.groupBy(saved.locks, ({ pid }) => makerOf(pid, saved, prepared.shares)),
    jobGroup,
    area,
    origin,
    limits: raisedLimits(limits),
    kernelRseq: kernelRseq(),
    clocks: new RestoredClocks(saved.clocks),
    strict,
  }
  // All processes are born before the first of them gets a keyring of its own.
  const processPlans = planProcesses({ saved, mappings, ...prepared, keyring: inheritedKeyring() })
  const room = holeFor(memfds)
  return { saved, context, processPlans, births, sharedPages, hole: findHole([...used, area], room.size, room.unit).start }
}
