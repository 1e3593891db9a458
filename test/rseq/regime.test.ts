import { expect, test } from "bun:test"
import { probe } from "../../ffi/stub/gen/x86_64.ts"
import { probeRegime, readRegime } from "../../src/rseq/regime.ts"
import { startChild } from "../../src/tracee/child.ts"
import { deadlineIn, waitReport } from "../../src/tracee/wait.ts"

/** Runs the probe with some of its bytes replaced; the pattern must be there once. */
function altered(from: string, to: string): string {
  const code = Buffer.from(probe.code, "base64").toString("hex")
  expect(code.split(from)).toHaveLength(2)
  const child = startChild("stasis-probe", { ...probe, code: Buffer.from(code.replace(from, to), "hex").toString("base64") })
  const report = waitReport(child, deadlineIn(2), "the probe")
  return readRegime(report.kind === "gone" ? report.status : -1)
}

/** mov dword ptr [rbx + 68], 7: the section's flags. */
const FLAGS = "c7434407000000"
/** mov [rbx + 8], rax: enters the section. */
const ENTER = "48894308"

test("probeRegime says the same each time", () => {
  expect(["honoured", "fatal", "ignored"]).toContain(probeRegime())
  expect(altered(FLAGS, FLAGS)).toBe(probeRegime())
})

test("the probe sees an abort: without flags every kernel aborts", () => {
  for (let round = 0; round < 20; round++) expect(altered(FLAGS, "c7434400000000")).toBe("ignored")
})

test("the probe sees a section that goes on: outside of one every kernel lets it", () => {
  for (let round = 0; round < 20; round++) expect(altered(ENTER, "90909090")).toBe("honoured")
})

test("readRegime knows the probe's ends and no other", () => {
  expect([11, 0x8b, 0, 0x100, 0x200].map(readRegime)).toEqual(["fatal", "fatal", "honoured", "ignored", "none"])
  for (const status of [9, 0x300, -1]) expect(() => readRegime(status)).toThrow("wait status")
})
