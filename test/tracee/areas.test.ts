import { describe, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { readSysctl } from "../../src/proc/sysctl.ts"
import { Program } from "../../src/tracee/program.ts"
import { patienceOf } from "../../src/tracee/wait.ts"
import { failureOf } from "../harness/failure.ts"
import { borrow } from "./borrow.ts"
import { canTrace, freeze, lend, perThread, startTarget, termsOf, why } from "./fixture.ts"

const most = readSysctl("vm/max_map_count", 0)
const told = {
  code: "E_INJECTION",
  next: expect.stringMatching(new RegExp(`^Raise vm.max_map_count .sysctl., which is ${most}: the target has \\d+ areas$`)),
}

describe.skipIf(!canTrace || most > 100_000)(
  `a process with nearly as many areas as the kernel allows is told which limit that is${why}`,
  () => {
    test("it may have no more", async () => {
      using target = await startTarget("areas")
      using _ = holdInterrupts()
      using frozen = freeze(target.pid)
      expect(failureOf(() => borrow(frozen, termsOf(frozen), 1 << 20, patienceOf(10)))).toMatchObject(told)
    })

    test("it may have a single one more, which would have to be cut", async () => {
      using target = await startTarget("areas", "less")
      using _ = holdInterrupts()
      using frozen = freeze(target.pid)
      const programs = perThread(frozen, () => {
        const program = new Program()
        program.call("gettid")
        return program
      })
      using loan = lend(frozen, programs)
      expect(failureOf(() => loan.run(programs))).toMatchObject({ ...told, found: "its memory on loan cannot be made writable" })
    })
  },
)
