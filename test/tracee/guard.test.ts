import { afterEach, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { standGuard } from "../../src/tracee/guard.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, stateOf } from "../harness/process.ts"

const started: Bun.Subprocess[] = []
afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill("SIGKILL")
    await one.exited
  }
})

/** Processes that end only when somebody ends them. */
function sleepers(count: number): Bun.Subprocess[] {
  const some = Array.from({ length: count }, () => Bun.spawn(["sleep", "100"]))
  started.push(...some)
  return some
}

test("a guard that is not dismissed kills all that it guards", async () => {
  const some = sleepers(3)
  {
    using _ = holdInterrupts()
    using guard = standGuard(some.map(({ pid }) => pid))
    expect(guard.dismiss).toBeFunction()
  }
  for (const one of some) {
    await one.exited
    expect(one.signalCode).toBe("SIGKILL")
  }
})

test("a guard that was dismissed kills nobody, and is gone", async () => {
  const some = sleepers(3)
  {
    using _ = holdInterrupts()
    using guard = standGuard(some.map(({ pid }) => pid))
    guard.dismiss()
  }
  await Bun.sleep(50)
  expect(some.map(({ pid }) => alive(pid))).toEqual([true, true, true])
})

test("a guard outlives a tool that is killed: none of the guarded stays", async () => {
  const some = sleepers(2)
  const code = `
    import { standGuard } from "${import.meta.dir}/../../src/tracee/guard.ts"
    const guard = standGuard([${some.map(({ pid }) => pid)}])
    console.log("standing")
    setInterval(() => guard, 1000)`
  const tool = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" })
  started.push(tool)
  const { value } = await tool.stdout.getReader().read()
  expect(Buffer.from(value ?? []).toString()).toBe("standing\n")
  expect(some.map(({ pid }) => stateOf(pid))).toEqual(["S", "S"])
  tool.kill("SIGKILL")
  await waitFor("the guarded to be killed", () => some.every(({ signalCode }) => signalCode === "SIGKILL"))
})
