import { PTRACE_O } from "../../../ffi/abi/ptrace.ts"
import { closeSync, openSync } from "../../../ffi/fs.ts"
import { PE } from "../../../proto/values.ts"
import { asTrial, logger } from "../../base/log.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import { forgottenImages } from "../../image/rehearsal.ts"
import { collectObjects } from "../../kinds/tree/objects.ts"
import { readSmaps } from "../../proc/smaps.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus } from "../../proc/status.ts"
import { freezeTree } from "../../tracee/freeze.ts"
import { findGadgets } from "../../tracee/gadgets.ts"
import { liveTasks } from "../../tracee/lists.ts"
import { startUnderstudy } from "../../tracee/seed.ts"
import { fixedDeadline } from "../../tracee/wait.ts"
import { saveCgroups } from "../cgroups.ts"
import { openDumpConnections } from "../connections.ts"
import type { DumpOptions } from "../options.ts"
import { type AskedTree, askFrozenTree, readSessionKeyrings } from "./ask.ts"
import { storeMemory } from "./save.ts"
import { collectState, type TreeState, writeMetadata } from "./state.ts"
import type { StoredPages } from "./store-pages.ts"
import type { ProcessSurvey, Survey } from "./survey.ts"
import { codeRanges } from "./terms.ts"
import type { Witnesses } from "./witness.ts"

const log = logger("rehearsal")
/** For each wait, instead of the user's --timeout: that may be none. */
const DEADLINE = 2 // s
/** It dies with the tool, even when the tool's whole process group was stopped: stopped, it does not see that its leash goes. */
const TRACE_OPTIONS = PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL
/** Descriptors of the target that take part. */
const MOST_DESCRIPTORS = 16
/** Mappings of the target that take part. */
const MOST_MAPPINGS = 64

function surveyUnderstudy(pid: number): ProcessSurvey {
  const smaps = readSmaps(pid)
  return { smaps, gadgets: findGadgets(pid, codeRanges(smaps)), status: readStatus(pid) }
}

/** Copies a page of the understudy's stack into nothing. @throws FileError */
function storeOnePage({ sources: [source], requests }: AskedTree): StoredPages[] {
  const stack = source?.mappings.find(({ path }) => path === "[stack]")
  if (!source || !stack) return []
  const page = { start: stack.end - BigInt(PAGE_SIZE), end: stack.end, flags: PE.PRESENT }
  const processes = [{ pid: source.pid, memory: { vmas: [], ranges: [page], common: [] } }]
  const rseq = [source.threads.map((thread) => thread.rseq)]
  const fd = openSync("/dev/null", "r+")
  try {
    const nothing = { pagesId: 1, file: { fill: <T>(step: (fd: number) => T): T => step(fd), truncate() {} } }
    return storeMemory({ processes, memfds: [], sysv: [] }, { requests, rseq }, { take: () => nothing, next: () => nothing })
  } finally {
    closeSync(fd)
  }
}

/** Reads the files and areas of the target, which runs, as if it had said what the understudy has. */
function readTarget(
  { sources: [source], filters }: AskedTree,
  { processes, cgroups }: Survey,
  options: DumpOptions,
): TreeState | undefined {
  const { pid } = options
  if (!source) return undefined
  const stat = readStat(pid)
  const mappings = processes.get(pid)?.smaps.slice(0, MOST_MAPPINGS) ?? []
  const understudy = { pid: source.pid, threads: source.threads.map(({ frozen }) => frozen) }
  const sets = saveCgroups([understudy], cgroups, undefined, options)
  const treeWide = { ...openDumpConnections(options, undefined), cgroups: sets, filters }
  const moment = { ...options, stopped: false, most: MOST_DESCRIPTORS }
  return collectState([{ ...source, pid, mappings }], [{ stat, ppid: 0, dead: false }], moment, treeWide, collectObjects([pid]))
}

/** Freezes a new understudy, asks and copies it, and makes entries of the target by its answers. @throws whatever stops that */
function practise(before: Survey, witnesses: Witnesses, options: DumpOptions): void {
  using understudy = startUnderstudy()
  const { pid } = understudy
  using frozen = freezeTree(pid, [], fixedDeadline(DEADLINE), liveTasks, { traceOptions: TRACE_OPTIONS })
  const known = { ...before, processes: new Map([[pid, surveyUnderstudy(pid)]]) }
  const own = { ...options, pid, shellJob: true, timeoutSeconds: DEADLINE, rseqDiscovery: "auto" } as const
  askFrozenTree(frozen, known, witnesses, own, (asked) => {
    const state = readTarget(asked, before, options)
    const stored = storeOnePage(asked)
    // The look makes keyrings of the tool's user that stay: only where the dump itself does it.
    if (!options.leaveRunning && !options.leaveStopped) readSessionKeyrings(asked.sources, asked.loans)
    if (state) writeMetadata(forgottenImages, state, stored)
  })
}

/**
 * Does with a child of the tool, the understudy, what the freeze will do with the target, as far as it can with the target's own files, and
 * throws the result away.
 *
 * Why: code that JavaScriptCore runs for the first time is several times slower than the second time. What is slow here is not slow in the
 * freeze. A failure is no answer: the process may have changed under our eyes, and a child may not be wanted. The survey has refused what
 * can be refused.
 *
 * Precondition: interrupts are held.
 */
export function rehearse(before: Survey, witnesses: Witnesses, options: DumpOptions): void {
  // The understudy would have the tool's filters, which nobody under seccomp may read; and they may kill for what only a rehearsal calls.
  if (readStatus(process.pid).seccomp) {
    log.debug("none, for stasis is under seccomp")
    return
  }
  const started = performance.now()
  try {
    asTrial(() => practise(before, witnesses, options))
    log.debug(`done after ${(performance.now() - started).toFixed(1)} ms`)
  } catch (error) {
    log.debug(`stopped early: ${error}`)
  }
}
