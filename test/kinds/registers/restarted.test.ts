import { describe, expect, test } from "bun:test"
import { type Syscall, syscallNumber } from "../../../ffi/syscall.ts"
import { type ReadIfMapped, restartedNumber } from "../../../src/kinds/registers/restarted.ts"

const IP = 0x401002n
const CODE = "0x400ffb"
const [TIME, REST, WORD, LIST, ODD] = [0x7000_0000_1000n, 0x7000_0000_2000n, 0x7000_0000_3000n, 0x7000_0000_4000n, 0x7000_0000_5000n]
const timespec = (seconds: bigint, nanoseconds: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(seconds, nanoseconds).buffer)
const places: Record<string, Uint8Array> = {
  // mov %rsi, %rax and two bytes before it: as musl makes its waits
  [CODE]: Uint8Array.of(0x90, 0x90, 0x48, 0x89, 0xf0),
  [`0x${TIME.toString(16)}`]: timespec(2n, 5n),
  [`0x${REST.toString(16)}`]: timespec(1n, 0n),
  [`0x${WORD.toString(16)}`]: new Uint8Array(Int32Array.of(-7, 0, 0, 0).buffer),
  [`0x${LIST.toString(16)}`]: new Uint8Array(80).fill(0xff),
  [`0x${ODD.toString(16)}`]: timespec(0n, 1_000_000_000n),
}
const read: ReadIfMapped = (address, length) => {
  const bytes = places[`0x${address.toString(16)}`]
  return bytes && bytes.length >= length ? bytes.subarray(0, length) : undefined
}
const minusOne = 0xffff_ffffn

describe("restartedNumber: by the arguments, where the code does not tell", () => {
  for (const [call, ...args] of [
    ["futex", WORD, 0x80n, -7n, TIME],
    ["futex", WORD, 0x80n, 8n, TIME],
    ["futex", WORD, 0x189n, 0xffff_fff9n, TIME, 0n, minusOne],
    ["poll", LIST, 10n, minusOne],
    ["poll", LIST, 1n, 2000n, TIME],
    ["poll", 0n, 0n, 2000n],
    ["nanosleep", TIME, REST],
    ["nanosleep", TIME, REST, TIME, TIME],
    ["clock_nanosleep", 1n, 0n, TIME, REST],
    ["clock_nanosleep", 0xffff_fffen, 0n, TIME, 0n],
  ] as [Syscall, ...bigint[]][])
    test(`${call}(${args.map((value) => `0x${BigInt.asUintN(64, value).toString(16)}`).join(", ")})`, () =>
      expect(restartedNumber(IP, args, read)).toBe(syscallNumber(call)))

  for (const [why, ...args] of [
    ["a sleep without remainder, or a poll of nothing with a list", TIME, 0n, 2000n],
    ["a futex, or a sleep of the time that its word looks like", TIME, 0n, 8n, TIME],
    ["a futex of another operation", WORD, 0x86n, -7n, TIME],
    ["a poll that does not wait", LIST, 10n, 0n],
    ["a poll of more than is mapped", LIST, 11n, 2000n],
    ["a sleep until a moment", 1n, 1n, TIME, 0n],
    ["no time", ODD, REST],
    ["a remainder that is not mapped", TIME, 0x6000n],
  ] as [string, ...bigint[]][])
    test(`not known: ${why}`, () => expect(restartedNumber(IP, args, read)).toBeUndefined())
})

test("restartedNumber: the code counts, whatever the arguments are", () => {
  const loads: ReadIfMapped = (address, length) =>
    `0x${address.toString(16)}` === CODE ? Uint8Array.of(0xb8, 7, 0, 0, 0).subarray(0, length) : read(address, length)
  expect(restartedNumber(IP, [TIME, REST], loads)).toBe(syscallNumber("poll"))
})
