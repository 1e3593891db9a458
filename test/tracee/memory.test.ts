import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { SyscallError } from "../../ffi/syscall.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { forceMemory, readMemory, readMemoryIfMapped, writeMemory, writeWord } from "../../src/tracee/memory.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { stateOf } from "../harness/process.ts"
import { canTrace, freeze, startTarget, type Target, why } from "./fixture.ts"

const PAGE = 4096
const MIB = 1 << 20

describe.skipIf(!canTrace)(`memory of another process${why}`, () => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget("memory", "file")
  })
  afterAll(() => target[Symbol.dispose]())

  const at = (name: string, offset = 0) => remoteAddress(target.at(name) + BigInt(offset))
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")
  /** The words that target.c wrote into "large". */
  const word = (index: number): number => Math.imul(index, 2654435761) >>> 0

  test("readMemory reads any alignment and length, more than 1 MiB too", () => {
    const whole = readMemory(target.pid, at("large"), 800 * PAGE)
    const words = new Uint32Array(whole.buffer)
    for (const i of [0, 1, MIB / 4 - 1, MIB / 4, 800 * 1024 - 1]) expect(words[i]).toBe(word(i))
    expect(readMemory(target.pid, at("large", 3), MIB + 5)).toEqual(whole.slice(3, MIB + 8))
    expect(readMemory(target.pid, at("large"), 0).length).toBe(0)
  })

  test("a range that is only partly there is EFAULT, never a short answer", () => {
    const error = failureOf(() => readMemory(target.pid, at("hidden"), 3 * PAGE))
    expect(error).toBeInstanceOf(SyscallError)
    expect(error).toMatchObject({ call: "process_vm_readv", errno: "EFAULT" })
    expect(failureOf(() => readMemory(target.pid, at("nowhere"), 1))).toMatchObject({ errno: "EFAULT" })
    expect(readMemoryIfMapped(target.pid, at("hidden"), 3 * PAGE)).toBeUndefined()
    expect(readMemoryIfMapped(target.pid, at("hidden"), PAGE)?.length).toBe(PAGE)
  })

  test("a process that is not there is ESRCH, for readMemoryIfMapped as well", () => {
    expect(failureOf(() => readMemory(0x3ffffff, at("large"), 8))).toMatchObject({ errno: "ESRCH" })
    expect(failureOf(() => readMemoryIfMapped(0x3ffffff, at("large"), 8))).toMatchObject({ errno: "ESRCH" })
    expect(failureOf(() => writeMemory(0x3ffffff, at("large"), new Uint8Array(8)))).toMatchObject({ errno: "ESRCH" })
  })

  test("writeWord writes eight bytes, the lowest first, and no more", () => {
    const saved = readMemory(target.pid, at("large", 8), 24)
    writeWord(target.pid, at("large", 16), 0xfedcba9876543210n)
    const words = new BigUint64Array(readMemory(target.pid, at("large", 8), 24).buffer)
    const before = new BigUint64Array(saved.buffer)
    expect([...words]).toEqual([before[0] ?? 0n, 0xfedcba9876543210n, before[2] ?? 0n])
    writeMemory(target.pid, at("large", 8), saved)
    expect(failureOf(() => writeWord(target.pid, at("constant"), 0n))).toMatchObject({ errno: "EFAULT" })
  })

  test("writeMemory writes what is writable, across 1 MiB, and nothing else", () => {
    const saved = readMemory(target.pid, at("large"), 2 * MIB)
    const bytes = Uint8Array.from({ length: MIB + 100 }, (_, i) => (i * 7) & 0xff)
    writeMemory(target.pid, at("large", 11), bytes)
    expect(readMemory(target.pid, at("large", 11), bytes.length)).toEqual(bytes)
    expect(readMemory(target.pid, at("large"), 11)).toEqual(saved.slice(0, 11))
    writeMemory(target.pid, at("large"), saved)
    expect(failureOf(() => writeMemory(target.pid, at("constant"), bytes.subarray(0, 1)))).toMatchObject({ errno: "EFAULT" })
  })

  test("forceMemory writes through protection while the process is traced", () => {
    using _frozen = freeze(target.pid)
    forceMemory(target.pid, at("constant", 100), Buffer.from("changed"))
    forceMemory(target.pid, at("hidden", PAGE + 8), Buffer.from("too"))
    expect(text(readMemory(target.pid, at("constant", 98), 11))).toBe("ccchangedcc")
    expect(failureOf(() => forceMemory(target.pid, remoteAddress(0x1000), new Uint8Array(8)))).toMatchObject({ errno: "EIO" })
  })

  test("forceMemory of a process that was killed is ESRCH", async () => {
    using other = await startTarget("memory", "file")
    {
      using _frozen = freeze(other.pid)
      process.kill(other.pid, "SIGKILL")
      await waitFor("its end", () => stateOf(other.pid) === "Z")
      expect(failureOf(() => forceMemory(other.pid, remoteAddress(other.at("constant")), new Uint8Array(8)))).toMatchObject({
        errno: "ESRCH",
      })
    }
  })
})
