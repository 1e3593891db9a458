import { expect, test } from "bun:test"
import { holdInterrupts } from "../../../ffi/interrupt.ts"
import { awaitEnd, kill } from "../../../src/flow/dump/kill.ts"
import type { FrozenProcess } from "../../../src/tracee/frozen.ts"

/** Above every PID. */
const NOBODY = 0x3fffffff

// Only the frozen state of a huge memory would really last so long: a process that was not hit stands for it.
test("awaitEnd: a thread that takes longer to end is no failure, for the set is complete", () => {
  const child = Bun.spawn(["sleep", "60"])
  try {
    const late = { pid: NOBODY, threads: [{ tid: child.pid }], ending: "run" } as unknown as FrozenProcess
    using _interrupts = holdInterrupts()
    kill({ processes: [late] })
    awaitEnd({ processes: [late] }, () => ({ at: 0, seconds: 1, deaf: true }))
    expect(late.ending).toBe("dead")
  } finally {
    child.kill("SIGKILL")
  }
})
