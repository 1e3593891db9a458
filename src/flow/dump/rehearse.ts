import type { Registers } from "../../../ffi/abi/registers.x86_64.ts"
import { userRegsStruct } from "../../../ffi/abi/registers.x86_64.ts"
import { closeSync, openSync } from "../../../ffi/fs.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate } from "../../../ffi/syscall.ts"
import { PE } from "../../../proto/values.ts"
import { logger } from "../../base/log.ts"
import { PAGE_SIZE, remoteAddress } from "../../base/units.ts"
import { forgottenImages } from "../../image/rehearsal.ts"
import { FilterTable, UNFILTERED } from "../../kinds/seccomp/collect.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus } from "../../proc/status.ts"
import { UNREGISTERED } from "../../rseq/classify.ts"
import { type FrozenProcess, freshlyStopped } from "../../tracee/frozen.ts"
import type { Gadgets } from "../../tracee/gadgets.ts"
import { loanSize, placePrograms } from "../../tracee/placement.ts"
import { saveCgroups } from "../cgroups.ts"
import { openDumpConnections } from "../connections.ts"
import type { DumpOptions } from "../options.ts"
import { gather } from "./gather.ts"
import { planQuestions, type Questions } from "./question.ts"
import { resurvey } from "./resurvey.ts"
import { collectState, writeMetadata } from "./state.ts"
import { type StoredPages, savePages } from "./store-pages.ts"
import type { Survey } from "./survey.ts"
import { findTerms } from "./terms.ts"
import type { InspectedThread } from "./threads.ts"

const log = logger("rehearsal")
/** Room for any extended state without AMX, bytes. */
const XSTATE = 4096
/** Descriptors that take part. */
const MOST_DESCRIPTORS = 16

/** Mappings that take part. */
const MOST_MAPPINGS = 64

/** The leader as the freeze would show it, with every register 0 but the stack pointer, which is where it may be. */
function imaginedLeader(pid: number, mappings: readonly MappingDetail[]): InspectedThread {
  const stack = mappings.find(({ path }) => path === "[stack]")
  const registers: Registers = { ...decode(userRegsStruct, new Uint8Array(userRegsStruct.size)), sp: stack ? stack.end - 1n : 0n }
  return {
    frozen: freshlyStopped({ tid: pid, registers, xstate: new Uint8Array(XSTATE), mask: 0n }),
    status: readStatus(pid),
    rseq: { ...UNREGISTERED, tid: pid, registration: undefined, area: undefined, ip: 0n },
    proven: true,
    restart: { image: registers, resume: undefined, entry: undefined },
    seccomp: UNFILTERED,
  }
}

/** A process of that one thread. */
const imaginedProcess = (pid: number, { frozen }: InspectedThread): FrozenProcess => ({
  pid,
  threads: [frozen],
  frozenAt: 0,
  stopSignal: 0,
  traceOptions: 0,
  heldSignals: [],
  ending: "run",
  [Symbol.dispose]() {},
})

/** Chooses what would be borrowed, and lays the questions into it, but not into the process. */
function rehearseLoan(
  one: InspectedThread,
  mappings: readonly MappingDetail[],
  { programs }: Questions,
  gadgets: Gadgets | undefined,
): void {
  const process = imaginedProcess(one.frozen.tid, one)
  const { stubSignal } = findTerms(process, [one], mappings, gadgets)
  placePrograms(process, programs, remoteAddress(0n), loanSize(process, [...programs.values()]), stubSignal)
}

/** Copies a page of this tool's own into nothing. @throws FileError */
function rehearseCopying(): StoredPages {
  const start = BigInt(allocate(PAGE_SIZE).address)
  const ranges = [{ start, end: start + BigInt(PAGE_SIZE), flags: PE.PRESENT }]
  const fd = openSync("/dev/null", "r+")
  try {
    return savePages(process.pid, { pagesId: 1, file: { fill: (step) => step(fd), truncate() {} } }, { ranges, common: [] }, [])
  } finally {
    closeSync(fd)
  }
}

/**
 * Does with the running process what the freeze will do, as far as that stops and changes nothing, and throws the result away.
 *
 * Why: code that JavaScriptCore runs for the first time is several times slower than the second time. What is slow here is not slow in the
 * freeze. A failure is no answer: the process may have changed under our eyes. The survey has refused what can be refused.
 */
export function rehearse(pid: number, before: Survey, options: DumpOptions): void {
  const { processes, cgroups } = before
  const known = processes.get(pid)
  const started = performance.now()
  try {
    const everything = known?.smaps ?? []
    const mappings = everything.slice(0, MOST_MAPPINGS)
    // One thread: more teach the engine nothing new.
    const questions = planQuestions(pid, new Map([[pid, undefined]]), mappings, false)
    const answers = new Map([...questions.programs].map(([tid, program]) => [tid, program.imagined()] as const))
    const leader = imaginedLeader(pid, everything)
    const statuses = new Map([[pid, leader.status]])
    const filters = new FilterTable()
    const stat = readStat(pid)
    const gathered = gather(stat, [leader], mappings, questions, { answers, statuses, clocks: new Map() }, 0, filters)
    const sets = saveCgroups([{ pid, threads: [leader.frozen] }], cgroups, undefined, options)
    const source = { pid, threads: [leader], mappings, gathered }
    const member = { stat, ppid: 0, dead: false }
    const treeWide = { ...openDumpConnections(options, undefined), cgroups: sets, filters }
    const state = collectState([source], [member], { ...options, stopped: false, most: MOST_DESCRIPTORS }, treeWide)
    writeMetadata(forgottenImages, state, [rehearseCopying()])
    resurvey([stat], [{ pid, mappings: everything, threads: [leader.frozen], statuses: [leader.status] }], before, options)
    rehearseLoan(leader, everything, questions, known?.gadgets)
    log.debug(`done after ${(performance.now() - started).toFixed(1)} ms`)
  } catch (error) {
    log.debug(`stopped early: ${error}`)
  }
}
