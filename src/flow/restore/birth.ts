import { CLONE } from "../../../ffi/abi/clone.ts"
import { MAP } from "../../../ffi/abi/mman.ts"
import { rlimit64 } from "../../../ffi/abi/resource.ts"
import { SIG } from "../../../ffi/abi/signal.ts"
import { encode } from "../../../ffi/layout.ts"
import { syscall } from "../../../ffi/syscall.ts"
import type { memfd_inode_entry } from "../../../proto/gen/memfd_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { restoreClocks } from "../../kinds/clocks/restore.ts"
import { mayFollowMapped } from "../../kinds/files/mapped.ts"
import { restoreShared } from "../../kinds/files/restore-shared.ts"
import type { PagesToRead } from "../../kinds/memory/restore.ts"
import { restoreSharedMemory } from "../../kinds/memory/shared.ts"
import { restoreShm } from "../../kinds/memory/sysv/restore.ts"
import { type BirthPlan, clonersOf, type Round, type TaskId } from "../../kinds/tree/plan.ts"
import { appendActs, appendDeath, type Births } from "../../kinds/tree/restore.ts"
import { LIMIT, type Limit } from "../../proc/limits.ts"
import { Program } from "../../tracee/program.ts"
import type { Job } from "../../tracee/stub-area.ts"
import type { SavedProcess, SavedTree } from "../images.ts"
import { selfOf } from "./build.ts"
import { rangesOutside } from "./descriptors.ts"
import { sparePids } from "./ids.ts"
import type { RestoreContext, Share } from "./restore-context.ts"

/** Pages of shared memory, by its ID in images. */
type PagesById = ReadonlyMap<number, PagesToRead>

/**
 * First program of all, in the root before it has children: closes what the tool left open, and makes what several processes share. All
 * others inherit it.
 *
 * @param hole where nothing is, as large as the largest shared memory
 */
export function buildRoot(saved: SavedTree, context: RestoreContext, pages: PagesById, hole: bigint): Program {
  const { root } = saved
  const program = new Program()
  for (const [first, last] of rangesOutside(context.services)) program.call("close_range", first, last, 0)
  if (saved.clocks) restoreClocks(saved.clocks, program)
  raiseDescriptorLimit(context.limits, program)
  appendSharedMemory(saved, context, pages, hole, program)
  const { uid, gid } = context.origin.status
  restoreShm(context.shm, { uid: uid.effective, gid: gid.effective }, (id) => pages.get(id), context.shmHole, program)
  restoreShared(root.files, context, context.placeholder, context, selfOf(root.tree.pid, context.origin), program)
  return program
}

/** Numbers of the images may be above the soft limit that the tool was started with. */
function raiseDescriptorLimit(limits: readonly Limit[], program: Program): void {
  const limit = limits[LIMIT.NOFILE]
  if (!limit || limit.soft === limit.hard) return
  program.call("prlimit64", 0, LIMIT.NOFILE, program.bytes(encode(rlimit64, { rlim_cur: limit.hard, rlim_max: limit.hard })), 0)
}

/** Limits as they are after `raiseDescriptorLimit`. */
export const raisedLimits = (limits: readonly Limit[]): Limit[] =>
  limits.map((limit, resource) => (resource === LIMIT.NOFILE ? { ...limit, soft: limit.hard } : limit))

/** Whether any mapping of shared memory says that no memory was reserved for it. */
const isUnreserved = ({ inode_id }: memfd_inode_entry, { processes }: SavedTree): boolean =>
  processes.some(({ mm, files: { files } }) =>
    mm.vmas.some(({ flags, shmid }) => flags & MAP.NORESERVE && files.get(Number(shmid))?.memfd?.inode_id === Number(inode_id)),
  )

/** Appends the making of all shared memory, each at its number. @param hole as of `buildRoot` */
function appendSharedMemory(saved: SavedTree, { memfds }: RestoreContext, pages: PagesById, hole: bigint, program: Program): void {
  for (const inode of saved.memfds) {
    const number = memfds.get(Number(inode.inode_id))
    if (number === undefined) throw new Error(`Unreachable: shared memory ${inode.inode_id} has no descriptor`)
    const making = { hole, unreserved: isUnreserved(inode, saved), mayFollow: mayFollowMapped() }
    const made = restoreSharedMemory(inode, pages.get(inode.shmid) ?? { fd: -1, fills: [] }, making, program)
    program.call("dup3", made, number, 0)
    program.call("close", made)
  }
}

/** What a process makes itself; the rest is its parent's. */
const shareOf = ({ ids }: SavedProcess, parent: SavedProcess | undefined): Share => ({
  memory: ids.vm_id !== parent?.ids.vm_id,
  files: ids.files_id !== parent?.ids.files_id,
  directories: ids.fs_id !== parent?.ids.fs_id,
  handlers: ids.sighand_id !== parent?.ids.sighand_id,
})

/** The same for every process of a tree. */
export function sharesOf(processes: readonly SavedProcess[]): Map<number, Share> {
  const byPid = new Map(processes.map((one) => [one.tree.pid, one]))
  return new Map(processes.map((one) => [one.tree.pid, shareOf(one, byPid.get(one.tree.ppid))]))
}

/** One table for each set of processes that share it: that of the first. */
export function distinctTables<T>(processes: readonly SavedProcess[], tables: readonly T[]): T[] {
  const seen = new Set<number>()
  return tables.filter((_, index) => {
    const id = processes[index]?.ids.files_id ?? 0
    return !seen.has(id) && seen.add(id)
  })
}

const cloneFlags = ({ memory, files, directories, handlers }: Share): number =>
  (memory ? 0 : CLONE.VM) | (files ? 0 : CLONE.FILES) | (directories ? 0 : CLONE.FS) | (handlers ? 0 : CLONE.SIGHAND)

/** The births of a tree: their plan, with all that its programs need. */
export interface PlannedBirths extends Births {
  readonly plan: BirthPlan
}

/**
 * A process that shares something with its parent must be cloned by that very process.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT
 */
function checkSharing(birthPlan: BirthPlan, processes: readonly SavedProcess[], shares: ReadonlyMap<number, Share>): void {
  const cloner = clonersOf(birthPlan)
  for (const {
    tree: { pid, ppid },
  } of processes) {
    const share = shares.get(pid)
    // Man page: clone(2), CLONE_SIGHAND
    if (share?.memory && !share.handlers)
      throw damagedImage(`Cannot restore process ${pid}`, `it shares signal actions with its parent ${ppid}, and not its memory`)
    if (!share || cloneFlags(share) === 0 || cloner.get(pid) === ppid) continue
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot restore process ${pid}`,
      `it shares memory, descriptors or directories with its parent ${ppid}, but belongs to another session`,
      "Dump the program when it is in its parent's session",
    )
  }
}

/** Gives PIDs to the helpers of a plan. @throws CheckpointError E_IMAGE_UNSUPPORTED · E_RESTORE no PID is left */
export function prepareBirths(
  birthPlan: BirthPlan,
  { processes, dead }: SavedTree,
  shares: ReadonlyMap<number, Share>,
  wanted: ReadonlySet<number>,
  takeTerminal: Births["takeTerminal"],
): PlannedBirths {
  checkSharing(birthPlan, processes, shares)
  const nameless = birthPlan.helpers.filter(({ task }) => task < 0)
  const spare = sparePids(nameless.length, wanted)
  const pids = new Map(nameless.map(({ task }, index) => [task, spare[index] ?? 0]))
  const exitSignals = new Map([...processes, ...dead].map(({ tree: { pid }, extension }) => [pid, extension?.exit_signal ?? SIG.CHLD]))
  return {
    plan: birthPlan,
    outsideGroup: syscall("getpgid", 0),
    takeTerminal,
    pidOf: (task) => pids.get(task) ?? task,
    sharingOf(task) {
      const share = shares.get(task)
      return share ? cloneFlags(share) : 0
    },
    exitSignalOf: (task) => exitSignals.get(task) ?? SIG.CHLD,
  }
}

/**
 * What the tasks of one round do, and which tasks they clone.
 *
 * @param before appends what a task must do before it clones for the first time
 */
export function buildRound(
  round: Round,
  births: PlannedBirths,
  before: (task: TaskId, program: Program) => void,
): { jobs: Job[]; born: readonly TaskId[] } {
  const jobs: Job[] = []
  const born: TaskId[] = []
  for (const [task, acts] of round) {
    const program = new Program()
    if (acts.some(({ act }) => act === "clone")) before(task, program)
    appendActs(task, acts, births, program)
    const pid = births.pidOf(task)
    jobs.push({ pid, tid: pid, program, ends: acts.at(-1)?.act === "exit" })
    for (const act of acts) if (act.act === "clone") born.push(act.child)
  }
  return { jobs, born }
}

/** What the zombies of each parent sent to it. */
export const endSignalsOf = ({ dead }: SavedTree): Map<number, number[]> =>
  new Map(
    [...Map.groupBy(dead, ({ tree }) => tree.ppid)].map(([ppid, ended]) => [
      ppid,
      ended.map(({ extension }) => extension?.exit_signal ?? SIG.CHLD),
    ]),
  )

/** The end of every zombie. */
export const buildDeaths = ({ dead }: SavedTree): Job[] =>
  dead.map(({ tree: { pid }, tc: { comm, exit_code } }) => {
    const program = new Program()
    appendDeath(comm, exit_code, program)
    return { pid, tid: pid, program, ends: true }
  })
