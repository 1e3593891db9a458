import { afterEach, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { decode } from "../../ffi/layout.ts"
import { guard } from "../../ffi/stub/gen/x86_64.ts"
import { guardCall, guardList } from "../../ffi/stub/record.ts"
import { guardData, killing, standGuard } from "../../src/tracee/guard.ts"
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

test("the list of calls: numbers as they are, bytes behind it by their address", () => {
  const data = guardData(7, killing([12]), [{ call: "write", args: [5, Buffer.from("thaw"), 4] }])
  expect(decode(guardList, data)).toEqual({ pipe: 7, first: 1, later: 1 })
  expect(decode(guardCall, data, 16)).toEqual({ number: 62n, argument0: 12n, argument1: 9n, argument2: 0n, argument3: 0n, argument4: 0n })
  const address = BigInt(guard.base + guard.symbols.guard_list + 16 + 96)
  expect(decode(guardCall, data, 64)).toEqual({
    number: 1n,
    argument0: 5n,
    argument1: address,
    argument2: 4n,
    argument3: 0n,
    argument4: 0n,
  })
  expect(Buffer.from(data.subarray(112)).toString()).toBe("thaw")
})

test("a guard that is not dismissed kills all that it guards", async () => {
  const some = sleepers(3)
  {
    using _ = holdInterrupts()
    using standing = standGuard(killing(some.map(({ pid }) => pid)))
    expect(standing.dismiss).toBeFunction()
  }
  for (const one of some) {
    await one.exited
    expect(one.signalCode).toBe("SIGKILL")
  }
})

test("a guard that has advanced makes the later calls alone", async () => {
  const some = sleepers(3)
  const [one = -1, ...others] = some.map(({ pid }) => pid)
  {
    using _ = holdInterrupts()
    using standing = standGuard(killing([one]), [], killing(others))
    standing.advance()
  }
  await waitFor("two to be killed", () => some.slice(1).every(({ signalCode }) => signalCode === "SIGKILL"))
  expect(alive(one)).toBe(true)
})

test("a guard that was dismissed kills nobody, and is gone", async () => {
  const some = sleepers(3)
  {
    using _ = holdInterrupts()
    using standing = standGuard(killing(some.map(({ pid }) => pid)))
    standing.dismiss()
  }
  await Bun.sleep(50)
  expect(some.map(({ pid }) => alive(pid))).toEqual([true, true, true])
})

test("a guard outlives a tool that is killed: none of the guarded stays", async () => {
  const some = sleepers(2)
  const code = `
    import { guardData, killing, standGuard } from "${import.meta.dir}/../../src/tracee/guard.ts"
    const guard = standGuard(killing([${some.map(({ pid }) => pid)}]))
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
