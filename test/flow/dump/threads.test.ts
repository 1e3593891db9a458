import { expect, test } from "bun:test"
import { inspectThreads, prepareThreads } from "../../../src/flow/dump/threads.ts"
import { readMaps } from "../../../src/proc/maps.ts"
import { canCompile, startFixture } from "../../rseq/fixture.ts"
import { freeze } from "../../tracee/fixture.ts"
import { USUAL_DUMP } from "../usual.ts"

/** How long to try, ms: a thread inside its section may be interrupted there, and has left it then. */
const PATIENCE = 30_000

test.skipIf(!canCompile || process.getuid?.() !== 0)(
  "threads are inspected without a change, and then prepared",
  async () => {
    using fixture = await startFixture()
    const end = performance.now() + PATIENCE
    for (let round = 1, met = false; !met; round++) {
      for (const slot of [0, 1]) fixture.write(slot, "wanted", round)
      // No sleep: a thread must be met before it is interrupted.
      while (![0, 1].every((slot) => fixture.read(slot).entered === round)) expect(performance.now()).toBeLessThan(end)
      using frozen = freeze(fixture.pid)
      const inspected = inspectThreads(frozen, readMaps(fixture.pid), USUAL_DUMP)
      expect(frozen.threads.map(({ registers, resume, guess, touched }) => [resume === registers, guess, touched])).toEqual([
        [true, undefined, false],
        [true, undefined, false],
      ])
      for (const { frozen: thread, rseq, restart } of prepareThreads(frozen, inspected)) {
        if (rseq.class !== "abortable") continue
        met = true
        expect(thread.resume.ip).toBe(fixture.abort)
        expect(restart.image.ip).toBe(fixture.abort)
      }
    }
  },
  60_000,
)
