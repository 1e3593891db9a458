import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import { buildId } from "../../src/elf/build-id.ts"
import { elfCache } from "../../src/elf/cache.ts"
import { dynamicTable, dynamicTags } from "../../src/elf/dynamic.ts"
import { describeModule, loadBias, mappingAt, symbolizeMapped, vaddrOf } from "../../src/elf/module.ts"
import { type Elf, openElf } from "../../src/elf/open.ts"
import { bytesSource } from "../../src/elf/source.ts"
import { symbolize } from "../../src/elf/symbolize.ts"
import { definedSymbols, findSymbol, findTlsSymbol, symbolTables } from "../../src/elf/symbols.ts"
import { executableTlsOffset, tlsSegment } from "../../src/elf/tls.ts"
import { type Mapping, readMaps } from "../../src/proc/maps.ts"
import { skip } from "../harness/skip.ts"
import { type Compiled, compile, hasCompiler } from "./compile.ts"

/** What sample.c prints: addresses, and distances from the thread pointer in bytes. */
interface Printed {
  readonly exported: string
  readonly hidden: string
  readonly sizeless: string
  readonly after: string
  readonly tls: number
  readonly zeroed: number
}

const ID = "00112233445566778899aabbccddeeff00112233"
const kinds = [
  { kind: "PIE", options: ["-pie", "-fPIE"] },
  { kind: "fixed address", options: ["-no-pie"] },
  { kind: "static", options: ["-static"] },
  { kind: "DT_HASH only", options: ["-Wl,--hash-style=sysv"] },
  { kind: "stripped", options: ["-s"] },
]

describe.skipIf(!hasCompiler).each(kinds)("a program that is $kind", ({ kind, options }) => {
  let program: Compiled
  let running: Bun.Subprocess<"pipe", "pipe", "inherit">
  let printed: Printed
  let elf: Elf
  let maps: Mapping[]
  const at = (address: string) => {
    const mapping = mappingAt(maps, BigInt(address))
    if (!mapping) throw new Error(`no mapping at ${address}`)
    return mapping
  }

  beforeAll(async () => {
    program = compile(join(import.meta.dir, "sample.c"), "-O1", "-rdynamic", `-Wl,--build-id=0x${ID}`, ...options)
    running = Bun.spawn([program.path], { stdin: "pipe", stdout: "pipe", stderr: "inherit" })
    const line = await running.stdout.getReader().read()
    printed = JSON.parse(new TextDecoder().decode(line.value)) as Printed
    maps = readMaps(running.pid)
    const opened = openElf(bytesSource(readFileSync(program.path)))
    if (!opened) throw new Error("not an ELF")
    elf = opened
  })

  afterAll(async () => {
    running.stdin.end()
    await running.exited
    program[Symbol.dispose]()
  })

  test("symbolize names functions at their start, inside, and not after their end", () => {
    const mapping = at(printed.exported)
    const address = BigInt(printed.exported)
    expect(symbolizeMapped(elf, mapping, address)).toBe("exported_twin")
    expect(symbolizeMapped(elf, mapping, address + 1n)).toBe("exported_twin+0x1")
    const after = BigInt(printed.after)
    expect(symbolizeMapped(elf, mapping, after)).toBe("after_sizeless")
    expect(symbolizeMapped(elf, mapping, after + 1n)).toBeNull()
    const stripped = kind === "stripped"
    expect(symbolizeMapped(elf, mapping, BigInt(printed.hidden))).toBe(stripped ? null : "hidden_function")
    expect(symbolizeMapped(elf, mapping, BigInt(printed.sizeless) + 5n)).toBe("sizeless_code+0x5")
  })

  test("loadBias, vaddrOf and describeModule agree with the loader", () => {
    const symbol = findSymbol(elf, "exported_function")
    const mapping = at(printed.exported)
    expect(loadBias(elf, mapping)).toBe(BigInt(printed.exported) - (symbol?.value ?? 0n))
    expect(vaddrOf(elf, BigInt(printed.exported) - mapping.start + mapping.offset)).toBe(symbol?.value ?? 0n)
    expect(describeModule(elf, mapping, BigInt(printed.exported))).toBe(`program+0x${symbol?.value.toString(16)}`)
  })

  test("executableTlsOffset says where the loader puts thread-local variables", () => {
    expect(tlsSegment(elf)?.align).toBeGreaterThanOrEqual(64n)
    for (const [name, distance] of [
      ["tls_variable", printed.tls],
      ["tls_zeroed", printed.zeroed],
    ] as const) {
      const symbol = findTlsSymbol(elf, name)
      // A static program has no dynamic symbols, a stripped one only those.
      if (!symbol) throw new Error(`no ${name}`)
      expect(executableTlsOffset(elf, symbol.value)).toBe(BigInt(distance))
    }
    expect(findTlsSymbol(elf, "exported_function")).toBeNull()
  })

  test("buildId is read from notes", () => expect(Buffer.from(buildId(elf) ?? []).toString("hex")).toBe(ID))

  test("dynamicTable finds as many symbols without sections as the section has", () => {
    const section = elf.sections.find(({ name }) => name === ".dynsym")
    expect(dynamicTable(elf)?.symbolsSize).toBe(section?.size)
    const bytes = new Uint8Array(readFileSync(program.path))
    new DataView(bytes.buffer).setBigUint64(40, 0n, true) // e_shoff: no sections
    const bare = openElf(bytesSource(bytes))
    expect(bare?.sections).toEqual([])
    expect(bare && symbolTables(bare).dynamic.count).toBe(Number(section?.size ?? 0n) / 24)
    expect(symbolTables(elf).full.count > 0).toBe(kind !== "stripped")
  })

  test("openElf reads the dynamic symbols from the memory of the process", () => {
    const first = maps.find(({ path, offset }) => path === program.path && offset === 0n)
    const last = maps.findLast(({ path }) => path === program.path)
    if (!first || !last) throw new Error("not mapped")
    const memory = readMemory(running.pid, first.start, last.end)
    const mapped = openElf(bytesSource(memory), { mappedAt: first.start })
    expect(mapped?.sections).toEqual([])
    expect(mapped && dynamicTags(mapped).size).toBe(dynamicTags(elf).size)
    expect(mapped && Buffer.from(buildId(mapped) ?? []).toString("hex")).toBe(ID)
    if (kind !== "static") expect(mapped && findSymbol(mapped, "exported_function")).toEqual(findSymbol(elf, "exported_function"))
  })
})

/** Memory of another process through /proc, with zeros where nothing is mapped. */
function readMemory(pid: number, start: bigint, end: bigint): Uint8Array {
  const bytes = new Uint8Array(Number(end - start))
  const memory = openSync(`/proc/${pid}/mem`, "r")
  for (let at = 0; at < bytes.length; at += 4096) {
    try {
      readSync(memory, bytes, at, 4096, Number(start) + at)
    } catch {
      // EIO: a hole.
    }
  }
  closeSync(memory)
  return bytes
}

test("libc of this process names nanosleep, and is opened once", () => {
  const libc = readMaps(process.pid).find(({ path, exec }) => exec && /\/libc\.so\.6$|\/libc-.*\.so$|\/ld-musl/.test(path))
  if (!libc) return skip("this process has no libc of its own")
  const cache = elfCache()
  const elf = cache("libc", () => bytesSource(readFileSync(libc.path)))
  expect(cache("libc", () => null)).toBe(elf)
  if (!elf) throw new Error("libc is no ELF")
  const names = new Set([...definedSymbols(symbolTables(elf).dynamic)].map(({ name }) => name))
  expect(names.has("nanosleep")).toBe(true)
  expect(symbolize(elf, (findSymbol(elf, "nanosleep")?.value ?? 0n) + 4n)).toContain("nanosleep+0x4")
})

test("__rseq_offset is found where it is defined, ld.so, and read from memory through loadBias", () => {
  // glibc 2.35 and later define it in ld.so; libc.so only refers to it.
  const loader = readMaps(process.pid).find(({ path, offset }) => offset === 0n && /\/ld-linux-[^/]*$/.test(path))
  if (!loader) return skip("this process has no loader of glibc")
  const elf = openElf(bytesSource(readFileSync(loader.path)))
  const symbol = elf && findSymbol(elf, "__rseq_offset")
  const bias = elf && loadBias(elf, loader)
  if (!symbol || bias === null) return skip("this loader defines no __rseq_offset: it is older than glibc 2.35")
  expect(symbol.size).toBe(8n)
  const page = (bias + symbol.value) & ~4095n
  const memory = readMemory(process.pid, page, page + 4096n)
  const value = new DataView(memory.buffer, memory.byteOffset).getBigInt64(Number(bias + symbol.value - page), true)
  expect(Number(value)).toBeWithin(-65536, 65536)
  expect(value % 32n).toBe(0n)
  expect(value).not.toBe(0n)
})

test("the vdso of this process is an ELF with clock_gettime", () => {
  const vdso = readMaps(process.pid).find(({ path }) => path === "[vdso]")
  if (!vdso) return skip("this process has no vdso")
  const elf = openElf(bytesSource(readMemory(process.pid, vdso.start, vdso.end)))
  const symbol = elf && (findSymbol(elf, "__vdso_clock_gettime") ?? findSymbol(elf, "__kernel_clock_gettime"))
  expect(symbol?.type).toBe(2)
  expect(elf && symbolize(elf, symbol?.value ?? 0n)).toContain("clock_gettime")
})
