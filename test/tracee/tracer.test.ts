import { describe, expect, test } from "bun:test"
import { aboutTracer } from "../../src/tracee/tracer.ts"

describe("a tracer", () => {
  test.each([
    ["gdb", 'it is traced by process 7 ("gdb")', "Detach the debugger 7"],
    ["stasis", 'it is traced by process 7 ("stasis")', "Wait for that run of stasis"],
    [undefined, "it is traced by process 7", "Detach the debugger 7"],
  ])("named %p is told", (name, found, next) => {
    expect(aboutTracer(7, name, "stasis")).toEqual([found, `${next}, then try again`])
  })
})
