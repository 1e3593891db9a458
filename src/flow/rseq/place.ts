import { closeSync, openSync } from "../../../ffi/fs.ts"
import { readFully } from "../../base/read-fully.ts"
import { elfCache } from "../../elf/cache.ts"
import { describeModule, loadBias, type Mapped, mappingAt, symbolizeMapped } from "../../elf/module.ts"
import type { Elf } from "../../elf/open.ts"
import type { ReadAt } from "../../elf/source.ts"

/** An address of a process, said as people look it up. */
export interface RseqPlace {
  readonly address: bigint
  /** "libc.so.6+0xd5b30": the address as the file counts it; null = in no file. */
  readonly module: string | null
  /** "memcpy+0x12"; null = no function is known there. */
  readonly symbol: string | null
}

/** Names addresses of one process. The files it opens are closed by disposal. */
export interface Places extends Disposable {
  of(address: bigint): RseqPlace
  /** Bytes of the file behind an address, as they were before anything was written there; undefined where there are none. */
  read(address: bigint, length: number): Uint8Array | undefined
  /** The ELF behind a mapping, and what to add to its addresses; null = there is none. */
  elf(mapping: Mapped): { readonly elf: Elf; readonly bias: bigint } | null
}

/**
 * @param mappings ascending, as /proc/PID/maps is
 * @param paths where the file behind a mapping may be opened, best first
 */
export function openPlaces(mappings: readonly Mapped[], paths: (mapping: Mapped) => readonly string[]): Places {
  const cache = elfCache()
  const opened: number[] = []
  const source = (mapping: Mapped): ReadAt | null => {
    const fd = firstOpen(paths(mapping))
    if (fd === undefined) return null
    opened.push(fd)
    return (offset, length) => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readFully(fd, bytes, offset))
    }
  }
  const open = (mapping: Mapped): Elf | null => (mapping.path.startsWith("/") ? cache(mapping.path, () => source(mapping)) : null)
  return {
    of(address) {
      const mapping = mappingAt(mappings, address)
      if (!mapping) return { address, module: null, symbol: null }
      const elf = open(mapping)
      return { address, module: describeModule(elf, mapping, address), symbol: elf && symbolizeMapped(elf, mapping, address) }
    },
    read(address, length) {
      const mapping = mappingAt(mappings, address)
      const bytes = mapping && open(mapping)?.read(Number(address - mapping.start + mapping.offset), length)
      return bytes?.length === length ? bytes : undefined
    },
    elf(mapping) {
      const elf = open(mapping)
      const bias = elf && loadBias(elf, mapping)
      return elf && bias !== null ? { elf, bias } : null
    },
    [Symbol.dispose]: () => {
      for (const fd of opened) closeSync(fd)
    },
  }
}

/** Opens the first path that can be. One that cannot costs a name, nothing else. */
function firstOpen(paths: readonly string[]): number | undefined {
  for (const path of paths) {
    try {
      return openSync(path, "r")
    } catch {
      // the next path may do
    }
  }
}
