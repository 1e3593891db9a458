import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { closeSync, openSync, readSync } from "node:fs"
import { join } from "node:path"
import { SyscallError } from "../../ffi/syscall.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { copyToFile } from "../../src/tracee/copy.ts"
import { forceMemory, readMemory, readMemoryIfMapped, writeMemory } from "../../src/tracee/memory.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { stateOf } from "../harness/process.ts"
import { failureOf } from "../image/sample.ts"
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

  /** Copies ranges into a new file and returns what `length` bytes of it from `position` are. */
  function copied(
    ranges: readonly { start: bigint; end: bigint }[],
    position: number,
    isCommon?: (range: { start: bigint; end: bigint }) => boolean,
  ): { written: number; bytes: Buffer } {
    const fd = openSync(join(scratch("copy"), "pages"), "w+")
    try {
      const written = copyToFile(target.pid, ranges, fd, position, isCommon)
      const bytes = Buffer.alloc(written)
      expect(readSync(fd, bytes, 0, written, position)).toBe(written)
      return { written, bytes }
    } finally {
      closeSync(fd)
    }
  }

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
    expect(copied([{ start: at("hidden", PAGE), end: at("hidden", PAGE + 16) }], 0).bytes.toString()).toBe("hhhhhhhhtoohhhhh")
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

  test("copyToFile puts ranges one behind the other, from a position on", () => {
    const { written, bytes } = copied(
      [
        { start: at("mixed", 4 * PAGE), end: at("mixed", 5 * PAGE) },
        { start: at("mixed", 2 * PAGE), end: at("mixed", 3 * PAGE) },
      ],
      3 * PAGE,
    )
    expect(written).toBe(2 * PAGE)
    expect(bytes.toString("latin1")).toBe("e".repeat(PAGE) + "c".repeat(PAGE))
    expect(copied([], 0).written).toBe(0)
  })

  test("copyToFile reads what has no access rights, also between pages that have", () => {
    using _frozen = freeze(target.pid)
    const { bytes } = copied(
      [
        { start: at("hidden", 2 * PAGE), end: at("hidden", 3 * PAGE) },
        { start: at("hidden"), end: at("hidden", 3 * PAGE) },
      ],
      0,
    )
    expect(bytes.length).toBe(4 * PAGE)
    expect(bytes.toString("latin1").replace(/h/g, "")).toBe("too") // written by the test above
    expect(copied([{ start: at("nowhere"), end: at("nowhere", PAGE) }], 0).bytes.every((byte) => byte === 0)).toBe(true)
  })

  test("copyToFile takes more ranges than one call can, and ranges of several MiB", () => {
    const ranges = Array.from({ length: 1500 }, (_, i) => ({ start: at("pieces", 2 * i * PAGE), end: at("pieces", (2 * i + 1) * PAGE) }))
    const large = { start: at("large"), end: at("large", 800 * PAGE) }
    const { bytes } = copied([...ranges, large, ranges[7]!], 0)
    expect(bytes.length).toBe(2301 * PAGE)
    for (let i = 0; i < 1500; i++) expect(bytes.readUInt32LE(i * PAGE)).toBe(2 * i)
    for (const i of [0, MIB / 4, 700_000, 800 * 1024 - 1]) expect(bytes.readUInt32LE(1500 * PAGE + 4 * i)).toBe(word(i))
    expect(bytes.readUInt32LE(2300 * PAGE)).toBe(14)
  })

  test("copyToFile takes much in two threads, and what is not to be pinned in the careful way, each to its place", () => {
    using _frozen = freeze(target.pid)
    const all = { start: at("pieces"), end: at("pieces", 3000 * PAGE) }
    const parts = [0, 700, 701, 1500, 2900, 3000].flatMap((from, index, bounds) => {
      const to = bounds[index + 1]
      return to === undefined ? [] : [{ start: at("pieces", from * PAGE), end: at("pieces", to * PAGE) }]
    })
    const whole = copied([all], PAGE)
    expect(whole.written).toBe(3000 * PAGE)
    for (const isCommon of [
      () => false,
      () => true,
      ({ start }: { start: bigint }) => start === parts[1]?.start || start === parts[3]?.start,
    ]) {
      expect(copied([...parts, all], 5, isCommon).bytes.equals(Buffer.concat([whole.bytes, whole.bytes]))).toBe(true)
    }
  })

  test("copyToFile says where nothing is mapped, and that the file cannot be written", () => {
    const gap = [
      { start: at("large"), end: at("large", PAGE) },
      { start: 0x1000n, end: 0x2000n },
    ]
    expect(failureOf(() => copied(gap, 0))).toMatchObject({ call: "pread64", errno: "EIO", args: [target.pid, 0x1000n, 4096] })
    const fd = openSync("/dev/full", "w")
    expect(failureOf(() => copyToFile(target.pid, [gap[0]!], fd, 0))).toMatchObject({ syscall: "pwrite64", code: "ENOSPC" })
    closeSync(fd)
  })
})
