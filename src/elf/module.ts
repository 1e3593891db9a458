import { pageDown, type Range } from "../base/units.ts"
import { PT_LOAD } from "./constants.ts"
import type { Elf } from "./open.ts"
import { symbolize } from "./symbolize.ts"

/** What is needed of a mapping (src/proc/maps.ts has more). The offset is in bytes. */
export interface Mapped extends Range {
  readonly offset: bigint
  readonly path: string
}

/** Where an address of a process lies in a file. */
interface ModulePlace {
  /** Path of the mapping, e.g. "/usr/lib/libc.so.6" or "[vdso]"; "" for memory without a name. */
  readonly module: string
  /** Bytes into the file. */
  readonly fileOffset: bigint
}

/** The mapping around an address. Precondition: sorted by start, as /proc/PID/maps is. */
export function mappingAt<M extends Range>(mappings: readonly M[], address: bigint): M | null {
  let low = 0
  let high = mappings.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (mappings[middle]!.end <= address) low = middle + 1
    else high = middle
  }
  const found = mappings[low]
  return found && found.start <= address ? found : null
}

/** An address as module and offset into its file. Precondition: the mapping holds the address. */
const moduleOffset = ({ start, offset, path }: Mapped, address: bigint): ModulePlace => ({
  module: path,
  fileOffset: address - start + offset,
})

/** The address that a file itself gives to one of its offsets, as symbols and objdump count; null = no segment loads it. */
export function vaddrOf({ segments }: Elf, fileOffset: bigint): bigint | null {
  const segment = segments.find(({ type, offset, fileSize }) => type === PT_LOAD && fileOffset >= offset && fileOffset < offset + fileSize)
  return segment ? fileOffset - segment.offset + segment.vaddr : null
}

/**
 * What has to be added to the addresses of the file to get those of the process; null = this mapping shows no loaded segment.
 * A kernel maps whole pages, so a page may stand in two segments: the one with the mapping's rights is taken first.
 */
export function loadBias(elf: Elf, { start, offset }: Mapped): bigint | null {
  const loads = elf.segments.filter(({ type }) => type === PT_LOAD)
  const exact = loads.find((load) => pageDown(load.offset) === offset)
  const segment = exact ?? loads.find((load) => offset >= pageDown(load.offset) && offset < load.offset + load.fileSize)
  return segment ? start - (offset - segment.offset + segment.vaddr) : null
}

/**
 * "libc.so.6+0xd5b30": the module's last name and the address as the file counts it (file offset where no ELF is known); null = no file
 * there.
 */
export function describeModule(elf: Elf | null, mapping: Mapped, address: bigint): string | null {
  const { module, fileOffset } = moduleOffset(mapping, address)
  if (module === "") return null
  const place = (elf && vaddrOf(elf, fileOffset)) ?? fileOffset
  return `${module.slice(module.lastIndexOf("/") + 1)}+0x${place.toString(16)}`
}

/** "name+0x12" of an address of the process, or null. Precondition: `elf` is the file behind `mapping`. */
export function symbolizeMapped(elf: Elf, mapping: Mapped, address: bigint): string | null {
  const vaddr = vaddrOf(elf, moduleOffset(mapping, address).fileOffset)
  return vaddr === null ? null : symbolize(elf, vaddr)
}
