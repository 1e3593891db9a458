import { type CheckpointError, complaintsOf, EXIT_STATUS } from "../../base/errors.ts"
import { gatherWarnings } from "../../base/log.ts"
import { isEntryKind } from "../../image/catalog.ts"
import { type ImageSet, openImages } from "../../image/set.ts"
import { fileChecks } from "../../kinds/files/check.ts"
import { checkGivenFd } from "../../kinds/files/given-check.ts"
import { takenAddresses } from "../../kinds/files/socket/inet/free.ts"
import { pairChecks } from "../../kinds/files/tty/reserve.ts"
import { executedFiles } from "../../kinds/memory/check.ts"
import { planBirths } from "../../kinds/tree/births.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { buildIdOf } from "../build-ids.ts"
import { planOwnCgroups } from "../cgroups.ts"
import { readSavedTree, type SavedTree } from "../images.ts"
import { CGROUP_MODES, DEFAULT_TIMEOUT, type PlanOptions } from "../options.ts"
import { readFills } from "../read-pages.ts"
import { rightsComplaints } from "../rights.ts"
import { isTerminal } from "../terminal.ts"
import { checkControl } from "./control.ts"
import { lookAtCpu } from "./cpu.ts"
import { findGiven } from "./given.ts"
import { hostComplaints, limitComplaints, processChecks } from "./here.ts"
import { checkHugePages } from "./huge-pages.ts"
import { dyingIds, pidsOf, takenIds } from "./ids.ts"
import { withOwnIds } from "./own-ids.ts"
import { type PlannedPrograms, planPrograms } from "./plan-programs.ts"
import { membersOf } from "./restore.ts"
import { checkServersOfSaved } from "./servers.ts"
import { jobBefore } from "./shell-job.ts"

/** What a restore would bring back. */
interface PlannedTree {
  readonly pid: number
  /** Living ones, and zombies. */
  readonly processes: number
  readonly zombies: number
  readonly threads: number
  /** Bytes of memory that would be filled. */
  readonly memory: number
}

/** Whether images can be restored here and now, and how. */
export interface RestorePlan {
  readonly directory: string
  /** Undefined when the images do not tell. */
  readonly tree: PlannedTree | undefined
  /** All that stands against a restore with the options as given, in the order in which a restore would meet it. */
  readonly complaints: readonly CheckpointError[]
  /** Exit status that the restore would have: that of the first complaint's class, 0 without any. */
  readonly status: number
  /** Options that are missing. */
  readonly options: readonly string[]
  /** What could not be looked at, because of what the complaints say. */
  readonly unchecked: readonly string[]
  /** What the restore would wait for before it begins, as long as its --timeout allows. */
  readonly waits: readonly string[]
  /** What the restore would warn of, as far as that is known before. */
  readonly warnings: readonly string[]
  /** The programs, when they could be built. */
  readonly programs: PlannedPrograms | undefined
}

const SHELL_JOB = "--shell-job"
const TCP_ESTABLISHED = "--tcp-established"
const PROGRAMS = "the programs of the restore"

/** Complaints, each once. */
interface Ledger {
  readonly complaints: readonly CheckpointError[]
  add(more: readonly CheckpointError[]): void
  /** Runs a step; undefined when it refused. */
  keep<T>(step: () => T): T | undefined
}

function openLedger(): Ledger {
  const complaints: CheckpointError[] = []
  const add = (more: readonly CheckpointError[]): void => {
    for (const one of more) if (!complaints.some(({ message }) => message === one.message)) complaints.push(one)
  }
  return {
    complaints,
    add,
    keep<T>(step: () => T): T | undefined {
      let result: T | undefined
      add(
        complaintsOf([
          () => {
            result = step()
          },
        ]),
      )
      return result
    },
  }
}

/**
 * Looks at images as a restore would before it creates anything, and at all of it, not only up to the first complaint.
 * No process is made, no file written.
 */
export function planRestore(options: PlanOptions): RestorePlan {
  const { value: plan, warnings } = gatherWarnings(() => lookAtImages(options))
  return { ...plan, warnings: [...new Set([...plan.warnings, ...warnings])] }
}

function lookAtImages({ imagesDir = "", shellJob, strict, ...checking }: PlanOptions): RestorePlan {
  const ledger = openLedger()
  const inheritFds = checking.inheritFds.filter((one) =>
    ledger.keep(() => {
      checkGivenFd(one)
      return true
    }),
  )
  const set = ledger.keep(() => withOwnIds(openImages(imagesDir)))
  const saved = set && readWhole(set, checking.tcpClose, ledger)
  if (!set || !saved) return conclude(imagesDir, ledger, undefined, ["processes, files, IDs, kernel and CPU", PROGRAMS])
  const tree = describeTree(set, saved, ledger)
  ledger.add(rightsComplaints(saved, imagesDir))
  const cpu = ledger.keep(() => lookAtCpu(set, saved.root.tree.pid, { ...checking, strict }))
  ledger.add(cpu?.complaints ?? [])
  const warnings = cpu?.warnings ?? []
  const pids = pidsOf(saved)
  const ownTerminal = [0, 1, 2].find(isTerminal)
  const terminal = ownTerminal !== undefined
  const given = findGiven(saved, inheritFds)
  // Who would look at files there would wait for ever.
  const canLook = ledger.keep(() => {
    checkServersOfSaved(saved, given, DEFAULT_TIMEOUT)
    return true
  })
  if (!canLook) return { ...conclude(imagesDir, ledger, tree, ["files and IDs", PROGRAMS]), warnings }
  let birthPlan: BirthPlan | undefined
  // What a missing --shell-job is refused for hides what would be refused besides.
  for (const job of shellJob ? [true] : [false, true]) {
    birthPlan = ledger.keep(() => planBirths(membersOf(saved), job)) ?? birthPlan
    const tables = saved.processes.map(({ files }) => files)
    const offered = { ...checking, shellJob: job, terminal, buildIdOf, executed: executedFiles(saved.processes), given }
    ledger.add(complaintsOf(fileChecks(tables, pids, { ...offered, namespaces: saved.root.ids })))
    if (!ledger.complaints.some(asksFor(SHELL_JOB))) break
  }
  if (shellJob) ledger.keep(() => checkControl(saved, ownTerminal))
  const helpers = birthPlan?.helpers ?? []
  const waits = dyingIds(saved, helpers)
  ledger.add(takenIds(saved, helpers))
  // Who is dying has its addresses still.
  if (waits.length === 0) ledger.add(takenAddresses(saved.root.files, given))
  ledger.keep(() => planOwnCgroups(set, saved, { manageCgroups: CGROUP_MODES[0], cgroupRoots: [] }))
  ledger.add(hostComplaints())
  ledger.add(complaintsOf(pairChecks(saved.root.files)))
  ledger.add(complaintsOf(processChecks(saved)))
  ledger.add(limitComplaints(saved))
  if (birthPlan) ledger.keep(() => checkHugePages(set, saved, birthPlan))
  // Images that contradict themselves cannot be compiled.
  if (!birthPlan || ledger.complaints.some(({ code }) => EXIT_STATUS[code] === EXIT_STATUS.E_IMAGE_CORRUPT))
    return { ...conclude(imagesDir, ledger, tree, [PROGRAMS]), waits, warnings }
  const programs = planPrograms({
    set,
    saved,
    birthPlan,
    ...checking,
    given,
    strict,
    terminal: terminal || ledger.complaints.some(isAboutTerminal),
    jobGroup: jobBefore(saved, ownTerminal)?.group,
  })
  ledger.add(programs.complaints)
  return { ...conclude(imagesDir, ledger, tree, []), waits, warnings, programs }
}

/** Complaints that an option would answer. */
const asksFor =
  (option: string) =>
  ({ code, next }: CheckpointError): boolean =>
    code === "E_USAGE" && next.includes(option)

const isAboutTerminal = ({ code, action }: CheckpointError): boolean =>
  (code === "E_USAGE" || code === "E_RESTORE") && action.startsWith("Cannot restore terminal")

function conclude(
  directory: string,
  { complaints }: Ledger,
  tree: PlannedTree | undefined,
  unchecked: readonly string[],
): Omit<RestorePlan, "programs"> & { programs: undefined } {
  const options = [SHELL_JOB, TCP_ESTABLISHED].filter((option) => complaints.some(asksFor(option)))
  return {
    directory,
    tree,
    complaints,
    status: complaints[0]?.status ?? 0,
    options,
    unchecked,
    waits: [],
    warnings: [],
    programs: undefined,
  }
}

/** Reads every image, whether or not the tree can be made out; then what the tree needs. */
function readWhole(set: ImageSet, tcpClose: boolean, ledger: Ledger): SavedTree | undefined {
  for (const { kind, id } of set.files())
    if (kind === "ghost-file") ledger.keep(() => set.ghost(Number(id)))
    else if (isEntryKind(kind) && kind !== "stats") ledger.keep(() => set.withPayloads(kind, id))
  const saved = ledger.keep(() => readSavedTree(set, { tcpClose }))
  if (saved) return saved
  // The first missing image has ended the reading: what else is missing?
  for (const { pid, threads } of ledger.keep(() => set.all("pstree")) ?? []) {
    const core = ledger.keep(() => set.one("core", pid))
    // A zombie has nothing else; of one whose core is lost, its other images tell whether it was alive.
    if (core ? core.thread_info === undefined : !set.has("ids", pid)) continue
    for (const tid of threads) ledger.keep(() => set.one("core", tid))
    const ids = ledger.keep(() => set.one("ids", pid))
    for (const kind of ["mm", "fs"] as const) ledger.keep(() => set.one(kind, pid))
    const descriptors = set.has("stasis-core", pid) ? ledger.keep(() => set.one("stasis-core", pid))?.descriptors : 0
    if (ids && descriptors) ledger.keep(() => set.all("fdinfo", ids.files_id))
  }
  ledger.keep(() => set.all("files"))
  return undefined
}

function describeTree(set: ImageSet, { root, processes, dead, memfds, shm }: SavedTree, ledger: Ledger): PlannedTree {
  const maps = [
    ...processes.map(({ tree: { pid } }) => ["pagemap", pid] as const),
    ...memfds.map(({ shmid }) => ["pagemap-shmem", shmid] as const),
    ...shm.map(({ entry }) => ["pagemap-shmem", entry.desc.id] as const),
  ]
  let memory = 0
  for (const [kind, id] of maps) {
    const fills = set.has(kind, id) ? ledger.keep(() => readFills(set, kind, id)) : undefined
    for (const parts of fills?.values() ?? []) for (const { length } of parts) memory += Number(length)
  }
  const threads = processes.reduce((sum, { threads: own }) => sum + own.length, 0)
  return { pid: root.tree.pid, processes: processes.length, zombies: dead.length, threads, memory }
}
