import { SyscallError } from "../../../ffi/syscall.ts"
import { errnoOf } from "../../base/errno.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { openImages } from "../../image/set.ts"
import { writeStats } from "../../image/stats.ts"
import { checkFiles } from "../../kinds/files/check.ts"
import { checkGivenFd } from "../../kinds/files/given-check.ts"
import { refusedBind, takenAddresses } from "../../kinds/files/socket/inet/free.ts"
import { executedFiles } from "../../kinds/memory/check.ts"
import { planBirths } from "../../kinds/tree/births.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { holdInterruptsFor, lackOfDescriptors } from "../../tracee/own-limit.ts"
import { deadlineIn } from "../../tracee/wait.ts"
import { buildIdOf } from "../build-ids.ts"
import { openCgroups } from "../cgroups.ts"
import { readSavedTree, type SavedTree } from "../images.ts"
import type { RestoreOptions, RestoreReport } from "../options.ts"
import { checkOutputs, finish } from "../outputs.ts"
import { announceReady } from "../ready.ts"
import { checkBackground, rightsComplaints } from "../rights.ts"
import { runScripts } from "../scripts.ts"
import { isTerminal } from "../terminal.ts"
import { checkControl, giveUpTerminal } from "./control.ts"
import { lookAtCpu } from "./cpu.ts"
import { dropLinks } from "./ghosts.ts"
import { dropGiven, findGiven } from "./given.ts"
import { limitComplaints } from "./here.ts"
import { checkHugePages } from "./huge-pages.ts"
import { checkIdsFree, heldId, pidsOf } from "./ids.ts"
import { withOwnIds } from "./own-ids.ts"
import { revive } from "./revive.ts"
import { checkServersOfSaved } from "./servers.ts"
import { jobBefore, waitForEnd } from "./shell-job.ts"

const log = logger("restore")
const microseconds = (since: number): number => Math.round((performance.now() - since) * 1000)

/**
 * Brings a saved process tree back, with its PIDs, and lets it run.
 *
 * Everything is read, planned and checked before anything is created. On any failure what is half-built is killed and reaped. Once the tree
 * runs nothing is a failure any more: statistics, a post-resume script and what waits for the tree only warn.
 *
 * @returns when the tree runs (detached), else when its root has ended
 * @throws CheckpointError
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const started = performance.now()
  const { imagesDir, shellJob } = options
  const verifier = options.verify ? (await import("../verify/verify.ts")).verifyTree : undefined
  for (const one of options.inheritFds) checkGivenFd(one)
  checkBackground(options)
  const set = withOwnIds(openImages(imagesDir))
  const saved = readSavedTree(set, options)
  const { pid } = saved.root.tree
  const [complaint] = rightsComplaints(saved, imagesDir)
  if (complaint) throw complaint
  const cpu = lookAtCpu(set, pid, options)
  for (const refusal of cpu.complaints) throw refusal
  for (const warning of cpu.warnings) log.warn(warning)
  const birthPlan = planBirths(membersOf(saved), shellJob)
  const terminal = [0, 1, 2].find(isTerminal)
  const job = jobBefore(saved, terminal)
  const pids = pidsOf(saved)
  const given = findGiven(saved, options.inheritFds)
  checkServersOfSaved(saved, given, options.timeoutSeconds)
  checkFiles(
    saved.processes.map(({ files }) => files),
    pids,
    {
      ...options,
      terminal: terminal !== undefined,
      buildIdOf,
      executed: executedFiles(saved.processes),
      given,
      namespaces: saved.root.ids,
    },
  )
  const makesWay = checkControl(saved, terminal)
  checkOutputs(options)
  {
    using _interrupts = holdInterruptsFor(`Cannot restore process ${saved.root.tree.pid}`)
    runScripts(options.actionScripts, "pre-restore", { imagesDir })
    // A script takes its own time, and may be the one that makes room.
    const deadline = deadlineIn(options.timeoutSeconds)
    checkIdsFree(saved, birthPlan.helpers, deadline)
    // The dumped tree has given back its own by now.
    for (const taken of takenAddresses(saved.root.files, given)) throw taken
    checkHugePages(set, saved, birthPlan)
    using cgroups = openCgroups(set, saved, options)
    using control = makesWay && terminal !== undefined ? giveUpTerminal(terminal) : undefined
    const pages = explained(saved, birthPlan, () =>
      revive(set, saved, { birthPlan, deadline, cgroups }, { ...options, verifier, given, ownTerminal: terminal, jobGroup: job?.group }),
    )
    cgroups?.keep()
    control?.keep()
    const times = { forking_time: 0, restore_time: microseconds(started) }
    const stats = { pages_compared: 0n, pages_skipped_cow: 0n, ...times, pages_restored: BigInt(pages) }
    finish(
      log,
      () => dropLinks(saved.root.files),
      () => dropGiven(options),
      () => writeStats(options.workDir, "restore", { restore: stats }),
      () => runScripts(options.actionScripts, "post-resume", { imagesDir, initPid: pid }),
      () => announceReady(options, pid),
    )
  }
  log.info(`process ${pid} runs again after ${microseconds(started)} µs`)
  return { pid, exitStatus: options.detached ? undefined : waitForEnd(pid, job) }
}

/** All processes as far as their places in the tree go, in the order of pstree.img. */
export const membersOf = ({ processes, dead }: SavedTree): Parameters<typeof planBirths>[0] => [
  ...processes.map(({ tree: { pid, ppid, pgid, sid } }) => ({ pid, ppid, pgid, sid, dead: false })),
  ...dead.map(({ tree: { pid, ppid, pgid, sid } }) => ({ pid, ppid, pgid, sid, dead: true })),
]

/** What a refused call of a restore means, and what to do about it. */
const MEANINGS: readonly {
  readonly errno: string
  /** Any, where none is named. */
  readonly calls?: readonly string[]
  readonly found: string
  readonly next: string
}[] = [
  {
    errno: "EFBIG",
    found: "the limit of file sizes (RLIMIT_FSIZE) is too small for what is filled, memory among it",
    next: "Raise ulimit -f, then restore again: the tree gets its own limits back",
  },
  {
    errno: "EAGAIN",
    calls: ["clone3"],
    found: "no more processes and threads may be made here",
    next: "Raise the limit of processes (ulimit -u, pids.max of the cgroup, kernel.threads-max), then restore again",
  },
  {
    errno: "EPERM",
    calls: ["sched_setattr"],
    found: "stasis may not give a thread the scheduling that it had",
    next: "Start stasis itself with as good a nice value (not under nice), raise ulimit -e and -r, or restore with CAP_SYS_NICE",
  },
  {
    errno: "ESRCH",
    // Of a task that is held and told what to call: nothing of the restore's ends it.
    calls: ["ptrace", "process_vm_readv", "process_vm_writev"],
    found: "one of its processes was killed before it ran",
    next: "Find out who ended it (the kernel log tells of a lack of memory), then restore again",
  },
]

/** A call that failed in a new process, told as what it means for the restore. */
function explained<T>(saved: SavedTree, { helpers }: BirthPlan, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    const action = `Cannot build the tree of process ${saved.root.tree.pid}`
    const isCall = error instanceof SyscallError
    if (isCall && error.call === "clone3" && error.errno === "EEXIST") throw heldId(saved, helpers, error)
    const [limit] = isCall && error.call === "prlimit64" ? limitComplaints(saved) : []
    if (limit) throw limit
    const taken = isCall && error.call === "bind" ? refusedBind(action, error.errno, error) : undefined
    if (taken) throw taken
    const call = isCall ? error.call : ""
    const meaning = MEANINGS.find(({ errno, calls }) => errno === errnoOf(error) && (calls?.includes(call) ?? true))
    if (meaning) throw new CheckpointError("E_RESTORE", action, meaning.found, meaning.next, error)
    const lack = lackOfDescriptors(action, error)
    if (lack) throw lack
    const next = "Compare this machine with the one of the dump (files, limits, kernel: stasis check), or read the log of -v4"
    throw new CheckpointError("E_RESTORE", action, isCall ? "a call in it failed" : "a file that it needs cannot be read", next, error)
  }
}
