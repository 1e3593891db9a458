import { expect, describe as group, test } from "bun:test"
import { CheckpointError } from "../../src/base/errors.ts"
import { describe, format } from "../../src/cli/failure.ts"
import { describeDump } from "../../src/cli/summary.ts"

const traced = new CheckpointError(
  "E_TRACED",
  "Cannot seize task 4242",
  "TracerPid is 77",
  "Detach task 77, then dump again",
  new Error("ptrace(0x4206, 0x1092, 0x0, 0x0) answered EPERM: operation not permitted"),
)

group("format", () => {
  test("prints action, found, cause, next step and code", () => {
    expect(format(describe(traced))).toBe(
      [
        "Cannot seize task 4242: TracerPid is 77",
        "         because ptrace(0x4206, 0x1092, 0x0, 0x0) answered EPERM: operation not permitted",
        "         next    Detach task 77, then dump again",
        "         code    E_TRACED",
      ].join("\n"),
    )
  })

  test("prints a line for each cause of a cause", () => {
    const error = new CheckpointError("E_IO", "Cannot write", "short", "Retry", new Error("outer", { cause: new Error("inner") }))
    expect(format(describe(error))).toContain("         because outer\n         because inner\n         next    Retry")
  })
})

group("describe", () => {
  test("keeps the parts of a CheckpointError apart", () => {
    expect(describe(traced)).toEqual({
      error: {
        code: "E_TRACED",
        action: "Cannot seize task 4242",
        found: "TracerPid is 77",
        next: "Detach task 77, then dump again",
        because: ["ptrace(0x4206, 0x1092, 0x0, 0x0) answered EPERM: operation not permitted"],
      },
    })
  })

  test("tells a CheckpointError that caused another as a cause", () => {
    const { error } = describe(new CheckpointError("E_RESTORE", "Cannot restore", "a task failed", "Look", traced))
    expect(error.because[0]).toBe("Cannot seize task 4242: TracerPid is 77")
    expect(error.because).toHaveLength(2)
  })

  test("names what happened first when a scope could not undo itself", () => {
    const { error } = describe(new SuppressedError(new Error("munmap failed"), traced))
    expect(error.code).toBe("E_TRACED")
    expect(error.because.at(-1)).toBe("munmap failed (while cleaning up)")
  })

  test("lists all errors of an AggregateError", () => {
    const cause = new AggregateError([new Error("one"), new Error("two")])
    expect(describe(new CheckpointError("E_IO", "Cannot close", "2 files", "Retry", cause)).error.because).toEqual(["one", "two"])
  })

  test.each([
    ["an error that nobody expected", new TypeError("x is not a function"), "x is not a function"],
    ["a string", "a string", "a string"],
    ["nothing", undefined, "nothing was said"],
  ])("calls %s a mistake of ours", (_what, thrown, found) => {
    expect(describe(thrown).error).toMatchObject({ code: "E_INTERNAL", found })
  })
})

test("describeDump names the end of the tree", () => {
  const report = {
    pid: 5,
    processes: 1,
    threads: 1,
    imagesDir: "/out",
    bytes: 3 * 2 ** 20,
    frozenMicroseconds: 1234,
    wallMicroseconds: 5678,
    leftRunning: false,
  }
  expect(describeDump(report, false)).toBe('Dumped task 5 (1 thread) into "/out": 3.0 MiB, frozen 1.2 ms, wall 5.7 ms, killed')
  expect(describeDump({ ...report, processes: 3, threads: 7 }, false)).toStartWith("Dumped task 5 (3 processes, 7 threads)")
  expect(describeDump({ ...report, threads: 2, leftRunning: true }, false)).toEndWith("left running")
  expect(describeDump({ ...report, threads: 2, leftRunning: true }, true)).toEndWith("left stopped")
})
