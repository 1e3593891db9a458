import { describe, expect, test } from "bun:test"
import { askTidAddress, collectRobustList, collectTidAddress } from "../../src/kinds/thread/collect.ts"
import { restoreRobustList, restoreTidAddress } from "../../src/kinds/thread/restore.ts"
import { listThreads } from "../../src/proc/tasks.ts"
import { Program } from "../../src/tracee/program.ts"
import { canRun, inside, startFixture, why } from "./fixture.ts"

test("restoreRobustList: no list for length 0, and only the length that kernels take", () => {
  const program = new Program()
  restoreRobustList({ futex_rla: 1n, futex_rla_len: 0 }, program)
  expect(program.length).toBe(0)
  expect(() => restoreRobustList({ futex_rla: 1n, futex_rla_len: 12 }, program)).toThrow("12 bytes, not 24")
})

describe.skipIf(!canRun)(`threads of a live process${why}`, () => {
  test("collect: what libc registered for each thread", async () => {
    using subject = await startFixture("subject", "thread")
    const addresses = inside(
      subject.pid,
      askTidAddress,
      ({ tid, question, answers }) => [tid, collectTidAddress(answers, question)] as const,
    )
    for (const [tid, address] of addresses) {
      expect(address).toBe(BigInt(subject.says.get(`tid.${tid}`)!))
      expect(collectRobustList(tid)).toEqual({ futex_rla: BigInt(subject.says.get(`robust.${tid}`)!), futex_rla_len: 24 })
    }
    expect(addresses.map(([tid]) => tid)).toEqual(listThreads(subject.pid))
  })

  test("restore: another list and address", async () => {
    using copy = await startFixture("subject", "idle")
    const [leader] = inside(
      copy.pid,
      (program, tid) => {
        restoreTidAddress(0x1000n + BigInt(tid), program)
        restoreRobustList({ futex_rla: 0x5000n, futex_rla_len: 24 }, program)
        return askTidAddress(program)
      },
      ({ question, answers }) => collectTidAddress(answers, question),
    )
    expect(leader).toBe(0x1000n + BigInt(copy.pid))
    expect(collectRobustList(copy.pid)).toEqual({ futex_rla: 0x5000n, futex_rla_len: 24 })
  })
})
