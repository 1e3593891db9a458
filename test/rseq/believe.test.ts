import { describe, expect, test } from "bun:test"
import { userRegsStruct } from "../../ffi/abi/registers.x86_64.ts"
import { decode } from "../../ffi/layout.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { UNREGISTERED } from "../../src/rseq/classify.ts"
import { discover, otherGuesses } from "../../src/rseq/discover.ts"
import type { GuessSource } from "../../src/rseq/guess.ts"
import { believe } from "../../src/rseq/proof.ts"
import type { RseqClass, RseqState } from "../../src/rseq/state.ts"

const state = (kind: RseqClass, at: bigint): RseqState => ({
  ...UNREGISTERED,
  class: kind,
  tid: 1,
  registration: { strategy: "libc", abiPointer: remoteAddress(at), abiSize: 32, signature: 1, flags: 0 },
  area: undefined,
  ip: 0n,
})

describe("of two registrations that a thread may have", () => {
  const rows: readonly (readonly [first: RseqClass, other: RseqClass, believed: "first" | "other", asked: number])[] = [
    ["idle", "idle", "first", 1],
    ["outside", "idle", "first", 1],
    ["idle", "outside", "first", 1],
    ["idle", "abortable", "other", 0],
    ["idle", "no-restart", "other", 0],
    ["idle", "malformed", "first", 0],
    ["abortable", "idle", "first", 0],
    ["malformed", "abortable", "first", 0],
  ]
  for (const [first, other, believed, asked] of rows)
    test(`${first} and ${other}: the ${believed} is believed, ${asked === 0 ? "alone" : "and the other asked too"}`, () => {
      const [one, two] = [state(first, 0x1000n), state(other, 0x2000n)]
      const { rseq, others } = believe(one, [two])
      expect([rseq, others.length]).toEqual([believed === "first" ? one : two, asked])
    })
})

describe("other guesses", () => {
  const thread = { tid: 1, registers: { ...decode(userRegsStruct, new Uint8Array(userRegsStruct.size)), fs_base: 0x7000n } }
  const guesses = (source: Partial<GuessSource>): { guesses: GuessSource } => ({
    guesses: { libc: { offset: -64n, size: 32 }, tls: -128n, mayRegister: () => true, sectionAt: () => undefined, ...source },
  })
  const found = (way: "auto" | "libc", context: { guesses: GuessSource }) =>
    otherGuesses(thread, discover(thread, "libc", context), way, context).map(({ registration: { abiPointer } }) => abiPointer)

  test("the executable's __rseq_abi beside libc's area", () => expect(found("auto", guesses({}))).toEqual([remoteAddress(0x7000n - 128n)]))
  test("none when one way was asked for", () => expect(found("libc", guesses({}))).toEqual([]))
  test("none when the executable has no __rseq_abi", () => expect(found("auto", guesses({ tls: undefined }))).toEqual([]))
  test("none when libc registers nothing: the next way was the first guess then", () =>
    expect(found("auto", guesses({ libc: { offset: -64n, size: 0 } }))).toEqual([]))
})
