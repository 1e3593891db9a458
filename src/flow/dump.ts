import { holdInterrupts } from "../../ffi/interrupt.ts"
import { logger } from "../base/log.ts"
import { writeStats } from "../image/stats.ts"
import { beginImages, type ImageTransaction } from "../image/transaction.ts"
import { readStatus } from "../proc/status.ts"
import { listThreadsIfAlive } from "../proc/tasks.ts"
import { seizeProcess } from "../tracee/seize.ts"
import { checkDeadline, deadlineIn } from "../tracee/wait.ts"
import { asDumpError, kill } from "./inject.ts"
import { allocateBlocks } from "./layout.ts"
import type { DumpOptions, DumpReport } from "./options.ts"
import { announceReady } from "./ready.ts"
import { rehearse } from "./rehearse.ts"
import { PROCESS_PAGES, saveProcess } from "./save.ts"
import { runScripts } from "./scripts.ts"
import { type Survey, survey } from "./survey.ts"

const log = logger("dump")
const microseconds = (since: number): number => Math.round((performance.now() - since) * 1000)

/**
 * Saves a process as a set of images; then kills it, or lets it go on.
 *
 * Until the set is complete and on the disk the process can go on exactly as it was: on any error it does.
 *
 * @throws CheckpointError; no image is left then, and an older set is untouched
 */
export async function dump(options: DumpOptions): Promise<DumpReport> {
  const started = performance.now()
  const { pid, imagesDir, leaveRunning, leaveStopped } = options
  const before = survey(options)
  rehearse(pid, before, options)
  // Not given back: what ends the tool after the set is complete would make a finished dump look like a failed one.
  holdInterrupts()
  using images = beginImages(imagesDir, { sync: options.sync, allocate: allocateBlocks })
  const pagesFile = preparePages(images, before)
  const script = { imagesDir, initPid: pid }
  runScripts(options.actionScripts, "pre-dump", script)
  const facts = { pages: 0, bytes: 0, threads: 0, freezing: 0, copying: 0, frozen: 0 }
  {
    const listThreads = (): number[] => listThreadsIfAlive(pid) ?? []
    using frozen = seizeProcess(pid, deadlineIn(options.timeoutSeconds), listThreads, (tid) => readStatus(pid, tid).tracerPid)
    facts.freezing = microseconds(frozen.frozenAt)
    const thaw = (): void => {
      frozen[Symbol.dispose]()
      facts.frozen = microseconds(frozen.frozenAt)
    }
    const saved = explained(pid, () => saveProcess(frozen, before, images, pagesFile, options))
    facts.threads = frozen.threads.length
    facts.pages = saved.pages
    facts.copying = Math.round(saved.copying * 1000)
    // A script at post-dump may copy files that belong to the images: the process waits for it.
    const thawEarly = leaveRunning && options.actionScripts.length === 0
    if (thawEarly) thaw()
    checkDeadline(deadlineIn(0), "the dump")
    saved.writeMetadata(images)
    facts.bytes = images.bytesWritten
    images.commit()
    runScripts(options.actionScripts, "post-dump", script)
    if (leaveStopped) frozen.ending = "stop"
    else if (!leaveRunning) kill(frozen)
    if (!thawEarly) thaw()
  }
  writeStats(options.workDir, "dump", dumpStats(facts))
  announceReady(options, pid)
  log.info(`frozen for ${facts.frozen} µs`)
  return {
    pid,
    threads: facts.threads,
    imagesDir,
    bytes: facts.bytes,
    frozenMicroseconds: facts.frozen,
    wallMicroseconds: microseconds(started),
    leftRunning: leaveRunning || leaveStopped,
  }
}

function explained<T>(pid: number, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw asDumpError(pid, error)
  }
}

/** Private memory that is worth allocating beforehand, bytes. */
const WORTH_ALLOCATING = 1 << 20

/** Takes the room that the private memory will need: allocating it in the freeze would make that three times longer. */
function preparePages(images: ImageTransaction, { smaps }: Survey): ReturnType<ImageTransaction["pages"]> {
  const file = images.pages(PROCESS_PAGES)
  const estimate = smaps.reduce((sum, { anonymous, swap, shared }) => sum + (shared ? 0 : anonymous + swap), 0) * 1024
  if (estimate > WORTH_ALLOCATING) file.preallocate(estimate)
  return file
}

/** Times in µs. */
const dumpStats = ({ pages, freezing, copying, frozen }: { pages: number; freezing: number; copying: number; frozen: number }) => ({
  dump: {
    freezing_time: freezing,
    frozen_time: frozen,
    memdump_time: copying,
    memwrite_time: copying,
    pages_scanned: BigInt(pages),
    pages_skipped_parent: 0n,
    pages_written: BigInt(pages),
    pages_lazy: 0n,
  },
})
