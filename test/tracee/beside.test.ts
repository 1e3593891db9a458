import { describe, expect, test } from "bun:test"
import { allocate, syscall } from "../../ffi/syscall.ts"
import { attemptBeside } from "../../src/tracee/beside.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"

describe("attemptBeside", () => {
  test("answers as the call does, with its errno", () => {
    expect(attemptBeside("a test", deadlineIn(5), "getppid")).toBe(process.pid)
    expect(attemptBeside("a test", deadlineIn(5), "close", 1 << 20)).toBe(-9) // EBADF
  })

  test("gives up a call that does not come back, which goes on by itself", () => {
    const memory = allocate(16)
    syscall("pipe2", memory.address + 8, 0)
    const [from, to] = [memory.view.getInt32(8, true), memory.view.getInt32(12, true)]
    const started = performance.now()
    expect(attemptBeside("a test", deadlineIn(0.2), "read", from, memory.address, 1)).toBeUndefined()
    expect(performance.now() - started).toBeGreaterThan(199)
    memory.bytes[1] = 7
    syscall("write", to, memory.address + 1, 1)
    for (const end = performance.now() + 5000; memory.bytes[0] !== 7 && performance.now() < end; ) Bun.sleepSync(1)
    expect(memory.bytes[0]).toBe(7)
    for (const fd of [from, to]) syscall("close", fd)
  })
})
