import { expect, test } from "bun:test"
import { readFileSync } from "../../ffi/fs.ts"
import { SyscallError } from "../../ffi/syscall.ts"
import { errnoOf } from "../../src/base/errno.ts"
import { CheckpointError } from "../../src/base/errors.ts"

const thrownBy = (step: () => unknown): unknown => {
  try {
    return step()
  } catch (error) {
    return error
  }
}

test("errnoOf: of a file, of a call, of nothing else", () => {
  expect(errnoOf(thrownBy(() => readFileSync("/nonexistent")))).toBe("ENOENT")
  expect(errnoOf(thrownBy(() => readFileSync("/proc/self/mem")))).toBe("EIO")
  expect(errnoOf(new SyscallError("kill", "ESRCH", [1]))).toBe("ESRCH")
  for (const other of [new CheckpointError("E_IO", "", "", ""), new Error("ENOENT"), "ENOENT", undefined])
    expect(errnoOf(other)).toBeUndefined()
})
