import { THREAD_FLAGS } from "../../../ffi/abi/clone.ts"
import type { memfd_inode_entry } from "../../../proto/gen/memfd_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { restoreLoginUid } from "../../kinds/attributes/login-uid.ts"
import { restoreThreadAttributes, sealProcess } from "../../kinds/attributes/restore.ts"
import { restoreSessionKeyring } from "../../kinds/creds/keyrings.ts"
import type { Origin } from "../../kinds/creds/origin.ts"
import { restoreFs } from "../../kinds/cwd/restore.ts"
import { restoreFileLocks } from "../../kinds/files/lock/restore.ts"
import { openRegular } from "../../kinds/files/open.ts"
import { cutFiles } from "../../kinds/files/regular/check.ts"
import { restoreDescriptors, startFiles } from "../../kinds/files/restore.ts"
import type { Self } from "../../kinds/files/self.ts"
import { restoreForeground, restoreJob, restoreLocks } from "../../kinds/files/tty/restore.ts"
import { restorePacketRings } from "../../kinds/memory/packet-ring.ts"
import { nodesWithMemory } from "../../kinds/memory/policy/nodes.ts"
import { restoreThreadPolicy } from "../../kinds/memory/policy/restore.ts"
import { sealSharedMemory } from "../../kinds/memory/shared.ts"
import { readOnlineCpus } from "../../kinds/sched/cpus.ts"
import { restoreSched } from "../../kinds/sched/restore.ts"
import { discardSignals, restoreAltStack, restoreSigactions } from "../../kinds/signals/restore.ts"
import { restoreRobustList, restoreTidAddress } from "../../kinds/thread/restore.ts"
import { armTimers } from "../../kinds/timers/restore.ts"
import { cloneTask } from "../../kinds/tree/restore.ts"
import { describeRegistration } from "../../rseq/discover.ts"
import { savedRseq } from "../../rseq/image.ts"
import { appendRegistration, chooseLength, faultOfPlace } from "../../rseq/register.ts"
import { appendSliceExtension, lackOfSliceExtension } from "../../rseq/slice.ts"
import { Program } from "../../tracee/program.ts"
import type { SavedProcess, SavedThread } from "../images.ts"
import { appendMemory } from "./build-memory.ts"
import { credsOf } from "./credentials.ts"
import { runsOf } from "./descriptors.ts"
import type { ProcessPlan, RestoreContext } from "./restore-context.ts"

const log = logger("restore")

/** The directories that an fs entry names. */
function directories({ files: { files } }: SavedProcess, { ghosts }: RestoreContext, program: Program): Parameters<typeof restoreFs>[1] {
  const entry = (id: number) => {
    const reg = files.get(id)?.reg
    if (reg) return reg
    throw damagedImage("Cannot restore the directories", `one is file ${id}, which files.img does not have`)
  }
  return { path: (id) => entry(id).name, open: (id, flags) => openRegular(program, entry(id), flags, ghosts) }
}

/** Who a process is while its files are made. */
export const selfOf = (pid: number, { status: { uid, gid } }: Origin): Self => ({
  pid,
  uid: uid.real,
  euid: uid.effective,
  egid: gid.effective,
})

/** What opening files looks at. */
export const fileOptions = (
  { tree }: SavedProcess,
  { services, placeholder, terminal, masters, ghosts, memfds, executed, given, shared, finisher, origin, pids, clocks }: RestoreContext,
) => {
  return {
    reserved: new Set(services),
    placeholder,
    made: { terminal, masters, ghosts, memfds, executed, given, clocks },
    self: selfOf(tree.pid, origin),
    inherited: shared,
    finishes: (id: number) => finisher.get(id) === tree.pid,
    isBorn: (tid: number) => pids.has(tid),
  }
}

/** Program of a process when its whole tree is born: everything that its threads share, then the threads themselves. */
export function buildProcess(saved: SavedProcess, processPlan: ProcessPlan, context: RestoreContext): Program {
  const { tree, threads, tc } = saved
  const { makes } = processPlan
  const program = new Program()
  restoreLoginUid(tc.loginuid, program)
  appendKeyring(saved, processPlan.keyring, context, program)
  if (makes.memory && !processPlan.early) appendMemory(saved, processPlan, context, program)
  const control = { ...context, ttyInfos: saved.files.ttyInfos }
  if (tree.sid === tree.pid) restoreForeground(tree.pid, control, program)
  else if (tree.ppid === 0 && context.jobGroup !== undefined) restoreJob(context.jobGroup, control, program)
  if (makes.files) restoreDescriptors(saved.files, program, fileOptions(saved, context))
  if (makes.handlers) {
    discardSignals(context.endSignals.get(tree.pid) ?? [], program)
    restoreSigactions(tc.sigactions, program, "all but SIGCHLD")
  }
  for (const { tid } of threads) if (tid !== tree.pid) cloneTask(program, tid, THREAD_FLAGS, 0, `thread ${tid}`)
  if (makes.directories) restoreFs(saved.fs, directories(saved, context, program), program)
  return program
}

/** Keeps the keys of whoever restores out of a process. Sets of CRIU say nothing of keyrings: there it has ours, as with CRIU. */
function appendKeyring(
  { tree, threads, extension }: SavedProcess,
  inherited: number | undefined,
  { origin }: RestoreContext,
  program: Program,
): void {
  const [leader] = threads
  if (!extension || !leader) return
  const { uid } = credsOf(tree.pid, leader.core)
  restoreSessionKeyring(extension.session_keyring, inherited, uid, origin.status.uid.real, program)
}

/** First program of each thread: what is its own, rseq last. */
export function buildThread(saved: SavedProcess, thread: SavedThread, context: RestoreContext): Program {
  const { info, core, extension, tid } = thread
  const program = new Program()
  if (extension?.landlocked) log.warn(`thread ${tid} was in a Landlock domain, which the dump dropped: it may do more now`)
  restoreTidAddress(info.clear_tid_addr, program)
  restoreRobustList(core, program)
  restoreAltStack(core.sas, program)
  restoreSched(core, extension, readOnlineCpus(), program)
  const comm = tid === saved.tree.pid ? saved.tc.comm : (core.comm ?? saved.tc.comm)
  restoreThreadAttributes(comm, extension, saved.extension?.personality, program)
  restoreThreadPolicy(extension?.mempolicy, nodesWithMemory, program)
  appendRseq(saved, thread, context, program)
  return program
}

/**
 * Appends the registration, and what needs it.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED this kernel takes no such registration, or nothing but a lesser one · E_IMAGE_CORRUPT
 */
function appendRseq(
  { mm }: SavedProcess,
  { tid, core, extension }: SavedThread,
  { kernelRseq, strict }: RestoreContext,
  program: Program,
): void {
  const rseq = savedRseq(core.rseq_entry)
  if (!rseq) return
  const action = `Cannot register rseq of thread ${tid}`
  const fault = faultOfPlace(rseq, mm.vmas)
  if (fault !== undefined) throw damagedImage(action, `${describeRegistration(rseq)}: ${fault}`)
  const refused = (found: string): CheckpointError =>
    new CheckpointError("E_IMAGE_UNSUPPORTED", action, found, "Restore on the kernel of the dump")
  const choice = chooseLength(rseq, kernelRseq, strict)
  if ("refused" in choice) throw refused(choice.refused)
  if (choice.warning) log.warn(`thread ${tid}: ${choice.warning}`)
  appendRegistration(program, rseq, choice.size)
  if (!extension?.rseq_slice_extension) return
  const lack = choice.warning ?? lackOfSliceExtension()
  if (lack === undefined) appendSliceExtension(program)
  else if (strict) throw refused(`it had longer time slices: ${lack}, and --strict forbids to leave them out`)
  else log.warn(`thread ${tid} goes on without longer time slices: ${lack}`)
}

/** Last program, in the leader: what credentials of any thread would reset, then clocks start to run, and nothing of ours stays open. */
export function buildEnd(
  saved: SavedProcess,
  memories: readonly memfd_inode_entry[],
  { makes }: ProcessPlan,
  context: RestoreContext,
): Program {
  const { tree, tc, mm, extension, files } = saved
  const program = new Program()
  const { services } = context
  if (tree.ppid === 0) for (const inode of memories) sealSharedMemory(inode, context.memfds.get(Number(inode.inode_id)) ?? -1, program)
  if (tree.ppid === 0) restoreLocks({ ...context, ttyInfos: files.ttyInfos }, program)
  if (makes.memory) restorePacketRings(mm.vmas, files.fdinfos, program)
  sealProcess({ mm, extension }, program)
  if (makes.files) for (const [first, last] of runsOf(services)) program.call("close_range", first, last, 0)
  if (makes.files) startFiles(files, program, fileOptions(saved, context))
  if (makes.files) cutFiles(files.fdinfos, context.cuts, program)
  restoreFileLocks(context.locks.get(tree.pid) ?? [], program)
  if (tc.timers) armTimers(tc.timers, program)
  return program
}
