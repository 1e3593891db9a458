import type { Registers } from "../../../ffi/abi/registers.x86_64.ts"
import { userRegsStruct } from "../../../ffi/abi/registers.x86_64.ts"
import { decode } from "../../../ffi/layout.ts"
import { logger } from "../../base/log.ts"
import { FilterTable, UNFILTERED } from "../../kinds/seccomp/collect.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus } from "../../proc/status.ts"
import { UNREGISTERED } from "../../rseq/classify.ts"
import { freshlyStopped } from "../../tracee/frozen.ts"
import { saveCgroups } from "../cgroups.ts"
import { openDumpConnections } from "../connections.ts"
import type { DumpOptions } from "../options.ts"
import { gather } from "./gather.ts"
import { planQuestions } from "./question.ts"
import { resurvey } from "./resurvey.ts"
import { collectState } from "./state.ts"
import type { Survey } from "./survey.ts"
import type { InspectedThread } from "./threads.ts"

const log = logger("rehearsal")
/** Room for any extended state without AMX, bytes. */
const XSTATE = 4096
/** Descriptors that take part. */
const MOST_DESCRIPTORS = 16

/** The leader as the freeze would show it, with every register 0. */
function imaginedLeader(pid: number): InspectedThread {
  const registers: Registers = decode(userRegsStruct, new Uint8Array(userRegsStruct.size))
  return {
    frozen: freshlyStopped({ tid: pid, registers, xstate: new Uint8Array(XSTATE), mask: 0n }),
    status: readStatus(pid),
    rseq: { ...UNREGISTERED, tid: pid, registration: undefined, area: undefined, ip: 0n },
    proven: true,
    restart: { image: registers, resume: undefined, entry: undefined },
    seccomp: UNFILTERED,
  }
}

/**
 * Does with the running process what the freeze will do, as far as that stops and changes nothing, and throws the result away.
 *
 * Not what writes the images: it takes longer to rehearse than it takes in the freeze.
 * Why: code that JavaScriptCore runs for the first time is several times slower than the second time. What is slow here is not slow in the
 * freeze. A failure is no answer: the process may have changed under our eyes. The survey has refused what can be refused.
 */
export function rehearse(pid: number, before: Survey, options: DumpOptions): void {
  const { processes, cgroups } = before
  const started = performance.now()
  try {
    const mappings = processes.get(pid)?.smaps ?? []
    // One thread: more teach the engine nothing new.
    const questions = planQuestions(pid, new Map([[pid, undefined]]), mappings)
    const answers = new Map([...questions.programs].map(([tid, program]) => [tid, program.imagined()] as const))
    const threads = [imaginedLeader(pid)]
    const statuses = new Map(threads.map(({ frozen, status }) => [frozen.tid, status]))
    const filters = new FilterTable()
    const stat = readStat(pid)
    const gathered = gather(stat, threads, questions, { answers, statuses, clocks: new Map() }, 0, filters)
    const sets = saveCgroups([{ pid, threads: threads.map(({ frozen }) => frozen) }], cgroups, undefined, options)
    const source = { pid, threads, mappings, gathered }
    const member = { stat, ppid: 0, dead: false }
    const treeWide = { ...openDumpConnections(options, undefined), cgroups: sets, filters }
    collectState([source], [member], { ...options, stopped: false, most: MOST_DESCRIPTORS }, treeWide)
    const stopped = { pid, mappings, threads: threads.map(({ frozen }) => frozen), statuses: [...statuses.values()] }
    resurvey([stat], [stopped], before, options)
    log.debug(`done after ${(performance.now() - started).toFixed(1)} ms`)
  } catch (error) {
    log.debug(`stopped early: ${error}`)
  }
}
