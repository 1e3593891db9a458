import { remoteAddress } from "../../base/units.ts"
import { mappingAt } from "../../elf/module.ts"
import { findSymbol, findTlsSymbol } from "../../elf/symbols.ts"
import { executableTlsOffset } from "../../elf/tls.ts"
import { readExeIfAlive } from "../../proc/links.ts"
import { type Mapping, readMaps } from "../../proc/maps.ts"
import type { DiscoveryContext } from "../../rseq/discover.ts"
import { type GuessSource, loadsRseq } from "../../rseq/guess.ts"
import { readMemoryIfMapped } from "../../tracee/memory.ts"
import { openPlaces, type Places } from "./place.ts"
import { filesBehind, partsOf, sectionFinder } from "./sections.ts"

/** Files of a process that may define a name: the dynamic linker and libc first, then the rest, the executable last. */
const LIBC = /\/(ld-|ld64|ld\.so|libc[.-])/

/** The first mapping of each file, those of the C library first. */
function files(maps: readonly Mapping[]): Mapping[] {
  const first = new Map<string, Mapping>()
  for (const mapping of maps) if (mapping.path.startsWith("/") && !first.has(mapping.path)) first.set(mapping.path, mapping)
  return [...first.values()].sort((a, b) => Number(LIBC.test(b.path)) - Number(LIBC.test(a.path)))
}

/**
 * What the symbols of a stopped process say about its rseq areas: the values of __rseq_offset and __rseq_size, which glibc 2.35
 * and later define (in the dynamic linker, or in a static program), and the executable's thread-local __rseq_abi of librseq.
 *
 * @param exe path of the executable, as maps says it
 */
export function readGuesses(pid: number, maps: readonly Mapping[], places: Places, exe: string): GuessSource {
  return {
    libc: readLibc(pid, maps, places),
    tls: readTls(maps, places, exe),
    mayRegister: () => mayRegister(pid, maps),
    sectionAt: sectionFinder(pid, maps),
  }
}

function mayRegister(pid: number, maps: readonly Mapping[]): boolean {
  for (const mapping of maps) {
    if (!mapping.exec || mapping.path === "[vsyscall]" || mapping.path === "[vdso]") continue
    // What cannot be read could hold anything.
    for (const [, code] of partsOf(pid, mapping))
      if (!code || loadsRseq(Buffer.from(code.buffer, code.byteOffset, code.byteLength))) return true
  }
  return false
}

/**
 * Tells whether a stopped process may write at an address.
 *
 * @param maps its mappings, as they were; where they deny it they are read again, once
 */
export function writableBy(pid: number, maps: readonly Mapping[]): (address: bigint) => boolean {
  const among = (some: readonly Mapping[], address: bigint): boolean => mappingAt(some, address)?.write ?? false
  let now: readonly Mapping[] | undefined
  return (address) => {
    if (among(maps, address)) return true
    now ??= readMaps(pid)
    return among(now, address)
  }
}

/** As `readGuesses`, read when they are first asked for: only kernels that do not tell need them. */
export function lazyGuesses(pid: number): DiscoveryContext {
  let found: GuessSource | undefined
  return {
    get guesses() {
      if (found) return found
      const maps = readMaps(pid)
      using places = openPlaces(maps, filesBehind(pid))
      found = readGuesses(pid, maps, places, readExeIfAlive(pid)?.path ?? "")
      return found
    },
  }
}

function readLibc(pid: number, maps: readonly Mapping[], places: Places): GuessSource["libc"] {
  for (const mapping of files(maps)) {
    const found = places.elf(mapping)
    if (!found) continue
    const [offset, size] = ["__rseq_offset", "__rseq_size"].map((name) => findSymbol(found.elf, name))
    if (!offset || !size) continue
    const read = (value: bigint, length: number): DataView | undefined => {
      const bytes = readMemoryIfMapped(pid, remoteAddress(found.bias + value), length)
      return bytes && new DataView(bytes.buffer, bytes.byteOffset, length)
    }
    const [offsetBytes, sizeBytes] = [read(offset.value, 8), read(size.value, 4)]
    if (offsetBytes && sizeBytes) return { offset: offsetBytes.getBigInt64(0, true), size: sizeBytes.getUint32(0, true) }
  }
}

function readTls(maps: readonly Mapping[], places: Places, exe: string): bigint | undefined {
  const mapping = maps.find(({ path }) => path === exe)
  const found = mapping && places.elf(mapping)
  const symbol = found && findTlsSymbol(found.elf, "__rseq_abi")
  return (found && symbol && executableTlsOffset(found.elf, symbol.value)) ?? undefined
}
