import { describe, expect, test } from "bun:test"
import { type Registers, USER_CS, USER32_CS } from "../../../ffi/abi/registers.x86_64.ts"
import { resurvey, type Stopped } from "../../../src/flow/dump/resurvey.ts"
import type { Survey, SurveyOptions } from "../../../src/flow/dump/survey.ts"
import { readSmaps } from "../../../src/proc/smaps.ts"
import { readStat } from "../../../src/proc/stat.ts"
import { readStatus } from "../../../src/proc/status.ts"
import { failureOf } from "../../harness/failure.ts"

const { pid } = process
const place = readStat(pid)
const [status, mappings] = [readStatus(pid), readSmaps(pid).filter(({ vmFlags }) => !vmFlags.has("io") && !vmFlags.has("pf"))]
const before = { processes: new Map([[pid, {}]]) } as unknown as Survey

/** What is refused of this very process when it is looked at again with changes. */
const refusal = (change: Partial<Stopped>, shellJob = true): unknown =>
  failureOf(() =>
    resurvey([place], [{ pid, statuses: [status], mappings, threads: [], ...change }], before, { pid, shellJob } as SurveyOptions),
  )

describe("resurvey", () => {
  test("a process that did nothing meanwhile is not refused", () => {
    expect(() =>
      resurvey([place], [{ pid, statuses: [status], mappings, threads: [] }], before, { pid, shellJob: true } as SurveyOptions),
    ).not.toThrow()
  })

  test("a session led from outside, an area, a shadow stack and 32-bit code since the survey are refused", () => {
    const [first] = mappings
    if (!first) throw new Error("this process has no memory")
    expect(refusal({ mappings: [{ ...first, vmFlags: new Set(["ss"]) }] })).toMatchObject({
      found: expect.stringContaining("a shadow stack"),
    })
    expect(refusal({ statuses: [Object.create(status, { threadFeatures: { value: ["shstk"] } })] })).toMatchObject({
      found: expect.stringContaining("shadow stack"),
    })
    const threadWith = (cs: bigint) => ({ threads: [{ tid: pid, registers: { cs } as Registers, xstate: new Uint8Array(4096) }] })
    expect(refusal(threadWith(USER32_CS))).toMatchObject({ found: expect.stringContaining("running 32-bit code") })
    expect(refusal(threadWith(0xfn))).toMatchObject({ found: expect.stringContaining("running 32-bit code") })
    expect(() => refusal(threadWith(USER_CS))).toThrow("nothing was thrown")
    if (place.session !== pid)
      expect(refusal({}, false)).toMatchObject({ code: "E_UNSUPPORTED", found: expect.stringContaining("session") })
  })
})
