import { RSEQ_ORIGINAL_FEATURES } from "../../../ffi/abi/rseq.ts"
import { interruptedBy } from "../../../ffi/interrupt.ts"
import { CheckpointError } from "../../base/errors.ts"
import { readExeIfAlive } from "../../proc/links.ts"
import { type Mapping, readMaps } from "../../proc/maps.ts"
import { readCommIfAlive } from "../../proc/tasks.ts"
import { discover } from "../../rseq/discover.ts"
import type { GuessSource } from "../../rseq/guess.ts"
import { readRseqState } from "../../rseq/inspect.ts"
import { kernelRegime } from "../../rseq/regime.ts"
import type { Discovery, RseqState } from "../../rseq/state.ts"
import type { FrozenProcess } from "../../tracee/frozen.ts"
import { liveTasks } from "../../tracee/lists.ts"
import { holdInterruptsFor } from "../../tracee/own-limit.ts"
import { seizeProcess } from "../../tracee/seize.ts"
import { deadlineIn } from "../../tracee/wait.ts"
import { checkThawed } from "../cgroups.ts"
import { checkProcess } from "../dump/target.ts"
import { kernelRseq } from "../kernel-rseq.ts"
import type { RseqOptions } from "../options.ts"
import { inspectImages } from "./from-images.ts"
import { readGuesses, writableBy } from "./guess.ts"
import { openPlaces, type Places } from "./place.ts"
import { areaCells, type RseqRow, verdictCells } from "./row.ts"
import { countSamples, type RseqCount } from "./sample.ts"
import { filesBehind } from "./sections.ts"

/** Seconds within which every thread must have stopped. */
const FREEZE_SECONDS = 10
/** Between two samples, ms: long enough for the process to get somewhere else. */
const SAMPLE_PAUSE = 1

/** What `stasis rseq` found. `counts` only with `samples`: how often each thread was met in which section. */
export interface RseqReport {
  readonly rows: readonly RseqRow[]
  readonly counts: readonly RseqCount[] | undefined
  /** Number of the signal that ended the sampling early, 0 = none did: `counts` are of the samples until then. */
  readonly interruptedBy: number
}

/**
 * The rseq state of every thread of a live process, or of a set of images.
 *
 * A live process is stopped, read from outside and let go: nothing runs in it, so the kernel does its own fix-up as after any
 * preemption, and it is stopped for less than a millisecond a few threads.
 *
 * @throws CheckpointError E_SELF · E_NO_PROCESS · E_KERNEL_THREAD · E_TRACED · E_PERMISSION · E_UNSUPPORTED · E_TIMEOUT, and those
 * of `openImages`
 */
export async function inspectRseq(options: RseqOptions): Promise<RseqReport> {
  const { pid, imagesDir, samples } = options
  if (imagesDir !== undefined) return { rows: inspectImages(imagesDir), counts: undefined, interruptedBy: 0 }
  if (pid === undefined) throw new Error("Unreachable: rseq without a process and without images")
  const action = `Cannot inspect task ${pid}`
  checkProcess(pid, action)
  checkThawed(pid, action)
  using _ = holdInterruptsFor(action)
  using context = openContext(pid)
  let rows = inspectOnce(context, options)
  if (samples === undefined) return { rows, counts: undefined, interruptedBy: 0 }
  const seen = [rows]
  while (seen.length < samples) {
    await Bun.sleep(SAMPLE_PAUSE)
    if (interruptedBy()) break
    try {
      rows = inspectOnce(context, options)
    } catch (error) {
      if (error instanceof CheckpointError && error.code === "E_INTERRUPTED") break
      throw error
    }
    seen.push(rows)
  }
  return { rows, counts: countSamples(seen), interruptedBy: interruptedBy() }
}

/** What stays the same while a process is looked at again and again. */
interface Context extends Disposable {
  readonly pid: number
  readonly maps: readonly Mapping[]
  readonly places: Places
  readonly featureSize: number
  /** Read at most once, and only where the kernel does not tell. */
  readonly guesses: () => GuessSource
}

function openContext(pid: number): Context {
  const maps = readMaps(pid)
  const places = openPlaces(maps, filesBehind(pid))
  let guesses: GuessSource | undefined
  return {
    pid,
    maps,
    places,
    featureSize: kernelRseq().featureSize ?? RSEQ_ORIGINAL_FEATURES,
    guesses: () => {
      guesses ??= readGuesses(pid, maps, places, readExeIfAlive(pid)?.path ?? "")
      return guesses
    },
    [Symbol.dispose]: () => places[Symbol.dispose](),
  }
}

/** One freeze. Names and places are looked up after the release. */
function inspectOnce(context: Context, { rseqDiscovery }: RseqOptions): RseqRow[] {
  const { pid } = context
  const found: (readonly [Exclude<Discovery, { kind: "unknown" }>, RseqState])[] = []
  {
    using frozen: FrozenProcess = seizeProcess(pid, deadlineIn(FREEZE_SECONDS), liveTasks)
    const isWritable = writableBy(pid, context.maps)
    for (const thread of frozen.threads) {
      const discovery = discover(thread, rseqDiscovery, {
        get guesses() {
          return context.guesses()
        },
      })
      found.push([discovery, readRseqState(pid, thread, discovery, kernelRegime, isWritable)])
    }
  }
  return found.map(([discovery, state]) => rowOf(context, discovery, state))
}

function rowOf({ pid, places, featureSize }: Context, discovery: Exclude<Discovery, { kind: "unknown" }>, state: RseqState): RseqRow {
  const { tid, registration, area, ip } = state
  const guessed = discovery.proven ? "" : " (a guess)"
  return {
    pid,
    tid,
    name: readCommIfAlive(pid, tid) ?? "",
    found: registration ? registration.strategy + guessed : null,
    address: registration?.abiPointer ?? null,
    size: registration?.abiSize ?? null,
    signature: registration?.signature ?? null,
    ...areaCells(area, featureSize),
    ...verdictCells(state, places.of),
    ip: places.of(ip),
  }
}
