import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { buildId } from "../../src/elf/build-id.ts"
import { dynamicTags } from "../../src/elf/dynamic.ts"
import { loadBias, mappingAt, vaddrOf } from "../../src/elf/module.ts"
import { openElf } from "../../src/elf/open.ts"
import { bytesSource, readView } from "../../src/elf/source.ts"
import { symbolize } from "../../src/elf/symbolize.ts"
import { definedSymbols, findSymbol, symbolTables } from "../../src/elf/symbols.ts"
import { executableTlsOffset } from "../../src/elf/tls.ts"
import { compile, hasCompiler } from "./compile.ts"

/** Asks everything that can be asked; the answers do not matter, that there are some does. */
function askAll(bytes: Uint8Array, mappedAt?: bigint): void {
  const elf = openElf(bytesSource(bytes), mappedAt === undefined ? {} : { mappedAt })
  if (!elf) return
  dynamicTags(elf)
  buildId(elf)
  findSymbol(elf, "exported_function")
  for (const { value } of definedSymbols(symbolTables(elf).dynamic)) executableTlsOffset(elf, value)
  symbolize(elf, elf.entry)
  vaddrOf(elf, 4096n)
  loadBias(elf, { start: 0x400000n, end: 0x401000n, offset: 0x1000n, path: "/x" })
}

describe.skipIf(!hasCompiler)("a damaged ELF", () => {
  let good = new Uint8Array()
  if (hasCompiler) {
    using program = compile(join(import.meta.dir, "sample.c"), "-rdynamic")
    good = new Uint8Array(readFileSync(program.path))
  }

  test("cut off anywhere is null or has fewer tables", () => {
    for (let length = 0; length < good.length; length += length < 1200 ? 1 : 97) askAll(good.subarray(0, length))
    expect(openElf(bytesSource(good.subarray(0, 63)))).toBeNull()
    expect(openElf(bytesSource(good.subarray(0, 64)))).toMatchObject({ segments: [], sections: [] })
  })

  test("with random bytes overwritten neither throws nor hangs", () => {
    let seed = 12345
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % below
    }
    const tables = good.length - 64 * 40
    for (let round = 0; round < 3000; round++) {
      const bytes = good.slice()
      // Heads and tables are where damage hurts; the rest is code.
      for (let hits = 0; hits < 6; hits++)
        bytes[random(3) === 0 ? tables + random(64 * 40) : random(random(2) === 0 ? 64 : 1000)] = random(256)
      bytes.set(good.subarray(0, 6))
      askAll(bytes)
      if (round % 4 === 0) askAll(bytes, 0x7f0000000000n)
    }
    expect(seed).not.toBe(12345)
  })

  test("with each 8 bytes of its head, segments and dynamic table made huge neither throws nor hangs", () => {
    const dynamic = openElf(bytesSource(good))?.segments.find(({ type }) => type === 2)
    const starts = [
      ...Array.from({ length: 120 }, (_, index) => index * 8),
      ...Array.from({ length: 60 }, (_, index) => Number(dynamic?.offset ?? 0n) + index * 8),
    ]
    for (const start of starts.filter((start) => start >= 8)) {
      for (const value of [2n ** 64n - 1n, 2n ** 63n, 2n ** 40n, 0n, 1n]) {
        const bytes = good.slice()
        new DataView(bytes.buffer).setBigUint64(start, value, true)
        askAll(bytes)
      }
    }
    expect(starts.length).toBeGreaterThan(100)
  })
})

test("openElf refuses what is no 64-bit little-endian ELF", () => {
  const head = (...bytes: number[]) => bytesSource(Uint8Array.from({ length: 64 }, (_, index) => bytes[index] ?? 0))
  expect(openElf(head())).toBeNull()
  expect(openElf(head(0x7f, 0x45, 0x4c, 0x46, 1, 1))).toBeNull()
  expect(openElf(head(0x7f, 0x45, 0x4c, 0x46, 2, 2))).toBeNull()
  expect(openElf(head(0x7f, 0x45, 0x4c, 0x46, 2, 1))).not.toBeNull()
})

test("readView never asks for more than there is", () => {
  const asked: number[] = []
  const read = (_: number, length: number) => {
    asked.push(length)
    return new Uint8Array(0)
  }
  expect(readView(read, 0, 2n ** 62n)).toBeNull()
  expect(readView(read, 0, 400_000_000)).toBeNull()
  expect(asked).toEqual([1])
  expect(readView(bytesSource(new Uint8Array(4)), 2, 2)?.byteLength).toBe(2)
})

test("mappingAt finds the mapping around an address, and none in a hole", () => {
  const row = (start: bigint, end: bigint) => ({ start, end, offset: 0n, path: "" })
  const rows = [row(0x1000n, 0x2000n), row(0x2000n, 0x3000n), row(0x8000n, 0x9000n)]
  expect(mappingAt(rows, 0x1fffn)).toBe(rows[0]!)
  expect(mappingAt(rows, 0x2000n)).toBe(rows[1]!)
  expect(mappingAt(rows, 0x3000n)).toBeNull()
  expect(mappingAt(rows, 0n)).toBeNull()
  expect(mappingAt(rows, 0x9000n)).toBeNull()
  expect(mappingAt([], 1n)).toBeNull()
})
