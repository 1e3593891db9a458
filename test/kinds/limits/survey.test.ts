import { describe, expect, test } from "bun:test"
import { surveyLimits } from "../../../src/kinds/limits/survey.ts"
import { LIMIT, type Limit, RLIM_INFINITY } from "../../../src/proc/limits.ts"
import { readStatus, type Status } from "../../../src/proc/status.ts"

const changes = { vmSize: { value: 4000 }, vmData: { value: 400 }, threads: { value: 2 } }
const status: Status = Object.create(readStatus(process.pid), changes)
const withLimit = (resource: number, soft: bigint, hard = soft): Limit[] =>
  Array.from({ length: 16 }, (_, index) => (index === resource ? { soft, hard } : { soft: RLIM_INFINITY, hard: RLIM_INFINITY }))

describe("surveyLimits", () => {
  const data = (400n + 96n) << 10n
  const cases: [string, Limit[], number][] = [
    ["unlimited", withLimit(0, RLIM_INFINITY), 0],
    ["data: just enough", withLimit(LIMIT.DATA, data), 0],
    ["data: one byte too little", withLimit(LIMIT.DATA, data - 1n), 1],
    ["data: soft 0, which the kernel takes as the hard one", withLimit(LIMIT.DATA, 0n, RLIM_INFINITY), 0],
    ["data: both 0", withLimit(LIMIT.DATA, 0n), 1],
    ["address space: too little", withLimit(LIMIT.AS, 4096000n), 1],
    ["address space: soft 0 is none", withLimit(LIMIT.AS, 0n, RLIM_INFINITY), 1],
  ]
  for (const [name, limits, refusals] of cases) test(name, () => expect(surveyLimits(7, limits, status)).toHaveLength(refusals))

  test("the remedy is a whole command: a hard limit that is high enough stays", () => {
    const remedy = (limits: Limit[]): string | undefined => surveyLimits(7, limits, status)[0]?.remedy
    expect(remedy(withLimit(LIMIT.DATA, data - 1n))).toBe(`Raise it for the dump: prlimit --pid 7 --data=${data}`)
    expect(remedy(withLimit(LIMIT.AS, 0n, RLIM_INFINITY))).toBe(`Raise it for the dump: prlimit --pid 7 --as=${(4000n + 96n) << 10n}:`)
  })
})
