import { type Range, type RemoteAddress, remoteAddress } from "../base/units.ts"
import { GADGETS } from "./arch.x86_64.ts"
import { PEEK, peekMemory, readMemoryIfMapped } from "./memory.ts"

/** Instructions of the target's own code that injection starts from. */
export interface Gadgets {
  /** A system call instruction; with `signalReturn` known it is followed by a return. */
  readonly syscall: RemoteAddress
  /** A signal return, so that the bootstrap undoes itself if the tool dies; undefined where the program has none. */
  readonly signalReturn: RemoteAddress | undefined
}

/** An executable mapping to search. */
export interface CodeRange extends Range {
  readonly path: string
  /**
   * Offset in the file, bytes; with path, device and inode it tells what code that is: snapshots of btrfs share numbers. Inode 0 = no file.
   */
  readonly offset: bigint
  readonly inode: bigint
  readonly devMajor: number
  readonly devMinor: number
}

/** Windows overlap by so many bytes, so that no pattern is cut in two. */
const OVERLAP = 16

/** Where in a range each pattern first stands, bytes from its start. */
interface Found {
  syscallReturn: bigint | undefined
  signalReturn: bigint | undefined
  syscall: bigint | undefined
}

/** What was found in files: many processes of a tree run the same code. What is used is looked at again, see `gadgetsStand`. */
const known = new Map<string, Found>()

/** Searches one range, up to where it has all that is wanted of it. */
function search(pid: number, { start, end }: CodeRange): Found {
  const found: Found = { syscallReturn: undefined, signalReturn: undefined, syscall: undefined }
  for (let at = start; at < end; at += BigInt(PEEK - OVERLAP)) {
    const code = peekMemory(pid, remoteAddress(at), Number(end - at < BigInt(PEEK) ? end - at : BigInt(PEEK)))
    if (!code) continue
    for (const name of ["syscallReturn", "signalReturn", "syscall"] as const)
      for (const pattern of GADGETS[name]) {
        const index = found[name] === undefined ? code.indexOf(pattern) : -1
        if (index >= 0) found[name] = at - start + BigInt(index)
      }
    if (found.syscallReturn !== undefined && found.signalReturn !== undefined) break
  }
  return found
}

function searchOnce(pid: number, range: CodeRange): Found {
  const { start, end, path, offset, inode, devMajor, devMinor } = range
  if (inode === 0n) return search(pid, range)
  return known.getOrInsertComputed(`${devMajor}:${devMinor}:${inode}:${offset}:${end - start}:${path}`, () => search(pid, range))
}

/**
 * Searches executable mappings for the gadgets of this architecture, libc first.
 *
 * @returns undefined when not even a system call instruction exists
 */
export function findGadgets(pid: number, code: readonly CodeRange[]): Gadgets | undefined {
  const libcFirst = [...code].sort((a, b) => rank(a.path) - rank(b.path))
  let syscallReturn: bigint | undefined
  let signalReturn: bigint | undefined
  let plain: bigint | undefined
  for (const range of libcFirst) {
    const found = searchOnce(pid, range)
    const place = (offset: bigint | undefined): bigint | undefined => (offset === undefined ? undefined : range.start + offset)
    syscallReturn ??= place(found.syscallReturn)
    signalReturn ??= place(found.signalReturn)
    plain ??= place(found.syscall)
    if (syscallReturn && signalReturn) return { syscall: remoteAddress(syscallReturn), signalReturn: remoteAddress(signalReturn) }
  }
  return plain === undefined ? undefined : { syscall: remoteAddress(plain), signalReturn: undefined }
}

const rank = (path: string): number => (/\/(libc[.-]|ld-musl|libc\.so)/.test(path) ? 0 : path.startsWith("/") ? 1 : 2)

/** True when the instructions still stand where they were found: code that was found before a freeze may have been unmapped. */
export function gadgetsStand(pid: number, { syscall, signalReturn }: Gadgets): boolean {
  const stands = (at: RemoteAddress, patterns: readonly Buffer[]): boolean =>
    patterns.some((pattern) => {
      const found = readMemoryIfMapped(pid, at, pattern.length)
      return found !== undefined && pattern.equals(found)
    })
  if (signalReturn === undefined) return stands(syscall, GADGETS.syscall)
  return stands(syscall, GADGETS.syscallReturn) && stands(signalReturn, GADGETS.signalReturn)
}
