import { describe, expect, test } from "bun:test"
import { rseqArea, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { encode } from "../../ffi/layout.ts"
import { classify, isInside, type Observation } from "../../src/rseq/classify.ts"
import type { Regime, RseqClass } from "../../src/rseq/state.ts"

const SIGNATURE = 0x53053053
const START = 0x401000n
const LENGTH = 0x40n
const ABORT = 0x402000n
const LIMIT = (1n << 47n) - 4096n

interface Case {
  readonly cs?: bigint
  readonly areaFlags?: number
  readonly flags?: number
  readonly version?: number
  readonly start?: bigint
  readonly offset?: bigint
  readonly abort?: bigint
  readonly ip?: bigint
  readonly regime?: Regime
  readonly seen?: Partial<Observation>
}

function observe(given: Case): Observation {
  const { cs = 0x500000n, areaFlags = 0, flags = 0, version = 0, start = START, offset = LENGTH, abort = ABORT, ip = START, regime } = given
  return {
    area: encode(rseqArea, { cpu_id: 1, rseq_cs: cs, flags: areaFlags }),
    descriptor: encode(rseqDescriptor, { version, flags, start_ip: start, post_commit_offset: offset, abort_ip: abort }),
    abortSignature: SIGNATURE,
    ip,
    signature: SIGNATURE,
    taskSize: LIMIT,
    regime: () => {
      if (!regime) throw new Error("the regime was asked for although the answer does not depend on it")
      return regime
    },
    ...given.seen,
  }
}

const OUTSIDE = START - 1n
type Row = readonly [name: string, given: Case, expected: RseqClass, text?: RegExp]
const rows: readonly Row[] = [
  ["rseq_cs 0 is idle", { cs: 0n }, "idle"],
  ["rseq_cs 0 is idle whatever the flags", { cs: 0n, areaFlags: 7 }, "idle"],
  // the bounds
  ["the first address is inside", { ip: START }, "abortable"],
  ["the last address is inside", { ip: START + LENGTH - 1n }, "abortable"],
  ["the end is outside", { ip: START + LENGTH }, "outside"],
  ["one before the start is outside", { ip: OUTSIDE }, "outside"],
  ["the abort handler is outside", { ip: ABORT }, "outside"],
  ["an empty section has no inside", { offset: 0n, ip: START }, "outside"],
  ["address 0 with a section far above is outside", { ip: 0n }, "outside"],
  ["the highest address is outside", { ip: (1n << 64n) - 1n }, "outside"],
  ["an abort handler right behind the section is sound", { abort: START + LENGTH }, "abortable"],
  ["an abort handler right before the section is sound", { abort: START - 1n, start: START }, "abortable"],
  ["a section up to the limit is sound", { start: LIMIT - LENGTH - 1n, ip: LIMIT - LENGTH - 1n }, "abortable"],
  // flags, by source and regime
  ["no-restart from the descriptor", { flags: 7, regime: "honoured" }, "no-restart"],
  ["no-restart from the area", { areaFlags: 7, regime: "honoured" }, "no-restart"],
  ["no-restart from both together", { flags: 2, areaFlags: 5, regime: "honoured" }, "no-restart"],
  ["preempt and migrate only are abortable", { flags: 5, regime: "honoured" }, "abortable"],
  ["unknown bits of the area are no flags of the section", { areaFlags: 0x30, regime: "honoured" }, "abortable"],
  ["signal alone kills on an honouring kernel", { flags: 2, regime: "honoured" }, "malformed", /flags 0x2/],
  ["signal with preempt kills on an honouring kernel", { flags: 2, areaFlags: 1, regime: "honoured" }, "malformed", /flags 0x3/],
  ["fatal: no-restart is kept, with a warning", { flags: 7, regime: "fatal" }, "no-restart", /kills/],
  ["fatal: signal alone is no-restart too", { areaFlags: 2, regime: "fatal" }, "no-restart", /kills/],
  ["fatal: other flags are abortable, with a warning", { flags: 1, regime: "fatal" }, "abortable", /kills/],
  ["fatal: unknown bits kill as well", { areaFlags: 8, regime: "fatal" }, "abortable", /kills/],
  ["ignored: no-restart is abortable, and says so", { flags: 7, regime: "ignored" }, "abortable", /ignores/],
  ["ignored: feature bits of the area mean nothing", { areaFlags: 0x30, regime: "ignored" }, "abortable"],
  ["flags outside of the section mean nothing", { flags: 7, areaFlags: 7, ip: OUTSIDE }, "outside"],
  // malformed for every regime
  ["area not readable", { seen: { area: undefined } }, "malformed", /struct rseq cannot be read/],
  ["rseq_cs at the limit", { cs: LIMIT, seen: { descriptor: undefined } }, "malformed", /rseq_cs 0x7ffffffff000 is no user address/],
  ["descriptor not readable", { seen: { descriptor: undefined } }, "malformed", /struct rseq_cs at 0x500000 cannot be read/],
  ...(["honoured", "fatal", "ignored"] as const).flatMap((regime): Row[] => [
    [`abort_ip at the limit, ${regime}`, { abort: LIMIT, regime }, "malformed", /abort_ip 0x7ffffffff000 is no/],
    [`signature not readable, ${regime}`, { regime, seen: { abortSignature: undefined } }, "malformed", /cannot be read/],
    [
      `signature differs, ${regime}`,
      { regime, seen: { abortSignature: 0x11111111 } },
      "malformed",
      /is 0x11111111, registered is 0x53053053/,
    ],
  ]),
  [
    "ignored: a wrong signature kills whatever else is wrong",
    { version: 1, regime: "ignored", seen: { abortSignature: 1 } },
    "malformed",
    /is/,
  ],
  // malformed inside, but for kernels that ignore flags: those look at nothing but abort_ip
  ...(
    [
      ["start_ip at the limit", { start: LIMIT, ip: LIMIT }, /start_ip/],
      ["end at the limit", { offset: LIMIT - START, abort: START - 1n }, /end 0x7ffffffff000/],
      ["version", { version: 1 }, /version is 1/],
      ["wrap", { offset: (1n << 64n) - START + 0x10n }, /wraps/],
      ["abort_ip at the start", { abort: START }, /inside the section/],
      ["abort_ip at the last address", { abort: START + LENGTH - 1n }, /inside the section/],
      ["a defect comes before flags", { version: 1, flags: 7 }, /version/],
    ] as const
  ).flatMap(([name, given, text]): Row[] => [
    [`${name}, honoured`, { ...given, regime: "honoured" }, "malformed", text],
    [`${name}, fatal`, { ...given, regime: "fatal" }, "malformed", text],
    [`${name}, ignored`, { ...given, regime: "ignored" }, "abortable", new RegExp(`overlooks that .*${text.source}`)],
  ]),
  // malformed, outside: up to 6.18 the whole descriptor is checked first
  ["outside, signature differs, fatal", { ip: OUTSIDE, regime: "fatal", seen: { abortSignature: 1 } }, "malformed", /registered is/],
  ["outside, signature differs, honoured", { ip: OUTSIDE, regime: "honoured", seen: { abortSignature: 1 } }, "malformed", /registered is/],
  ["outside, signature differs, ignored", { ip: OUTSIDE, regime: "ignored", seen: { abortSignature: 1 } }, "outside"],
  ["outside, version, fatal", { ip: OUTSIDE, version: 2, regime: "fatal" }, "malformed", /version is 2/],
  ["outside, version, ignored", { ip: OUTSIDE, version: 2, regime: "ignored" }, "outside"],
  ["outside, abort_ip inside, fatal", { ip: OUTSIDE, abort: START, regime: "fatal" }, "malformed", /inside/],
  ["outside, descriptor not readable", { ip: OUTSIDE, seen: { descriptor: undefined } }, "malformed", /cannot be read/],
]

describe("classify", () => {
  for (const [name, given, expected, text] of rows)
    test(name, () => {
      const verdict = classify(observe(given))
      expect(verdict.class).toBe(expected)
      const said = verdict.reason ?? verdict.warning
      if (text) expect(said).toMatch(text)
      else expect(said).toBeUndefined()
    })

  test("tells the section's bounds, the end exclusive", () => {
    expect(classify(observe({ flags: 1, ip: OUTSIDE })).section).toEqual({
      descriptor: 0x500000n,
      version: 0,
      flags: 1,
      startIp: START,
      endIp: START + LENGTH,
      abortIp: ABORT,
    })
  })

  test("a stale rseq_cs of an idle thread is no section", () => {
    expect(classify(observe({ cs: 0n })).section).toBeUndefined()
  })
})

test("isInside is unsigned and wraps with the address space", () => {
  const top = { startIp: (1n << 64n) - 16n, endIp: 16n }
  expect([isInside((1n << 64n) - 1n, top), isInside(0n, top), isInside(15n, top), isInside(16n, top), isInside(1n << 63n, top)]).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
})
