import { describe, expect, test } from "bun:test"
import { CheckpointError } from "../../src/base/errors.ts"
import { cpuOptions } from "../../src/cli/cpu-cap.ts"
import { canonical } from "../../src/cli/spelling.ts"
import { failureOf } from "../harness/failure.ts"

const capsOf = (...words: string[]) => cpuOptions(canonical(["restore", ...words])).cpuCap

describe("cpuOptions", () => {
  // As `criu cpuinfo check` of CRIU 4.1.1 answers for each of them, test/crossing/cpu.test.ts.
  test.each<[readonly string[], ReturnType<typeof capsOf>]>([
    [[], undefined],
    [["--cpu-cap"], ["fpu", "ins", "cpu"]],
    [["--cpu-cap=all"], ["fpu", "ins", "cpu"]],
    [["--cpu-cap=cpu"], ["fpu", "ins", "cpu"]],
    [["--cpu-cap=ins"], ["fpu", "ins"]],
    [["--cpu-cap=fpu"], ["fpu", "ins"]],
    [["--cpu-cap=^ins"], ["fpu"]],
    [["--cpu-cap=^fpu"], ["ins"]],
    [["--cpu-cap=^fpu,^ins"], []],
    [["--cpu-cap=none"], []],
    [["--cpu-cap=none,cpu"], ["cpu"]],
    [["--cpu-cap=^none"], ["fpu", "ins", "cpu"]],
    [["--cpu-cap=all,^fpu"], ["ins", "cpu"]],
    [
      ["--cpu-cap", "--cpu-cap=^cpu"],
      ["fpu", "ins"],
    ],
  ])("%p", (words, caps) => {
    expect(capsOf(...words)).toEqual(caps)
  })

  test.each(["image", "", "^", "all,", "^^ins"])("refuses the word %p", (word) => {
    const failure = failureOf(() => capsOf(`--cpu-cap=${word}`))
    expect(failure).toBeInstanceOf(CheckpointError)
    expect(failure).toMatchObject({ code: "E_USAGE" })
  })
})
