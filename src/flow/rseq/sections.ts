import { closeSync, openSync } from "../../../ffi/fs.ts"
import { type Range, remoteAddress } from "../../base/units.ts"
import { ET_DYN } from "../../elf/constants.ts"
import { type Mapped, mappingAt } from "../../elf/module.ts"
import { readRegions } from "../../kinds/memory/pages.ts"
import { type Mapping, mapLink } from "../../proc/maps.ts"
import { CUSTOMARY_SIGNATURE } from "../../rseq/arch.x86_64.ts"
import { isInside } from "../../rseq/classify.ts"
import { DESCRIPTOR, type DescribedSection, describedSections } from "../../rseq/descriptors.ts"
import type { GuessSource } from "../../rseq/guess.ts"
import { readMemoryIfMapped } from "../../tracee/memory.ts"
import { openPlaces } from "./place.ts"

/** Where the file behind a mapping of a process may be opened, best first: its path counts in the process's own root. */
export const filesBehind =
  (pid: number) =>
  ({ start, end, path }: Mapped): string[] => [mapLink(pid, { start, end }), `/proc/${pid}/root${path}`]

/** Bytes that are searched at once, and how far two parts overlap: as long as what is looked for, an instruction or a descriptor. */
const PART = 1 << 20
const OVERLAP = DESCRIPTOR
/** What stands in front of an abort handler. */
const SIGNATURE = Buffer.from(Uint32Array.of(CUSTOMARY_SIGNATURE).buffer)

/** Memory, part by part, each with its address; undefined where it cannot be read. */
export function* partsOf(pid: number, { start, end }: Range): Generator<readonly [at: bigint, bytes: Uint8Array | undefined]> {
  for (let at = start; at < end; at += BigInt(PART - OVERLAP)) {
    const length = Number(end - at < BigInt(PART) ? end - at : BigInt(PART))
    yield [at, readMemoryIfMapped(pid, remoteAddress(at), length)]
  }
}

/**
 * Finds what describes the section that an address of code lies in, if memory of the code's own file does: code made at run time has none.
 * Each file is searched once, at the first address in it: up to 40 ms for node.
 *
 * @param maps mappings of the process, which stands still   @throws FileError the process is gone
 * Kernel: include/uapi/linux/rseq.h struct rseq_cs
 */
export function sectionFinder(pid: number, maps: readonly Mapping[]): GuessSource["sectionAt"] {
  const known = new Map<string, DescribedSection[]>()
  return (ip) => {
    const path = mappingAt(maps, ip)?.path ?? ""
    if (!path.startsWith("/")) return undefined
    const sections = known.get(path) ?? sectionsOf(pid, maps, path)
    known.set(path, sections)
    return sections.find((section) => isInside(ip, section))?.descriptor
  }
}

/** The sections that a mapped file, or the memory without a name behind its data, describes. */
function sectionsOf(pid: number, maps: readonly Mapping[], path: string): DescribedSection[] {
  const own = maps.filter((mapping) => mapping.path === path)
  const [first, last] = [own[0], own.at(-1)]
  if (!first || !last || !own.some((mapping) => mapping.exec && hasSignature(pid, own, mapping))) return []
  const code = { start: first.start, end: last.end }
  const behind = maps.filter((mapping) => mapping.path === "" && mapping.start === last.end)
  const searched = isMoved(pid, maps, first) ? [...own, ...behind].flatMap((mapping) => writtenParts(pid, mapping)) : [...own, ...behind]
  return searched
    .flatMap((range) => [...partsOf(pid, range)].flatMap(([at, bytes]) => (bytes ? describedSections(bytes, at, code) : [])))
    .filter(({ abortIp }) => isCustomary(readMemoryIfMapped(pid, remoteAddress(abortIp - 4n), 4)))
}

/** Whether code of a file may have abort handlers: most has none, and is searched for what stands in front of them far sooner. */
function hasSignature(pid: number, own: readonly Mapping[], { start, end }: Mapping): boolean {
  const from = own.some((mapping) => mapping.end === start) ? start - BigInt(SIGNATURE.length) : start
  // What cannot be read could hold anything.
  for (const [, bytes] of partsOf(pid, { start: from, end }))
    if (!bytes || Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(SIGNATURE)) return true
  return false
}

/** Whether a file stands elsewhere than it was linked for: what it says of addresses was put right when it was loaded, or is wrong. */
function isMoved(pid: number, maps: readonly Mapping[], mapping: Mapping): boolean {
  using places = openPlaces(maps, filesBehind(pid))
  const found = places.elf(mapping)
  return found !== null && found.elf.type === ET_DYN && found.bias !== 0n
}

/** What a process has written of a mapping: pages of its own, and in front of each room for the beginning of a descriptor. */
function writtenParts(pid: number, { start, end, shared }: Mapping): Range[] {
  if (shared) return [{ start, end }]
  const fd = openSync(`/proc/${pid}/pagemap`, "r")
  try {
    return [...readRegions(fd, start, end)].map((region) => {
      const from = region.start - BigInt(DESCRIPTOR)
      return { start: from > start ? from : start, end: region.end }
    })
  } finally {
    closeSync(fd)
  }
}

const isCustomary = (bytes: Uint8Array | undefined): boolean => bytes !== undefined && SIGNATURE.equals(bytes)
