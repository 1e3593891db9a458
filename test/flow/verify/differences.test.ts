import { expect, test } from "bun:test"
import { treeDifferences } from "../../../src/flow/verify/differences.ts"
import { Aliases } from "../../../src/image/compare.ts"
import type { Entries, ImageSet } from "../../../src/image/set.ts"
import { withSet } from "../draft.ts"

const [PID, TID] = [1140, 1141]
const entriesOf =
  (set: ImageSet): Entries =>
  (kind, id) =>
    set.optional(kind, id)

/** What is different when one thread has another ax, and signals have come to another set of queues. */
function differences(signals: number): string[] {
  return withSet(
    () => {},
    (saved) =>
      withSet(
        ({ cores }) => {
          const core = cores.get(TID)
          if (!core?.thread_info || !core.thread_core) throw new Error("the example has no such thread")
          core.thread_info.gpregs.ax += 1n
          core.thread_core.signals_p = { signals: Array.from({ length: signals }, () => ({ siginfo: new Uint8Array(128) })) }
        },
        (now) => {
          const processes = [{ pid: PID, threads: [PID, TID], sleepers: new Set<number>(), tables: [2, 2] as const }]
          const scope = { processes, dead: [], shellJob: false, complete: true, aliases: new Aliases() }
          return treeDifferences(entriesOf(saved), entriesOf(now), scope)
        },
      ),
  )
}

test("registers of a thread are compared", () => {
  expect(differences(0)).toEqual([expect.stringMatching(/^thread 1141 thread_info gpregs ax: was \d+.*, is \d+/)])
})

test("a signal that came between two looks may have ended the thread's call: its answer is no difference then", () => {
  expect(differences(1)).toEqual([])
})
