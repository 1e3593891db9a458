import { tidyUp } from "../../base/engine.ts"
import { logger } from "../../base/log.ts"
import { writeStats } from "../../image/stats.ts"
import { beginImages, type ImageTransaction } from "../../image/transaction.ts"
import { freezeCgroup } from "../../kinds/cgroup/freezer.ts"
import { collectCpu } from "../../kinds/cpu/collect.x86_64.ts"
import { freezeTree } from "../../tracee/freeze.ts"
import { liveTasks } from "../../tracee/lists.ts"
import { holdInterruptsFor } from "../../tracee/own-limit.ts"
import { checkInterrupt, deadlineIn } from "../../tracee/wait.ts"
import { holdNewConnections, holdsListeners, openDumpConnections } from "../connections.ts"
import type { DumpOptions, DumpReport } from "../options.ts"
import { checkOutputs, finish } from "../outputs.ts"
import { announceReady } from "../ready.ts"
import { runScripts, type ScriptFacts } from "../scripts.ts"
import type { verifyImages } from "../verify/verify-dump.ts"
import { explained } from "./dump-error.ts"
import { ghostLimitFor } from "./ghost-limit.ts"
import { awaitEnd, kill } from "./kill.ts"
import { openPagesFiles, type PagesFiles } from "./pages-files.ts"
import { rehearse } from "./rehearse.ts"
import { saveTree } from "./save.ts"
import { checkServersOf } from "./servers.ts"
import { allocateBlocks } from "./store-pages.ts"
import { survey } from "./survey.ts"
import { openWitnesses, type Witnesses } from "./witness.ts"

const log = logger("dump")
const microseconds = (since: number): number => Math.round((performance.now() - since) * 1000)

/**
 * Saves a process tree as a set of images; then kills it, or lets it go on.
 *
 * Until the set is complete and on the disk every process can go on exactly as it was: on any error it does. A post-dump script finds the
 * complete set, and when it fails the tree goes on beside it. Afterwards nothing is a failure any more: statistics and the pidfile only
 * warn.
 *
 * @throws CheckpointError; no image is left then, and an older set is untouched; but E_SCRIPT at post-dump, which leaves the new set
 * Authority: CRIU does the same at post-dump: with a status other than 0 the tree goes on, the images stay and the dump has failed.
 */
export async function dump(given: DumpOptions): Promise<DumpReport> {
  const started = performance.now()
  const options = { ...given, ghostLimit: given.ghostLimit ?? ghostLimitFor(given.imagesDir) }
  const { pid, imagesDir, leaveRunning, leaveStopped } = options
  const verifier = options.verify ? (await import("../verify/verify-dump.ts")).verifyImages : undefined
  const before = explained({ root: pid, processes: [{ pid }] }, () =>
    // Who waits at a listening socket now may be let in until the freeze.
    survey({ ...options, skipInFlight: options.skipInFlight || holdsListeners(options) }),
  )
  // Not given back: what ends the tool after the set is complete would make a finished dump look like a failed one.
  holdInterruptsFor(`Cannot dump task ${pid}`)
  using witnesses = openWitnesses()
  rehearse(before, witnesses, options)
  tidyUp()
  using images = beginImages(imagesDir, { sync: options.sync, allocate: allocateBlocks })
  checkOutputs(options)
  if (options.cpuCap?.length !== 0) images.write("cpuinfo", undefined, [collectCpu()])
  images.settle()
  const pagesFiles = openPagesFiles(images)
  for (const [member, { smaps }] of before.processes) pagesFiles.prepare(member, smaps)
  // Made before the freeze, which they would make longer.
  for (const { status } of before.processes.values()) witnesses.of(status)
  const script = { imagesDir, initPid: pid }
  runScripts(options.actionScripts, "pre-dump", script)
  if (options.actionScripts.length > 0) {
    // A script takes its own time.
    const living = [...before.processes.keys()].map((member) => ({ stat: { pid: member } }))
    checkServersOf(pid, living, options.timeoutSeconds)
  }
  const facts = saveFrozen(options, before, { images, pagesFiles, witnesses, script, verifier })
  finish(
    log,
    () => writeStats(options.workDir, "dump", dumpStats(facts)),
    () => announceReady(options, pid),
  )
  log.info(`frozen for ${facts.frozen} µs`)
  return {
    pid,
    processes: facts.processes,
    threads: facts.threads,
    imagesDir,
    bytes: facts.bytes,
    frozenMicroseconds: facts.frozen,
    wallMicroseconds: microseconds(started),
    leftRunning: leaveRunning || leaveStopped,
  }
}

/** What a dump has ready when the freeze begins. */
interface ReadyForFreeze {
  readonly images: ImageTransaction
  readonly pagesFiles: PagesFiles
  readonly witnesses: Witnesses
  readonly script: ScriptFacts
  readonly verifier: typeof verifyImages | undefined
}

/**
 * The part of a dump in which the tree stands still: freezes it, saves it, completes the set, and then kills the tree or lets it go on.
 *
 * @returns numbers; times in µs
 */
function saveFrozen(
  options: DumpOptions,
  before: ReturnType<typeof survey>,
  { images, pagesFiles, witnesses, script, verifier }: ReadyForFreeze,
) {
  const { pid, leaveRunning, leaveStopped } = options
  const facts = { pages: 0, bytes: 0, processes: 0, threads: 0, freezing: 0, copying: 0, frozen: 0 }
  // Not of any process, where none has been seen with a socket of the internet: their descriptors are many.
  using listeners = holdNewConnections(options, before.openFiles.kinds.has("INETSK") ? before.processes.keys() : [])
  const deadline = deadlineIn(options.timeoutSeconds)
  using cgroup = options.freezeCgroup === undefined ? undefined : freezeCgroup(options.freezeCgroup, deadline)
  using frozen = explained({ root: pid, processes: [{ pid }] }, () =>
    freezeTree(pid, [...before.processes.keys()], deadline, liveTasks, { thaw: cgroup?.thaw }),
  )
  // Once more, to be disposed of first: what was frozen before us must be so again before its threads are let go.
  using _asFound = cgroup
  facts.freezing = microseconds(frozen.frozenAt)
  const thaw = (): void => {
    cgroup?.[Symbol.dispose]()
    frozen[Symbol.dispose]()
    listeners?.[Symbol.dispose]()
    facts.frozen ||= microseconds(frozen.frozenAt)
  }
  // Packets pass again before the tree goes on, whatever happens.
  using connections = openDumpConnections(options, "live")
  const provisions = { pagesFiles, images, witnesses, cgroup, connections }
  const saved = explained(frozen, () => saveTree(frozen, before, provisions, options))
  using links = saved.links
  if (leaveRunning || leaveStopped) connections[Symbol.dispose]()
  facts.processes = frozen.members.length
  facts.threads = frozen.processes.reduce((sum, { threads }) => sum + threads.length, 0)
  facts.pages = saved.pages
  facts.copying = Math.round(saved.copying * 1000)
  // A script at post-dump may copy files that belong to the images: the tree waits for it.
  const thawEarly = leaveRunning && options.actionScripts.length === 0
  if (thawEarly && !verifier) thaw()
  checkInterrupt("the dump")
  saved.writeMetadata(images)
  if (verifier) {
    explained(frozen, () => verifier(images.open(), before, provisions, options))
    if (thawEarly) thaw()
  }
  facts.bytes = images.bytesWritten
  images.commit()
  links.keep()
  runScripts(options.actionScripts, "post-dump", script)
  if (leaveStopped) for (const process of frozen.processes) process.ending = "stop"
  else if (!leaveRunning) {
    connections.connections?.abandon(connections.runId)
    kill(frozen)
    // What is dead does not stand still: to free its memory may take the kernel longer than all the rest.
    facts.frozen = microseconds(frozen.frozenAt)
    awaitEnd(frozen)
  }
  if (!thawEarly) thaw()
  return facts
}

/** Times in µs. CRIU's frozen time begins when all are stopped, ours when the first one is. */
const dumpStats = ({ pages, freezing, copying, frozen }: { pages: number; freezing: number; copying: number; frozen: number }) => ({
  dump: {
    freezing_time: freezing,
    frozen_time: frozen - freezing,
    memdump_time: copying,
    memwrite_time: copying,
    pages_scanned: BigInt(pages),
    pages_skipped_parent: 0n,
    pages_written: BigInt(pages),
    pages_lazy: 0n,
  },
})
